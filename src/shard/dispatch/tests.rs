//! A shard without a thread, turn by turn, with one client that was shown the open orders as of the newest event,
//! before its shard has dispatched that.

use super::super::connection::ConnectionId;
use super::super::socket::{Ready, Socket};
use super::super::testing::{no_commands, publish, small_journal};
use super::*;
use crate::admission::Admission;
use crate::clock::Simulated;
use crate::event::{Identity, Key};
use crate::journal::{Guard, Writer};
use crate::metrics::Metrics;
use crate::protocol::Session;
use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[derive(Default)]
struct Script {
    is_full: bool,
    written: Vec<u8>,
}

#[derive(Clone, Default)]
struct Scripted(Rc<RefCell<Script>>);

impl Read for Scripted {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.borrow().is_full {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.0.borrow_mut().written.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Scripted {
    fn shut_down_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Nobody;

impl Watch for Nobody {
    type Socket = Scripted;

    fn watch(&mut self, _: &mut Scripted, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn forget(&mut self, _: &mut Scripted) {}

    fn wait(&mut self, ready: &mut Vec<Ready>, _: Option<Duration>) -> io::Result<()> {
        ready.clear();
        Ok(())
    }
}

struct Bench {
    shard: Shard<Nobody>,
    time: Arc<Simulated>,
    writer: Writer,
    socket: Scripted,
    id: ConnectionId,
    next_offset: i64,
}

impl Bench {
    /// The client has seen all of these events, and its shard none.
    fn ahead_by(events: u64, has_cursors: bool) -> Bench {
        let ((mut writer, journal), time) = (small_journal(), Simulated::begin());
        writer.set_cluster("cluster");
        let admission = Arc::new(Admission::of_nobody());
        let metrics = Metrics::new().shard();
        let mut shard = Shard::new(Nobody, time.clock(), no_commands(), journal, admission, metrics);
        let (socket, now) = (Scripted::default(), time.clock().now());
        let id = shard.insert(socket.clone(), Session::plain(now)).unwrap();
        let mut bench = Bench { shard, time, writer, socket, id, next_offset: 0 };
        for _ in 0..events {
            bench.event(b"seen ");
        }
        let identity = Identity {
            keys: Arc::new([Key::new("role:ADMIN")]),
            keys_left_out: 0,
            grants: Default::default(),
            expires_at: bench.time.clock().wall() + Duration::from_secs(3_600),
            login: Default::default(),
        };
        bench.shard.ask_for_more(id, has_cursors, None);
        bench.shard.join(id, &identity, Standing::Lagging(events), now);
        bench.shard.catch_up(now);
        assert_eq!(bench.shard.connections[id].standing, Standing::Live { from: events });
        bench
    }

    fn event(&mut self, frame: &'static [u8]) {
        publish(&mut self.writer, self.next_offset, "role:ADMIN", Bytes::from_static(frame));
        self.next_offset += 1;
    }

    fn turn(&mut self) {
        let slot = self.id.slot as usize;
        self.shard.turn(&[Ready { slot, readable: false, writable: true }]);
    }
}

#[test]
fn who_is_ahead_of_its_shard_gets_nothing_again_though_its_socket_is_full() {
    let mut bench = Bench::ahead_by(DISPATCH_ENTRIES_MAX + 1, false);
    // Something else is owed to it, so that a write of nothing blocks as well.
    bench.shard.connections[bench.id].queue(Bytes::from_static(b"pong "));
    bench.socket.0.borrow_mut().is_full = true;
    bench.turn();
    bench.socket.0.borrow_mut().is_full = false;
    bench.turn();
    assert_eq!(bench.socket.0.borrow().written, b"pong ");
}

#[test]
fn who_is_ahead_of_its_shard_is_told_its_own_place() {
    let mut bench = Bench::ahead_by(2, true);
    bench.shard.handle_stale(Some(SystemTime::UNIX_EPOCH));
    bench.shard.tell_stale(bench.time.clock().now());
    let seen = bench.shard.encode(&Guard::at(bench.shard.journal.view().positions_at(2)));
    let told = String::from_utf8_lossy(&bench.socket.0.borrow().written).into_owned();
    assert!(told.contains("STATUS") && told.contains(&seen), "{told} {seen}");
}
