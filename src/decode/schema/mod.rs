//! The two schemas of a plan: the writer's, as a registry has it, and the reader's, which is the payload.
//!
//! In: schema texts. Out: [`Type`] trees with every named type spelled out, within bounds, so that whoever walks
//! one needs neither a table of names nor a depth counter. A schema that contains itself is refused: its records
//! could be nested without bound.
//! apache-avro parses the texts. How two schemas meet is the plan's matter.

mod canonical;
mod default;
mod lower;
mod types;
mod typescript;

pub use typescript::Interfaces;

pub(super) use types::{Field, Record, Type};

use apache_avro::Schema;
use serde_json::Value;
use thiserror::Error;

use super::{Fingerprint, Poison};
use crate::limits::SCHEMA_TEXT_MAX_BYTES;

/// Why a schema is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaFault {
    #[error("schema is not valid avro: {0}")]
    Invalid(String),
    #[error("schema has {length} bytes, above the bound of {SCHEMA_TEXT_MAX_BYTES}")]
    TooLong { length: usize },
    #[error("schema has more than {} types", crate::limits::SCHEMA_TYPES_MAX)]
    TooManyTypes,
    #[error("schema is nested deeper than {}", crate::limits::SCHEMA_DEPTH_MAX)]
    TooDeep,
    #[error("schema type {0} contains itself")]
    Recursive(String),
    #[error("schema refers to {0}, which is not defined")]
    UnknownName(String),
    #[error("schema is not a record at the top")]
    NotARecord,
    #[error("field {field}: unknown json attribute {value}")]
    UnknownJsonAttribute { field: String, value: String },
    #[error("field {field}: the default does not fit its type")]
    BadDefault { field: String },
}

impl SchemaFault {
    /// The reason that a record bears whose writer has such a schema.
    pub fn poison(&self) -> Poison {
        match self {
            SchemaFault::TooDeep | SchemaFault::Recursive(_) => Poison::TooDeep,
            _ => Poison::BadSchema,
        }
    }
}

/// The schema that a record was written with.
#[derive(Debug, Clone)]
pub struct WriterSchema {
    record: Record,
    full_name: Box<str>,
    fingerprint: Fingerprint,
}

impl WriterSchema {
    /// Parses a schema and the schemas it refers to, which come in the order of their dependencies.
    pub fn parse(text: &str, references: &[String]) -> Result<Self, SchemaFault> {
        let length = text.len() + references.iter().map(String::len).sum::<usize>();
        if length > SCHEMA_TEXT_MAX_BYTES {
            return Err(SchemaFault::TooLong { length });
        }
        // Named types are known from where they are defined on, so the schema is parsed as the last branch of a
        // union with its references.
        let mut schemas: Vec<Value> = Vec::with_capacity(references.len() + 1);
        for text in references.iter().map(String::as_str) {
            let schema = wire_essentials(parse_json(text)?);
            if !schemas.contains(&schema) {
                schemas.push(schema);
            }
        }
        let top = wire_essentials(parse_json(text)?);
        schemas.retain(|schema| *schema != top);
        let references = schemas.clone();
        schemas.push(top.clone());
        let schema = parse_schema(&Value::Array(schemas))?;
        let Schema::Union(union) = &schema else {
            return Err(SchemaFault::NotARecord);
        };
        let Some(Schema::Record(top_record)) = union.variants().last() else {
            return Err(SchemaFault::NotARecord);
        };
        Ok(Self {
            full_name: top_record.name.fullname(None).into(),
            record: lower::record(top_record, union.variants())?,
            fingerprint: canonical::fingerprint(&top, &references),
        })
    }

    /// What single-object records name this schema by.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The name of the record without its namespace.
    pub fn record_name(&self) -> &str {
        &self.record.name.unqualified
    }

    /// The name of the record with its namespace.
    pub fn full_name(&self) -> &str {
        &self.full_name
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }
}

/// The schema of a payload: its fields in their order, each with how the documents show it.
///
/// A field shows its timestamps as epoch milliseconds, or, with `"json": "rfc3339-micros"` beside its name and
/// type, as RFC 3339. The attribute does not reach into the fields of a record within.
#[derive(Debug, Clone)]
pub struct ReaderSchema {
    record: Record,
}

impl ReaderSchema {
    pub fn parse(text: &str) -> Result<Self, SchemaFault> {
        if text.len() > SCHEMA_TEXT_MAX_BYTES {
            return Err(SchemaFault::TooLong { length: text.len() });
        }
        let schema = parse_schema(&parse_json(text)?)?;
        let Schema::Record(record) = &schema else {
            return Err(SchemaFault::NotARecord);
        };
        Ok(Self { record: lower::record(record, std::slice::from_ref(&schema))? })
    }

    /// A payload of all that a writer writes, as it names it: for looking at a record.
    pub fn of_writer(writer: &WriterSchema) -> Self {
        Self { record: writer.record.clone() }
    }

    /// Whether the payload has a field of this name.
    pub fn has_field(&self, name: &str) -> bool {
        self.record.fields.iter().any(|field| &*field.name == name)
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }
}

fn parse_json(text: &str) -> Result<Value, SchemaFault> {
    serde_json::from_str(text).map_err(|fault| match fault.to_string() {
        // serde_json has its own bound for the nesting of JSON, and only this text tells of it.
        fault if fault.starts_with("recursion limit exceeded") => SchemaFault::TooDeep,
        fault => SchemaFault::Invalid(fault),
    })
}

fn parse_schema(schema: &Value) -> Result<Schema, SchemaFault> {
    Schema::parse(schema).map_err(|fault| SchemaFault::Invalid(fault.to_string()))
}

/// A writer's schema without what says nothing about its bytes.
///
/// Resolution looks at the defaults and aliases of the reader only. apache-avro refuses some valid defaults (a
/// decimal's) and copies a type once for each of its aliases, so a foreign schema is parsed without them.
fn wire_essentials(schema: Value) -> Value {
    match schema {
        Value::Object(attributes) => attributes
            .into_iter()
            .filter(|(key, _)| !matches!(key.as_str(), "default" | "aliases" | "doc"))
            .map(|(key, value)| (key, wire_essentials(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(wire_essentials).collect(),
        scalar => scalar,
    }
}
