//! Schemas: the ones that are refused, what they refer to, and what does not matter in them.
//!
//! A writer's schema comes from a registry that others write to, so it may be anything: nested without end,
//! doubled with every type, or no schema at all.

use proptest::prelude::*;

use super::*;
use crate::limits::{SCHEMA_DEPTH_MAX, SCHEMA_TEXT_MAX_BYTES};

fn schema_fault(text: &str) -> SchemaFault {
    let fault = WriterSchema::parse(text, &[]).unwrap_err();
    assert!(matches!(fault.poison(), Poison::BadSchema | Poison::TooDeep));
    fault
}

fn nested_arrays(depth: usize) -> String {
    let [open, close] = [r#"{"type":"array","items":"#.repeat(depth), "}".repeat(depth)];
    field_of(&format!("{open}\"null\"{close}"))
}

#[test]
fn schemas_that_are_refused() {
    assert!(matches!(schema_fault("{"), SchemaFault::Invalid(_)));
    assert!(matches!(schema_fault(r#"{"type":"record","name":"R","fields":3}"#), SchemaFault::Invalid(_)));
    assert_eq!(schema_fault(r#""string""#), SchemaFault::NotARecord);
    assert_eq!(schema_fault(r#"{"type":"array","items":"int"}"#), SchemaFault::NotARecord);
    let list = record_of(r#"{"name":"next","type":["null","R"]}"#);
    assert_eq!(schema_fault(&list), SchemaFault::Recursive("R".to_owned()));
    assert_eq!(schema_fault(&nested_arrays(SCHEMA_DEPTH_MAX)), SchemaFault::TooDeep);
    assert!(WriterSchema::parse(&nested_arrays(SCHEMA_DEPTH_MAX - 2), &[]).is_ok());
    let twice = record_of(r#"{"name":"f","type":"int"},{"name":"f","type":"int"}"#);
    assert!(matches!(schema_fault(&twice), SchemaFault::Invalid(_)));
    let length = SCHEMA_TEXT_MAX_BYTES + 1;
    assert_eq!(schema_fault(&" ".repeat(length)), SchemaFault::TooLong { length });
}

#[test]
fn a_schema_nested_as_deep_as_json_can_be() {
    for depth in [100, 120, 125, 126, 127, 128, 10_000] {
        assert_eq!(schema_fault(&nested_arrays(depth)), SchemaFault::TooDeep);
        schema_fault(&field_of(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))));
    }
}

/// Each record has two fields of the one before: 40 of them are 2^40 types when spelled out.
#[test]
fn a_schema_that_doubles_with_every_type() {
    let mut fields = vec![r#"{"name":"r0","type":{"type":"record","name":"R0","fields":[]}}"#.to_owned()];
    for level in 1..30 {
        let before = level - 1;
        fields.push(format!(
            r#"{{"name":"r{level}","type":{{"type":"record","name":"R{level}","fields":[
                {{"name":"a","type":"R{before}"}},{{"name":"b","type":"R{before}"}}]}}}}"#
        ));
    }
    let text = format!(r#"{{"type":"record","name":"Top","fields":[{}]}}"#, fields.join(","));
    assert_eq!(schema_fault(&text), SchemaFault::TooManyTypes);
}

#[test]
fn readers_that_are_refused() {
    let fault = |text: &str| ReaderSchema::parse(text).unwrap_err().to_string();
    let attribute = record_of(r#"{"name":"f","type":"long","json":"iso"}"#);
    assert_eq!(fault(&attribute), "field f: unknown json attribute \"iso\"");
    let default = record_of(
        r#"{"name":"f","type":{"type":"long","logicalType":"timestamp-millis"},"json":"rfc3339-micros","default":9223372036854775807}"#,
    );
    assert_eq!(fault(&default), "field f: the default does not fit its type");
}

#[test]
fn references_come_before_what_refers_to_them() {
    let [condition, event] = [
        r#"{"type":"enum","name":"Condition","namespace":"orders","symbols":["NEW","DONE"]}"#.to_owned(),
        r#"{"type":"record","name":"Event","namespace":"orders","fields":[{"name":"condition","type":"Condition"}]}"#.to_owned(),
    ];
    let top = r#"{"type":"record","name":"Top","namespace":"shop","fields":[
        {"name":"event","type":"orders.Event"},{"name":"condition","type":["null","orders.Condition"]}]}"#;
    let writer = WriterSchema::parse(top, &[condition.clone(), event.clone(), condition]).unwrap();
    assert_eq!((writer.record_name(), writer.full_name()), ("Top", "shop.Top"));
    let reader = ReaderSchema::parse(&record_of(r#"{"name":"condition","type":["null","string"]}"#)).unwrap();
    let plan = Plan::compile(&writer, &reader, &[]).unwrap();
    assert_eq!(payload(&plan, &[2, 2, 0]), Ok(r#"{"condition":"NEW"}"#.to_owned()));
    assert!(WriterSchema::parse(top, &[event]).is_err());
}

/// apache-avro refuses this default, which is right: a decimal's default is a string of its bytes.
#[test]
fn a_writer_s_defaults_do_not_matter() {
    let writer = record_of(
        r#"{"name":"f","default":"\u0000","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}}"#,
    );
    assert_eq!(
        payload(&plan(&writer, &field_of(r#""double""#), &[]).unwrap(), &[2, 100]),
        Ok(r#"{"f":1}"#.to_owned())
    );
}

proptest! {
    #[test]
    fn any_text_is_a_schema_or_a_fault(text in ".{0,80}") {
        prop_assert!(WriterSchema::parse(&text, &[]).is_err());
    }
}
