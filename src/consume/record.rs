//! A Kafka record, lent by its source or kept beyond the loan, with its key and headers.
//!
//! A `Debug` of either tells where the record stands and how long its parts are, never what is in them.

use super::{Headers, OwnedHeader};
use crate::trace::{self, TraceParent};
use std::fmt;

/// One Kafka record, lent by its source.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since 1970, from the producer or the broker as the topic is set up.
    pub timestamp_ms: Option<i64>,
    pub key: Option<&'a [u8]>,
    pub headers: Headers<'a>,
    /// None is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A record that is kept beyond its source's loan.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct OwnedRecord {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<OwnedHeader>,
    pub value: Option<Vec<u8>>,
}

/// What its headers say of a record's trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    None,
    /// There is a header, and it is none that the recommendation knows.
    Invalid,
    Parent(TraceParent),
}

impl Trace {
    pub fn parent(self) -> Option<TraceParent> {
        match self {
            Trace::Parent(parent) => Some(parent),
            Trace::None | Trace::Invalid => None,
        }
    }
}

impl Record<'_> {
    /// Of several such headers the last counts, as for Kafka's own clients.
    pub fn trace(&self) -> Trace {
        let headers = self.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(trace::HEADER));
        match headers.last() {
            None => Trace::None,
            Some(header) => {
                let parent = header.value.and_then(TraceParent::parse);
                parent.map_or(Trace::Invalid, Trace::Parent)
            }
        }
    }

    pub fn to_owned(self) -> OwnedRecord {
        OwnedRecord {
            topic: self.topic.to_owned(),
            partition: self.partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.map(<[u8]>::to_vec),
            headers: self.headers.iter().map(OwnedHeader::from).collect(),
            value: self.value.map(<[u8]>::to_vec),
        }
    }
}

impl OwnedRecord {
    pub fn lend(&self) -> Record<'_> {
        Record {
            topic: &self.topic,
            partition: self.partition,
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref(),
            headers: Headers::owned(&self.headers),
            value: self.value.as_deref(),
        }
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Record")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("offset", &self.offset)
            .field("headers", &self.headers.iter().count())
            .field("value_bytes", &self.value.map(<[u8]>::len))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lend().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_traceparent_counts_in_any_case() {
        const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = Trace::Parent(TraceParent::parse(PARENT.as_bytes()).unwrap());
        let check = |headers: &[(&str, Option<&str>)], expected: &Trace| {
            let headers = headers.iter().map(|(name, value)| OwnedHeader {
                name: (*name).into(),
                value: value.map(|value| value.as_bytes().into()),
            });
            let record = OwnedRecord { headers: headers.collect(), ..OwnedRecord::default() };
            assert_eq!(record.lend().trace(), *expected);
        };
        check(&[], &Trace::None);
        check(&[("tracestate", Some(PARENT))], &Trace::None);
        check(&[("traceparent", Some(PARENT))], &parent);
        check(&[("Traceparent", Some(PARENT))], &parent);
        check(&[("traceparent", Some("x")), ("traceparent", Some(PARENT))], &parent);
        check(&[("traceparent", Some(PARENT)), ("traceparent", None)], &Trace::Invalid);
    }

    #[test]
    fn what_is_kept_is_what_was_lent_and_neither_shows_its_content() {
        let header = |name: &str, value: Option<&[u8]>| OwnedHeader {
            name: name.into(),
            value: value.map(Into::into),
        };
        let kept = OwnedRecord {
            topic: "t".to_owned(),
            key: Some(b"hunter2".to_vec()),
            headers: vec![header("a", Some(b"hunter2")), header("a", None)],
            value: Some(b"hunter2".to_vec()),
            ..OwnedRecord::default()
        };
        assert_eq!(kept.lend().to_owned(), kept);
        assert!(!format!("{kept:?}").contains("hunter2"));
    }
}
