//! For the simulation: a shard that somebody else drives, turn by turn, on sockets of theirs.

use super::handle::Command;
use super::socket::{Ready, Watch};
use super::{Arrival, Inbox, Shard};
use crate::admission::Admission;
use crate::clock::Clock;
use crate::journal::Journal;
use crate::metrics::Metrics;
use std::sync::{Arc, mpsc};
use std::time::Duration;

pub(crate) struct Driven<W: Watch> {
    shard: Shard<W>,
    commands: mpsc::Sender<Command<W::Socket>>,
    /// Commands that the shard has not taken.
    sent: usize,
    ready: Vec<Ready>,
}

impl<W: Watch> Driven<W> {
    pub fn new(
        sockets: W,
        clock: Clock,
        journal: Journal,
        admission: Arc<Admission>,
        metrics: &Metrics,
    ) -> Driven<W> {
        let (commands, received) = mpsc::channel();
        let inbox = Inbox::new(received, Arc::default());
        let shard = Shard::new(sockets, clock, inbox, journal, admission, metrics.shard());
        Driven { shard, commands, sent: 0, ready: Vec::new() }
    }

    pub fn adopt(&mut self, arrival: Arrival<W::Socket>) {
        self.send(Command::Arrive(Box::new(arrival)));
    }

    pub fn drain(&mut self, over: Duration, seed: u64) {
        self.send(Command::Drain { over, seed });
    }

    pub fn stop(&mut self) {
        self.send(Command::Stop);
    }

    /// Takes the turn that `run` would take now; false if it would sleep on.
    pub fn turn(&mut self) -> bool {
        self.shard.sockets.wait(&mut self.ready, None).expect("nothing fails here");
        let sleeps = self.shard.wait(self.shard.clock.now()) != Some(Duration::ZERO);
        if sleeps && self.sent == 0 && self.ready.is_empty() {
            return false;
        }
        self.sent = 0;
        self.shard.turn(&self.ready);
        true
    }

    fn send(&mut self, command: Command<W::Socket>) {
        self.commands.send(command).expect("the shard is here");
        self.sent += 1;
    }
}
