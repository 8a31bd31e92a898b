//! A shard without a thread, turn by turn, with one client on a real socket.

use super::super::connection::{ConnectionId, Cursors, Standing};
use super::super::past::{Archive, Asks, Past, Question};
use super::super::socket::{ClientSocket, Kernel};
use super::super::testing::{no_commands, publish, small_journal};
use super::super::{Shard, WAKER};
use super::*;
use crate::admission::Admission;
use crate::clock::Simulated;
use crate::event::{Identity, Key};
use crate::journal::{Guard, PartitionId, Positions, Writer};
use crate::limits::{
    CATCH_UP_CONNECTION_BYTES, CATCH_UP_TURN_BYTES, CONTROL_FRAMES_MAX, CURSOR_RENEWED_PARTS,
    PLAIN_PING_INTERVAL, STALLED_MAX,
};
use crate::metrics::Metrics;
use crate::protocol::Session;
use mio::{Poll, Waker};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const FRAME_BYTES: usize = 10_000;

struct Bench {
    shard: Shard<Kernel>,
    time: Arc<Simulated>,
    writer: Writer,
    metrics: Metrics,
    client: TcpStream,
    /// Keeps the shard's inbox open.
    _waker: Waker,
    next_offset: i64,
}

impl Bench {
    fn new() -> Bench {
        let (writer, journal) = small_journal();
        let metrics = Metrics::new();
        let time = Simulated::begin();
        let admission = Admission::of_nobody();
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        let sockets = Kernel::new(poll);
        let shard =
            Shard::new(sockets, time.clock(), no_commands(), journal, Arc::new(admission), metrics.shard());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut bench = Bench { shard, time, writer, metrics, client, _waker: waker, next_offset: 0 };
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        // Large enough that only our own bounds cut what a turn writes.
        socket2::SockRef::from(&socket).set_send_buffer_size(1 << 20).unwrap();
        let session = Session::plain(bench.time.clock().now());
        bench.shard.insert(ClientSocket::Plain(mio::net::TcpStream::from_std(socket)), session).unwrap();
        bench
    }

    fn id(&self) -> Option<ConnectionId> {
        self.shard.connections.iter().map(|connection| connection.id).next()
    }

    fn join(&mut self, frames: VecDeque<Bytes>, then: u64) {
        let prelude = Prelude::new(frames, self.metrics.prelude_bytes()).unwrap();
        let keys = Arc::new([Key::new("role:ADMIN")]);
        let (id, clock) = (self.id().unwrap(), self.time.clock());
        let expires_at = clock.wall() + Duration::from_secs(3_600);
        let identity = Identity {
            keys,
            keys_left_out: 0,
            grants: Default::default(),
            expires_at,
            login: Default::default(),
        };
        self.shard.connections[id].prelude = Some(Box::new(prelude));
        self.shard.join(id, &identity, Standing::Lagging(then), clock.now());
    }

    /// The client has read the journal to its end, and has been elsewhere before, where it saw more.
    fn join_behind(&mut self, guard: Guard) {
        let id = self.id().unwrap();
        let cursors = Cursors {
            sent: false,
            asked_since_ms: None,
            guard: Some(guard),
            unmet_until: None,
            since: None,
            told: None,
        };
        self.shard.connections[id].cursors = Some(Box::new(cursors));
        self.join(VecDeque::new(), 0);
    }

    /// An event in the journal for whoever holds `key`.
    fn event(&mut self, key: &str, frame: Bytes) {
        publish(&mut self.writer, self.next_offset, key, frame);
        self.next_offset += 1;
    }

    fn turn(&mut self) {
        let mut ready = Vec::new();
        self.shard.sockets.wait(&mut ready, Some(Duration::from_millis(1))).unwrap();
        self.shard.turn(&ready);
    }

    /// The turn that has what the client sent, however long that takes to come.
    fn turn_with_input(&mut self) {
        let mut ready = Vec::new();
        while ready.is_empty() {
            self.shard.sockets.wait(&mut ready, Some(Duration::from_millis(1))).unwrap();
        }
        self.shard.turn(&ready);
    }

    fn held(&self) -> usize {
        self.metrics.prelude_bytes().bytes()
    }

