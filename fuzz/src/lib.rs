//! What the targets of the client protocols share: a session that is driven by a script, under watch.
//!
//! ```text
//! script = *( step %xFF )         no byte of UTF-8 is FF
//! step   = ">" text               a message of the client, framed and masked
//!        | "." bytes              bytes of the client as they are
//!        | "+" / "-"              the login says yes / no
//!        | "t" byte               so many seconds go by
//!        | "x" byte               the service ends the connection, for the reason of that number
//! ```
//!
//! Whatever comes: only whole, unmasked, well-formed frames go out, nobody is asked twice who the client is,
//! nothing is sent after the end, and an end comes once.

use dumbwaiter::protocol::{Action, Ending, Session};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A session, and what it has done so far.
pub struct Watched {
    session: Session,
    now: Instant,
    asked: bool,
    finished: bool,
    closed: bool,
    /// All that it did but pongs, which depend on how the client's bytes were cut.
    pub said: Vec<String>,
}

impl Watched {
    pub fn plain() -> Watched {
        let now = Instant::now();
        Watched::new(Session::plain(now), now)
    }

    pub fn socket_io() -> Watched {
        let now = Instant::now();
        let (session, opening) = Session::socket_io(Uuid::nil(), now);
        check_frames(&opening);
        Watched::new(session, now)
    }

    fn new(session: Session, now: Instant) -> Watched {
        Watched { session, now, asked: false, finished: false, closed: false, said: Vec::new() }
    }

    pub fn play(&mut self, script: &[u8]) {
        for step in script.split(|&byte| byte == 0xFF) {
            match step.split_first() {
                Some((b'>', text)) => self.receive(&client_text(text)),
                Some((b'.', bytes)) => self.receive(bytes),
                Some((b'+', _)) => {
                    self.act(|session, _, actions| session.authorized(Some("p"), Some("c"), actions))
                }
                Some((b'-', _)) => self.act(Session::refused),
                Some((b't', [seconds, ..])) => self.wait(*seconds),
                Some((b'x', [number, ..])) => self.end(*number),
                _ => {}
            }
        }
    }

    pub fn receive(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        self.act(|session, now, actions| session.receive(&mut bytes, now, actions));
    }

    fn wait(&mut self, seconds: u8) {
        self.now += Duration::from_secs(seconds.into());
        self.act(Session::handle_deadline);
    }

    fn end(&mut self, number: u8) {
        let ending = Ending::ALL[usize::from(number) % Ending::ALL.len()];
        self.act(|session, now, actions| session.end(ending, now, actions));
    }

    fn act(&mut self, act: impl FnOnce(&mut Session, Instant, &mut Vec<Action>)) {
        // A caller drops a session that says so.
        if self.closed {
            return;
        }
        let mut actions = Vec::new();
        act(&mut self.session, self.now, &mut actions);
        actions.iter().for_each(|action| self.check(action));
    }

    fn check(&mut self, action: &Action) {
        assert!(!self.closed, "{action:?} after Close");
        match action {
            Action::Send(frames) => {
                assert!(!self.finished, "{action:?} after Finish");
                check_frames(frames);
            }
            Action::Authenticate { .. } => {
                assert!(!self.asked && !self.finished, "{action:?} again");
                self.asked = true;
            }
            Action::Finish(_) => {
                assert!(!self.finished, "{action:?} again");
                self.finished = true;
            }
            Action::Close(_) => self.closed = true,
        }
        if !matches!(action, Action::Send(frames) if frames[0] == PONG) {
            self.said.push(format!("{action:?}"));
        }
    }
}

const PONG: u8 = 0x8A;
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A text message in one frame.
pub fn client_text(text: &[u8]) -> Vec<u8> {
    let length = match u16::try_from(text.len()) {
        Ok(length @ ..126) => vec![0x80 | length as u8],
        Ok(length) => [&[0xFE], &length.to_be_bytes()[..]].concat(),
        Err(_) => [&[0xFF], &(text.len() as u64).to_be_bytes()[..]].concat(),
    };
    let masked: Vec<u8> = text.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    [&[0x81], &length[..], &MASK, &masked].concat()
}

/// Every frame is whole, final and unmasked, with the shortest length, and what it carries is what it says.
fn check_frames(mut frames: &[u8]) {
    while let [first, length, rest @ ..] = frames {
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => panic!("nothing that a session says is that long"),
            length => (usize::from(*length), rest),
        };
        assert!(length < 126 || frames[1] == 126);
        let (payload, rest) = rest.split_at(length);
        match first {
            0x81 => assert!(str::from_utf8(payload).is_ok()),
            0x88 => {
                assert!(payload.len() != 1 && payload.get(2..).is_none_or(|why| str::from_utf8(why).is_ok()))
            }
            0x89 | &PONG => assert!(payload.len() <= 125),
            first => panic!("a server never sends {first:#x}"),
        }
        frames = rest;
    }
    assert!(frames.is_empty(), "half a frame");
}
