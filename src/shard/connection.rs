//! One connection: its socket, its protocol session, and how far it has read.
//!
//! A connection that takes everything is live and holds no data. One that takes less is lagging: it holds what
//! is left of one frame, its position, and the control frames that it is owed.

use super::handle::Shown;
use super::listing::AddressClass;
use super::past::Preparing;
use super::prelude::Prelude;
use super::socket::Socket;
use crate::auth::Login;
use crate::event::Key;
use crate::journal::Guard;
use crate::limits::{CONTROL_FRAMES_MAX, STALLED_MAX, WRITE_FRAMES_MAX};
use crate::protocol::{Ending, Protocol, Session};
use crate::seats::Seat;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Instant;

/// A connection of one shard. The generation tells it from an earlier one in the same slot, so that nothing
/// meant for one ever reaches the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId {
    pub slot: u32,
    pub generation: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not authorized yet, or never: gets no event.
    Arriving,
    /// Authorized, and waits for a past that the journal does not have: gets no event before that.
    Preparing,
    /// Gets each event as it comes, from this sequence on: what a batch under way holds below it is already read.
    Live { from: u64 },
    /// Reads on from this sequence when its socket takes data.
    Lagging(u64),
    /// Nothing more is said; the peer may still be talking, until the session's deadline.
    Leaving { ending: Ending, shut: bool },
}

/// What a timer found to be over.
pub(super) enum Overdue {
    Session,
    Expired,
    Stalled,
    /// The past was waited for long enough.
    Prepared,
}

pub(super) enum Readout {
    /// None, where a part has come of what can be read only as a whole: that is metered like any read.
    Bytes(usize),
    Empty,
    Closed,
}

/// How many of the offered frames were taken: written, or begun and kept to be written on.
pub(super) struct Taken {
    pub frames: usize,
    pub blocked: bool,
}

/// What a connection needs that asked for cursors or for a replay.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    /// Its events carry cursors. If not, it needs all this no longer once it is live.
    pub sent: bool,
    /// What it asked for while it is not authorized yet.
    pub asked_since_ms: Option<i64>,
    /// Where it was when it came: what is at or before that it has got already, maybe from another instance, whose
    /// order was another. Kept until this instance has passed it in every partition; so long the connection
    /// reads for itself.
    pub guard: Option<Guard>,
    /// Until when partitions of the guard that this instance has not met are minded.
    pub unmet_until: Option<Instant>,
    pub since: Option<Since>,
    /// When and where it was last told its place by a `STATUS` or at its beginning; what events tell is not remembered.
    pub told: Option<Told>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub at: Instant,
    pub sequence: u64,
}

/// Which events a replay leaves out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    /// Those that are older, in milliseconds since 1970,
    pub time_ms: i64,
    /// of those that the journal had when the connection came: what is late is live.
    pub end: u64,
}

pub(super) struct Connection<S> {
    pub id: ConnectionId,
    pub protocol: Protocol,
    pub session: Session,
    pub standing: Standing,
    pub keys: Arc<[Key]>,
    /// What it is revoked by, once it has joined.
    pub login: Login,
    /// What the upgrade request has said of the client, until CONNECT.
    pub shown: Option<Box<Shown>>,
    /// It asked for cursors.
    pub cursors: Option<Box<Cursors>>,
    /// It asked for the traces of events: each of its frames is made for it alone.
    pub traced: bool,
    /// It asked for the open orders, and has not joined yet.
    pub wants_open: bool,
    /// What it waits for before it begins.
    pub preparing: Option<Box<Preparing>>,
    /// What it gets before it reads the journal.
    pub prelude: Option<Box<Prelude>>,
    /// Given back when the connection is no more.
    pub seats: Vec<Seat>,
    /// From where and since when it is here.
    pub address: AddressClass,
    pub opened_at: Instant,
    /// The tick of the wheel that counts.
    pub timer: u64,
    /// Already queued to catch up.
    pub waits_for_turn: bool,
    socket: S,
    /// The rest of a frame that was cut, then control frames.
    output: VecDeque<Bytes>,
    expires_at: Option<Instant>,
    /// Since when the socket has taken nothing although there was something to write.
    stalled_since: Option<Instant>,
}

impl<S: Socket> Connection<S> {
    pub fn new(id: ConnectionId, socket: S, session: Session, now: Instant) -> Connection<S> {
        Connection {
            id,
            protocol: session.protocol(),
            session,
            standing: Standing::Arriving,
            keys: Arc::new([]),
            login: Login::default(),
            shown: None,
            cursors: None,
            traced: false,
            wants_open: false,
            preparing: None,
            prelude: None,
            seats: Vec::new(),
            address: AddressClass::Loopback,
            opened_at: now,
            timer: u64::MAX,
            waits_for_turn: false,
            socket,
            output: VecDeque::new(),
            expires_at: None,
            stalled_since: None,
        }
    }

    pub fn socket(&mut self) -> &mut S {
        &mut self.socket
    }

    pub fn join(&mut self, keys: Arc<[Key]>, expires_at: Instant) {
        self.keys = keys;
        self.expires_at = Some(expires_at);
    }

    /// A Socket.IO library that is sent away by a packet closes by itself. The stream's end on the heels of that
    /// packet would be a broken connection to some, and they would come back: it has the linger time to close.
    pub fn leave(&mut self, ending: Ending) {
        let closes_itself = matches!(ending, Ending::Unauthorized | Ending::Revoked);
        let shut = self.protocol == Protocol::SocketIo && closes_itself;
        self.preparing = None;
        self.prelude = None;
        self.standing = Standing::Leaving { ending, shut };
    }

