//! Tests of the whole way from Avro bytes to JSON, with apache-avro as the writer.
//!
//! `documents`: the payloads that clients know. `fields` and `types`: schema resolution, rule by rule. `hostile`
//! and `schemas`: what nobody should have sent. `oracle`: random schemas that evolve, judged by apache-avro.
//! Here: what they share. A record is written as JSON and put into Avro by its writer's schema.

mod documents;
mod fields;
mod types;

mod hostile;
mod schemas;

mod oracle;

use apache_avro::Schema;
use apache_avro::types::Value as AvroValue;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::Value;

use super::{Captured, Incompatible, Plan, Poison, ReaderSchema, SchemaFault, WriterSchema};

const ORDER: &str = include_str!("../../../schemas/populated_order.avsc");
const CONDITION: &str = include_str!("../../../schemas/order_condition.avsc");
const PIZZA: &str = include_str!("../../../schemas/pizza.avsc");

const A: &str = r#"{"name":"a","type":"int"}"#;
const B: &str = r#"{"name":"b","type":"string"}"#;
const C: &str = r#"{"name":"c","type":{"type":"array","items":"long"}}"#;

/// Avro bytes of a value that is written as JSON.
fn avro(schema: &str, value: &Value) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let value = AvroValue::try_from(value.clone()).unwrap().resolve(&schema).unwrap();
    avro_datum(&schema, value)
}

fn avro_datum(schema: &Schema, value: AvroValue) -> Vec<u8> {
    let writer = GenericDatumWriter::builder(schema).build().unwrap();
    writer.write_value_to_vec(value).unwrap()
}

fn plan(writer: &str, reader: &str, captures: &[&str]) -> Result<Plan, Incompatible> {
    let writer = WriterSchema::parse(writer, &[]).unwrap();
    let captures: Vec<_> = captures.iter().map(|text| (*text).into()).collect();
    Plan::compile(&writer, &ReaderSchema::parse(reader).unwrap(), &captures)
}

fn payload(plan: &Plan, body: &[u8]) -> Result<String, Poison> {
    let mut json = Vec::new();
    plan.run(body, &mut json, &mut Vec::new())?;
    Ok(String::from_utf8(json).unwrap())
}

fn captured(plan: &Plan, body: &[u8]) -> Vec<Captured> {
    let mut captured = Vec::new();
    plan.run(body, &mut Vec::new(), &mut captured).unwrap();
    captured
}

/// A record schema of the fields that are written as JSON.
fn record_of(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

/// A record schema of one field `f`.
fn field_of(schema: &str) -> String {
    record_of(&format!(r#"{{"name":"f","type":{schema}}}"#))
}

/// The JSON of field `f` when a record of it alone is read.
fn read_field(writer: &str, reader: &str, body: &[u8]) -> Result<String, Poison> {
    let payload = payload(&plan(&field_of(writer), &field_of(reader), &[]).unwrap(), body)?;
    Ok(payload["{\"f\":".len()..payload.len() - 1].to_owned())
}

fn check_incompatible(writer: &str, reader: &str, expected: &str) {
    let fault = plan(&record_of(writer), &record_of(reader), &[]).unwrap_err();
    assert_eq!(fault.to_string(), expected);
}
