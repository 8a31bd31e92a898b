//! `since`: from when on a client wants the events that have been, as a duration back from now or as a time.
//!
//! ```text
//! since = duration / time
//! duration = "15m" / "1h 30m" / ..      time = RFC 3339, "2026-11-22T11:00:00Z"
//! ```

use crate::clock::unix_ms;
use crate::limits::SINCE_QUOTED_MAX_CHARS;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The text is neither.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "since={text:?} is neither a duration such as 15m, 1h or 1d nor a time by RFC 3339 such as 2026-11-22T11:00:00Z"
)]
pub(super) struct BadSince {
    text: String,
}

/// In milliseconds since 1970; farther back than `reach` is `reach`.
pub(super) fn parse(text: &str, now: SystemTime, reach: Duration) -> Result<i64, BadSince> {
    let back = humantime::parse_duration(text).map(|back| now.checked_sub(back).unwrap_or(UNIX_EPOCH));
    let time = back
        .or_else(|_| humantime::parse_rfc3339(text))
        .map_err(|_| BadSince { text: text.chars().take(SINCE_QUOTED_MAX_CHARS).collect() })?;
    let time = time.max(now.checked_sub(reach).unwrap_or(UNIX_EPOCH));
    Ok(unix_ms(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times() {
        let now = humantime::parse_rfc3339("2026-11-22T11:00:00Z").unwrap();
        let check = |text, expected: Option<&str>| {
            let time = |millis: i64| UNIX_EPOCH + Duration::from_millis(millis.try_into().unwrap());
            let answer = parse(text, now, Duration::from_secs(86_400)).ok();
            let answer = answer.map(|millis| humantime::format_rfc3339(time(millis)).to_string());
            assert_eq!(answer.as_deref(), expected, "{text:?}");
        };
        check("15m", Some("2026-11-22T10:45:00Z"));
        check("0s", Some("2026-11-22T11:00:00Z"));
        check("1h 30m", Some("2026-11-22T09:30:00Z"));
        check("2026-11-22T10:59:59Z", Some("2026-11-22T10:59:59Z"));
        check("3d", Some("2026-11-21T11:00:00Z"));
        check("1000000y", Some("2026-11-21T11:00:00Z"));
        check("1969-01-01T00:00:00Z", None);
        check("2026-12-01T00:00:00Z", Some("2026-12-01T00:00:00Z"));
        for text in ["", "15", "m", "-15m", "yesterday", "2026-11-22", "11:00", "99999999999999999999999d"] {
            check(text, None);
        }
    }

    #[test]
    fn a_refusal_names_the_value_but_not_all_of_a_long_one() {
        let refusal = |text: &str| parse(text, SystemTime::now(), Duration::ZERO).unwrap_err().to_string();
        assert!(refusal("soon").starts_with("since=\"soon\" is neither a duration such as 15m"));
        assert!(refusal(&"x".repeat(10_000)).len() < 300);
    }
}
