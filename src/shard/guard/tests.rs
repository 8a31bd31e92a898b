//! Sockets that panic stand for any code that does.

use super::super::socket::{Ready, Socket, Watch};
use super::super::testing::{no_commands, publish, small_journal};
use super::super::{AddressClass, Admitted, Arrival, Listing, Shard};
use crate::admission::Admission;
use crate::clock::Simulated;
use crate::event::{Identity, Key};
use crate::journal::Writer;
use crate::limits::LISTED_SLOTS_MAX;
use crate::metrics::Metrics;
use bytes::Bytes;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::{cell::RefCell, collections::VecDeque};

/// What a socket does from now on.
#[derive(Default)]
struct Script {
    arrives: VecDeque<Vec<u8>>,
    panics_at_read: bool,
    panics_at_write: bool,
    written: Vec<u8>,
}

#[derive(Clone, Default)]
struct Scripted(Rc<RefCell<Script>>);

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!self.0.borrow().panics_at_read, "as wanted");
        let bytes = self.0.borrow_mut().arrives.pop_front().ok_or(ErrorKind::WouldBlock)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.0.borrow().panics_at_write, "as wanted");
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
    metrics: Metrics,
    next_offset: i64,
}

impl Bench {
    fn new() -> Bench {
        let (writer, journal) = small_journal();
        let (metrics, time) = (Metrics::new(), Simulated::begin());
        let admission = Arc::new(Admission::of_nobody());
        let shard = Shard::new(Nobody, time.clock(), no_commands(), journal, admission, metrics.shard());
        Bench { shard, time, writer, metrics, next_offset: 0 }
    }

    fn arrive(&mut self, socket: &Scripted) {
        let now = self.time.clock().now();
        let expires_at = self.time.clock().wall() + Duration::from_secs(3_600);
        let identity = Ok(Identity {
            keys: Arc::new([Key::new("role:ADMIN")]),
            keys_left_out: 0,
            grants: Default::default(),
            expires_at,
            login: Default::default(),
        });
        let (socket, admitted) = (socket.clone(), Admitted::Plain { identity, cursor: None, since_ms: None });
        let arrival = Arrival {
            socket,
            received: Vec::new(),
            response: Bytes::new(),
            admitted,
            wants_open: false,
            traced: false,
            address: AddressClass::Loopback,
            seats: Vec::new(),
        };
        self.shard.handle_arrival(arrival, now);
    }

    fn event(&mut self, frame: &'static [u8]) {
        publish(&mut self.writer, self.next_offset, "role:ADMIN", Bytes::from_static(frame));
        self.next_offset += 1;
        self.turn();
    }

    /// All sockets have something to say.
    fn turn(&mut self) {
        let slots: Vec<usize> = self.shard.connections.ids().iter().map(|id| id.slot as usize).collect();
        let ready = slots.into_iter().map(|slot| Ready { slot, readable: true, writable: false });
        self.shard.turn(&ready.collect::<Vec<_>>());
    }

    fn panicked(&self) -> bool {
        let counted = "dumbwaiter_connections_ended_total{ending=\"panic\",protocol=\"plain\"} 1";
        self.metrics.render().contains(counted)
    }
}

/// One connection of three panics; the others do not notice.
fn check(break_it: impl Fn(&mut Bench, &Scripted)) {
    let mut bench = Bench::new();
    let sockets: [Scripted; 3] = Default::default();
    sockets.iter().for_each(|socket| bench.arrive(socket));
    bench.event(b"one ");
    break_it(&mut bench, &sockets[1]);
    bench.event(b"two ");
    // A ping, masked: the shard still reads, and answers.
    sockets[0].0.borrow_mut().arrives.push_back(vec![0x89, 0x80, 0, 0, 0, 0]);
    bench.turn();
    bench.event(b"three");
    assert!(bench.panicked(), "{}", bench.metrics.render());
    assert_eq!((bench.shard.connections.ids().len(), bench.metrics.open_connections()), (2, 2));
    assert_eq!(sockets[0].0.borrow().written, b"one two \x8a\0three");
    assert_eq!(sockets[2].0.borrow().written, b"one two three");
}

#[test]
fn a_panic_while_reading_costs_one_connection() {
    check(|_, socket| socket.0.borrow_mut().panics_at_read = true);
}

#[test]
fn a_panic_while_an_event_is_written_costs_one_connection() {
    check(|_, socket| socket.0.borrow_mut().panics_at_write = true);
}

#[test]
fn a_panic_at_a_timer_costs_one_connection() {
    check(|bench, socket| {
        socket.0.borrow_mut().panics_at_write = true;
        // Pings are due.
        bench.time.pass(Duration::from_secs(28));
        bench.shard.turn(&[]);
        for other in bench.shard.connections.ids() {
            let written = &mut bench.shard.connections[other].socket().0.borrow_mut().written;
            assert_eq!(written.split_off(b"one ".len()), b"\x89\0");
        }
    });
}

#[test]
fn a_panic_at_its_arrival_costs_one_connection() {
    let mut bench = Bench::new();
    let (good, bad) = (Scripted::default(), Scripted::default());
    bench.arrive(&good);
    bad.0.borrow_mut().panics_at_write = true;
    let identity = Err(crate::protocol::Ending::WrongKey);
    let admitted = Admitted::Plain { identity, cursor: None, since_ms: None };
    let arrival = Arrival {
        socket: bad,
        received: Vec::new(),
        response: Bytes::new(),
        admitted,
        wants_open: false,
        traced: false,
        address: AddressClass::Loopback,
        seats: Vec::new(),
    };
    bench.shard.handle_arrival(arrival, bench.time.clock().now());
    bench.event(b"one");
    assert!(bench.panicked());
    assert_eq!(good.0.borrow().written, b"one");
}

#[test]
fn a_panic_while_going_down_keeps_no_one() {
    let mut bench = Bench::new();
    let sockets: [Scripted; 3] = Default::default();
    sockets.iter().for_each(|socket| bench.arrive(socket));
    sockets[1].0.borrow_mut().panics_at_write = true;
    bench.shard.handle_stop(bench.time.clock().now());
    assert!(bench.panicked());
    assert!(sockets[0].0.borrow().written.ends_with(b"Service restart"));
    assert!(sockets[2].0.borrow().written.ends_with(b"Service restart"));
}

#[test]
fn a_look_at_who_is_connected_is_bounded_and_goes_on_where_it_ended() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        bench.arrive(&Scripted::default());
    }
    let now = bench.time.clock().now();
    let mut looks = Vec::new();
    let mut listing =
        Listing { most: usize::MAX, audience: vec!["role:ADMIN".to_owned()], ..Listing::default() };
    loop {
        let listed = bench.shard.list(&listing, now);
        assert!(listed.connections.iter().all(|connection| connection.by == ["role:ADMIN"]));
        looks.push(listed.connections.len());
        let Some(next) = listed.next else { break };
        listing.slot = next;
    }
    assert_eq!(looks.iter().sum::<usize>(), 10, "{looks:?}");
    assert_eq!(looks.iter().max(), Some(&LISTED_SLOTS_MAX));

    let most = |most, slot| bench.shard.list(&Listing { most, slot, ..Listing::default() }, now);
    assert_eq!((most(3, 0).connections.len(), most(3, 0).next), (3, Some(3)));
    assert_eq!((most(3, usize::MAX).connections.len(), most(3, usize::MAX).next), (0, None));
    let others = Listing { keys: vec!["role:WATCHER".to_owned()], most: 9, ..Listing::default() };
    assert!(bench.shard.list(&others, now).connections.is_empty());
}
