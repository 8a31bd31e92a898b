//! The door of the shards: the web side hands sockets over, the pipeline says that there is something to read.

use super::listing::{AddressClass, Listed, Listing};
use super::past::{Archive, Found, Past};
use super::socket::{ClientSocket, Kernel};
use super::{ConnectionId, Settings, Shard, WAKER};
use crate::admission::{Admission, Credentials};
use crate::auth::Batch;
use crate::clock::Clock;
use crate::event::{Identity, Withdrawn};
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::protocol::{Ending, Gap, Protocol};
use crate::seats::Seat;
use bytes::Bytes;
use mio::{Poll, Waker};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;

/// A connection after its handshake.
pub struct Arrival<S = ClientSocket> {
    pub socket: S,
    /// What the client sent behind its handshake.
    pub received: Vec<u8>,
    /// What is still to be sent before the first frame.
    pub response: Bytes,
    pub admitted: Admitted,
    /// It asked for the open orders.
    pub wants_open: bool,
    /// It asked for the traces of events.
    pub traced: bool,
    /// Where the client is.
    pub address: AddressClass,
    /// The places that the connection takes, for as long as it lasts.
    pub seats: Vec<Seat>,
}

/// How far a client is when its socket comes to the shard.
pub enum Admitted {
    /// Its ticket was redeemed before the upgrade, or was refused. `cursor` is there if it asked for cursors, and
    /// empty if it has none yet; `since_ms` if it asked for a replay from then on, in milliseconds since 1970.
    Plain { identity: Result<Identity, Ending>, cursor: Option<String>, since_ms: Option<i64> },
    /// It says who it is after the upgrade, or leaves it at what its request has said. `recovers`: it asked for
    /// connection state recovery.
    SocketIo { shown: Shown, recovers: bool, since_ms: Option<i64> },
}

/// What a Socket.IO client's request has shown; its CONNECT may say more.
pub struct Shown {
    pub credentials: Credentials,
    /// To be called if it turns out that what the client has is a bad key.
    pub bad_key: Box<dyn FnOnce() + Send>,
}

impl Admitted {
    pub fn protocol(&self) -> Protocol {
        match self {
            Admitted::Plain { .. } => Protocol::Plain,
            Admitted::SocketIo { .. } => Protocol::SocketIo,
        }
    }
}

pub(super) enum Command<S> {
    Arrive(Box<Arrival<S>>),
    Drain {
        over: Duration,
        seed: u64,
    },
    /// Ends the connections whose logins are among these.
    Revoke(Arc<Batch>),
    /// Ends the connections that hold keys which are not granted any more.
    Withdraw(Arc<Withdrawn>),
    /// The picture is stale since then, or current again.
    Stale(Option<SystemTime>),
    /// An operator wants to know who is connected.
    List(Box<Listing>, oneshot::Sender<Listed>),
    /// What a connection wanted of the past.
    Past(ConnectionId, Box<Result<Found, Gap>>),
    Stop,
}

/// All shards of the process; cheap to clone.
#[derive(Clone)]
pub struct Shards {
    handles: Arc<[Handle]>,
    next: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Handle {
    commands: mpsc::Sender<Command<ClientSocket>>,
    waker: Arc<Waker>,
    /// Whether the shard has been woken and has not looked yet: a busy shard is not woken again.
    woken: Arc<AtomicBool>,
}

/// The shard's end of a handle.
pub(super) struct Inbox<S> {
    pub(super) commands: mpsc::Receiver<Command<S>>,
    pub(super) woken: Arc<AtomicBool>,
}

impl<S> Inbox<S> {
    pub fn new(commands: mpsc::Receiver<Command<S>>, woken: Arc<AtomicBool>) -> Inbox<S> {
        Inbox { commands, woken }
    }

    /// From here on new entries and commands wake the shard again. A swap, not a store: it pairs with the swap
    /// in `wake`, so that what was there before a suppressed wake is seen now.
    pub fn awake(&self) {
        self.woken.swap(false, Ordering::SeqCst);
    }

