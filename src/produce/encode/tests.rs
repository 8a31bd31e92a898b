//! JSON in, and back out through the decoder of the service; and what is refused.

use super::*;
use crate::decode::{Plan, ReaderSchema, WriterSchema};
use serde_json::json;

const SCHEMA: &str = r#"{"type": "record", "name": "All", "fields": [
    {"name": "text", "type": "string"},
    {"name": "small", "type": "int"},
    {"name": "big", "type": "long", "default": 7},
    {"name": "ratio", "type": "double"},
    {"name": "flag", "type": ["null", "boolean"], "default": null},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "json": "rfc3339-micros"},
    {"name": "lines", "type": {"type": "array", "items":
        {"type": "record", "name": "Line", "fields": [{"name": "n", "type": ["null", "long", "string"]}]}}},
    {"name": "last", "type": ["null", "Line"], "default": null}
]}"#;

fn value() -> Value {
    json!({"text": "é", "small": -3, "ratio": 1.5, "kind": "B", "price": 149.9,
           "at": "2018-03-22T18:56:35.176577Z", "lines": [{"n": 1}, {"n": "x"}, {"n": null}], "last": {"n": 5}})
}

/// What is written decodes to what was given, by the decoder of the service.
#[test]
fn what_is_written_is_what_was_given() {
    let reader = SCHEMA
        .replace(r#"{"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}"#, "\"double\"");
    let writer = WriterSchema::parse(SCHEMA, &[]).unwrap();
    let plan = Plan::compile(&writer, &ReaderSchema::parse(&reader).unwrap(), &[]).unwrap();
    let body = Encoder::parse(SCHEMA, &[]).unwrap().encode(&value()).unwrap();
    let (mut written, mut captured) = (Vec::new(), Vec::new());
    plan.run(&body, &mut written, &mut captured).unwrap();
    let mut expected = value();
    expected["big"] = json!(7);
    expected["flag"] = json!(null);
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), expected);
}

fn check_fault(change: impl FnOnce(&mut Value), expected: &str) {
    let mut value = value();
    change(&mut value);
    let fault = Encoder::parse(SCHEMA, &[]).unwrap().encode(&value).unwrap_err();
    assert_eq!(fault.to_string(), expected);
}

#[test]
fn a_fault_names_the_field_and_what_is_expected() {
    check_fault(|value| value["small"] = json!(1.5), "field small: 1.5 is not an int");
    check_fault(|value| value["small"] = json!(1_u64 << 31), "field small: 2147483648 is not an int");
    check_fault(|value| value["kind"] = json!("C"), "field kind: \"C\" is not one of A, B");
    check_fault(
        |value| value["price"] = json!(1.005),
        "field price: 1.005 is not a decimal of at most 2 places",
    );
    check_fault(|value| value["flag"] = json!("no"), "field flag: \"no\" is not a boolean");
    check_fault(
        |value| value["lines"][1]["n"] = json!({}),
        "field lines[1].n: an object is not what any branch of the union takes",
    );
    check_fault(
        |value| drop(value.as_object_mut().unwrap().remove("text")),
        "field text: is missing and has no default",
    );
    check_fault(
        |value| value["last"] = json!({"m": 1}),
        "field last: \"m\" is not a field of the schema (fields: n)",
    );
}

#[test]
fn decimals_are_the_shortest_twos_complement() {
    let check = |text: &str, scale, expected: &[u8]| {
        let bytes = units_of(text, scale).unwrap().to_be_bytes();
        assert_eq!(shortest(&bytes), expected, "{text}");
    };
    check("0", 2, &[0]);
    check("1.27", 2, &[0x7f]);
    check("1.28", 2, &[0, 0x80]);
    check("-1.28", 2, &[0x80]);
    check("-0.01", 2, &[0xff]);
    check("149.99", 2, &[0x3a, 0x97]);
    assert_eq!(units_of("1e5", 2), None);
    assert_eq!(units_of("1.-5", 2), None);
}

#[test]
fn what_a_schema_refers_to_is_known() {
    let line = r#"{"type": "record", "name": "a.Line", "fields": [{"name": "n", "type": "long"}]}"#;
    let order = r#"{"type": "record", "name": "b.Order", "fields": [{"name": "line", "type": "a.Line"}]}"#;
    let encoder = Encoder::parse(order, &[line.to_owned()]).unwrap();
    assert_eq!(encoder.encode(&json!({"line": {"n": -1}})), Ok(vec![1]));
}
