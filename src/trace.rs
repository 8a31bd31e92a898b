//! W3C Trace Context: the trace that a record belongs to, as its producer says.
//!
//! ```text
//! 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
//! version  trace-id (not all 0)   parent-id (not all 0)  flags       small hexadecimal digits; ff is no version
//! ```
//!
//! In: the value of a `traceparent` header. Out: the same as version 00, which is what is known here: a later version may
//! have more behind its flags, and that is left off, as the recommendation wants it (section 3.2.4).

use std::fmt;

/// The name of the header. Names are taken in any case (section 3.2.1).
pub const HEADER: &str = "traceparent";

/// The target of log lines that tell of each event, which are asked for apart.
pub const EVENTS: &str = "dumbwaiter::events";

/// Version 00, and so 55 characters of ASCII.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceParent(Box<str>);

impl TraceParent {
    /// None if it is not as the recommendation says.
    pub fn parse(value: &[u8]) -> Option<TraceParent> {
        let text = std::str::from_utf8(value).ok()?;
        let mut parts = text.splitn(5, '-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_known = version == "00" && parts.next().is_none();
        let is_later = is_hex(version, 2) && version != "00" && version != "ff";
        let is_id = |id: &str, length: usize| is_hex(id, length) && id.bytes().any(|digit| digit != b'0');
        let is_good = (is_known || is_later) && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2);
        is_good.then(|| TraceParent(format!("00-{trace}-{parent}-{flags}").into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn trace_id(&self) -> &str {
        &self.0[3..35]
    }

    /// The span that wrote the record.
    pub fn parent_id(&self) -> &str {
        &self.0[36..52]
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn check(value: &str, expected: Option<&str>) {
        let parsed = TraceParent::parse(value.as_bytes());
        assert_eq!(parsed.as_ref().map(TraceParent::as_str), expected, "{value}");
    }

    #[test]
    fn what_the_recommendation_allows_and_nothing_else() {
        check(GOOD, Some(GOOD));
        check(&GOOD.replace("-01", "-00"), Some(&GOOD.replace("-01", "-00")));
        check(&GOOD.replace("-01", "-ff"), Some(&GOOD.replace("-01", "-ff")));
        // A later version, alone and with what nobody knows yet.
        check(&GOOD.replacen("00", "cc", 1), Some(GOOD));
        check(&format!("{}-what-will-be", GOOD.replacen("00", "01", 1)), Some(GOOD));
        for wrong in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bß-01",
        ] {
            check(wrong, None);
        }
        check(&GOOD.replacen("00", "ff", 1), None);
        check(&format!("{GOOD}-more"), None);
        check(&format!("{GOOD} "), None);
        check(&format!("{}.more", GOOD.replacen("00", "01", 1)), None);
        assert_eq!(TraceParent::parse(b"00-\xff"), None);
    }

    #[test]
    fn its_parts() {
        let trace = TraceParent::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.parent_id(), "00f067aa0ba902b7");
    }
}
