//! One event, as a line for people or for programs.

use crate::cli::output::{Colour, Paint, put};
use serde_json::json;
use serde_json::value::RawValue;
use std::io;
use std::time::SystemTime;

pub(super) struct Show {
    pub json: bool,
    pub paint: Paint,
}

impl Show {
    /// Fails when nobody reads any more.
    pub fn event(&self, name: &str, data: &RawValue) -> io::Result<()> {
        put(&self.line(name, data, SystemTime::now()))
    }

    fn line(&self, name: &str, data: &RawValue, now: SystemTime) -> String {
        let received_at = humantime::format_rfc3339_millis(now).to_string();
        if self.json {
            // The data stays as it came, letter by letter.
            return format!(
                r#"{{"received_at":{},"event":{},"data":{}}}"#,
                json!(received_at),
                json!(name),
                data.get()
            );
        }
        let time = received_at.split(['T', 'Z']).nth(1).unwrap_or_default();
        let (time, name) =
            (self.paint.paint(Colour::Grey, &time), self.paint.paint(Colour::Cyan, &harmless(name)));
        format!("{time}  {name}  {}", harmless(data.get()))
    }
}

/// What comes from elsewhere must not steer the terminal.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn check(json: bool, name: &str, data: &str, expected: &str) {
        let show = Show { json, paint: Paint::PLAIN };
        let data = RawValue::from_string(data.to_owned()).unwrap();
        let now = UNIX_EPOCH + Duration::from_millis(1_795_350_900_007);
        assert_eq!(show.line(name, &data, now), expected);
    }

    #[test]
    fn an_event_is_one_line() {
        check(false, "order:new", r#"{"cost":10}"#, r#"12:35:00.007  order:new  {"cost":10}"#);
        check(
            true,
            "order:new",
            r#"{"cost":1.0}"#,
            r#"{"received_at":"2026-11-22T12:35:00.007Z","event":"order:new","data":{"cost":1.0}}"#,
        );
        check(false, "a\x1b[2J", "\"\u{9b}\"", "12:35:00.007  a\u{fffd}[2J  \"\u{fffd}\"");
    }
}
