//! The `[board]` section: whether there is a page, and for whom.

use super::Scene;
use crate::event::Key;
use crate::settings::Document;

#[derive(Debug, Clone)]
pub struct Settings {
    pub enabled: bool,
    /// What a token must give to see anything there.
    pub key: Key,
    /// No setting: only a demo has one of its own.
    pub scene: Scene,
}

impl Settings {
    pub fn read(document: &mut Document) -> Settings {
        let mut section =
            document.section("board", "A page at / that shows staff live who gets which event, and why not.");
        let enabled = section.key("enabled", "Whether there is the page at all.").flag(false);
        let key =
            section.key("key", "The key that a token must give to be shown anything.").text("role:ADMIN");
        // The service itself asks for an audience by keys, and none is empty.
        if key.is_empty() {
            section.fault("key", "is empty: then nobody would see anything");
        }
        Settings { enabled, key: Key::new(&key), scene: Scene::Staff }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_off_unless_switched_on_and_for_admins_unless_said_otherwise() {
        let read = |text: &str| {
            let mut document = Document::parse("dumbwaiter.toml", text);
            let settings = Settings::read(&mut document);
            (settings.enabled, settings.key.as_str().to_owned(), document.finish().is_ok())
        };
        assert_eq!(read(""), (false, "role:ADMIN".to_owned(), true));
        assert_eq!(
            read("[board]\nenabled = true\nkey = \"role:OWNER\""),
            (true, "role:OWNER".to_owned(), true)
        );
        assert!(!read("[board]\nkey = \"\"").2);
    }
}
