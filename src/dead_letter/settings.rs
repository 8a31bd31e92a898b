//! The settings of section `[dead_letter]`.

use crate::settings::Document;

/// Where dead letters go.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The topic; none is off.
    pub topic: Option<String>,
}

impl Settings {
    /// `is_read` tells whether the service reads a topic: a letter that came in again would be sent again.
    pub fn read(document: &mut Document, is_read: impl Fn(&str) -> bool) -> Settings {
        let mut section = document.section("dead_letter", "Copies of records that cannot be delivered.");
        let topic = section
            .key("topic", "Topic for copies of records that cannot be delivered; none: no copies.")
            .text_if_set();
        match topic.as_deref() {
            Some("") => section.fault("topic", "is empty: name a topic, or leave the key out"),
            Some(name) if is_read(name) => section.fault(
                "topic",
                format!("{name:?} is one of kafka.topics: letters would come in again; name another topic"),
            ),
            _ => {}
        }
        Settings { topic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_text;

    #[test]
    fn a_topic_that_is_read_is_refused() {
        let read = |text: &str| {
            read_text(text, |document| Settings::read(document, |topic| topic.starts_with("order.")).topic)
        };
        assert_eq!(read("").unwrap(), None);
        assert_eq!(read("[dead_letter]\ntopic = \"dead\"").unwrap().as_deref(), Some("dead"));
        assert!(read("[dead_letter]\ntopic = \"\"").unwrap_err().contains("is empty"));
        let looped = read("[dead_letter]\ntopic = \"order.dead\"").unwrap_err();
        assert!(looped.contains("in dead_letter.topic: \"order.dead\" is one of kafka.topics"), "{looped}");
    }
}
