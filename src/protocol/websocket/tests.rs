//! The reader against single frames, fragments and limits, whole and cut anywhere.

use super::*;
use crate::protocol::testing::{client_frame, describe_frames};
use proptest::prelude::*;

/// Reads all of `input` in one go and in single bytes; both must give the same lines.
fn read(input: &[u8]) -> Vec<String> {
    let lines = read_chunks(input.chunks(input.len().max(1)));
    assert_eq!(read_chunks(input.chunks(1)), lines);
    lines
}

fn read_chunks<'i>(chunks: impl Iterator<Item = &'i [u8]>) -> Vec<String> {
    let mut reader = Reader::default();
    let mut lines = Vec::new();
    for chunk in chunks {
        let mut chunk = chunk.to_vec();
        let mut input = &mut chunk[..];
        loop {
            match reader.read(&mut input) {
                Ok(Some(message)) => lines.push(describe(&message)),
                Ok(None) => break,
                Err(violation) => {
                    lines.push(format!("{violation:?}"));
                    return lines;
                }
            }
        }
        assert!(input.is_empty());
    }
    if !reader.frame.is_empty() || reader.fragments.is_some() {
        lines.push("incomplete".to_owned());
    }
    lines
}

fn describe(message: &Message<'_>) -> String {
    match message {
        Message::Text(text) if text.len() > 20 => format!("text of {} bytes", text.len()),
        Message::Text(text) => format!("text {text}"),
        Message::Binary(_) => "binary".to_owned(),
        Message::Ping(payload) => format!("ping {}", payload.escape_ascii()),
        Message::Pong => "pong".to_owned(),
        Message::Close(code) => format!("close {code:?}"),
    }
}

fn check(frames: &[(u8, &[u8])], expected: &[&str]) {
    let input: Vec<u8> = frames.iter().flat_map(|(first, payload)| client_frame(*first, payload)).collect();
    assert_eq!(read(&input), expected, "{frames:?}");
}

#[test]
fn single_frames() {
    check(&[], &[]);
    check(&[(0x81, b"")], &["text "]);
    check(&[(0x81, "привет".as_bytes())], &["text привет"]);
    check(&[(0x82, b"\xff\xfe")], &["binary"]);
    check(&[(0x89, b"are you there")], &["ping are you there"]);
    check(&[(0x8A, b"x")], &["pong"]);
    check(&[(0x81, b"a"), (0x81, b"b")], &["text a", "text b"]);
    check(&[(0x89, &[b'p'; 125])], &[&format!("ping {}", "p".repeat(125))]);
    for (length, line) in [(125, "125"), (126, "126"), (65_535, "65535"), (65_536, "65536")] {
        check(&[(0x81, &vec![b'x'; length])], &[&format!("text of {line} bytes")]);
    }
}

#[test]
fn fragments() {
    check(&[(0x01, b"a"), (0x00, b"b"), (0x80, b"c")], &["text abc"]);
    check(&[(0x01, b""), (0x00, b""), (0x80, b"")], &["text "]);
    check(&[(0x01, b"a"), (0x89, b"!"), (0x80, b"b"), (0x81, b"c")], &["ping !", "text ab", "text c"]);
    check(&[(0x01, b"\xd0"), (0x80, b"\x9f")], &["text П"]);
    check(&[(0x02, b"\xff"), (0x80, b"\xff")], &["binary"]);
    check(&[(0x01, b"a")], &["incomplete"]);
    check(&[(0x80, b"a")], &["Malformed"]);
    check(&[(0x00, b"a")], &["Malformed"]);
    check(&[(0x01, b"a"), (0x81, b"b")], &["Malformed"]);
    check(&[(0x01, b"a"), (0x02, b"b")], &["Malformed"]);
    check(&[(0x01, b"a"), (0x80, b"b"), (0x80, b"c")], &["text ab", "Malformed"]);
}

#[test]
fn malformed_frames() {
    for first in [0xC1, 0xA1, 0x91, 0x83, 0x87, 0x8B, 0x8F] {
        check(&[(first, b"x")], &["Malformed"]);
    }
    for first in [0x08, 0x09, 0x0A] {
        check(&[(first, b"")], &["Malformed"]);
    }
    check(&[(0x89, &[0; 126])], &["Malformed"]);
    check(&[(0x88, &[0; 126])], &["Malformed"]);
    for unmasked in [&b"\x81\x01x"[..], b"\x88\x00", b"\x81\x7e\x00\x80"] {
        assert_eq!(read(unmasked), ["Malformed"]);
    }
}

