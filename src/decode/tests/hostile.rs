//! Bytes that nobody should have sent: a reason, never a panic, never much memory.
//!
//! Each reason that a body can be poison for has a case; valid records are cut off at every byte, lengthened and
//! damaged; arbitrary bytes are read by every kind of step.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::limits::{ITEMS_MAX, PAYLOAD_MAX_BYTES};

/// One of everything, with what takes no bytes, and fields that are skipped or change places.
const MIXED_WRITER: &str = r#"{"type":"record","name":"M","fields":[
    {"name":"nulls","type":{"type":"array","items":"null"}},
    {"name":"map","type":{"type":"map","values":["null","int","string"]}},
    {"name":"gone","type":{"type":"array","items":{"type":"map","values":["null","string"]}}},
    {"name":"flag","type":"boolean"},
    {"name":"enum","type":{"type":"enum","name":"E","symbols":["P","Q"]}},
    {"name":"decimal","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"float","type":"float"},
    {"name":"owner","type":["null","string","int"]}]}"#;

const MIXED_READER: &str = r#"{"type":"record","name":"M","fields":[
    {"name":"owner","type":["null","string","long"]},
    {"name":"nulls","type":{"type":"array","items":"null"}},
    {"name":"map","type":{"type":"map","values":["null","long","string"]}},
    {"name":"flag","type":"boolean"},
    {"name":"enum","type":"string"},
    {"name":"decimal","type":"double"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"},"json":"rfc3339-micros"},
    {"name":"float","type":"double"}]}"#;

fn mixed_body() -> Vec<u8> {
    let mut body = vec![4, 0]; // nulls: a block of two items, the end
    body.extend([2, 2, b'k', 4, 2, b'v', 0]); // map: one entry, its key, branch string, the end
    body.extend([2, 2, 2, b'k', 0, 0, 0]); // gone: one map of one entry, branch null, both ends
    body.extend([1, 0, 2, 5]); // flag, enum, decimal of one byte
    body.extend([2, 0, 0, 0, 0, 2, 2, b'o']); // at, float, branch string
    body
}

fn documented_bodies() -> Vec<(Plan, Vec<u8>)> {
    let order = json!({
        "_id": "1", "number": 1, "clientId": "c", "phone": "2", "address": "ул. \"б\"", "cost": 1, "weight": 300,
        "username": "u", "condition": "NEW", "delivery": true, "deliveryCost": 5, "additionalInformation": null,
        "discount": { "type": "WEEKDAY", "percent": 1.5 }, "deliveryCalculateManually": false, "time": 1,
        "productsSum": 1, "isTestOrder": false, "createdAt": 1_650_703_781_870_i64, "updatedAt": 1,
        "products": [{ "cost": 1, "weight": 1, "number": 1, "variant": null, "product": {
            "_id": "p", "visible": true, "title": "t", "description": "d", "ingredients": ["i", "j"],
            "images": [], "type": "SINGLE", "cost": 1, "weight": 1, "createdAt": 1, "updatedAt": 1 } }],
    });
    let condition = json!({ "_id": "1", "condition": "DONE" });
    vec![
        (plan(ORDER, ORDER, &["clientId"]).unwrap(), avro(ORDER, &order)),
        (plan(CONDITION, CONDITION, &["_id"]).unwrap(), avro(CONDITION, &condition)),
        (plan(MIXED_WRITER, MIXED_READER, &["owner", "gone"]).unwrap(), mixed_body()),
    ]
}

#[test]
fn mixed_is_valid() {
    let plan = plan(MIXED_WRITER, MIXED_READER, &[]).unwrap();
    let expected = r#"{"owner":"o","nulls":[null,null],"map":{"k":"v"},"flag":true,"enum":"P","decimal":0.005,"at":"1970-01-01T00:00:00.000001Z","float":0}"#;
    assert_eq!(payload(&plan, &mixed_body()), Ok(expected.to_owned()));
}

#[test]
fn cut_off_at_every_byte() {
    for (plan, body) in documented_bodies() {
        assert!(payload(&plan, &body).is_ok());
        for length in 0..body.len() {
            assert_eq!(payload(&plan, &body[..length]), Err(Poison::Truncated), "{length} of {}", body.len());
        }
    }
}

#[test]
fn a_byte_too_many() {
    for (plan, mut body) in documented_bodies() {
        body.push(0);
        assert_eq!(payload(&plan, &body), Err(Poison::TrailingBytes));
    }
}

fn check_poison(schema: &str, body: &[u8], expected: Poison) {
    assert_eq!(read_field(schema, schema, body), Err(expected), "{schema} {body:02x?}");
}

