//! Strings, escaped byte for byte as serde_json does: `"` and `\` by a backslash, control characters by their
//! short form or `\u00xx`, everything else as it is, in UTF-8.
//!
//! Nearly every string of a record is short, ASCII and needs no escape; that is found eight bytes at a time,
//! and such a string is copied whole. Avro's `bytes` and `fixed` become a string with one character per byte,
//! U+0000 to U+00FF, as in Avro's own JSON encoding.

use crate::decode::Poison;

pub fn write_string(bytes: &[u8], json: &mut Vec<u8>) -> Result<(), Poison> {
    json.push(b'"');
    if is_plain_ascii(bytes) {
        json.extend_from_slice(bytes);
    } else {
        let text = std::str::from_utf8(bytes).map_err(|_| Poison::BadUtf8)?;
        write_escaped(text.as_bytes(), json);
    }
    json.push(b'"');
    Ok(())
}

pub fn write_bytes(bytes: &[u8], json: &mut Vec<u8>) {
    json.push(b'"');
    for byte in bytes {
        let mut buffer = [0; 2];
        write_escaped(char::from(*byte).encode_utf8(&mut buffer).as_bytes(), json);
    }
    json.push(b'"');
}

/// Copies stretches without an escape, and escapes what stands between them.
fn write_escaped(text: &[u8], json: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(length) = rest.iter().position(|byte| needs_escape(*byte)) {
        let (clean, tail) = rest.split_at(length);
        json.extend_from_slice(clean);
        write_escape(tail[0], json);
        rest = &tail[1..];
    }
    json.extend_from_slice(rest);
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(byte: u8, json: &mut Vec<u8>) {
    const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            json.extend_from_slice(b"\\u00");
            json.push(HEX_DIGITS[usize::from(byte >> 4)]);
            json.push(HEX_DIGITS[usize::from(byte & 0xf)]);
            return;
        }
    };
    json.extend_from_slice(&[b'\\', short]);
}

#[inline]
fn is_plain_ascii(bytes: &[u8]) -> bool {
    let (words, last) = bytes.as_chunks::<8>();
    if !words.iter().all(|word| is_plain_ascii_word(u64::from_le_bytes(*word))) {
        return false;
    }
    match bytes.last_chunk::<8>() {
        // The last eight bytes overlap the words; looking at some twice is cheaper than a loop.
        Some(word) => is_plain_ascii_word(u64::from_le_bytes(*word)),
        None => last.iter().all(|byte| byte.is_ascii() && !needs_escape(*byte)),
    }
}

/// Eight bytes at once: none is above 0x7f, below 0x20, a quote or a backslash.
///
/// `x - 0x01.. & !x & 0x80..` is not zero exactly when some byte of x is zero, and the same with 0x20 for 0x01
/// when some byte is below 0x20.
#[inline]
fn is_plain_ascii_word(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH_BITS: u64 = ONES * 0x80;
    let quotes = word ^ (ONES * 0x22);
    let backslashes = word ^ (ONES * 0x5c);
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = quotes.wrapping_sub(ONES) & !quotes;
    let backslash = backslashes.wrapping_sub(ONES) & !backslashes;
    (word | below_space | quote | backslash) & HIGH_BITS == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(bytes: &[u8]) -> Result<String, Poison> {
        let mut json = Vec::new();
        write_string(bytes, &mut json)?;
        Ok(String::from_utf8(json).unwrap())
    }

    #[test]
    fn every_character_at_every_place_as_serde_json_writes_it() {
        for character in (0..0x180).filter_map(char::from_u32) {
            for place in 0..18 {
                let text = format!("{}{character}tail", "x".repeat(place));
                assert_eq!(written(text.as_bytes()), Ok(serde_json::to_string(&text).unwrap()));
            }
        }
    }

    #[test]
    fn bytes_become_code_points() {
        let mut json = Vec::new();
        write_bytes(&[0x00, b'"', b'a', 0x7f, 0x80, 0xff], &mut json);
        assert_eq!(String::from_utf8(json).unwrap(), "\"\\u0000\\\"a\u{7f}\u{80}\u{ff}\"");
    }

    proptest! {
        #[test]
        fn any_text_as_serde_json_writes_it(text in "(?s).{0,40}") {
            prop_assert_eq!(written(text.as_bytes()), Ok(serde_json::to_string(&text).unwrap()));
        }

        #[test]
        fn any_bytes_are_a_string_or_poison(bytes: Vec<u8>) {
            let expected = match std::str::from_utf8(&bytes) {
                Ok(text) => Ok(serde_json::to_string(text).unwrap()),
                Err(_) => Err(Poison::BadUtf8),
            };
            prop_assert_eq!(written(&bytes), expected);
        }
    }
}
