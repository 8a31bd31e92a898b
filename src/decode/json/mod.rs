//! Writes JSON values as the client documents show them, at the end of a byte buffer.
//!
//! Numbers look as JavaScript prints them, strings are escaped as serde_json escapes them, times are epoch
//! milliseconds or RFC 3339 as the payload's schema says. What JSON can't say is poison.

mod number;
mod string;
mod time;

pub(super) use number::{write_decimal, write_double, write_float, write_integer};
pub(super) use string::{write_bytes, write_string};
pub(super) use time::{TimeForm, TimeUnit, write_timestamp};
