//! Numbers as JavaScript prints them (ECMA-262, `Number::toString`): the shortest digits that read back as the
//! same number, `10` and never `10.0`, no exponent below 1e21.
//!
//! Integers keep all their digits. A decimal is read from its exact text, so that it is rounded once.

use crate::decode::Poison;
use crate::limits::DECIMAL_MAX_BYTES;

#[inline]
pub fn write_integer(value: i64, json: &mut Vec<u8>) {
    json.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub fn write_double(value: f64, json: &mut Vec<u8>) -> Result<(), Poison> {
    if !value.is_finite() {
        return Err(Poison::NotFinite);
    }
    json.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    Ok(())
}

pub fn write_float(value: f32, json: &mut Vec<u8>) -> Result<(), Poison> {
    if !value.is_finite() {
        return Err(Poison::NotFinite);
    }
    json.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
    Ok(())
}

/// A decimal: its unscaled value in two's complement, big-endian, and the digits after the point.
pub fn write_decimal(unscaled: &[u8], scale: usize, json: &mut Vec<u8>) -> Result<(), Poison> {
    let unscaled = signed_integer(unscaled).ok_or(Poison::BadDecimal)?;
    let value: f64 = format!("{unscaled}e-{scale}").parse().map_err(|_| Poison::BadDecimal)?;
    write_double(value, json)
}

fn signed_integer(big_endian: &[u8]) -> Option<i128> {
    let first = *big_endian.first()?;
    let sign = if first < 0x80 { 0x00 } else { 0xff };
    let mut extended = [sign; DECIMAL_MAX_BYTES];
    let start = DECIMAL_MAX_BYTES.checked_sub(big_endian.len())?;
    extended[start..].copy_from_slice(big_endian);
    Some(i128::from_be_bytes(extended))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_double(value: f64, expected: &str) {
        let mut json = Vec::new();
        write_double(value, &mut json).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }

    fn decimal(unscaled: &[u8], scale: usize) -> Result<String, Poison> {
        let mut json = Vec::new();
        write_decimal(unscaled, scale, &mut json)?;
        Ok(String::from_utf8(json).unwrap())
    }

    #[test]
    fn doubles_as_javascript_prints_them() {
        check_double(10.0, "10");
        check_double(-0.0, "0");
        check_double(0.1 + 0.2, "0.30000000000000004");
        check_double(1e20, "100000000000000000000");
        check_double(1e21, "1e+21");
        check_double(1e-7, "1e-7");
        check_double(f64::MAX, "1.7976931348623157e+308");
        assert_eq!(write_double(f64::NAN, &mut Vec::new()), Err(Poison::NotFinite));
        assert_eq!(write_float(f32::NEG_INFINITY, &mut Vec::new()), Err(Poison::NotFinite));
    }

    #[test]
    fn decimals_are_rounded_once() {
        assert_eq!(decimal(&14_999_i32.to_be_bytes(), 2), Ok("149.99".into()));
        assert_eq!(decimal(&[0x3a, 0x97], 2), Ok("149.99".into()));
        assert_eq!(decimal(&[0xff], 1), Ok("-0.1".into()));
        assert_eq!(decimal(&[0], 2), Ok("0".into()));
        assert_eq!(decimal(&i128::MAX.to_be_bytes(), 0), Ok("1.7014118346046923e+38".into()));
        assert_eq!(decimal(&i128::MIN.to_be_bytes(), 38), Ok("-1.7014118346046923".into()));
        assert_eq!(decimal(&[1], usize::MAX), Ok("0".into()));
        assert_eq!(decimal(&[], 2), Err(Poison::BadDecimal));
        assert_eq!(decimal(&[0; 17], 2), Err(Poison::BadDecimal));
    }
}
