//! Picks a field's value for routing, apart from how the payload shows it.
//!
//! In: the writer's type and bytes of a top-level field. Out: [`Captured`]. It is the writer's own value: a
//! promotion, a default or a rewritten time would change what an event's audience is matched by.

use super::Captured;
use crate::decode::Poison;
use crate::decode::schema::Type;
use crate::decode::wire::Cursor;

/// How a field is captured.
#[derive(Debug)]
pub(super) enum Capture {
    Null,
    Integer,
    Text,
    /// Text where it is UTF-8, as the payload shows it.
    Bytes,
    Symbol(Box<[Box<str>]>),
    /// By branch.
    Union(Box<[Capture]>),
    Unusable,
}

impl Capture {
    pub fn of(schema: &Type) -> Self {
        match schema {
            Type::Null => Capture::Null,
            Type::Int | Type::Long | Type::Calendar(_) | Type::Timestamp { .. } => Capture::Integer,
            Type::String => Capture::Text,
            Type::Bytes => Capture::Bytes,
            Type::Enum { symbols, .. } => Capture::Symbol(symbols.clone()),
            Type::Union(branches) => Capture::Union(branches.iter().map(Capture::of).collect()),
            _ => Capture::Unusable,
        }
    }

    pub fn read(&self, cursor: &mut Cursor<'_>) -> Result<Captured, Poison> {
        Ok(match self {
            Capture::Null => Captured::Null,
            Capture::Integer => Captured::Integer(cursor.long()?),
            Capture::Text => {
                let text = std::str::from_utf8(cursor.bytes()?).map_err(|_| Poison::BadUtf8)?;
                Captured::Text(text.into())
            }
            Capture::Bytes => match std::str::from_utf8(cursor.bytes()?) {
                Ok(text) => Captured::Text(text.into()),
                Err(_) => Captured::Unusable,
            },
            Capture::Symbol(symbols) => {
                Captured::Text(symbols.get(cursor.index()?).ok_or(Poison::BadIndex)?.clone())
            }
            Capture::Union(branches) => {
                let branch = branches.get(cursor.index()?).ok_or(Poison::BadIndex)?;
                return branch.read(cursor);
            }
            Capture::Unusable => Captured::Unusable,
        })
    }
}
