//! For conformance suites, in no build that serves (feature `conformance`): a plain connection that says back each
//! message that it hears.
//!
//! Pongs go out before it, as they are owed for pings that came before the message was whole. All else is `plain`.

use super::close::Ending;
use super::heartbeat::Pongs;
use super::plain::Plain;
use super::websocket::{Opcode, append_frame};
use super::{Action, Dialect};
use bytes::Bytes;
use std::time::Instant;

pub(super) struct Echo(Plain);

impl Echo {
    pub fn new(now: Instant) -> Self {
        Self(Plain::new(now))
    }
}

impl Dialect for Echo {
    fn handle_bytes(&mut self) {
        self.0.handle_bytes();
    }

    fn handle_text(
        &mut self,
        text: &str,
        pongs: &mut Pongs,
        actions: &mut Vec<Action>,
    ) -> Result<(), Ending> {
        say_back(Opcode::Text, text.as_bytes(), pongs, actions);
        Ok(())
    }

    fn handle_binary(
        &mut self,
        payload: &[u8],
        pongs: &mut Pongs,
        actions: &mut Vec<Action>,
    ) -> Result<(), Ending> {
        say_back(Opcode::Binary, payload, pongs, actions);
        Ok(())
    }

    fn deadline(&self) -> Instant {
        self.0.deadline()
    }

    fn handle_deadline(&mut self, now: Instant, actions: &mut Vec<Action>) -> Result<(), Ending> {
        self.0.handle_deadline(now, actions)
    }

    fn farewell(&self, ending: Ending) -> Option<Bytes> {
        self.0.farewell(ending)
    }
}

fn say_back(opcode: Opcode, payload: &[u8], pongs: &mut Pongs, actions: &mut Vec<Action>) {
    let mut frame = Vec::new();
    append_frame(&mut frame, opcode, &[payload]);
    actions.extend(pongs.take().map(Action::Send));
    actions.push(Action::Send(frame.into()));
}
