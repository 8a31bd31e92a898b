//! Whole Socket.IO conversations over a session, as `socket-io.md` and the official server have them.

use crate::limits::{LINGER_MAX, NAMESPACE_MAX_BYTES, NAMESPACE_REFUSALS_MAX, SOCKET_IO_REFUSAL_PAUSE};
use crate::protocol::testing::{client_frame, client_text, describe, describe_frames};
use crate::protocol::{Action, Ending, Protocol, Session, event_frame};
use std::time::{Duration, Instant};
use uuid::Uuid;

const CONNECTED: &str = r#"40{"sid":"00000000-0000-0000-0000-000000000000"}"#;
const ERROR: &str = r#"42["authorization:error",{"message":"Вы не авторизованы","code":2000,"error":"UserAuthorizationError"}]"#;

struct Talk {
    session: Session,
    start: Instant,
    now: Instant,
}

impl Talk {
    fn open() -> Self {
        let start = Instant::now();
        let (session, _) = Session::socket_io(Uuid::nil(), start);
        Self { session, start, now: start }
    }

    fn joined() -> Self {
        let mut talk = Self::open();
        talk.check("40", &["authenticate"]);
        talk.act(|session, _, actions| session.authorized(None, None, actions));
        talk
    }

    fn act(&mut self, call: impl FnOnce(&mut Session, Instant, &mut Vec<Action>)) -> Vec<String> {
        let mut actions = Vec::new();
        call(&mut self.session, self.now, &mut actions);
        describe(&actions)
    }

    fn check(&mut self, text: &str, expected: &[&str]) {
        let lines = self.act(|session, now, actions| session.receive(&mut client_text(text), now, actions));
        assert_eq!(lines, expected, "{text:?}");
    }

    /// The session's deadline comes, so long after the start.
    fn check_deadline(&mut self, after: Duration, expected: &[&str]) {
        self.now = self.start + after;
        assert_eq!(self.session.deadline(), self.now);
        assert_eq!(self.act(Session::handle_deadline), expected, "after {after:?}");
    }
}

#[test]
fn opening_frame() {
    let (session, opening) = Session::socket_io(Uuid::nil(), Instant::now());
    assert_eq!(session.protocol(), Protocol::SocketIo);
    assert_eq!(
        describe_frames(&opening),
        [
            r#"0{"sid":"00000000-0000-0000-0000-000000000000","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}"#
        ]
    );
}

