//! How a record's value names the schema that wrote it: the Confluent wire format.
//!
//! ```text
//! value = magic schema-id body
//! magic = %x00                 ; one byte
//! schema-id = 4OCTET           ; big-endian, the registry's id
//! body = *OCTET                ; Avro binary encoding of one datum
//! ```
//!
//! In: the value. Out: the id and the body. Where the schema comes from is the registry client's matter, what
//! the body means is the plan's.

use super::{Poison, SchemaId};

/// The first byte of a framed value.
pub const MAGIC: u8 = 0;

/// Splits a value into the id of its writer's schema and the Avro body.
pub fn split(value: &[u8]) -> Result<(SchemaId, &[u8]), Poison> {
    let (magic, rest) = value.split_first().ok_or(Poison::TooShort)?;
    if *magic != MAGIC {
        return Err(Poison::WrongMagic);
    }
    let (id, body) = rest.split_first_chunk().ok_or(Poison::TooShort)?;
    Ok((SchemaId(u32::from_be_bytes(*id)), body))
}

/// Puts the prefix before a body, as a producer does.
pub fn join(schema_id: SchemaId, body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(5 + body.len());
    value.push(MAGIC);
    value.extend_from_slice(&schema_id.0.to_be_bytes());
    value.extend_from_slice(body);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_what_join_made() {
        let value = join(SchemaId(0x0102_0304), b"body");
        assert_eq!(value, [0, 1, 2, 3, 4, b'b', b'o', b'd', b'y']);
        assert_eq!(split(&value), Ok((SchemaId(0x0102_0304), &b"body"[..])));
        assert_eq!(split(&join(SchemaId(7), b"")), Ok((SchemaId(7), &b""[..])));
    }

    #[test]
    fn refuses_other_bytes() {
        for short in [&b""[..], &[0], &[0, 0, 0, 1]] {
            assert_eq!(split(short), Err(Poison::TooShort));
        }
        assert_eq!(split(b"{\"_id\":1}"), Err(Poison::WrongMagic));
        assert_eq!(split(&[1]), Err(Poison::WrongMagic));
    }
}
