//! Is the other side still there? Our pings and their deadline, and the pongs owed for the client's pings.
//!
//! ```text
//! joined --interval--> ping --timeout, no sign of life--> gone
//!    ^                  |
//!    +--- sign of life -+   (the next ping is due one interval after the last one, however late the answer)
//! ```
//!
//! In: `now` and what counts as a sign of life, which each protocol decides. Out: a [`Beat`] to act on, and
//! the frames of the owed pongs.

use super::websocket::{Opcode, append_frame};
use crate::limits::PONGS_PER_READ_MAX;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// How often a protocol pings and how long it waits for an answer.
pub(super) struct Rhythm {
    pub interval: Duration,
    /// Shorter than the interval, so that an answer in time never makes the next ping overdue.
    pub timeout: Duration,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Ping,
    Gone,
}

/// Where a connection stands between two pings.
pub(super) struct Heartbeat {
    /// When the next ping is due, or the answer to the last one.
    due: Instant,
    awaits_answer: bool,
}

impl Heartbeat {
    pub fn new(now: Instant, rhythm: &Rhythm) -> Self {
        Self { due: now + rhythm.interval, awaits_answer: false }
    }

    pub fn deadline(&self) -> Instant {
        self.due
    }

    /// A sign of life has come. It counts only while one is awaited: pings keep their pace, so that a client
    /// that talks all the time still sees them (Socket.IO clients count on it).
    pub fn answered(&mut self, rhythm: &Rhythm) {
        if self.awaits_answer {
            self.awaits_answer = false;
            self.due = self.due - rhythm.timeout + rhythm.interval;
        }
    }

    /// To be called when the deadline has come.
    pub fn handle_deadline(&mut self, now: Instant, rhythm: &Rhythm) -> Beat {
        if self.awaits_answer {
            return Beat::Gone;
        }
        self.awaits_answer = true;
        self.due = now + rhythm.timeout;
        Beat::Ping
    }
}

/// The pongs owed for the pings of one read. The first ones are answered each; beyond
/// [`PONGS_PER_READ_MAX`] the newest takes the place of the last (RFC 6455, 5.5.3).
#[derive(Default)]
pub(super) struct Pongs {
    frames: Vec<u8>,
    count: usize,
    /// Where the newest pong starts in `frames`.
    newest: usize,
}

impl Pongs {
    pub fn owe(&mut self, opcode: Opcode, parts: &[&[u8]]) {
        if self.count == PONGS_PER_READ_MAX {
            self.frames.truncate(self.newest);
        } else {
            self.count += 1;
            self.newest = self.frames.len();
        }
        append_frame(&mut self.frames, opcode, parts);
    }

    /// The frames to send, if any; nothing is owed after that.
    pub fn take(&mut self) -> Option<Bytes> {
        let pongs = std::mem::take(self);
        (!pongs.frames.is_empty()).then(|| pongs.frames.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm { interval: Duration::from_secs(25), timeout: Duration::from_secs(20) };

    #[test]
    fn pings_keep_their_pace() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat::new(start, &RHYTHM);
        heartbeat.answered(&RHYTHM);
        assert_eq!(heartbeat.deadline(), at(25), "an answer nobody asked for changes nothing");
        assert_eq!(heartbeat.handle_deadline(at(25), &RHYTHM), Beat::Ping);
        assert_eq!(heartbeat.deadline(), at(45));
        heartbeat.answered(&RHYTHM);
        assert_eq!(heartbeat.deadline(), at(50));
        assert_eq!(heartbeat.handle_deadline(at(51), &RHYTHM), Beat::Ping);
        assert_eq!(heartbeat.deadline(), at(71), "a late ping leaves the whole time for the answer");
        assert_eq!(heartbeat.handle_deadline(at(71), &RHYTHM), Beat::Gone);
    }

    #[test]
    fn a_flood_of_pings_is_answered_by_a_few_pongs_and_the_newest() {
        let mut pongs = Pongs::default();
        assert!(pongs.take().is_none());
        for ping in 0..1000_u16 {
            pongs.owe(Opcode::Pong, &[&ping.to_be_bytes()]);
        }
        let frames = pongs.take().unwrap();
        assert_eq!(frames.len(), PONGS_PER_READ_MAX * 4);
        assert_eq!(frames[..4], [0x8A, 2, 0, 0]);
        assert_eq!(frames[frames.len() - 2..], 999_u16.to_be_bytes());
        assert!(pongs.take().is_none());
    }
}