    /// Turns until the client has that many bytes more.
    fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        let mut place = 0;
        self.client.set_nonblocking(true).unwrap();
        while place < bytes {
            self.turn();
            match self.client.read(&mut read[place..]) {
                Ok(0) => panic!("closed after {place} bytes"),
                Ok(count) => place += count,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
        read
    }
}

fn frame(number: u8) -> Bytes {
    vec![number; FRAME_BYTES].into()
}

fn prelude(count: u8) -> VecDeque<Bytes> {
    (0..count).map(frame).collect()
}

fn expected(numbers: impl IntoIterator<Item = u8>) -> Vec<u8> {
    numbers.into_iter().flat_map(|number| vec![number; FRAME_BYTES]).collect()
}

#[test]
fn the_prelude_comes_first_then_the_journal_from_its_sequence_and_only_what_the_keys_may_see() {
    let mut bench = Bench::new();
    for number in [200, 201] {
        bench.event("role:ADMIN", frame(number));
    }
    bench.turn();
    bench.join(prelude(100), 1);
    bench.event("store:7", frame(202));
    bench.event("role:ADMIN", frame(203));
    assert_eq!(bench.read(102 * FRAME_BYTES), expected((0..100).chain([201, 203])));
    bench.event("role:ADMIN", frame(204));
    assert_eq!(bench.read(FRAME_BYTES), expected([204]), "and is live");
    assert_eq!(bench.held(), 0);
}

#[test]
fn a_turn_writes_no_more_than_its_budget() {
    let mut bench = Bench::new();
    bench.join(prelude(100), 0);
    let mut held = bench.held();
    assert_eq!(held, 100 * FRAME_BYTES);
    while held > 0 {
        bench.turn();
        let written = held - bench.held();
        assert!(written <= CATCH_UP_TURN_BYTES + CATCH_UP_CONNECTION_BYTES, "{written}");
        held = bench.held();
        let mut buffer = [0; CATCH_UP_TURN_BYTES];
        let _ = bench.client.read(&mut buffer).unwrap();
    }
}

#[test]
fn a_client_that_reads_nothing_is_closed_and_what_was_held_for_it_is_let_go() {
    let mut bench = Bench::new();
    // More than the kernel takes for a client that does not read.
    bench.join((0..10_u8).map(|_| vec![0; 1 << 20].into()).collect(), 0);
    for _ in 0..50 {
        bench.turn();
    }
    assert!(bench.held() > 0 && bench.id().is_some());
    bench.time.pass(STALLED_MAX + Duration::from_secs(1));
    bench.turn();
    assert_eq!((bench.id(), bench.held()), (None, 0));
}

#[test]
fn a_client_that_leaves_in_the_middle_takes_its_prelude_with_it() {
    let mut bench = Bench::new();
    bench.join(prelude(200), 0);
    bench.read(10 * FRAME_BYTES);
    assert!(bench.held() > 0);
    bench.client.shutdown(std::net::Shutdown::Both).unwrap();
    while bench.id().is_some() {
        bench.turn();
    }
    assert_eq!(bench.held(), 0);
}

#[test]
fn one_that_falls_out_of_the_window_meanwhile_is_closed() {
    let mut bench = Bench::new();
    bench.join((0..10_u8).map(|_| vec![0; 1 << 20].into()).collect(), 0);
    bench.turn();
    for _ in 0..4_000 {
        bench.event("store:7", Bytes::from_static(&[0; 1_000]));
    }
    let mut buffer = vec![0; 1 << 20];
    let end = Instant::now() + Duration::from_secs(60);
    while bench.id().is_some_and(|id| bench.shard.connections[id].leaving().is_none()) {
        assert!(Instant::now() < end);
        bench.turn();
        let _ = bench.client.read(&mut buffer).unwrap();
    }
    assert_eq!(bench.held(), 0);
}

#[test]
fn one_that_waits_behind_its_guard_is_closed_as_soon_as_the_window_overtakes_its_shard() {
    let mut bench = Bench::new();
    bench.event("store:7", frame(200));
    let mut elsewhere = Positions::default();
    elsewhere.advance(PartitionId(0), 1_000_000);
    bench.join_behind(Guard::at(elsewhere));
    while bench.shard.guarded.is_empty() {
        bench.turn();
    }
    for _ in 0..4_000 {
        bench.event("store:7", Bytes::from_static(&[0; 1_000]));
    }
    // Nothing else is written that would wake it.
    bench.turn();
    bench.turn();
    let connection = &bench.shard.connections[bench.id().unwrap()];
    assert_eq!(connection.leaving(), Some(Ending::TooSlow));
}

#[test]
fn what_is_above_the_bounds_is_not_taken_in() {
    let preludes = Metrics::new().prelude_bytes().clone();
    let of = |bytes: usize| Prelude::new([vec![0; bytes].into()].into(), &preludes);
    assert!(of(PRELUDE_MAX_BYTES + 1).is_none());
    let _others = preludes.hold(PRELUDES_MAX_BYTES - PRELUDE_MAX_BYTES);
    let first = of(PRELUDE_MAX_BYTES);
    assert!(first.is_some() && of(1).is_none());
    drop(first);
    assert!(of(1).is_some());
}

#[test]
fn a_status_waits_for_the_end_of_the_prelude() {
    let mut bench = Bench::new();
    bench.writer.set_cluster("c");
    bench.shard.ask_for_more(bench.id().unwrap(), true, None);
    bench.join(prelude(30), 0);
    bench.shard.handle_stale(Some(std::time::SystemTime::UNIX_EPOCH));
    assert!(bench.read(30 * FRAME_BYTES) == expected(0..30), "several turns' shares, and nothing in between");
    let status = String::from_utf8_lossy(&bench.read(100)).into_owned();
    assert!(status.contains(r#"{"event_name":"STATUS","data":{"resumed":true"#), "{status}");
}

impl Bench {
    /// A client that wants more than the window has, asked for where nobody answers; `places` may wait.
    fn ask_in_vain(&mut self, places: usize) -> mpsc::Receiver<Question> {
        let (ends, _) = mpsc::sync_channel(0);
        let (readings, questions) = mpsc::sync_channel(places);
        let past = Past { ends, readings: Some(readings), timeout: TIMEOUT };
        self.shard.archive = Some(Archive { past, reply: Arc::new(|_, _| {}) });
        self.writer.set_cluster("cluster");
        self.writer.begin_with(2_000);
        self.writer.publish(Instant::now());
        let (id, clock) = (self.id().unwrap(), self.time.clock());
        let keys = Arc::new([Key::new("role:ADMIN")]);
        let expires_at = clock.wall() + Duration::from_secs(3_600);
        let identity = Identity {
            keys,
            keys_left_out: 0,
            grants: Default::default(),
            expires_at,
            login: Default::default(),
        };
        self.shard.ask_for_more(id, false, Some(1_000));
        self.shard.join_plain(id, &identity, None, clock.now());
        self.shard.apply_actions(id, clock.now());
        questions
    }

    fn standing(&self) -> Standing {
        self.shard.connections[self.id().unwrap()].standing
    }

    /// The client has been told that, and nothing else.
    fn expect_gap(&mut self, gap: &str) {
        let since = "1970-01-01T00:00:02.000Z";
        let told = format!(
            r#"{{"event_name":"STATUS","data":{{"resumed":false,"gap":"{gap}","stale_since":null,"since":"{since}"}}}}"#
        );
        assert_eq!(self.read(told.len() + 2)[2..], *told.as_bytes());
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);

#[test]
fn who_waits_for_the_past_gets_nothing_else_and_is_told_when_nobody_answers_in_time() {
    let mut bench = Bench::new();
    let questions = bench.ask_in_vain(1);
    let question = questions.try_recv().unwrap();
    assert!(matches!(question.asks, Asks::Since(1_000)) && question.is_wanted());
    bench.event("role:ADMIN", frame(1));
    bench.time.pass(TIMEOUT - Duration::from_secs(1));
    bench.turn();
    assert_eq!(bench.standing(), Standing::Preparing);
    bench.time.pass(Duration::from_secs(2));
    bench.expect_gap("timeout");
    // What came meanwhile is in the journal, and then it is live.
    assert_eq!(bench.read(FRAME_BYTES), expected([1]));
    bench.event("role:ADMIN", frame(2));
    assert_eq!(bench.read(FRAME_BYTES), expected([2]));
    assert!(!question.is_wanted(), "and nobody has to look any more");
}

#[test]
fn where_too_many_wait_already_it_is_told_at_once() {
    let mut bench = Bench::new();
    let _questions = bench.ask_in_vain(0);
    assert_ne!(bench.standing(), Standing::Preparing);
    bench.expect_gap("busy");
}

#[test]
fn nobody_reads_on_for_a_client_that_has_left() {
    let mut bench = Bench::new();
    let question = bench.ask_in_vain(1).try_recv().unwrap();
    bench.client.shutdown(std::net::Shutdown::Both).unwrap();
    while bench.id().is_some() {
        bench.turn();
    }
    assert!(!question.is_wanted());
}

/// A message of about that size, as its frame.
fn message(bytes: usize) -> Bytes {
    let text = format!(r#"{{"event_name":"{}"}}"#, "E".repeat(bytes));
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 126], &length[..], text.as_bytes()].concat().into()
}

impl Bench {
    /// A client that asked for cursors and has none yet.
    fn join_with_cursors(&mut self) {
        self.writer.set_cluster("cluster");
        let (id, clock) = (self.id().unwrap(), self.time.clock());
        let identity = Identity {
            keys: Arc::new([Key::new("store:1")]),
            keys_left_out: 0,
            grants: Default::default(),
            expires_at: clock.wall() + Duration::from_secs(3_600),
            login: Default::default(),
        };
        self.shard.ask_for_more(id, true, None);
        self.shard.join_plain(id, &identity, Some(""), clock.now());
        self.shard.apply_actions(id, clock.now());
    }

    /// Time goes by until the next ping, which the client answers; how often it is told its place meanwhile.
    fn told_until_next_ping(&mut self) -> usize {
        self.time.pass(PLAIN_PING_INTERVAL + Duration::from_millis(200));
        self.turn();
        self.turn();
        self.client.write_all(&[0x8A, 0x80, 0, 0, 0, 0]).unwrap();
        self.turn();
        let mut received = vec![0; 1 << 16];
        self.client.set_nonblocking(true).unwrap();
        let count = self.client.read(&mut received).unwrap();
        String::from_utf8_lossy(&received[..count]).matches("STATUS").count()
    }
}

#[test]
fn a_quiet_client_is_told_its_place_whenever_a_quarter_of_the_window_has_gone_by() {
    let mut bench = Bench::new();
    bench.join_with_cursors();
    let pings = 900 / CURSOR_RENEWED_PARTS / 27 + 1;
    assert_eq!(bench.told_until_next_ping(), 1, "at the beginning");
    for round in 0..6 {
        // Also where there is nothing new: its page has to hear that the connection is one.
        if round >= 3 {
            bench.event("store:2", message(200));
        }
        let told: Vec<usize> = (0..pings).map(|_| bench.told_until_next_ping()).collect();
        assert_eq!(told.iter().sum::<usize>(), 1, "{round}: {told:?}");
    }
}

#[test]
fn where_bytes_bound_the_window_its_events_count() {
    let mut bench = Bench::new();
    bench.join_with_cursors();
    assert_eq!(bench.told_until_next_ping(), 1, "at the beginning");
    // Twice as much as the window takes.
    let events = 2 * (1 << 20) / FRAME_BYTES * 10;
    for _ in 0..events {
        bench.event("store:2", message(FRAME_BYTES / 10));
        bench.turn();
    }
    assert!(bench.writer.entries() < events, "some have left it");
    assert_eq!(bench.told_until_next_ping(), 1);
    assert_eq!(bench.told_until_next_ping(), 0);
}

/// The answers to it wait behind what it does not read.
#[test]
fn who_asks_on_and_on_and_reads_nothing_is_sent_away() {
    const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];
    let mut bench = Bench::new();
    socket2::SockRef::from(&bench.client).set_recv_buffer_size(4_096).unwrap();
    bench.join(prelude(250), 0);
    let id = bench.id().unwrap();
    while bench.shard.connections[id].is_flushed() {
        bench.turn();
    }
    let mut pings = 0;
    while bench.id().is_some() {
        bench.client.write_all(&PING).unwrap();
        // Those that come in one read are answered in one write.
        bench.turn_with_input();
        pings += 1;
    }
    // The rest of a frame that was cut waits, too.
    assert_eq!(pings, CONTROL_FRAMES_MAX);
    let page = bench.metrics.render();
    assert!(page.contains(r#"ended_total{ending="too_slow",protocol="plain"} 1"#), "{page}");
}
