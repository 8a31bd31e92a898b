//! All clients with their sockets, on one thread: connects them, reads what comes, keeps the books.
//!
//! Sockets are watched edge-triggered for both directions from the start, so a delivery costs one read and a share
//! of one wait. They are closed by a reset in the end: thousands of them would else keep their ports for a minute.

use super::books::{Books, latencies};
use super::client::{Client, End, Listener, Visit};
use super::line::Line;
use super::mark::Marks;
use super::{BenchFault, Plan, Progress, Stage};
use crate::limits::{
    BENCH_FRAME_MAX_BYTES, BENCH_HANDSHAKE_MAX, BENCH_HANDSHAKES, BENCH_PROGRESS_INTERVAL, BENCH_STEP,
};
use crate::trust;
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

pub struct Crowd<'p> {
    plan: &'p Plan,
    poll: Poll,
    /// In the order of clients' numbers, as far as they have been started.
    seats: Vec<Seat>,
    /// Clients that are being let in, in the order of their start; some may be through already.
    handshakes: VecDeque<usize>,
    standing: Standing,
    ears: Ears,
    /// What a read gives, behind what the client had left over; shared by all.
    buffer: Box<[u8]>,
    told: Instant,
}

struct Seat {
    /// None: it is over.
    line: Option<Line>,
    client: Client,
    started: Instant,
    /// The beginning of a frame. Keeps its room, so that it is made once.
    pending: Vec<u8>,
    unsent: Vec<u8>,
}

/// How many are where.
#[derive(Default)]
struct Standing {
    let_in: usize,
    open: usize,
    failed: BTreeMap<String, usize>,
    ended: BTreeMap<String, usize>,
}

/// What clients hear goes through here; it is lent to each in turn.
struct Ears {
    books: Books,
    marks: Marks,
    connect_latency: Histogram<u64>,
    number: usize,
    now: SystemTime,
    became_ready: bool,
    to_send: Vec<u8>,
}

impl Listener for Ears {
    fn send(&mut self, bytes: &[u8]) {
        self.to_send.extend_from_slice(bytes);
    }

    fn ready(&mut self) {
        self.became_ready = true;
    }

    fn message(&mut self, payload: &[u8]) {
        self.books.note(self.number, self.marks.find(payload), payload.len(), self.now);
    }
}

