//! A schema named in a record's headers, the value being nothing but the Avro body.
//!
//! ```text
//! __value_schema_id          = %x00 4OCTET / %x01 16OCTET      ; as the prefix of the Confluent wire format
//! apicurio.value.contentId   = 8OCTET                          ; big-endian, the id of Apicurio's Confluent API
//! apicurio.value.globalId    = 8OCTET                          ; big-endian, the id of Apicurio's own API
//! ```
//!
//! A name that repeats counts by its last value, as the Kafka clients have it. Where several are given, the one
//! further up is taken.

use super::prefix;
use crate::decode::{Poison, SchemaId, SchemaReference};

/// Which header it is, the preferred one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Confluent,
    ContentId,
    GlobalId,
}

/// The header that names the schema of the value, if there is one.
pub(super) fn find<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Option<(Kind, &'a [u8])> {
    let named = headers.filter_map(|(name, value)| Some((Kind::of(name)?, value)));
    named.reduce(|found, next| if next.0 <= found.0 { next } else { found })
}

impl Kind {
    fn of(name: &str) -> Option<Kind> {
        match name {
            "__value_schema_id" => Some(Kind::Confluent),
            "apicurio.value.contentId" => Some(Kind::ContentId),
            "apicurio.value.globalId" => Some(Kind::GlobalId),
            _ => None,
        }
    }

    /// The schema that a header of this kind names.
    pub(super) fn read(self, value: &[u8]) -> Result<SchemaReference, Poison> {
        match self {
            Kind::Confluent => match prefix::split(value)? {
                (reference, []) => Ok(reference),
                (_, _) => Err(Poison::TrailingBytes),
            },
            // The registry gives its ids as 32 bits; a larger one cannot be among them.
            Kind::ContentId => match u32::try_from(number(value)?) {
                Ok(id) => Ok(SchemaId(id).into()),
                Err(_) => Err(Poison::UnknownSchema),
            },
            Kind::GlobalId => number(value).map(SchemaReference::GlobalId),
        }
    }
}

fn number(value: &[u8]) -> Result<u64, Poison> {
    let (number, rest) = value.split_first_chunk().ok_or(Poison::TooShort)?;
    if rest.is_empty() { Ok(u64::from_be_bytes(*number)) } else { Err(Poison::TrailingBytes) }
}