#[test]
fn authorized() {
    let mut talk = Talk::open();
    talk.check(r#"40{"token":"secret"}"#, &["authenticate secret"]);
    let lines = talk.act(|session, _, actions| session.authorized(None, None, actions));
    assert_eq!(lines, [CONNECTED, r#"42["authorization:ok"]"#]);
    let again = talk.act(|session, _, actions| session.authorized(None, None, actions));
    assert!(again.is_empty());
}

#[test]
fn refused() {
    let mut talk = Talk::open();
    talk.check("40", &["authenticate"]);
    assert_eq!(talk.act(Session::refused), [CONNECTED, ERROR]);
    let late = talk.act(|session, _, actions| session.authorized(None, None, actions));
    assert!(late.is_empty());
    assert!(talk.act(Session::refused).is_empty());
    talk.check("42[\"hello\"]", &[]);
    assert!(talk.act(Session::handle_deadline).is_empty());
    talk.check_deadline(SOCKET_IO_REFUSAL_PAUSE, &["41", "finish unauthorized"]);
    talk.check_deadline(SOCKET_IO_REFUSAL_PAUSE + LINGER_MAX, &["drop unauthorized"]);
}

#[test]
fn a_refused_client_may_leave_first() {
    let mut talk = Talk::open();
    talk.check("40", &["authenticate"]);
    talk.act(Session::refused);
    talk.check("41", &["finish client_closed"]);
}

#[test]
fn events_of_the_documents() {
    let check = |payload: &str, name, expected: &str| {
        let frame = event_frame(Protocol::SocketIo, name, payload.as_bytes());
        assert_eq!(describe_frames(&frame), [expected]);
    };
    check(
        r#"{"_id":"6263bda571a52b2d541ec5f7","condition":"COLLECTED"}"#,
        "order:condition",
        r#"42["order:condition",{"_id":"6263bda571a52b2d541ec5f7","condition":"COLLECTED"}]"#,
    );
    check("{}", "a \"b\"", r#"42["a \"b\"",{}]"#);
}

#[test]
fn what_a_joined_client_may_send() {
    for text in ["42[\"hello\",1]", "421[\"hello\"]", "431[]", "3", "6"] {
        Talk::joined().check(text, &[]);
    }
    Talk::joined().check("2", &["3"]);
    Talk::joined().check("2probe", &["3probe"]);
    Talk::joined().check("41", &["finish client_closed"]);
    Talk::joined().check("1", &["finish client_closed"]);
}

#[test]
fn what_drops_a_connection() {
    for text in [
        "",
        "x",
        "0",
        "5",
        "b",
        "4",
        "40",
        "40{}",
        "42",
        "42{}",
        "42[1]",
        "42[\"a\"",
        "42x[\"a\"]",
        "44{}",
        "4abc",
        "42/x,[\"a\"]",
        "41/x,",
        "451-[\"a\",{\"_placeholder\":true,\"num\":0}]",
        "461-1[{}]",
    ] {
        Talk::joined().check(text, &["finish bad_packet"]);
    }
    for text in ["42[\"early\"]", "431[]", "40x", "40[\"t\"]", "40{\"token\":"] {
        Talk::open().check(text, &["finish bad_packet"]);
    }
    let mut twice = Talk::open();
    twice.check("40", &["authenticate"]);
    twice.check("40", &["finish bad_packet"]);
    let mut binary = Talk::joined();
    let lines =
        binary.act(|session, now, actions| session.receive(&mut client_frame(0x82, b"x"), now, actions));
    assert_eq!(lines, ["finish bad_packet"]);
}

#[test]
fn only_broken_frames_get_a_close_frame() {
    let check = |mut bytes: Vec<u8>, expected: [&str; 2]| {
        let lines = Talk::joined().act(|session, now, actions| session.receive(&mut bytes, now, actions));
        assert_eq!(lines, expected);
    };
    check(client_frame(0x83, b""), ["close 1002 Protocol error", "finish protocol_error"]);
    check(client_frame(0x81, b"\xff"), ["close 1007 Text is not UTF-8", "finish invalid_text"]);
    check(client_frame(0x81, &[b'x'; 65_537]), ["close 1009 Message too big", "finish message_too_big"]);
    check(client_frame(0x88, &1001_u16.to_be_bytes()), ["close 1001", "finish client_closed"]);
    check(client_frame(0x88, b""), ["close", "finish client_closed"]);
}

#[test]
fn endings_that_the_client_comes_back_from_are_silent() {
    for ending in [Ending::TokenExpired, Ending::TooSlow, Ending::Restart, Ending::Full] {
        let lines = Talk::joined().act(|session, now, actions| session.end(ending, now, actions));
        assert_eq!(lines, [format!("finish {}", ending.row().label)]);
    }
}

#[test]
fn revoked() {
    let revoke =
        |mut talk: Talk| talk.act(|session, now, actions| session.end(Ending::Revoked, now, actions));
    assert_eq!(revoke(Talk::joined()), [ERROR, "41", "finish revoked"]);
    assert_eq!(revoke(Talk::open()), ["finish revoked"]);
}

#[test]
fn foreign_namespaces() {
    let mut talk = Talk::open();
    talk.check("40/admin,{}", &[r#"44/admin,{"message":"Invalid namespace"}"#]);
    talk.check("40/\"q\"", &[r#"44/"q",{"message":"Invalid namespace"}"#]);
    talk.check("40/,", &["authenticate"]);
    talk.check("40/x", &[r#"44/x,{"message":"Invalid namespace"}"#]);
    let longest = "x".repeat(NAMESPACE_MAX_BYTES - 1);
    talk.check(&format!("40/{longest},"), &[&format!(r#"44/{longest},{{"message":"Invalid namespace"}}"#)]);
    talk.check(&format!("40/{longest}x,"), &["finish bad_packet"]);

    let mut greedy = Talk::joined();
    for _ in 0..NAMESPACE_REFUSALS_MAX {
        greedy.check("40/x,", &[r#"44/x,{"message":"Invalid namespace"}"#]);
    }
    greedy.check("40/x,", &["finish bad_packet"]);
}

#[test]
fn who_is_not_authorized_in_time_is_dropped() {
    Talk::open().check_deadline(Duration::from_secs(10), &["drop unauthenticated"]);
    let mut talk = Talk::open();
    talk.check("40", &["authenticate"]);
    talk.check("2", &["3"]);
    talk.check_deadline(Duration::from_secs(10), &["drop unauthenticated"]);
}

#[test]
fn who_is_known_may_wait_longer_for_where_it_goes_on() {
    let mut talk = Talk::open();
    talk.check("40", &["authenticate"]);
    let until = talk.start + Duration::from_secs(30);
    talk.act(|session, _, _| session.answers_by(until));
    talk.check_deadline(Duration::from_secs(30), &["drop unauthenticated"]);
}

#[test]
fn pings_are_answered_or_the_connection_is_dropped() {
    let mut talk = Talk::joined();
    talk.check_deadline(Duration::from_secs(25), &["2"]);
    talk.check("42[\"alive\"]", &[]);
    talk.check("3", &[]);
    talk.check_deadline(Duration::from_secs(50), &["2"]);
    talk.check("42[\"alive\"]", &[]);
    talk.check_deadline(Duration::from_secs(70), &["drop unresponsive"]);
}
