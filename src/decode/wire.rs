//! Reads the primitives of Avro's binary encoding.
//!
//! ```text
//! long    = 1*10OCTET          ; zigzag, base 128, least significant group first, high bit: more follows
//! boolean = %x00 / %x01
//! float   = 4OCTET             ; IEEE 754, little-endian; a double is 8OCTET
//! bytes   = long *OCTET        ; the length, then that many bytes; a string is the same in UTF-8
//! blocks  = *block %x00
//! block   = long *item         ; count > 0
//!         / long long *item    ; count < 0: its absolute value, then the size of the items in bytes
//! ```
//!
//! (Avro 1.12, "Binary Encoding".) A claimed length is checked against what is there before anything is done
//! with it. What the values mean is the plan's matter.

use super::Poison;

/// The bytes of a record that are still to be read.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

/// The head of a block of array or map items.
pub(super) struct Block {
    pub count: u64,
    /// How many bytes the items take, where the writer says so.
    pub size_bytes: Option<usize>,
}

impl<'a> Cursor<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Poison> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Poison::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn boolean(&mut self) -> Result<bool, Poison> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Poison::BadIndex),
        }
    }

    pub fn int(&mut self) -> Result<i32, Poison> {
        i32::try_from(self.long()?).map_err(|_| Poison::Overflow)
    }

    #[inline]
    pub fn long(&mut self) -> Result<i64, Poison> {
        // Most lengths, indexes and small numbers take one byte.
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(unzigzag(u64::from(*byte)))
            }
            _ => self.long_of_many_bytes(),
        }
    }

    pub fn float(&mut self) -> Result<f32, Poison> {
        self.array().map(f32::from_le_bytes)
    }

    pub fn double(&mut self) -> Result<f64, Poison> {
        self.array().map(f64::from_le_bytes)
    }

    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Poison> {
        let length = self.length()?;
        self.take(length)
    }

    /// The index of a union branch or an enum symbol. Whether there is such a one is the caller's question.
    #[inline]
    pub fn index(&mut self) -> Result<usize, Poison> {
        usize::try_from(self.long()?).map_err(|_| Poison::BadIndex)
    }

    /// The next block of items; `None` after the last.
    pub fn block(&mut self) -> Result<Option<Block>, Poison> {
        let count = self.long()?;
        let size_bytes = if count < 0 { Some(self.length()?) } else { None };
        Ok((count != 0).then_some(Block { count: count.unsigned_abs(), size_bytes }))
    }

    fn length(&mut self) -> Result<usize, Poison> {
        usize::try_from(self.long()?).map_err(|_| Poison::Overflow)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Poison> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Poison::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn long_of_many_bytes(&mut self) -> Result<i64, Poison> {
        let mut value = 0;
        for (position, byte) in self.rest.iter().enumerate() {
            // The tenth byte holds the 64th bit and nothing else.
            if position == 9 && *byte > 1 {
                return Err(Poison::Overflow);
            }
            value |= u64::from(byte & 0x7f) << (7 * position);
            if *byte < 0x80 {
                self.rest = &self.rest[position + 1..];
                return Ok(unzigzag(value));
            }
        }
        Err(Poison::Truncated)
    }
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_long(bytes: &[u8], expected: Result<i64, Poison>) {
        assert_eq!(Cursor::new(bytes).long(), expected, "{bytes:02x?}");
    }

    #[test]
    fn longs() {
        check_long(&[0x00], Ok(0));
        check_long(&[0x01], Ok(-1));
        check_long(&[0x7f], Ok(-64));
        check_long(&[0x80, 0x01], Ok(64));
        check_long(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Ok(i64::MAX));
        check_long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Ok(i64::MIN));
        check_long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], Err(Poison::Overflow));
        check_long(&[0x80; 11], Err(Poison::Overflow));
        check_long(&[0x80; 9], Err(Poison::Truncated));
        check_long(&[], Err(Poison::Truncated));
    }

    #[test]
    fn claimed_lengths_are_checked() {
        assert_eq!(Cursor::new(&[0x01]).bytes(), Err(Poison::Overflow));
        assert_eq!(Cursor::new(&[0x04, b'a']).bytes(), Err(Poison::Truncated));
        assert_eq!(Cursor::new(&[0x02, b'a']).bytes(), Ok(&b"a"[..]));
        assert_eq!(Cursor::new(&[0x01]).index(), Err(Poison::BadIndex));
        assert_eq!(Cursor::new(&[0x02]).boolean(), Err(Poison::BadIndex));
    }

    #[test]
    fn blocks() {
        let head = |bytes: &[u8]| {
            Cursor::new(bytes).block().map(|block| block.map(|block| (block.count, block.size_bytes)))
        };
        assert_eq!(head(&[0x00]), Ok(None));
        assert_eq!(head(&[0x04]), Ok(Some((2, None))));
        assert_eq!(head(&[0x03, 0x08]), Ok(Some((2, Some(4)))));
        assert_eq!(head(&[0x03, 0x07]), Err(Poison::Overflow));
        assert_eq!(head(&[0x03]), Err(Poison::Truncated));
    }
}