    /// It has been authorized, and nothing has ended it.
    pub fn is_joined(&self) -> bool {
        matches!(self.standing, Standing::Preparing | Standing::Live { .. } | Standing::Lagging(_))
    }

    pub fn leaving(&self) -> Option<Ending> {
        match self.standing {
            Standing::Leaving { ending, .. } => Some(ending),
            _ => None,
        }
    }

    pub fn read(&mut self, buffer: &mut [u8]) -> Readout {
        match self.socket.read(buffer) {
            Ok(0) => Readout::Closed,
            Ok(count) => Readout::Bytes(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Readout::Empty,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Readout::Bytes(0),
            Err(_) => Readout::Closed,
        }
    }

    pub fn queue(&mut self, frame: Bytes) {
        if !frame.is_empty() {
            self.output.push_back(frame);
        }
    }

    /// A client that asks for answers and does not read them.
    pub fn owes_too_much(&self) -> bool {
        self.output.len() > CONTROL_FRAMES_MAX
    }

    /// What is kept for this connection alone and not written yet.
    pub fn queued_bytes(&self) -> usize {
        let prelude = self.prelude.as_ref().map_or(0, |prelude| prelude.held_bytes());
        self.output.iter().map(Bytes::len).sum::<usize>() + prelude
    }

    pub fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since
    }

    pub fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }

    pub fn is_flushed(&self) -> bool {
        self.output.is_empty() && !self.socket.holds_data()
    }

    /// Writes what the socket holds and what is queued; after the last of a leaving connection, shuts the writing
    /// side.
    pub fn flush(&mut self, now: Instant) -> io::Result<()> {
        while !self.is_flushed() {
            let written = if self.socket.holds_data() {
                self.socket.send_held().map(drop)
            } else {
                self.write_output()
            };
            match written {
                Ok(()) => self.stalled_since = None,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stalled_since.get_or_insert(now);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if let Standing::Leaving { shut, .. } = &mut self.standing
            && !std::mem::replace(shut, true)
        {
            self.socket.shut_down_write()?;
        }
        Ok(())
    }

    fn write_output(&mut self) -> io::Result<()> {
        let slices: Vec<IoSlice<'_>> =
            self.output.iter().take(WRITE_FRAMES_MAX).map(|frame| IoSlice::new(frame)).collect();
        let written = self.socket.write_vectored(&slices)?;
        self.advance(written);
        Ok(())
    }

    /// Writes frames directly from the journal, all that fit in one call. What is left of a frame that was cut
    /// is kept; frames that were not begun are not.
    pub fn write_frames(&mut self, frames: &[Bytes], now: Instant) -> io::Result<Taken> {
        self.flush(now)?;
        if !self.is_flushed() {
            return Ok(Taken { frames: 0, blocked: true });
        }
        let mut taken = 0;
        while taken < frames.len() {
            let chunk = &frames[taken..frames.len().min(taken + WRITE_FRAMES_MAX)];
            match write_chunk(&mut self.socket, chunk) {
                Ok(written) => {
                    let begun = self.keep_rest(chunk, written);
                    taken += begun;
                    if begun < chunk.len() || !self.is_flushed() {
                        self.stalled_since = Some(now);
                        return Ok(Taken { frames: taken, blocked: true });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stalled_since.get_or_insert(now);
                    return Ok(Taken { frames: taken, blocked: true });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.stalled_since = None;
        Ok(Taken { frames: taken, blocked: false })
    }

    /// Of `frames`, `written` bytes are out: keeps the rest of the frame that was cut, and returns how many were begun.
    fn keep_rest(&mut self, frames: &[Bytes], written: usize) -> usize {
        let mut left = written;
        for (place, frame) in frames.iter().enumerate() {
            if left == 0 {
                return place;
            }
            if left < frame.len() {
                self.output.push_back(frame.slice(left..));
                return place + 1;
            }
            left -= frame.len();
        }
        frames.len()
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(front) = self.output.front_mut() {
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.output.pop_front();
        }
        // An idle connection holds no buffer.
        self.output.shrink_to_fit();
    }

    /// When the timers have to look at this connection again.
    pub fn deadline(&self) -> Instant {
        if self.leaving().is_some() {
            return self.session.deadline();
        }
        let stalled = self.stalled_since.map(|since| since + STALLED_MAX);
        let prepared = self.preparing.as_ref().map(|preparing| preparing.until());
        [self.expires_at, stalled, prepared].into_iter().flatten().fold(self.session.deadline(), Instant::min)
    }

    pub fn overdue(&self, now: Instant) -> Option<Overdue> {
        if self.leaving().is_none() {
            if self.expires_at.is_some_and(|at| now >= at) {
                return Some(Overdue::Expired);
            }
            if self.stalled_since.is_some_and(|since| now >= since + STALLED_MAX) {
                return Some(Overdue::Stalled);
            }
            if self.preparing.as_ref().is_some_and(|preparing| now >= preparing.until()) {
                return Some(Overdue::Prepared);
            }
        }
        (now >= self.session.deadline()).then_some(Overdue::Session)
    }
}

/// One frame is the rule: the array for many is a kilobyte, and a write of one piece is cheaper to the kernel as well.
fn write_chunk(socket: &mut impl Socket, chunk: &[Bytes]) -> io::Result<usize> {
    if let [frame] = chunk {
        return socket.write(frame);
    }
    let mut slices = [IoSlice::new(&[]); WRITE_FRAMES_MAX];
    for (slice, frame) in slices.iter_mut().zip(chunk) {
        *slice = IoSlice::new(frame);
    }
    socket.write_vectored(&slices[..chunk.len()])
}
