//! Which records are replayed, as it is said on the command line.
//!
//! ```text
//! moment = RFC 3339 time / how long ago, "15m"
//! span   = TOPIC "-" PARTITION ":" FROM ["-" TO]      both included
//! ```

use std::time::SystemTime;

#[derive(Debug, Clone)]
pub(super) enum Range {
    Times {
        /// None is all that are subscribed to.
        topics: Vec<String>,
        since_ms: i64,
        /// None is all that is there when it begins.
        until_ms: Option<i64>,
    },
    Offsets(Vec<Span>),
}

/// Offsets of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub topic: String,
    pub partition: i32,
    pub from: i64,
    /// The last one; none is the last there is.
    pub to: Option<i64>,
}

pub(super) fn moment(text: &str) -> Result<SystemTime, String> {
    if let Ok(time) = humantime::parse_rfc3339(text) {
        return Ok(time);
    }
    let ago = humantime::parse_duration(text).ok().and_then(|ago| SystemTime::now().checked_sub(ago));
    ago.ok_or_else(|| "expected a time such as 2026-11-22T12:35:00Z, or how long ago, such as 15m".to_owned())
}

/// A topic's name may have hyphens, so the partition is taken from the end; colons it cannot have.
pub(super) fn span(text: &str) -> Result<Span, String> {
    let span = (|| {
        let (place, offsets) = text.split_once(':')?;
        let (topic, partition) = place.rsplit_once('-').filter(|(topic, _)| !topic.is_empty())?;
        let (from, to) = match offsets.split_once('-') {
            Some((from, to)) => (from.parse::<u32>().ok()?.into(), Some(i64::from(to.parse::<u32>().ok()?))),
            None => (offsets.parse::<u32>().ok()?.into(), None),
        };
        let partition = i32::try_from(partition.parse::<u32>().ok()?).ok()?;
        Some(Span { topic: topic.to_owned(), partition, from, to })
            .filter(|span| to.is_none_or(|to| span.from <= to))
    })();
    span.ok_or_else(|| "expected TOPIC-PARTITION:FROM-TO, such as order.created-2:1000-1041".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_partition_and_its_offsets() {
        let check = |text: &str, expected: Option<(&str, i32, i64, Option<i64>)>| {
            let span = span(text).ok();
            let parts = span.as_ref().map(|span| (span.topic.as_str(), span.partition, span.from, span.to));
            assert_eq!(parts, expected, "{text}");
        };
        check("order.created-2:1000-1041", Some(("order.created", 2, 1_000, Some(1_041))));
        check("a-b-0:7", Some(("a-b", 0, 7, None)));
        check("t-0:7-7", Some(("t", 0, 7, Some(7))));
        for wrong in ["t-0:8-7", "t:1-2", "-0:1-2", "t-0", "t-0:", "t-0:-1", "t-0:x", "t-x:0"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(moment("1970-01-01T00:00:00Z").unwrap(), SystemTime::UNIX_EPOCH);
        let ago = SystemTime::now().duration_since(moment("15m").unwrap()).unwrap();
        assert!((899..960).contains(&ago.as_secs()), "{ago:?}");
        for wrong in ["", "yesterday", "15", "-15m"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
