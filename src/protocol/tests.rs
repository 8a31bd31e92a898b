//! Sessions as their caller sees them: plain conversations, how connections end, bounds, any bytes at all.

use super::testing::{client_frame, client_text, describe, describe_frames};
use super::*;
use crate::limits::{LINGER_BRIEF_MAX, LINGER_MAX};
use proptest::prelude::*;
use std::time::Duration;

fn plain(now: Instant) -> Session {
    Session::plain(now)
}

fn socket_io(now: Instant) -> Session {
    let (mut session, _) = Session::socket_io(Uuid::nil(), now);
    let mut actions = Vec::new();
    session.receive(&mut client_text("40"), now, &mut actions);
    session.authorized(None, None, &mut actions);
    session
}

fn receive(session: &mut Session, bytes: &[u8], now: Instant) -> Vec<String> {
    let mut actions = Vec::new();
    session.receive(&mut bytes.to_vec(), now, &mut actions);
    describe(&actions)
}

fn end(session: &mut Session, ending: Ending, now: Instant) -> Vec<String> {
    let mut actions = Vec::new();
    session.end(ending, now, &mut actions);
    describe(&actions)
}

fn handle_deadline(session: &mut Session, now: Instant) -> Vec<String> {
    let mut actions = Vec::new();
    session.handle_deadline(now, &mut actions);
    describe(&actions)
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 160, "{} bytes", size_of::<Session>());
}

