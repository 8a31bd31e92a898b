//! The Confluent wire format: a prefix before the Avro body.
//!
//! ```text
//! value = prefix body
//! prefix = %x00 4OCTET         ; the registry's id, big-endian
//!        / %x01 16OCTET        ; the registry's GUID, in the order in which it is written
//! body = *OCTET                ; Avro binary encoding of one datum
//! ```
//!
//! The same bytes, without a body, are the value of the header `__value_schema_id`.

use uuid::Uuid;

use crate::decode::{Poison, SchemaId, SchemaReference};

/// The first byte of a value that is prefixed with an id.
pub(super) const MAGIC_ID: u8 = 0;

/// The first byte of a value that is prefixed with a GUID.
pub(super) const MAGIC_GUID: u8 = 1;

/// Splits a value into what names its writer's schema and the Avro body.
pub(super) fn split(value: &[u8]) -> Result<(SchemaReference, &[u8]), Poison> {
    let (magic, rest) = value.split_first().ok_or(Poison::TooShort)?;
    match *magic {
        MAGIC_ID => {
            let (id, body) = rest.split_first_chunk().ok_or(Poison::TooShort)?;
            Ok((SchemaId(u32::from_be_bytes(*id)).into(), body))
        }
        MAGIC_GUID => {
            let (guid, body) = rest.split_first_chunk().ok_or(Poison::TooShort)?;
            Ok((SchemaReference::Guid(Uuid::from_bytes(*guid)), body))
        }
        _ => Err(Poison::WrongMagic),
    }
}

/// Puts the prefix before a body, as a producer does.
pub fn join(schema_id: SchemaId, body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(5 + body.len());
    value.push(MAGIC_ID);
    value.extend_from_slice(&schema_id.0.to_be_bytes());
    value.extend_from_slice(body);
    value
}
