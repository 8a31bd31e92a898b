//! For the tests of this folder: frames as a client makes them, and actions as lines that can be read.

use super::Action;
use secrecy::ExposeSecret;

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A final client frame; `first` is its first byte.
pub(super) fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length: Vec<u8> = match payload.len() {
        length @ ..126 => vec![0x80 | length as u8],
        length @ 126..0x1_0000 => [&[0xFE], &(length as u16).to_be_bytes()[..]].concat(),
        length => [&[0xFF], &(length as u64).to_be_bytes()[..]].concat(),
    };
    let masked: Vec<u8> = payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    [&[first], &length[..], &MASK, &masked].concat()
}

/// A text message in one frame.
pub(super) fn client_text(text: &str) -> Vec<u8> {
    client_frame(0x81, text.as_bytes())
}

/// What a caller would see, a line for each frame and each other action.
pub(super) fn describe(actions: &[Action]) -> Vec<String> {
    actions.iter().flat_map(describe_action).collect()
}

fn describe_action(action: &Action) -> Vec<String> {
    match action {
        Action::Send(frames) => describe_frames(frames),
        Action::Authenticate { token: Some(token), .. } => {
            vec![format!("authenticate {}", token.expose_secret())]
        }
        Action::Authenticate { token: None, .. } => vec!["authenticate".to_owned()],
        Action::Finish(ending) => vec![format!("finish {}", ending.row().label)],
        Action::Close(ending) => vec![format!("drop {}", ending.row().label)],
    }
}

/// Reads a server's frames, which must be whole and unmasked.
pub(super) fn describe_frames(mut frames: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while let [first, length, rest @ ..] = frames {
        let (length, rest) = match length {
            126 => (u16::from_be_bytes(rest[..2].try_into().unwrap()).into(), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()).try_into().unwrap(), &rest[8..]),
            length => (usize::from(*length), rest),
        };
        let (payload, rest) = rest.split_at(length);
        lines.push(describe_frame(*first, payload));
        frames = rest;
    }
    assert!(frames.is_empty(), "half a frame");
    lines
}

fn describe_frame(first: u8, payload: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    match (first, payload) {
        (0x81, payload) => text(payload),
        (0x88, []) => "close".to_owned(),
        (0x88, [high, low, reason @ ..]) => {
            format!("close {} {}", u16::from_be_bytes([*high, *low]), text(reason)).trim_end().to_owned()
        }
        (0x89, payload) => format!("ping {payload:?}"),
        (0x8A, payload) => format!("pong {}", payload.escape_ascii()),
        _ => panic!("a server never sends {first:#x}"),
    }
}