#[test]
fn lengths_are_in_their_shortest_form() {
    let check = |bytes: &[u8], expected| assert_eq!(read(bytes), [expected], "{bytes:?}");
    check(b"\x81\xfe\x00\x7d", "Malformed");
    check(b"\x81\xfe\x00\x7e", "incomplete");
    check(b"\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", "Malformed");
    check(b"\x81\xff\x00\x00\x00\x00\x00\x01\x00\x00", "incomplete");
    check(b"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00", "Malformed");
    check(b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", "TooBig");
}

#[test]
fn closes() {
    let code = |code: u16| code.to_be_bytes();
    check(&[(0x88, b"")], &["close None"]);
    check(&[(0x88, &code(1000))], &["close Some(1000)"]);
    check(&[(0x88, &[&code(4999)[..], "пока".as_bytes()].concat())], &["close Some(4999)"]);
    check(&[(0x88, &[&code(1001)[..], &[b'r'; 123]].concat())], &["close Some(1001)"]);
    check(&[(0x88, b"\x03")], &["Malformed"]);
    check(&[(0x88, &[&code(1000)[..], b"\xff"].concat())], &["InvalidText"]);
    for good in [1000, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000] {
        check(&[(0x88, &code(good))], &[&format!("close Some({good})")]);
    }
    for bad in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        check(&[(0x88, &code(bad))], &["Malformed"]);
    }
}

#[test]
fn text_is_utf_8() {
    for bad in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xd0"] {
        check(&[(0x81, bad)], &["InvalidText"]);
        check(&[(0x01, bad), (0x80, b"")], &["InvalidText"]);
    }
}

#[test]
fn a_message_is_bounded_in_bytes_before_they_come() {
    assert_eq!(read(b"\x81\xff\x00\x00\x00\x00\x00\x01\x00\x01"), ["TooBig"]);
    let half = vec![b'x'; MESSAGE_MAX_BYTES / 2];
    check(&[(0x01, &half), (0x80, &half)], &["text of 65536 bytes"]);
    let mut input = [client_frame(0x01, &half), client_frame(0x00, &half)].concat();
    input.extend(&client_frame(0x80, b"x")[..6]);
    assert_eq!(read(&input), ["TooBig"], "told by the header, without the last byte");
}

#[test]
fn a_message_is_bounded_in_fragments() {
    let message = |continuations| {
        let frames = [vec![(0x01, &b""[..])], vec![(0x00, &b""[..]); continuations], vec![(0x80, &b""[..])]];
        frames.concat()
    };
    check(&message(MESSAGE_MAX_FRAGMENTS as usize - 2), &["text "]);
    check(&message(MESSAGE_MAX_FRAGMENTS as usize - 1), &["TooBig"]);
}

#[test]
fn nothing_is_kept_at_rest_and_nothing_is_reserved_for_a_promise() {
    let mut reader = Reader::default();
    let mut promise = client_frame(0x81, &vec![b'x'; MESSAGE_MAX_BYTES]);
    let (head, rest) = promise.split_at_mut(20);
    assert!(reader.read(&mut &mut *head).unwrap().is_none());
    assert!(reader.frame.capacity() < 128);
    assert!(reader.read(&mut &mut *rest).unwrap().is_some());
    assert_eq!(reader.frame.capacity(), 0);
    assert!(reader.fragments.is_none());
}

#[test]
fn server_frames() {
    let check = |length: usize, header: &[u8]| {
        let text = "x".repeat(length);
        let (half, other) = text.as_bytes().split_at(length / 2);
        let frame = text_frame(&[half, other]);
        assert!(frame.starts_with(header), "{length}");
        assert_eq!(server_payload(&frame), text.as_bytes());
        assert_eq!(describe_frames(&frame), [text]);
    };
    check(0, &[0x81, 0]);
    check(125, &[0x81, 125]);
    check(126, &[0x81, 126, 0, 126]);
    check(65_535, &[0x81, 126, 0xFF, 0xFF]);
    check(65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(close_frame(None, "")[..], [0x88, 0]);
    assert_eq!(close_frame(Some(4001), "no")[..], *b"\x88\x04\x0f\xa1no");
}

/// Frames of which many are good and some are not, so that a stream gets far before it breaks.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first =
        prop_oneof![Just(0x81), Just(0x01), Just(0x00), Just(0x80), Just(0x89), Just(0x82), any::<u8>()];
    let payload =
        prop_oneof![prop::collection::vec(Just(b'x'), 0..200), prop::collection::vec(any::<u8>(), 0..10),];
    prop::collection::vec((first, payload), 0..12)
        .prop_map(|frames| frames.iter().flat_map(|(first, payload)| client_frame(*first, payload)).collect())
}

proptest! {
    #[test]
    fn cuts_make_no_difference(input in frames(), cuts in prop::collection::vec(1_usize..40, 1..20)) {
        let mut rest = &input[..];
        let mut cuts = cuts.iter().cycle();
        let chunks = std::iter::from_fn(|| {
            let chunk;
            (chunk, rest) = rest.split_at((*cuts.next()?).min(rest.len()));
            (!chunk.is_empty()).then_some(chunk)
        });
        prop_assert_eq!(read_chunks(chunks), read(&input));
    }

    #[test]
    fn any_bytes_can_be_read(input in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&input);
    }
}
