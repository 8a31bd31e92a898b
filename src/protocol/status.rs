//! `STATUS`: what a client that asked for more than the contracts is told beside events.
//!
//! ```text
//! {"resumed":BOOL,"gap":null / REASON,"stale_since":null / TIME}                to whoever asked for cursors
//! {"resumed":BOOL,"gap":null / REASON,"stale_since":null / TIME,"since":TIME}   to whoever asked for a replay
//! ```
//!
//! TIME is RFC 3339, UTC.

use super::{Protocol, cursor_frame, event_frame};
use bytes::Bytes;
use serde::{Serialize, Serializer};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where a connection stands before its first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The connection goes on where the given cursor stands; nothing is missing.
    pub resumed: bool,
    /// What lies between can't be had, and why.
    pub gap: Option<Gap>,
    /// Since when the picture is stale: some records are known to be there, or may be, and do not get through.
    #[serde(serialize_with = "seconds")]
    pub stale_since: Option<SystemTime>,
    /// The time from which on a replay has all that the client may see, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "milliseconds")]
    pub since: Option<i64>,
}

/// Why something can't be had that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// It is older than the window, and not in Kafka any more or not read from there.
    TooOld,
    /// The cursor is not one of this cluster, or is damaged.
    Unreadable,
    /// The cursor stands behind Kafka's end: a topic was deleted and made anew.
    Recreated,
    /// There is more of it than is read for one client.
    TooMuch,
    /// Reading it took too long.
    Timeout,
    /// Too many clients want such at once.
    Busy,
    /// Kafka does not answer.
    Unavailable,
    /// Among it are changes of an order whose owner is not known any more, who may be this client.
    OwnerUnknown,
}

impl Gap {
    /// Every reason there is.
    pub const ALL: [Self; 8] = [
        Self::TooOld,
        Self::Unreadable,
        Self::Recreated,
        Self::TooMuch,
        Self::Timeout,
        Self::Busy,
        Self::Unavailable,
        Self::OwnerUnknown,
    ];

    /// As in `STATUS`; a label of metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Gap::TooOld => "too_old",
            Gap::Unreadable => "unreadable",
            Gap::Recreated => "recreated",
            Gap::TooMuch => "too_much",
            Gap::Timeout => "timeout",
            Gap::Busy => "busy",
            Gap::Unavailable => "unavailable",
            Gap::OwnerUnknown => "owner_unknown",
        }
    }
}

/// The finished `STATUS` frame, with its cursor where the client asked for cursors.
pub fn status_frame(protocol: Protocol, status: Status, cursor: Option<&str>) -> Bytes {
    let payload = serde_json::to_vec(&status).expect("a status has no map and no float");
    let frame = event_frame(protocol, "STATUS", &payload);
    match cursor {
        None => frame,
        Some(cursor) => cursor_frame(protocol, &frame, cursor),
    }
}

fn seconds<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(&humantime::format_rfc3339_seconds(*time)),
        None => serializer.serialize_none(),
    }
}

/// A time that RFC 3339 cannot say is the beginning of its time.
fn milliseconds<S: Serializer>(millis: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    let millis =
        millis.and_then(|millis| u64::try_from(millis).ok()).filter(|millis| *millis < YEAR_10000_MS);
    let time = UNIX_EPOCH + Duration::from_millis(millis.unwrap_or(0));
    serializer.collect_str(&humantime::format_rfc3339_millis(time))
}

const YEAR_10000_MS: u64 = 253_402_300_800_000;

#[cfg(test)]
mod tests {
    use super::super::frame_text;
    use super::*;

    fn json(status: Status) -> String {
        serde_json::to_string(&status).unwrap()
    }

    #[test]
    fn a_status_names_the_time_only_where_one_was_asked_for() {
        let status = Status { resumed: true, gap: None, stale_since: None, since: None };
        assert_eq!(json(status), r#"{"resumed":true,"gap":null,"stale_since":null}"#);
        let status = Status { since: Some(1_795_345_200_123), ..status };
        assert_eq!(
            json(status),
            r#"{"resumed":true,"gap":null,"stale_since":null,"since":"2026-11-22T11:00:00.123Z"}"#
        );
        let last = 253_402_300_799_999;
        assert!(json(Status { since: Some(last), ..status }).contains("\"9999-12-31T23:59:59.999Z\""));
        for odd in [i64::MIN, -1, last + 1, i64::MAX] {
            assert!(json(Status { since: Some(odd), ..status }).contains("1970"), "{odd}");
        }
    }

    #[test]
    fn a_status_is_an_event_of_its_protocol() {
        let status = Status { resumed: false, gap: Some(Gap::TooOld), stale_since: None, since: None };
        let check = |protocol, cursor, expected: &str| {
            let frame = status_frame(protocol, status, cursor);
            assert_eq!(frame_text(&frame), expected);
        };
        let data = r#"{"resumed":false,"gap":"too_old","stale_since":null}"#;
        check(Protocol::Plain, None, &format!(r#"{{"event_name":"STATUS","data":{data}}}"#));
        check(
            Protocol::Plain,
            Some("c"),
            &format!(r#"{{"event_name":"STATUS","data":{data},"cursor":"c"}}"#),
        );
        check(Protocol::SocketIo, Some("c"), &format!(r#"42["STATUS",{data},"c"]"#));
    }

    #[test]
    fn a_gap_is_told_and_counted_by_one_name() {
        let gaps = [Gap::TooOld, Gap::Unreadable, Gap::Recreated, Gap::TooMuch, Gap::Timeout, Gap::Busy];
        for gap in gaps.into_iter().chain([Gap::Unavailable, Gap::OwnerUnknown]) {
            assert_eq!(serde_json::to_string(&gap).unwrap(), format!("{:?}", gap.label()));
        }
    }
}
