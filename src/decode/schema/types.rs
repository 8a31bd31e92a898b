//! An Avro schema as a plan needs it: a tree of types, names without their namespace, defaults already JSON.
//!
//! Logical types that don't change what a payload shows (uuid, duration) are the type that they annotate.

use std::fmt;

use crate::decode::json::{TimeForm, TimeUnit};

#[derive(Debug, Clone)]
pub(in crate::decode) enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Calendar(Calendar),
    Float,
    Double,
    Bytes,
    String,
    /// A long with one of the timestamp types. A local timestamp counts the same.
    Timestamp {
        unit: TimeUnit,
        form: TimeForm,
    },
    /// Bytes, or a fixed of a size, that hold a decimal.
    Decimal {
        fixed_size: Option<usize>,
        scale: usize,
    },
    Fixed {
        name: Name,
        size: usize,
    },
    Enum {
        name: Name,
        symbols: Box<[Box<str>]>,
        default: Option<Box<str>>,
    },
    Array(Box<Type>),
    Map(Box<Type>),
    Union(Box<[Type]>),
    Record(Record),
}

/// A number like the one that it annotates, but no point in time: it is no timestamp in whatever unit.
#[derive(Debug, Clone, Copy)]
pub(in crate::decode) enum Calendar {
    Date,
    TimeMillis,
    TimeMicros,
}

impl Calendar {
    pub fn number(self) -> Type {
        match self {
            Calendar::Date | Calendar::TimeMillis => Type::Int,
            Calendar::TimeMicros => Type::Long,
        }
    }
}

/// The name of a record, enum or fixed, and the names that it had before.
#[derive(Debug, Clone)]
pub(in crate::decode) struct Name {
    pub unqualified: Box<str>,
    pub aliases: Box<[Box<str>]>,
}

#[derive(Debug, Clone)]
pub(in crate::decode) struct Record {
    pub name: Name,
    pub fields: Box<[Field]>,
}

#[derive(Debug, Clone)]
pub(in crate::decode) struct Field {
    pub name: Box<str>,
    pub aliases: Box<[Box<str>]>,
    /// What the payload shows when the writer has no such field.
    pub default_json: Option<Box<[u8]>>,
    pub schema: Type,
}

impl Name {
    /// Whether a writer's type may be meant by this reader's name (Avro 1.12, "Schema Resolution" and "Aliases").
    pub fn accepts(&self, writer: &Name) -> bool {
        self.unqualified == writer.unqualified || self.aliases.contains(&writer.unqualified)
    }
}

/// As errors name a type.
impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Null => formatter.write_str("null"),
            Type::Boolean => formatter.write_str("boolean"),
            Type::Int => formatter.write_str("int"),
            Type::Long => formatter.write_str("long"),
            Type::Calendar(Calendar::Date) => formatter.write_str("date"),
            Type::Calendar(Calendar::TimeMillis) => formatter.write_str("time-millis"),
            Type::Calendar(Calendar::TimeMicros) => formatter.write_str("time-micros"),
            Type::Float => formatter.write_str("float"),
            Type::Double => formatter.write_str("double"),
            Type::Bytes => formatter.write_str("bytes"),
            Type::String => formatter.write_str("string"),
            Type::Timestamp { unit: TimeUnit::Millis, .. } => formatter.write_str("timestamp-millis"),
            Type::Timestamp { unit: TimeUnit::Micros, .. } => formatter.write_str("timestamp-micros"),
            Type::Timestamp { unit: TimeUnit::Nanos, .. } => formatter.write_str("timestamp-nanos"),
            Type::Decimal { .. } => formatter.write_str("decimal"),
            Type::Fixed { name, size } => write!(formatter, "fixed {} of {size}", name.unqualified),
            Type::Enum { name, .. } => write!(formatter, "enum {}", name.unqualified),
            Type::Array(items) => write!(formatter, "array of {items}"),
            Type::Map(values) => write!(formatter, "map of {values}"),
            Type::Record(record) => write!(formatter, "record {}", record.name.unqualified),
            Type::Union(branches) => {
                formatter.write_str("[")?;
                for (index, branch) in branches.iter().enumerate() {
                    write!(formatter, "{}{branch}", if index == 0 { "" } else { ", " })?;
                }
                formatter.write_str("]")
            }
        }
    }
}
