//! Avro's single-object encoding (Avro 1.12, "Single-object encoding").
//!
//! ```text
//! value = %xC3 %x01 fingerprint body
//! fingerprint = 8OCTET         ; little-endian, CRC-64-AVRO of the writer's schema
//! ```

use crate::decode::{Fingerprint, Poison};

pub(super) const MAGIC_FIRST: u8 = 0xc3;
const VERSION: u8 = 1;

pub(super) fn split(value: &[u8]) -> Result<(Fingerprint, &[u8]), Poison> {
    let ([first, version], rest) = value.split_first_chunk().ok_or(Poison::TooShort)?;
    if [*first, *version] != [MAGIC_FIRST, VERSION] {
        return Err(Poison::WrongMagic);
    }
    let (fingerprint, body) = rest.split_first_chunk().ok_or(Poison::TooShort)?;
    Ok((Fingerprint(u64::from_le_bytes(*fingerprint)), body))
}