#[test]
fn plain_event() {
    let frame = event_frame(Protocol::Plain, "CREATE_PIZZA", br#"{"uuid":"u"}"#);
    assert_eq!(describe_frames(&frame), [r#"{"event_name":"CREATE_PIZZA","data":{"uuid":"u"}}"#]);
    assert_eq!(frame_text(&frame), r#"{"event_name":"CREATE_PIZZA","data":{"uuid":"u"}}"#);
}

#[test]
fn cursors_and_traces_are_one_more_field_or_argument_each() {
    let check = |protocol, cursor: Option<&str>, trace: Option<&str>, expected: &str| {
        let frame = event_frame(protocol, "e", br#"{"a":"b"}"#);
        let frame = cursor.map_or_else(|| frame.clone(), |cursor| cursor_frame(protocol, &frame, cursor));
        assert_eq!(describe_frames(&traced_frame(protocol, &frame, trace)), [expected]);
    };
    let (plain, socket_io) = (Protocol::Plain, Protocol::SocketIo);
    check(plain, None, None, r#"{"event_name":"e","data":{"a":"b"}}"#);
    check(plain, Some("c"), None, r#"{"event_name":"e","data":{"a":"b"},"cursor":"c"}"#);
    check(plain, None, Some("t"), r#"{"event_name":"e","data":{"a":"b"},"traceparent":"t"}"#);
    check(
        plain,
        Some("c"),
        Some("t"),
        r#"{"event_name":"e","data":{"a":"b"},"cursor":"c","traceparent":"t"}"#,
    );
    check(socket_io, None, None, r#"42["e",{"a":"b"},{}]"#);
    check(socket_io, Some("c"), None, r#"42["e",{"a":"b"},{},"c"]"#);
    check(socket_io, None, Some("t"), r#"42["e",{"a":"b"},{"traceparent":"t"}]"#);
    check(socket_io, Some("c"), Some("t"), r#"42["e",{"a":"b"},{"traceparent":"t"},"c"]"#);
}

#[test]
fn plain_clients_may_say_anything() {
    let now = Instant::now();
    let mut session = plain(now);
    for frame in
        [client_text("hello"), client_text(""), client_frame(0x82, b"\xff"), client_frame(0x8A, b"x")]
    {
        assert!(receive(&mut session, &frame, now).is_empty());
    }
    assert!(session.is_open());
}

#[test]
fn plain_endings_have_their_codes() {
    let check = |ending, expected: [&str; 2]| {
        let now = Instant::now();
        assert_eq!(end(&mut plain(now), ending, now), expected);
    };
    check(Ending::WrongKey, ["close 4001 Wrong connection key.", "finish wrong_key"]);
    check(Ending::EmptyKey, ["close 4001 Connection key cannot be empty", "finish empty_key"]);
    check(Ending::TokenExpired, ["close 4002 Token expired", "finish token_expired"]);
    check(Ending::Revoked, ["close 4003 Access revoked", "finish revoked"]);
    check(Ending::TooSlow, ["close 4004 Too slow", "finish too_slow"]);
    check(Ending::Restart, ["close 1012 Service restart", "finish restart"]);
    check(Ending::Full, ["close 1013 Try again later", "finish full"]);
}

#[test]
fn a_plain_client_is_pinged_and_any_byte_is_a_sign_of_life() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut session = plain(start);
    assert!(handle_deadline(&mut session, at(26)).is_empty());
    assert_eq!(handle_deadline(&mut session, at(27)), ["ping []"]);
    assert_eq!(session.deadline(), at(47));
    assert!(receive(&mut session, b"\x81", at(46)).is_empty());
    assert_eq!(session.deadline(), at(54));
    assert_eq!(handle_deadline(&mut session, at(54)), ["ping []"]);
    assert!(receive(&mut session, b"", at(60)).is_empty());
    assert_eq!(handle_deadline(&mut session, at(74)), ["drop unresponsive"]);
}

#[test]
fn pings_are_answered_before_a_close() {
    let now = Instant::now();
    let input =
        [client_frame(0x89, b"1"), client_frame(0x89, b"2"), client_frame(0x88, &1000_u16.to_be_bytes())];
    for mut session in [plain(now), socket_io(now)] {
        let lines = receive(&mut session, &input.concat(), now);
        assert_eq!(lines, ["pong 1", "pong 2", "close 1000", "finish client_closed"]);
    }
    let broken = [client_frame(0x89, b"1"), client_frame(0x83, b"")].concat();
    let lines = receive(&mut plain(now), &broken, now);
    assert_eq!(lines, ["pong 1", "close 1002 Protocol error", "finish protocol_error"]);
}

#[test]
fn the_answer_to_a_close_cuts_the_wait_short() {
    let now = Instant::now();
    for mut session in [plain(now), socket_io(now)] {
        end(&mut session, Ending::Restart, now);
        assert!(!session.is_open());
        assert_eq!(session.deadline(), now + LINGER_MAX);
        let still_talking =
            [client_text("42[\"x\"]"), client_frame(0x89, b"x"), client_frame(0x82, b"x")].concat();
        assert!(receive(&mut session, &still_talking, now).is_empty());
        let close = client_frame(0x88, &1012_u16.to_be_bytes());
        assert_eq!(receive(&mut session, &[&close[..], &close].concat(), now), ["drop restart"]);
    }
}

#[test]
fn a_client_that_does_not_answer_a_close_is_dropped() {
    let now = Instant::now();
    let mut session = plain(now);
    end(&mut session, Ending::Revoked, now);
    assert!(end(&mut session, Ending::Restart, now).is_empty(), "the first ending stands");
    assert!(handle_deadline(&mut session, now).is_empty());
    assert_eq!(handle_deadline(&mut session, now + LINGER_MAX), ["drop revoked"]);
}

#[test]
fn after_broken_frames_nothing_is_read() {
    let now = Instant::now();
    let close = client_frame(0x88, b"");
    let mut broken = plain(now);
    receive(&mut broken, &client_frame(0x83, b""), now);
    assert!(receive(&mut broken, &close, now).is_empty());
    let mut breaks_later = plain(now);
    end(&mut breaks_later, Ending::Restart, now);
    assert!(receive(&mut breaks_later, &client_frame(0x83, b""), now).is_empty());
    assert!(receive(&mut breaks_later, &close, now).is_empty());
    assert_eq!(handle_deadline(&mut breaks_later, now + LINGER_MAX), ["drop restart"]);
}

/// The most that one read of 64 KiB may make us send: some pongs, the refusals of namespaces, a farewell.
const ANSWER_MAX_BYTES: usize = 8 * 1024;

#[test]
fn floods_are_answered_in_few_bytes() {
    let now = Instant::now();
    for frame in [
        client_frame(0x89, &[b'p'; 125]),
        client_frame(0x89, b""),
        client_frame(0x81, b""),
        client_text("2"),
        client_text("2probe"),
        client_text("40/x,"),
        client_text(&format!("40/{},", "x".repeat(127))),
        client_frame(0x88, b""),
    ] {
        for mut session in [plain(now), socket_io(now)] {
            let mut actions = Vec::new();
            session.receive(&mut frame.repeat(65_536 / frame.len()), now, &mut actions);
            assert!(sent_bytes(&actions) <= ANSWER_MAX_BYTES, "{frame:?}: {actions:?}");
        }
    }
}

#[test]
fn who_sends_too_much_is_told_so_and_not_read_any_more() {
    let now = Instant::now();
    let fragments = [client_frame(0x01, b""), client_frame(0x00, b"").repeat(1_000)].concat();
    let floods = [client_frame(0x8A, b""), client_frame(0x89, b"?"), client_text("6"), client_text("3")];
    for flood in floods.map(|frame| frame.repeat(1_900)).into_iter().chain([fragments]) {
        for mut session in [plain(now), socket_io(now)] {
            receive(&mut session, &flood, now);
            assert!(session.is_open() && !session.is_flooded());
            let mut lines = Vec::new();
            while !session.is_flooded() {
                lines = receive(&mut session, &client_frame(0x8A, b"x"), now);
            }
            assert_eq!(lines, ["close 1008 Too much at once", "finish flood"]);
            assert!(receive(&mut session, &client_frame(0x88, b""), now).is_empty());
            assert_eq!(handle_deadline(&mut session, now + LINGER_BRIEF_MAX), ["drop flood"]);
        }
    }
}

#[test]
fn frames_count_however_few_reads_bring_them() {
    let now = Instant::now();
    let flood = client_frame(0x8A, b"").repeat(2_100);
    assert_eq!(receive(&mut plain(now), &flood, now), ["close 1008 Too much at once", "finish flood"]);
}

#[test]
fn who_floods_while_its_connection_ends_is_not_read_any_more() {
    let now = Instant::now();
    let mut session = plain(now);
    end(&mut session, Ending::Revoked, now);
    while !session.is_flooded() {
        assert!(receive(&mut session, &client_frame(0x8A, b"x"), now).is_empty());
    }
    assert!(receive(&mut session, &client_frame(0x88, b""), now).is_empty());
    assert_eq!(handle_deadline(&mut session, now + LINGER_MAX), ["drop revoked"]);
}

fn sent_bytes(actions: &[Action]) -> usize {
    let frames = actions.iter().map(|action| match action {
        Action::Send(frames) => frames.len(),
        _ => 0,
    });
    frames.sum()
}

#[test]
fn deep_json_is_only_a_message() {
    let now = Instant::now();
    let deep = format!("42[\"x\",{}{}]", "[".repeat(30_000), "]".repeat(30_000));
    assert!(receive(&mut socket_io(now), &client_text(&deep), now).is_empty());
    let too_deep = format!("42[\"x\",{}", "[".repeat(50_000));
    assert_eq!(receive(&mut socket_io(now), &client_text(&too_deep), now), ["finish bad_packet"]);
}

#[test]
fn tokens_and_frames_stay_out_of_debug() {
    let now = Instant::now();
    let (mut session, _) = Session::socket_io(Uuid::nil(), now);
    let mut actions = vec![Action::Send(Bytes::from_static(b"secret"))];
    session.receive(&mut client_text(r#"40{"token":"secret"}"#), now, &mut actions);
    assert_eq!(format!("{actions:?}"), "[Send(6 bytes), Authenticate { has_token: true }]");
}

/// What a client of any sort may send: good and bad packets, control frames, fragments, rubbish.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::sample::select(vec![
        "40",
        "40{\"token\":\"t\"}",
        "40/x,",
        "41",
        "42[\"a\",{}]",
        "421[\"a\"]",
        "431[]",
        "3",
        "2",
        "2probe",
        "6",
        "1",
        "42[",
        "42{}",
        "451-[\"a\"]",
        "x",
        "",
    ]);
    let frame = prop_oneof![
        8 => text.prop_map(client_text),
        1 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..140))
            .prop_map(|(first, payload)| client_frame(first, &payload)),
        1 => Just([client_frame(0x01, b"42["), client_frame(0x89, b"!"), client_frame(0x80, b"\"a\"]")].concat()),
        1 => Just(client_frame(0x88, &1001_u16.to_be_bytes())),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(frame, 0..12).prop_map(|frames| frames.concat())
}

/// All that a session answers to `input` in these pieces, joined as soon as it asks, without the pongs: how
/// many of them there are may depend on the cuts.
fn converse(mut session: Session, input: &[u8], cuts: &[usize], now: Instant) -> Vec<String> {
    let mut actions = Vec::new();
    let mut rest = input;
    for cut in cuts.iter().cycle() {
        let (chunk, after) = rest.split_at((*cut).min(rest.len()));
        rest = after;
        session.receive(&mut chunk.to_vec(), now, &mut actions);
        if rest.is_empty() {
            break;
        }
    }
    session.authorized(None, None, &mut actions);
    let mut lines = describe(&actions);
    lines.retain(|line| !line.starts_with("pong") && line != "3" && line != "3probe");
    lines
}

proptest! {
    #[test]
    fn cuts_make_no_difference(input in conversation(), cuts in prop::collection::vec(1_usize..30, 1..20)) {
        let now = Instant::now();
        for make in [plain, socket_io, |now| Session::socket_io(Uuid::nil(), now).0] {
            let whole = converse(make(now), &input, &[usize::MAX], now);
            prop_assert_eq!(&converse(make(now), &input, &cuts, now), &whole);
            prop_assert_eq!(&converse(make(now), &input, &[1], now), &whole);
        }
    }

    #[test]
    fn any_bytes_are_answered_in_few(input in prop::collection::vec(any::<u8>(), 0..600)) {
        let now = Instant::now();
        for make in [plain, socket_io] {
            let mut session = make(now);
            let mut actions = Vec::new();
            session.receive(&mut input.clone(), now, &mut actions);
            prop_assert!(sent_bytes(&actions) <= ANSWER_MAX_BYTES);
        }
    }
}
