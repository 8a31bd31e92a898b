//! The mark by which an event of a run is known again in whatever a client receives.
//!
//! ```text
//! [bench 5f0c91d2 0000000042 1795350900123456789]
//!        run      number     produced at, nanoseconds since 1970
//! ```
//!
//! It stands in a text of the payload. Every part has a fixed width, so that a record is encoded once and only
//! its mark is written anew; no letter of it is escaped in JSON, so every server sends it on as it is. Clocks
//! are not compared: the one that wrote the time is the one that reads it.

use crate::limits::BENCH_EVENTS_MAX;
use memchr::memmem::Finder;
use std::fmt;
use std::str::FromStr;

/// Tells this run's events from those of others that come by the same topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId(u32);

/// What a mark says: which event of the run, and when it was produced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub number: u64,
    pub produced_at_ns: u64,
}

/// Finds marks of one run.
pub struct Marks {
    head: Finder<'static>,
}

const NUMBER_DIGITS: usize = 10;
const TIME_DIGITS: usize = 19;

const _: () = assert!(BENCH_EVENTS_MAX == 10_usize.pow(NUMBER_DIGITS as u32) - 1);

/// The length of a mark.
pub const MARK_BYTES: usize = "[bench ".len() + 8 + 1 + NUMBER_DIGITS + 1 + TIME_DIGITS + 1;

impl RunId {
    pub fn random() -> RunId {
        RunId(rand::random())
    }

    fn head(self) -> String {
        format!("[bench {self} ")
    }

    /// The text of a mark.
    pub fn mark(self, mark: Mark) -> String {
        format!("{}{:010} {:019}]", self.head(), mark.number, mark.produced_at_ns)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

impl FromStr for RunId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<RunId, Self::Err> {
        let is_hex = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = is_hex.then_some(text).ok_or("expected 8 hex digits")?;
        u32::from_str_radix(digits, 16).map(RunId).map_err(|_| "expected 8 hex digits")
    }
}

impl Marks {
    pub fn of(run: RunId) -> Marks {
        Marks { head: Finder::new(run.head().as_bytes()).into_owned() }
    }

    /// The first mark in the payload of an event.
    pub fn find(&self, payload: &[u8]) -> Option<Mark> {
        let tail = payload.get(self.head.find(payload)? + self.head.needle().len()..)?;
        let (number, tail) = tail.split_at_checked(NUMBER_DIGITS)?;
        let (time, end) = tail.strip_prefix(b" ")?.split_at_checked(TIME_DIGITS)?;
        end.starts_with(b"]").then_some(())?;
        Some(Mark { number: digits(number)?, produced_at_ns: digits(time)? })
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunId {
        "5f0c91d2".parse().unwrap()
    }

    #[test]
    fn a_mark_is_found_as_it_was_written() {
        let mark = Mark { number: 42, produced_at_ns: 1_795_350_900_123_456_789 };
        let text = run().mark(mark);
        assert_eq!(text, "[bench 5f0c91d2 0000000042 1795350900123456789]");
        assert_eq!(text.len(), MARK_BYTES);
        let frame = format!("42[\"order:new\",{{\"additionalInformation\":\"{text}\",\"cost\":1}}]");
        assert_eq!(Marks::of(run()).find(frame.as_bytes()), Some(mark));
    }

    #[test]
    fn what_is_no_mark_of_this_run_is_none() {
        let check = |payload: &str| assert_eq!(Marks::of(run()).find(payload.as_bytes()), None, "{payload}");
        check("");
        check("[bench 5f0c91d3 0000000042 1795350900123456789]");
        check("[bench 5f0c91d2 0000000042 179535090012345678");
        check("[bench 5f0c91d2 0000000042 17953509001234567890");
        check("[bench 5f0c91d2 00000000x2 1795350900123456789]");
        check("[bench 5f0c91d2 ");
        check("[bench 5f0c91d2 0000000042 9999999999999999999"); // without its end
        assert!("5f0c91d".parse::<RunId>().is_err() && "+f0c91d2".parse::<RunId>().is_err());
    }
}
