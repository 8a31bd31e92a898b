//! The `[journal]` and `[cursor]` sections: how much of the newest events is kept, and who can read a cursor.

use crate::limits::{CURSOR_SECRET_MIN_BYTES, JOURNAL_MAX_BYTES, WINDOW_MAX_AGE, WINDOW_MAX_BYTES};
use crate::settings::{Document, Section};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Settings {
    pub max_bytes: usize,
    pub max_age: Duration,
    /// The first one seals cursors, all of them open.
    pub cursor_keys: Vec<SecretString>,
}

impl Settings {
    pub fn read(document: &mut Document) -> Settings {
        let mut section = document.section("cursor", "What clients carry to go on where they were.");
        let key = "Secret that encrypts cursors, so that offsets tell nobody the shop's volume; the same for all instances.";
        let key = read_cursor_key(&mut section, "key", key);
        let previous = "Former secret, whose cursors are still understood.";
        let previous = read_cursor_key(&mut section, "previous_key", previous);
        if key.is_none() && previous.is_some() {
            section.fault("previous_key", "is set without cursor.key: set the new one, or leave both out");
        }
        let mut section =
            document.section("journal", "The window of newest events that slow clients catch up from.");
        Settings {
            max_bytes: section
                .key("max_bytes", "Memory for the window; the oldest events leave first.")
                .bytes(WINDOW_MAX_BYTES, 1 << 20..=JOURNAL_MAX_BYTES),
            max_age: section
                .key("max_age", "Age at which events leave the window.")
                .duration(WINDOW_MAX_AGE, Duration::from_secs(1)..=Duration::from_secs(86_400)),
            cursor_keys: key.into_iter().chain(previous).collect(),
        }
    }
}

fn read_cursor_key(section: &mut Section<'_>, name: &'static str, doc: &'static str) -> Option<SecretString> {
    let key = section.key(name, doc).secret()?;
    let bytes = key.expose_secret().len();
    if bytes < CURSOR_SECRET_MIN_BYTES {
        let way_out = format!(
            "has {bytes} bytes, {CURSOR_SECRET_MIN_BYTES} are needed at least (make one: openssl rand -base64 48)"
        );
        section.fault(name, way_out);
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_text;

    #[test]
    fn the_new_key_of_cursors_comes_before_the_former_one() {
        let check =
            |text: &str, expected: Result<&[&str], &str>| match (read_text(text, Settings::read), expected) {
                (Ok(Settings { cursor_keys, .. }), Ok(expected)) => {
                    let keys: Vec<&str> = cursor_keys.iter().map(ExposeSecret::expose_secret).collect();
                    assert_eq!(keys, expected, "{text}");
                }
                (Err(told), Err(expected)) => assert!(told.contains(expected), "{told}"),
                (told, _) => panic!("{text}: {told:?}"),
            };
        let (new, former) = ("n".repeat(CURSOR_SECRET_MIN_BYTES), "f".repeat(CURSOR_SECRET_MIN_BYTES));
        check("", Ok(&[]));
        check(&format!("[cursor]\nkey = {new:?}"), Ok(&[&new]));
        check(&format!("[cursor]\nkey = {new:?}\nprevious_key = {former:?}"), Ok(&[&new, &former]));
        check(
            &format!("[cursor]\nprevious_key = {former:?}"),
            Err("in cursor.previous_key: is set without cursor.key"),
        );
        check(&format!("[cursor]\nkey = {:?}", &new[1..]), Err("in cursor.key: has 31 bytes, 32 are needed"));
        check("[journal]\nmax_bytes = \"1023KiB\"", Err("in journal.max_bytes"));
    }
}
