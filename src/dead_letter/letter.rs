//! What a dead letter says in its headers, beside those that the record came with.
//!
//! ```text
//! dumbwaiter.reason              the reason, as the metric's label has it: truncated
//! dumbwaiter.topic               where the record is
//! dumbwaiter.partition           in decimal digits
//! dumbwaiter.offset              in decimal digits
//! dumbwaiter.timestamp           the record's own, milliseconds since 1970; absent if it has none
//! dumbwaiter.schema_id           or schema_guid, schema_global_id, schema_fingerprint: what the record names its
//!                                writer's schema by; absent if it does not
//! ```
//!
//! They come last, so that of a letter that was sent through once more the newest ones count.

use crate::consume::{OwnedHeader, Record};
use crate::decode::{Poison, SchemaReference};

/// All headers of a letter.
pub(super) fn headers<'a>(
    record: Record<'a>,
    poison: Poison,
    schema: Option<&SchemaReference>,
) -> impl Iterator<Item = OwnedHeader> + use<'a> {
    let said = [
        Some(header("reason", poison.label())),
        Some(header("topic", record.topic)),
        Some(header("partition", &record.partition.to_string())),
        Some(header("offset", &record.offset.to_string())),
        record.timestamp_ms.map(|millis| header("timestamp", &millis.to_string())),
        schema.map(|schema| header(schema.kind(), &schema.to_string())),
    ];
    record.headers.iter().map(OwnedHeader::from).chain(said.into_iter().flatten())
}

fn header(name: &str, value: &str) -> OwnedHeader {
    OwnedHeader { name: format!("dumbwaiter.{name}").into(), value: Some(value.as_bytes().into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::OwnedRecord;
    use crate::decode::SchemaId;

    #[test]
    fn a_letter_keeps_the_record_s_headers_and_says_why_and_where_from() {
        let record = OwnedRecord {
            topic: "order.created".to_owned(),
            partition: 2,
            offset: 40,
            timestamp_ms: Some(1_650_703_781_870),
            headers: vec![
                OwnedHeader { name: "trace".into(), value: Some(Box::new(*b"t1")) },
                OwnedHeader { name: "empty".into(), value: None },
            ],
            ..OwnedRecord::default()
        };
        let schema = SchemaReference::Id(SchemaId(7));
        let shown: Vec<_> = headers(record.lend(), Poison::Truncated, Some(&schema))
            .map(|header| format!("{}={:?}", header.name, header.value.as_deref().map(str::from_utf8)))
            .collect();
        let expected = [
            "trace=Some(Ok(\"t1\"))",
            "empty=None",
            "dumbwaiter.reason=Some(Ok(\"truncated\"))",
            "dumbwaiter.topic=Some(Ok(\"order.created\"))",
            "dumbwaiter.partition=Some(Ok(\"2\"))",
            "dumbwaiter.offset=Some(Ok(\"40\"))",
            "dumbwaiter.timestamp=Some(Ok(\"1650703781870\"))",
            "dumbwaiter.schema_id=Some(Ok(\"7\"))",
        ];
        assert_eq!(shown, expected);
        let bare = OwnedRecord::default();
        assert_eq!(headers(bare.lend(), Poison::WrongMagic, None).count(), 4);
    }
}
