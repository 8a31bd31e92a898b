//! A value as it is written, before anybody has asked for it as a type.
//!
//! The file gives typed TOML values, each with its own place; environment and command line give bare text,
//! which takes the type that the reader asks for. Dates and floats are not used by any setting, so they
//! stay opaque.

use std::fmt;

use toml::Spanned;
use toml::de::DeValue;

use super::fault::Origin;

/// A value with the place it is written at.
pub(super) struct Written {
    pub value: Value,
    pub origin: Origin,
}

impl Written {
    /// Text from the environment or the command line.
    pub fn bare(text: &str, origin: Origin) -> Written {
        Written { value: Value::Bare(text.to_owned()), origin }
    }

    /// A value of the file, and all that is in it; `place` says where a byte of the file is.
    pub fn in_file(item: &Spanned<DeValue<'_>>, place: &dyn Fn(usize) -> Origin) -> Written {
        Written { value: Value::in_file(item.get_ref(), place), origin: place(item.span().start) }
    }
}

pub(super) enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    List(Vec<Written>),
    Table(Vec<(String, Written)>),
    /// Text that takes the type it is asked for as.
    Bare(String),
    /// A TOML type that no setting takes, by its name.
    Other(&'static str),
}

impl Value {
    fn in_file(value: &DeValue<'_>, place: &dyn Fn(usize) -> Origin) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or(Value::Other("an integer beyond 64 bits"), Value::Integer),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| Written::in_file(item, place)).collect())
            }
            DeValue::Table(table) => {
                let entries = table.iter();
                let written =
                    entries.map(|(key, item)| (key.get_ref().to_string(), Written::in_file(item, place)));
                Value::Table(written.collect())
            }
            DeValue::Float(_) => Value::Other("a float"),
            DeValue::Datetime(_) => Value::Other("a date"),
        }
    }

    /// The text of a text: bare text, or a TOML string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Bare(text) => Some(text),
            _ => None,
        }
    }

    /// What a flag, an integer or a text is when written as text: for tables of foreign properties,
    /// where `acks = 1` and `acks = "1"` mean the same.
    pub fn scalar_text(&self) -> Option<String> {
        match self {
            Value::Text(text) | Value::Bare(text) => Some(text.clone()),
            Value::Integer(integer) => Some(integer.to_string()),
            Value::Flag(flag) => Some(flag.to_string()),
            Value::List(_) | Value::Table(_) | Value::Other(_) => None,
        }
    }
}

/// As a fault shows it: short, quoted, control characters escaped.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) | Value::Bare(text) => write_quoted(formatter, text),
            Value::Integer(integer) => integer.fmt(formatter),
            Value::Flag(flag) => flag.fmt(formatter),
            Value::List(_) => formatter.write_str("a list"),
            Value::Table(_) => formatter.write_str("a table"),
            Value::Other(name) => formatter.write_str(name),
        }
    }
}

/// A value longer than this is cut in a fault: its head is enough to find it.
const SHOWN_MAX_CHARS: usize = 80;

fn write_quoted(formatter: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    match text.char_indices().nth(SHOWN_MAX_CHARS) {
        None => write!(formatter, "{text:?}"),
        Some((end, _)) => write!(formatter, "{:?}...", text.get(..end).unwrap_or_default()),
    }
}