    pub fn take(&self) -> Vec<Command<S>> {
        self.commands.try_iter().collect()
    }
}

impl Handle {
    fn send(&self, command: Command<ClientSocket>) {
        // A shard that has stopped takes nothing more; dropping the socket is all that can be done.
        if self.commands.send(command).is_ok() {
            self.wake();
        }
    }

    fn wake(&self) {
        if !self.woken.swap(true, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "cannot wake a shard");
        }
    }
}

impl Shards {
    /// Starts the threads. Each ends after `drain` or `stop`, when its last connection is gone.
    pub fn start(
        settings: &Settings,
        journal: &Journal,
        admission: &Arc<Admission>,
        metrics: &Metrics,
        clock: &Clock,
        past: Option<&Past>,
    ) -> io::Result<(Shards, Vec<JoinHandle<()>>)> {
        let mut handles = Vec::new();
        let mut threads = Vec::new();
        for number in 0..settings.threads {
            let poll = Poll::new()?;
            let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
            let woken = Arc::new(AtomicBool::new(false));
            let (sender, commands) = mpsc::channel();
            let inbox = Inbox::new(commands, Arc::clone(&woken));
            let mut shard = Shard::new(
                Kernel::new(poll),
                clock.clone(),
                inbox,
                journal.clone(),
                Arc::clone(admission),
                metrics.shard(),
            );
            let handle = Handle { commands: sender, waker, woken };
            let asker = handle.clone();
            let reply = Arc::new(move |id, outcome| asker.send(Command::Past(id, Box::new(outcome))));
            shard.number = number;
            shard.archive = past.map(|past| Archive { past: past.clone(), reply });
            handles.push(handle);
            let thread = std::thread::Builder::new().name(format!("shard-{number}"));
            threads.push(thread.spawn(move || {
                if let Err(error) = shard.run() {
                    tracing::error!(%error, "a shard's event loop failed");
                }
            })?);
        }
        Ok((Shards { handles: handles.into(), next: Arc::default() }, threads))
    }

    /// For tests that wake shards by themselves.
    #[cfg(test)]
    pub(crate) fn none() -> Shards {
        Shards { handles: Arc::new([]), next: Arc::default() }
    }

    pub fn adopt(&self, arrival: Arrival) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.handles[turn % self.handles.len()].send(Command::Arrive(Box::new(arrival)));
    }

    /// There are new entries in the journal.
    pub fn wake(&self) {
        for handle in self.handles.iter() {
            handle.wake();
        }
    }

    /// Whether there is a shard of that number.
    pub fn has(&self, shard: usize) -> bool {
        shard < self.handles.len()
    }

    /// Asks one of the shards who is connected; none if there is no shard of that number. One that has ended lets
    /// its answer go.
    pub fn list(&self, shard: usize, listing: Listing) -> Option<oneshot::Receiver<Listed>> {
        let (answer, listed) = oneshot::channel();
        self.handles.get(shard)?.send(Command::List(Box::new(listing), answer));
        Some(listed)
    }

    /// Takes no new connections, and ends those that are there over that time.
    pub fn drain(&self, over: Duration) {
        for handle in self.handles.iter() {
            handle.send(Command::Drain { over, seed: rand::random() });
        }
    }

    /// Ends the connections whose logins are among these.
    pub fn revoke(&self, batch: &Arc<Batch>) {
        for handle in self.handles.iter() {
            handle.send(Command::Revoke(Arc::clone(batch)));
        }
    }

    /// Ends the connections that hold keys which are not granted any more.
    pub fn withdraw(&self, withdrawn: &Arc<Withdrawn>) {
        for handle in self.handles.iter() {
            handle.send(Command::Withdraw(Arc::clone(withdrawn)));
        }
    }

    /// Clients that asked for cursors are to know since when their picture is stale; none: it is current.
    pub fn stale(&self, since: Option<SystemTime>) {
        for handle in self.handles.iter() {
            handle.send(Command::Stale(since));
        }
    }

    /// Ends all connections, each as its protocol does that.
    pub fn stop(&self) {
        for handle in self.handles.iter() {
            handle.send(Command::Stop);
        }
    }
}
