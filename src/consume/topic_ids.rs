//! Which topic a name stands for: Kafka gives each topic an id, and one that is deleted and made anew has another.
//!
//! ```text
//! [thrd:main]: Topic order.created changed id from AAAAAAAAAAAAAAAAAAAAAA to t/mDmclJSi+B5PPuzvPzMA
//! ```
//!
//! librdkafka knows the ids, and its interface gives them to nobody; but it says them in its debug log, each when it
//! hears of it, and always before it fetches by it. So that line is read here. An end-to-end test would notice if
//! another version of it said it otherwise.

use std::collections::HashMap;

/// What librdkafka calls the group of its log lines that has this one.
pub(super) const DEBUG_CONTEXT: &str = "topic";

/// What it calls the id of a topic when it asked a broker that is too old to know ids: a cluster that is being upgraded
/// has both kinds. The topic is the same as before.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

#[derive(Debug, Default)]
pub(super) struct TopicIds(HashMap<String, String>);

/// A topic's id is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub topic: String,
    pub id: String,
    /// It had another one before.
    pub is_anew: bool,
}

impl TopicIds {
    /// What a line of the client's log tells that was not known.
    pub fn read(&mut self, message: &str) -> Option<Named> {
        let (topic, id) = changed(message)?;
        let before = self.0.insert(topic.to_owned(), id.to_owned());
        let named = Named { topic: topic.to_owned(), id: id.to_owned(), is_anew: before.is_some() };
        (before.as_deref() != Some(id)).then_some(named)
    }

    pub fn get(&self, topic: &str) -> Option<&str> {
        self.0.get(topic).map(String::as_str)
    }
}

fn changed(message: &str) -> Option<(&str, &str)> {
    let (topic, ids) = message.split_once(" changed id from ")?;
    let (_, topic) = topic.rsplit_once("Topic ")?;
    let (_, id) = ids.split_once(" to ")?;
    (id != NO_ID).then_some((topic, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_an_id_and_then_another_one() {
        let mut ids = TopicIds::default();
        let mut read = |topic: &str, from: &str, to: &str| {
            let named = ids.read(&format!("[thrd:main]: Topic {topic} changed id from {from} to {to}"))?;
            assert_eq!((named.topic.as_str(), named.id.as_str()), (topic, to));
            Some(named.is_anew)
        };
        assert_eq!(read("order.created", "AAAA", "8mSW/+"), Some(false));
        assert_eq!(read("order.condition", "AAAA", "Tu2B"), Some(false));
        // librdkafka has forgotten what it knew.
        assert_eq!(read("order.created", "AAAA", "8mSW/+"), None);
        assert_eq!(read("order.created", "AAAA", "ZsgjX"), Some(true));
        assert_eq!(ids.get("order.created"), Some("ZsgjX"));
        assert_eq!(ids.read("[thrd:main]: Topic t [0]: fetch started"), None);
    }

    #[test]
    fn a_broker_that_gives_no_ids_makes_no_topic_another_one() {
        let mut ids = TopicIds::default();
        let mut read =
            |id: &str| ids.read(&format!("[thrd:main]: Topic t changed id from whatever to {id}")).is_some();
        assert!(read("8mSW/+"));
        assert!(!read("AAAAAAAAAAAAAAAAAAAAAA") && !read("8mSW/+"));
        assert!(read("ZsgjX"));
        assert_eq!(ids.get("t"), Some("ZsgjX"));
    }
}