#[test]
fn values_outside_their_type() {
    check_poison(r#""boolean""#, &[2], Poison::BadIndex);
    check_poison(r#""int""#, &[0x80, 0x80, 0x80, 0x80, 0x10], Poison::Overflow);
    check_poison(r#""long""#, &[0xff; 10], Poison::Overflow);
    check_poison(r#""string""#, &[1], Poison::Overflow);
    check_poison(
        r#""string""#,
        &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        Poison::Truncated,
    );
    check_poison(r#""string""#, &[2, 0xff], Poison::BadUtf8);
    check_poison(r#""float""#, &f32::INFINITY.to_le_bytes(), Poison::NotFinite);
    check_poison(r#""double""#, &f64::NAN.to_le_bytes(), Poison::NotFinite);
    check_poison(r#"["null","int"]"#, &[4], Poison::BadIndex);
    check_poison(r#"["null","int"]"#, &[1], Poison::BadIndex);
    check_poison(r#"{"type":"enum","name":"E","symbols":["P"]}"#, &[2], Poison::BadIndex);
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#;
    check_poison(decimal, &[0], Poison::BadDecimal);
    check_poison(decimal, &[[34].as_slice(), &[0; 17]].concat(), Poison::BadDecimal);
}

#[test]
fn a_time_that_rfc3339_cannot_write() {
    let reader = r#"{"type":"record","name":"R","fields":[
        {"name":"f","type":{"type":"long","logicalType":"timestamp-millis"},"json":"rfc3339-micros"}]}"#;
    let plan = plan(&field_of(r#""long""#), reader, &[]).unwrap();
    assert_eq!(
        payload(&plan, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        Err(Poison::DateOutOfRange)
    );
}

#[test]
fn blocks_of_items() {
    let array = r#"{"type":"array","items":"int"}"#;
    let read = |body: &[u8]| read_field(array, array, body);
    assert_eq!(read(&[2, 2, 4, 4, 6, 0]), Ok("[1,2,3]".to_owned()));
    assert_eq!(read(&[3, 4, 2, 4, 2, 6, 0]), Ok("[1,2,3]".to_owned()), "a block with its size");
    assert_eq!(read(&[3, 1, 2, 4, 0]), Err(Poison::Overflow), "a negative size");
    assert_eq!(read(&[0]), Ok("[]".to_owned()));
    assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2]), Err(Poison::TooLarge));
    let map = r#"{"type":"map","values":"int"}"#;
    let entries = [1, 8, 2, b'b', 2, 2, b'a', 4, 0];
    assert_eq!(
        read_field(map, map, &[3].iter().chain(&entries[1..]).copied().collect::<Vec<_>>()),
        Ok(r#"{"b":1,"a":2}"#.to_owned())
    );
}

#[test]
fn skipped_blocks_are_jumped_over_by_their_size() {
    let writer =
        record_of(r#"{"name":"gone","type":{"type":"array","items":"string"}},{"name":"a","type":"int"}"#);
    let plan = plan(&writer, &record_of(r#"{"name":"a","type":"int"}"#), &[]).unwrap();
    assert_eq!(payload(&plan, &[3, 40, 2, b'x', 0, 0, 2]), Err(Poison::Truncated));
    assert_eq!(payload(&plan, &[3, 6, 2, b'x', 0, 0, 2, 4]), Err(Poison::TrailingBytes));
    assert_eq!(payload(&plan, &[3, 6, 2, b'x', 0, 0, 14]), Ok(r#"{"a":7}"#.to_owned()));
}

/// The zigzag encoding of a count.
fn long(value: u64) -> Vec<u8> {
    let mut rest = value << 1;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

#[test]
fn items_without_bytes_are_bounded() {
    let nulls = r#"{"type":"array","items":"null"}"#;
    check_poison(nulls, &long(ITEMS_MAX + 1), Poison::TooLarge);
    check_poison(nulls, &long(ITEMS_MAX), Poison::TooLarge);
    let blocks: Vec<u8> = std::iter::repeat_n(long(ITEMS_MAX / 8), 9).flatten().chain([0]).collect();
    check_poison(nulls, &blocks, Poison::TooLarge);
}

#[test]
fn a_payload_over_its_bound() {
    let text = |length: usize| [long(length as u64), vec![b'x'; length]].concat();
    let string = r#""string""#;
    let frame = r#"{"f":""}"#.len();
    let largest = read_field(string, string, &text(PAYLOAD_MAX_BYTES - frame)).unwrap();
    assert_eq!(largest.len(), PAYLOAD_MAX_BYTES - r#"{"f":}"#.len());
    check_poison(string, &text(PAYLOAD_MAX_BYTES - frame + 1), Poison::TooLarge);
    check_poison(string, &text(5 * PAYLOAD_MAX_BYTES), Poison::TooLarge);
    let escaped = [long(PAYLOAD_MAX_BYTES as u64 / 2), vec![1; PAYLOAD_MAX_BYTES / 2]].concat();
    check_poison(string, &escaped, Poison::TooLarge);
}

#[test]
fn a_label_for_each_reason() {
    let labels: std::collections::BTreeSet<_> = Poison::ALL.iter().map(|poison| poison.label()).collect();
    assert_eq!(labels.len(), Poison::ALL.len());
}

proptest! {
    #[test]
    fn any_bytes_are_a_payload_or_poison(body: Vec<u8>) {
        for (plan, _) in documented_bodies() {
            if let Ok(payload) = payload(&plan, &body) {
                prop_assert!(serde_json::from_str::<Value>(&payload).is_ok());
            }
        }
    }

    #[test]
    fn damaged_records_are_a_payload_or_poison(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (plan, mut body) in documented_bodies() {
            for (place, byte) in &damage {
                let place = place.index(body.len());
                body[place] = *byte;
            }
            if let Ok(payload) = payload(&plan, &body) {
                prop_assert!(serde_json::from_str::<Value>(&payload).is_ok());
            }
        }
    }
}