impl<'p> Crowd<'p> {
    pub fn new(plan: &'p Plan) -> io::Result<Crowd<'p>> {
        let ears = Ears {
            books: Books::open(plan.audience),
            marks: Marks::of(plan.run),
            connect_latency: latencies(),
            number: 0,
            now: SystemTime::UNIX_EPOCH,
            became_ready: false,
            to_send: Vec::new(),
        };
        Ok(Crowd {
            plan,
            poll: Poll::new()?,
            seats: Vec::with_capacity(plan.audience.clients),
            handshakes: VecDeque::new(),
            standing: Standing::default(),
            ears,
            buffer: vec![0; BENCH_FRAME_MAX_BYTES + 64 * 1024].into_boxed_slice(),
            told: Instant::now(),
        })
    }

    pub fn books(&self) -> &Books {
        &self.ears.books
    }

    /// Clients that have been let in, whatever became of them.
    pub fn let_in(&self) -> usize {
        self.standing.let_in
    }

    pub fn is_empty(&self) -> bool {
        self.standing.open == 0
    }

    pub fn failed(&self) -> &BTreeMap<String, usize> {
        &self.standing.failed
    }

    pub fn ended(&self) -> &BTreeMap<String, usize> {
        &self.standing.ended
    }

    pub fn connect_latency(&self) -> &Histogram<u64> {
        &self.ears.connect_latency
    }

    /// Brings every client in, or finds that it cannot be; how long that took.
    pub fn connect(&mut self, watch: &mut dyn FnMut(Progress)) -> Result<Duration, BenchFault> {
        let mut events = Events::with_capacity(1_024);
        let begun = Instant::now();
        let clients = self.plan.audience.clients;
        while self.seats.len() < clients || !self.handshakes.is_empty() {
            let allowed = match self.plan.connect_rate {
                // The first at once; a fraction of a client waits for the rest of it.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                Some(rate) => (begun.elapsed().as_secs_f64() * rate) as usize + 1,
                None => clients,
            };
            while self.seats.len() < allowed.min(clients) && self.handshakes.len() < BENCH_HANDSHAKES {
                self.start()?;
            }
            self.turn(&mut events, Duration::from_millis(1))?;
            self.drop_late()?;
            self.tell(Stage::Connecting, watch);
        }
        Ok(begun.elapsed())
    }

    /// Listens for so long; ends early when all that is due has come or nobody is left.
    pub fn stay(
        &mut self,
        time: Duration,
        stage: Stage,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<(), BenchFault> {
        let mut events = Events::with_capacity(1_024);
        let begun = Instant::now();
        while let Some(left) = time.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
            self.turn(&mut events, left.min(BENCH_STEP))?;
            self.tell(stage, watch);
            if stage == Stage::Receiving && self.is_done() {
                break;
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_empty() || self.plan.audience.events > 0 && self.ears.books.is_complete()
    }

    fn tell(&mut self, stage: Stage, watch: &mut dyn FnMut(Progress)) {
        if self.told.elapsed() < BENCH_PROGRESS_INTERVAL {
            return;
        }
        self.told = Instant::now();
        let tally = self.ears.books.tally();
        let (done, of) = match stage {
            Stage::Connecting | Stage::Resting => (self.let_in(), Some(self.plan.audience.clients)),
            Stage::Receiving if self.plan.audience.events > 0 => (
                usize::try_from(tally.deliveries).unwrap_or(usize::MAX),
                Some(self.plan.audience.deliveries()),
            ),
            Stage::Receiving => (usize::try_from(tally.other).unwrap_or(usize::MAX), None),
        };
        watch(Progress { stage, done: done as u64, of: of.map(|of| of as u64) });
    }

    fn start(&mut self) -> Result<(), BenchFault> {
        let number = self.seats.len();
        let (client, request) = Client::start(&visit(self.plan, number));
        let opened = open(self.plan.address, number).and_then(|mut socket| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut socket, Token(number), interest)?;
            Line::new(socket, self.plan.tls.as_ref())
        });
        let (line, fault) = match opened {
            Ok(line) => (Some(line), None),
            Err(error) => (None, Some(error)),
        };
        // The request goes out with the first event, which says that the connection stands.
        self.seats.push(Seat { line, client, started: Instant::now(), pending: Vec::new(), unsent: request });
        self.standing.open += 1;
        self.handshakes.push_back(number);
        fault.map_or(Ok(()), |error| self.end(number, &dropped(&error)))
    }

    /// Drops those from the front who are through, or have had their time.
    fn drop_late(&mut self) -> Result<(), BenchFault> {
        while let Some(&number) = self.handshakes.front() {
            let seat = &self.seats[number];
            let is_over = seat.line.is_none() || seat.client.is_ready();
            if !is_over && seat.started.elapsed() < BENCH_HANDSHAKE_MAX {
                break;
            }
            self.handshakes.pop_front();
            if !is_over {
                self.end(number, &End::Late)?;
            }
        }
        Ok(())
    }

    fn turn(&mut self, events: &mut Events, wait: Duration) -> Result<(), BenchFault> {
        match self.poll.poll(events, Some(wait)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &*events {
            let number = event.token().0;
            let outcome = if event.is_writable() { self.flush(number) } else { Ok(()) };
            let outcome = outcome.and_then(|()| {
                let readable = event.is_readable() || event.is_read_closed() || event.is_error();
                if readable { self.read(number, event.is_read_closed()) } else { Ok(()) }
            });
            if let Err(end) = outcome {
                self.end(number, &end)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, number: usize) -> Result<(), End> {
        let seat = &mut self.seats[number];
        let Some(line) = &mut seat.line else { return Ok(()) };
        while !seat.unsent.is_empty() {
            match line.write(&seat.unsent) {
                Ok(written) => drop(seat.unsent.drain(..written)),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    break;
                }
                Err(error) => return Err(dropped(&error)),
            }
        }
        // Over TLS, what was taken has not all gone out by that.
        match line.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(dropped(&error)),
            _ => Ok(()),
        }
    }

    /// Reads until nothing is left. A read that filled its room less than full was the last, unless the end of the
    /// stream may stand behind it.
    fn read(&mut self, number: usize, to_the_end: bool) -> Result<(), End> {
        loop {
            let seat = &mut self.seats[number];
            let Some(line) = &mut seat.line else { return Ok(()) };
            let reads_to_the_end = to_the_end || line.gives_parts();
            let kept = seat.pending.len();
            let room = self.buffer.len() - kept;
            let count = match line.read(&mut self.buffer[kept..]) {
                Ok(0) => return Err(End::Dropped("the service has closed it".to_owned())),
                Ok(count) => count,
                // What waited for the end of a TLS handshake goes out now.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.flush(number),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(dropped(&error)),
            };
            self.buffer[..kept].copy_from_slice(&seat.pending);
            self.hear(number, kept + count)?;
            if count < room && !reads_to_the_end {
                return Ok(());
            }
        }
    }

    /// Lets a client have what is in the buffer.
    fn hear(&mut self, number: usize, length: usize) -> Result<(), End> {
        let seat = &mut self.seats[number];
        self.ears.number = number;
        self.ears.now = SystemTime::now();
        let mut input = &self.buffer[..length];
        let outcome = seat.client.receive(&mut input, &visit(self.plan, number), &mut self.ears);
        seat.pending.clear();
        seat.pending.extend_from_slice(input);
        if std::mem::take(&mut self.ears.became_ready) {
            self.standing.let_in += 1;
            let micros = u64::try_from(seat.started.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.ears.connect_latency.saturating_record(micros);
        }
        if !self.ears.to_send.is_empty() {
            seat.unsent.append(&mut self.ears.to_send);
            self.flush(number)?;
        }
        outcome
    }

    /// Counts it, or ends the run where every further client would fare the same.
    fn end(&mut self, number: usize, end: &End) -> Result<(), BenchFault> {
        let seat = &mut self.seats[number];
        seat.line = None;
        seat.pending = Vec::new();
        self.standing.open -= 1;
        if seat.client.is_ready() {
            *self.standing.ended.entry(end.to_string()).or_default() += 1;
            return Ok(());
        }
        match end {
            End::Refused => return Err(BenchFault::Refused(number)),
            end if self.standing.let_in == 0 => return Err(BenchFault::NobodyIn(end.to_string())),
            end => *self.standing.failed.entry(end.to_string()).or_default() += 1,
        }
        Ok(())
    }
}

fn visit(plan: &Plan, number: usize) -> Visit<'_> {
    Visit { dialect: plan.dialect, host: &plan.host, number, token: plan.tokens.get(number) }
}

fn dropped(error: &io::Error) -> End {
    trust::objection(error).map_or_else(|| End::Dropped(error.to_string()), End::Untrusted)
}

/// A socket on its way to the service.
fn open(address: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let socket = new_socket(address, number)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::from(address)) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            return Err(error);
        }
        _ => {}
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// A socket for that address. On loopback the clients come from several addresses: one has 28,000 ports.
pub(super) fn new_socket(address: SocketAddr, number: usize) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    socket.set_linger(Some(Duration::ZERO))?;
    if let IpAddr::V4(ip) = address.ip()
        && ip.is_loopback()
    {
        let last = u8::try_from(number % 4).unwrap_or_default() + 1;
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into())?;
    }
    Ok(socket)
}
