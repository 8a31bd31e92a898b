//! The Socket.IO client, as far as a listener needs one: Engine.IO 4 over WebSocket only.
//!
//! ```text
//! <  0{"sid":...}                   open          >  40{"token":"..."}   connect, with the token
//! <  40{"sid":...}                  connected
//! <  42["authorization:ok"]         or authorization:error, and then 41
//! <  42["order:new",{...}]          an event
//! <  2                              ping          >  3                   pong
//! ```

use super::{Received, TOKEN_NOT_TAKEN, ws_address};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use serde_json::value::RawValue;

pub(super) fn address(base: &Url) -> Url {
    ws_address(base, "/ws/", &[("EIO", "4"), ("transport", "websocket")])
}

pub(super) fn understand(text: &str, token: &SecretString) -> Received {
    match text.as_bytes() {
        [b'0', ..] => Received::Answer(format!("40{}", json!({"token": token.expose_secret()}))),
        [b'2', ..] => Received::Answer("3".to_owned()),
        b"41" => Received::Refused("disconnected by the service, for good".to_owned()),
        [b'4', b'0', ..] => Received::Nothing,
        [b'4', b'4', ..] => Received::Refused("refused: no such namespace".to_owned()),
        _ => text.strip_prefix("42").and_then(event).unwrap_or(Received::Strange),
    }
}

/// An event: its name, and its first argument, which is all that the service ever sends.
fn event(packet: &str) -> Option<Received> {
    let mut arguments: Vec<Box<RawValue>> = serde_json::from_str(packet).ok()?;
    let name: String = serde_json::from_str(arguments.first()?.get()).ok()?;
    match name.as_str() {
        "authorization:ok" => Some(Received::Authorized),
        "authorization:error" => Some(Received::Refused(format!(
            "refused: {}: {TOKEN_NOT_TAKEN}",
            arguments.get(1).map_or("without a reason", |reason| reason.get())
        ))),
        _ => (arguments.len() > 1).then(|| Received::Event { name, data: arguments.swap_remove(1) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(packet: &str, expected: &str) {
        let received = understand(packet, &SecretString::from("t.o.k"));
        let told = match &received {
            Received::Event { name, data } => format!("event {name} {}", data.get()),
            Received::Answer(answer) => format!("answer {answer}"),
            other => format!("{other:?}"),
        };
        assert_eq!(told, expected, "{packet}");
    }

    #[test]
    fn packets_mean_what_the_protocol_says() {
        check(r#"0{"sid":"x","pingInterval":25000}"#, r#"answer 40{"token":"t.o.k"}"#);
        check("2", "answer 3");
        check(r#"40{"sid":"x"}"#, "Nothing");
        check(r#"42["authorization:ok"]"#, "Authorized");
        check("41", r#"Refused("disconnected by the service, for good")"#);
        check(r#"42["order:new",{"_id":"a","cost":10}]"#, r#"event order:new {"_id":"a","cost":10}"#);
        for strange in ["", "5", "42", "42[]", "42{}", "42[1]", r#"42["order:new"]"#, "43[]", "é"] {
            check(strange, "Strange");
        }
    }

    #[test]
    fn a_refused_token_has_a_way_out_beside_what_the_service_says() {
        let packet = r#"42["authorization:error",{"code":2000}]"#;
        let received = understand(packet, &SecretString::from("t.o.k"));
        let Received::Refused(told) = received else { panic!("{received:?}") };
        assert!(
            told.starts_with(r#"refused: {"code":2000}: the service does not take this token: "#),
            "{told}"
        );
        assert!(told.contains("`dumbwaiter token`"), "{told}");
    }
}
