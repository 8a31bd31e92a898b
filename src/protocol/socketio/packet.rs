//! One Socket.IO packet of a client.
//!
//! ```text
//! packet    = type [ namespace "," ] [ ack id ] [ json ]
//! type      = "0" CONNECT | "1" DISCONNECT | "2" EVENT | "3" ACK     ("4" is the server's, "5" and "6" binary)
//! namespace = "/" anything but ","                                   (absent: the main one, "/")
//! ```
//!
//! In: the text after Engine.IO's `4`. Out: what kind of packet it is. JSON is checked without building it up,
//! so that neither its depth nor its size costs anything.

use crate::protocol::Recovery;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The namespace of a packet that names none.
pub(super) const MAIN_NAMESPACE: &str = "/";

/// What a client may send. All but CONNECT belong to the main namespace, the only one that can be connected.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'t> {
    /// `auth` is JSON that has not been looked at, or empty; see [`parse_auth`].
    Connect {
        namespace: &'t str,
        auth: &'t str,
    },
    Disconnect,
    Event,
    Ack,
}

impl<'t> Packet<'t> {
    /// `None`: not a packet that a client may send.
    pub fn parse(text: &'t str) -> Option<Self> {
        let mut rest = text.chars();
        let kind = rest.next()?;
        let (namespace, rest) = split_namespace(rest.as_str());
        if kind == '0' {
            return Some(Self::Connect { namespace, auth: rest });
        }
        if namespace != MAIN_NAMESPACE {
            return None;
        }
        let json = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let has_ack_id = json.len() < rest.len();
        match kind {
            '1' if rest.is_empty() => Some(Self::Disconnect),
            '2' if is_event(json) => Some(Self::Event),
            '3' if has_ack_id && is_array(json) => Some(Self::Ack),
            _ => None,
        }
    }
}

/// The strings `token`, `pid` and `offset` of a CONNECT's `auth`; what is not a string counts as absent. `None`:
/// it is not a JSON object at all.
pub(super) fn parse_auth(auth: &str) -> Option<(Option<SecretString>, Recovery)> {
    #[derive(Deserialize)]
    struct Auth<'t> {
        #[serde(borrow)]
        token: Option<&'t RawValue>,
        #[serde(borrow)]
        pid: Option<&'t RawValue>,
        #[serde(borrow)]
        offset: Option<&'t RawValue>,
    }
    if auth.is_empty() {
        return Some((None, Recovery::default()));
    }
    // Without this an array would do as well, its first element being the token.
    if !auth.starts_with('{') {
        return None;
    }
    let auth: Auth<'_> = serde_json::from_str(auth).ok()?;
    let recovery = Recovery { pid: auth.pid.and_then(string), offset: auth.offset.and_then(string) };
    Some((auth.token.and_then(string).map(SecretString::from), recovery))
}

fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn split_namespace(text: &str) -> (&str, &str) {
    if text.starts_with('/') { text.split_once(',').unwrap_or((text, "")) } else { (MAIN_NAMESPACE, text) }
}

/// An event is an array whose first element is the event's name.
fn is_event(json: &str) -> bool {
    let elements = json.strip_prefix('[').unwrap_or_default();
    elements.trim_start().starts_with('"') && is_array(json)
}

fn is_array(json: &str) -> bool {
    json.starts_with('[') && serde_json::from_str::<IgnoredAny>(json).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn packets() {
        let check = |text, expected| assert_eq!(Packet::parse(text), expected, "{text:?}");
        let connect = |namespace, auth| Some(Packet::Connect { namespace, auth });
        check("0", connect("/", ""));
        check("0{\"token\":\"t\"}", connect("/", "{\"token\":\"t\"}"));
        check("0/", connect("/", ""));
        check("0/,{}", connect("/", "{}"));
        check("0/admin", connect("/admin", ""));
        check("0/admin,", connect("/admin", ""));
        check("0/admin?x=1,{}", connect("/admin?x=1", "{}"));
        check("1", Some(Packet::Disconnect));
        check("1/,", Some(Packet::Disconnect));
        check("2[\"hello\"]", Some(Packet::Event));
        check("2[ \"hello\" , {\"a\":[1,2,null]}]", Some(Packet::Event));
        check("217[\"hello\"]", Some(Packet::Event));
        check("2/,17[\"hello\"]", Some(Packet::Event));
        check("317[]", Some(Packet::Ack));
    }

    #[test]
    fn malformed_packets() {
        for text in [
            "",
            "4",
            "5",
            "7",
            "x",
            "é",
            "1{}",
            "1/admin,",
            "2",
            "2{}",
            "2[]",
            "2[1]",
            "2[null]",
            "2[\"a\"",
            "2[\"a\"]]",
            "2\"a\"",
            "2x[\"a\"]",
            "2/admin,[\"a\"]",
            "2-1[\"a\"]",
            "2[\"\\u12\"]",
            "3[]",
            "31{}",
            "4{\"message\":\"x\"}",
            "51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
            "2[\"a\u{a0}\",\u{a0}1]",
        ] {
            assert_eq!(Packet::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn tokens() {
        let check = |auth, expected: Option<Option<&str>>| {
            let token = parse_auth(auth).map(|(token, _)| token);
            let token = token.as_ref().map(|token| token.as_ref().map(ExposeSecret::expose_secret));
            assert_eq!(token, expected, "{auth:?}");
        };
        check("", Some(None));
        check("{}", Some(None));
        check("{\"other\":1}", Some(None));
        check("{\"token\":null}", Some(None));
        check("{\"token\":7}", Some(None));
        check("{\"token\":[[\"t\"]]}", Some(None));
        check("{\"token\":\"t\"}", Some(Some("t")));
        check("{\"a\":{\"token\":\"no\"}, \"token\" : \"\\u0074\" }", Some(Some("t")));
        for auth in ["x", "7", "null", "[\"t\"]", "{\"token\":\"t\"", "{\"token\":\"t\"}}", " {}", "\"t\""] {
            check(auth, None);
        }
    }

    #[test]
    fn recovery_of_a_client_that_comes_back() {
        let check = |auth, pid: Option<&str>, offset: Option<&str>| {
            let expected = Recovery { pid: pid.map(str::to_owned), offset: offset.map(str::to_owned) };
            assert_eq!(parse_auth(auth).unwrap().1, expected, "{auth:?}");
        };
        check("{}", None, None);
        check(r#"{"pid":"p","offset":"o","token":"t"}"#, Some("p"), Some("o"));
        check(r#"{"pid":"p"}"#, Some("p"), None);
        check(r#"{"pid":7,"offset":{}}"#, None, None);
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        assert_eq!(Packet::parse(&format!("2[\"a\",{deep}]")), Some(Packet::Event));
        assert_eq!(Packet::parse(&format!("31{deep}")), Some(Packet::Ack));
        assert_eq!(Packet::parse(&format!("2[\"a\",{}", "[".repeat(50_000))), None);
        assert!(matches!(parse_auth(&format!("{{\"a\":{deep}}}")), Some((None, _))));
        assert!(matches!(parse_auth(&format!("{{\"token\":{deep}}}")), Some((None, _))));
    }
}
