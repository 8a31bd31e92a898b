//! How a record names the schema that wrote it, beside or before its Avro body.
//!
//! ```text
//! 1. header         __value_schema_id, apicurio.value.contentId, apicurio.value.globalId; all of the value is body
//! 2. prefix         value = %x00 schema-id body  /  %x01 schema-guid body
//! 3. single object  value = %xC3 %x01 fingerprint body
//! ```
//!
//! They are tried in this order, record by record, so a topic may change from one to another. A value of none of
//! them is poison, unless the catalog says that the topic has raw Avro; then nobody asks here.
//! In: headers and value. Out: a reference and the body. Finding the schema is for `Writers`.

mod header;
mod prefix;
mod single_object;

use super::{Poison, SchemaReference};

pub use prefix::join;

/// How one record is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing<'a> {
    Header(header::Kind, &'a [u8]),
    Prefix,
    SingleObject,
}

impl<'a> Framing<'a> {
    /// Looks at the names of the headers and the first byte of the value.
    pub fn of(
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        value: &[u8],
    ) -> Result<Framing<'a>, Poison> {
        if let Some((kind, named)) = header::find(headers) {
            return Ok(Framing::Header(kind, named));
        }
        match value.first().ok_or(Poison::TooShort)? {
            &prefix::MAGIC_ID | &prefix::MAGIC_GUID => Ok(Framing::Prefix),
            &single_object::MAGIC_FIRST => Ok(Framing::SingleObject),
            _ => Err(Poison::WrongMagic),
        }
    }
}

/// Splits a record into the reference to its writer's schema and the Avro body. A topic is only passed on: a
/// fingerprint is looked for in the history of its topic.
pub fn split<'a>(
    topic: &str,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    value: &'a [u8],
) -> Result<(SchemaReference, &'a [u8]), Poison> {
    match Framing::of(headers, value)? {
        Framing::Header(kind, named) => Ok((kind.read(named)?, value)),
        Framing::Prefix => prefix::split(value),
        Framing::SingleObject => {
            let (fingerprint, body) = single_object::split(value)?;
            Ok((SchemaReference::Fingerprint { fingerprint, topic: topic.into() }, body))
        }
    }
}

#[cfg(test)]
mod tests;
