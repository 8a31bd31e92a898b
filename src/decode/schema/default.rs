//! The default of a reader's field, as the JSON that the payload shows.
//!
//! In: a type and the default as the schema has it (Avro 1.12, "Complex Types", table of field defaults: bytes
//! and fixed are strings with one character per byte, a union's default fits one of its branches). Out: JSON
//! bytes, written once, when the schema is parsed. `None`: the value does not fit.

use serde_json::{Map, Value};

use super::types::{Record, Type};
use crate::decode::json::{
    write_bytes, write_decimal, write_double, write_float, write_integer, write_string, write_timestamp,
};

pub(super) fn json(schema: &Type, value: &Value) -> Option<Box<[u8]>> {
    let mut json = Vec::new();
    write(schema, value, &mut json)?;
    Some(json.into())
}

fn write(schema: &Type, value: &Value, json: &mut Vec<u8>) -> Option<()> {
    match schema {
        Type::Null => json.extend_from_slice(value.is_null().then_some(b"null")?),
        Type::Boolean => json.extend_from_slice(value.as_bool()?.to_string().as_bytes()),
        Type::Int => write_integer(i32::try_from(value.as_i64()?).ok()?.into(), json),
        Type::Long => write_integer(value.as_i64()?, json),
        Type::Calendar(calendar) => write(&calendar.number(), value, json)?,
        // A float's default has the float's precision, as if it had been sent.
        Type::Float => write_float(value.as_f64()?.to_string().parse().ok()?, json).ok()?,
        Type::Double => write_double(value.as_f64()?, json).ok()?,
        Type::Timestamp { unit, form } => write_timestamp(value.as_i64()?, *unit, *form, json).ok()?,
        Type::String => write_string(value.as_str()?.as_bytes(), json).ok()?,
        Type::Bytes => write_bytes(&code_points(value)?, json),
        Type::Fixed { size, .. } => {
            write_bytes(&code_points(value).filter(|bytes| bytes.len() == *size)?, json);
        }
        Type::Decimal { scale, .. } => write_decimal(&code_points(value)?, *scale, json).ok()?,
        Type::Enum { symbols, .. } => {
            let symbol = symbols.iter().find(|symbol| value.as_str() == Some(symbol))?;
            write_string(symbol.as_bytes(), json).ok()?;
        }
        Type::Array(items) => write_array(items, value.as_array()?, json)?,
        Type::Map(values) => write_map(values, value.as_object()?, json)?,
        Type::Union(branches) => write_first_fitting(branches, value, json)?,
        Type::Record(record) => write_record(record, value.as_object()?, json)?,
    }
    Some(())
}

fn code_points(value: &Value) -> Option<Vec<u8>> {
    value.as_str()?.chars().map(|character| u8::try_from(character).ok()).collect()
}

fn write_array(items: &Type, values: &[Value], json: &mut Vec<u8>) -> Option<()> {
    json.push(b'[');
    for (index, value) in values.iter().enumerate() {
        write_comma(index, json);
        write(items, value, json)?;
    }
    json.push(b']');
    Some(())
}

fn write_map(values: &Type, entries: &Map<String, Value>, json: &mut Vec<u8>) -> Option<()> {
    json.push(b'{');
    for (index, (key, value)) in entries.iter().enumerate() {
        write_comma(index, json);
        write_string(key.as_bytes(), json).ok()?;
        json.push(b':');
        write(values, value, json)?;
    }
    json.push(b'}');
    Some(())
}

fn write_first_fitting(branches: &[Type], value: &Value, json: &mut Vec<u8>) -> Option<()> {
    let start = json.len();
    branches.iter().find_map(|branch| {
        json.truncate(start);
        write(branch, value, json)
    })
}

/// A field that the default leaves out has its own.
fn write_record(record: &Record, values: &Map<String, Value>, json: &mut Vec<u8>) -> Option<()> {
    json.push(b'{');
    for (index, field) in record.fields.iter().enumerate() {
        write_comma(index, json);
        write_string(field.name.as_bytes(), json).ok()?;
        json.push(b':');
        match values.get(&*field.name) {
            Some(value) => write(&field.schema, value, json)?,
            None => json.extend_from_slice(field.default_json.as_ref()?),
        }
    }
    json.push(b'}');
    Some(())
}

fn write_comma(index: usize, json: &mut Vec<u8>) {
    if index > 0 {
        json.push(b',');
    }
}
