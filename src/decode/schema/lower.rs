//! From apache-avro's schema to a [`Type`] tree: references are replaced by what they name, bounds are kept.
//!
//! In: a record and the schemas among which its names are defined. Out: the record as a tree, or why not.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{
    Aliases, InnerDecimalSchema, Name as AvroName, RecordField, RecordSchema, UuidSchema,
};

use super::types::{Calendar, Field, Name, Record, Type};
use super::{SchemaFault, default};
use crate::decode::json::{TimeForm, TimeUnit};
use crate::limits::{SCHEMA_DEPTH_MAX, SCHEMA_TYPES_MAX};

/// The attribute of a payload's field that says how it shows timestamps.
const JSON_ATTRIBUTE: &str = "json";

/// The size in bytes of the fixed that a duration annotates.
const DURATION_SIZE: usize = 12;

pub(super) fn record(record: &RecordSchema, defined_in: &[Schema]) -> Result<Record, SchemaFault> {
    let mut lowering = Lowering { named: HashMap::new(), open: Vec::new(), types: 0 };
    for schema in defined_in {
        lowering.collect_named(schema);
    }
    lowering.record(record, 1)
}

struct Lowering<'s> {
    named: HashMap<&'s AvroName, &'s Schema>,
    /// The records that are being lowered, outermost first.
    open: Vec<&'s AvroName>,
    types: usize,
}

impl<'s> Lowering<'s> {
    fn collect_named(&mut self, schema: &'s Schema) {
        match schema {
            Schema::Ref { .. } => return,
            Schema::Array(array) => self.collect_named(&array.items),
            Schema::Map(map) => self.collect_named(&map.types),
            Schema::Union(union) => union.variants().iter().for_each(|branch| self.collect_named(branch)),
            Schema::Record(record) => {
                record.fields.iter().for_each(|field| self.collect_named(&field.schema));
            }
            _ => {}
        }
        if let Some(name) = schema.name() {
            self.named.insert(name, schema);
        }
    }

    fn lower(&mut self, schema: &'s Schema, form: TimeForm, depth: usize) -> Result<Type, SchemaFault> {
        self.types += 1;
        if self.types > SCHEMA_TYPES_MAX {
            return Err(SchemaFault::TooManyTypes);
        }
        if depth > SCHEMA_DEPTH_MAX {
            return Err(SchemaFault::TooDeep);
        }
        Ok(match schema {
            Schema::Ref { name } => return self.referred(name, form, depth),
            Schema::Array(array) => Type::Array(Box::new(self.lower(&array.items, form, depth + 1)?)),
            Schema::Map(map) => Type::Map(Box::new(self.lower(&map.types, form, depth + 1)?)),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.lower(branch, form, depth + 1));
                Type::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => Type::Record(self.record(record, depth)?),
            leaf => leaf_type(leaf, form),
        })
    }

    fn referred(&mut self, name: &AvroName, form: TimeForm, depth: usize) -> Result<Type, SchemaFault> {
        if self.open.contains(&name) {
            return Err(SchemaFault::Recursive(name.fullname(None)));
        }
        match self.named.get(name) {
            Some(schema) => self.lower(schema, form, depth),
            None => Err(SchemaFault::UnknownName(name.fullname(None))),
        }
    }

    fn record(&mut self, record: &'s RecordSchema, depth: usize) -> Result<Record, SchemaFault> {
        self.open.push(&record.name);
        let fields = record.fields.iter().map(|field| self.field(field, depth + 1));
        let fields = fields.collect::<Result<_, _>>()?;
        self.open.pop();
        Ok(Record { name: lower_name(&record.name, &record.aliases), fields })
    }

    fn field(&mut self, field: &'s RecordField, depth: usize) -> Result<Field, SchemaFault> {
        let schema = self.lower(&field.schema, time_form(field)?, depth)?;
        let default_json = match &field.default {
            Some(value) => Some(
                default::json(&schema, value)
                    .ok_or_else(|| SchemaFault::BadDefault { field: field.name.clone() })?,
            ),
            None => None,
        };
        Ok(Field {
            name: field.name.as_str().into(),
            aliases: field.aliases.iter().map(|alias| alias.as_str().into()).collect(),
            default_json,
            schema,
        })
    }
}

fn time_form(field: &RecordField) -> Result<TimeForm, SchemaFault> {
    let Some(value) = field.custom_attributes.get(JSON_ATTRIBUTE) else {
        return Ok(TimeForm::EpochMillis);
    };
    match value.as_str() {
        Some("epoch-millis") => Ok(TimeForm::EpochMillis),
        Some("rfc3339-micros") => Ok(TimeForm::Rfc3339Micros),
        _ => Err(SchemaFault::UnknownJsonAttribute { field: field.name.clone(), value: value.to_string() }),
    }
}

fn leaf_type(schema: &Schema, form: TimeForm) -> Type {
    let timestamp = |unit| Type::Timestamp { unit, form };
    match schema {
        Schema::Boolean => Type::Boolean,
        Schema::Int => Type::Int,
        Schema::Long => Type::Long,
        Schema::Date => Type::Calendar(Calendar::Date),
        Schema::TimeMillis => Type::Calendar(Calendar::TimeMillis),
        Schema::TimeMicros => Type::Calendar(Calendar::TimeMicros),
        Schema::Float => Type::Float,
        Schema::Double => Type::Double,
        Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Type::Bytes,
        Schema::String | Schema::Uuid(UuidSchema::String) => Type::String,
        Schema::TimestampMillis | Schema::LocalTimestampMillis => timestamp(TimeUnit::Millis),
        Schema::TimestampMicros | Schema::LocalTimestampMicros => timestamp(TimeUnit::Micros),
        Schema::TimestampNanos | Schema::LocalTimestampNanos => timestamp(TimeUnit::Nanos),
        Schema::Decimal(decimal) => Type::Decimal {
            fixed_size: match &decimal.inner {
                InnerDecimalSchema::Bytes => None,
                InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
            },
            scale: decimal.scale,
        },
        Schema::Fixed(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
            Type::Fixed { name: lower_name(&fixed.name, &fixed.aliases), size: fixed.size }
        }
        Schema::Duration(fixed) => {
            Type::Fixed { name: lower_name(&fixed.name, &fixed.aliases), size: DURATION_SIZE }
        }
        Schema::Enum(schema) => Type::Enum {
            name: lower_name(&schema.name, &schema.aliases),
            symbols: schema.symbols.iter().map(|symbol| symbol.as_str().into()).collect(),
            default: schema.default.as_deref().map(Into::into),
        },
        // Null; `lower` has taken those that hold others.
        _ => Type::Null,
    }
}

fn lower_name(name: &AvroName, aliases: &Aliases) -> Name {
    let aliases = aliases.as_deref().unwrap_or_default();
    Name {
        unqualified: name.name().into(),
        aliases: aliases.iter().map(|alias| alias.name().into()).collect(),
    }
}
