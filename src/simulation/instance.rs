//! An instance: the real pipeline, journal and shards, without threads. Restarting one is making a new one.

use super::dice::Dice;
use super::kafka::{Log, Place, TOPICS};
use super::wire::{Meanwhile, PollSet, ServerSocket};
use crate::admission::Admission;
use crate::auth::{self, CurrentVerifier, Revocations, TicketSettings, Tickets, Verifier};
use crate::clock::{Clock, Simulated};
use crate::consume::{Begun, BegunPartition, OwnedRecord, Source, memory_from};
use crate::dead_letter::DeadLetters;
use crate::decode::{self, Writers};
use crate::event::{Catalog, CurrentCatalog, OrderSettings};
use crate::health::Health;
use crate::journal::{self, Journal};
use crate::metrics::Metrics;
use crate::pipeline::{Pipeline, Work};
use crate::seats::Seats;
use crate::settings::Document;
use crate::shard::{Arrival, Driven, Shards};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Duration;

/// How far back an instance reads when it starts, and keeps.
pub const WINDOW: Duration = Duration::from_secs(60);

/// What all instances of all simulations share: it does not change, and takes a while to make.
pub static COMMON: LazyLock<Common> = LazyLock::new(Common::new);

pub struct Common {
    pub catalog: Arc<Catalog>,
    admission: Arc<Admission>,
    writers: Writers,
    pub metrics: Metrics,
}

impl Common {
    fn new() -> Common {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/simulation/catalog.toml");
        let catalog = Arc::new(Catalog::read(&path).expect("the simulation's catalog is good"));
        let metrics = Metrics::new();
        let secret = "auth.secret=nobody shows a token in the simulation".to_owned();
        let settings = auth::Settings::read(&mut Document::empty().with_overrides(&[secret]));
        let admission = Admission {
            verifier: CurrentVerifier::new(Verifier::new(&settings)),
            revocations: Arc::new(Revocations::new(&settings)),
            sessions: None,
            tickets: Tickets::open(TicketSettings::Memory, Box::new(|_, _, _| {})),
            catalog: CurrentCatalog::new(Arc::clone(&catalog)),
            metrics: metrics.clone(),
            query_token: false,
            users: Seats::new(usize::MAX, usize::MAX),
        };
        let writers =
            Writers::open(&decode::Settings::default(), [], None).expect("there is nothing to read");
        Common { catalog, admission: Arc::new(admission), writers, metrics }
    }
}

pub struct Instance {
    feed: Rc<RefCell<Feed>>,
    shards: Vec<Driven<PollSet>>,
    is_draining: bool,
}

/// The half of an instance that reads.
struct Feed {
    log: Rc<RefCell<Log>>,
    dice: Dice,
    work: Work,
    source: Source,
    records: mpsc::Sender<OwnedRecord>,
    /// The offset to read next.
    next: BTreeMap<Place, i64>,
    /// Where partitions ended when it started: the instance is ready when it is there.
    until: BTreeMap<Place, i64>,
}

impl Instance {
    /// Reads the window back from the log.
    pub fn start(log: &Rc<RefCell<Log>>, time: &Arc<Simulated>, dice: &Dice) -> Instance {
        let max_bytes = if dice.one_in(8) { 100_000 } else { 100_000_000 };
        let settings = journal::Settings { max_bytes, max_age: WINDOW, cursor_keys: Vec::new() };
        let (writer, journal) = journal::open(&settings);
        let feed = Rc::new(RefCell::new(Feed::new(log, time, dice, writer)));
        let shards = (0..1 + dice.below(2)).map(|_| shard(time.clock(), &journal)).collect();
        Instance { feed, shards, is_draining: false }
    }

    pub fn is_ready(&self) -> bool {
        let feed = self.feed.borrow();
        !self.is_draining
            && feed.until.iter().all(|(place, until)| feed.next.get(place).is_some_and(|next| next >= until))
    }

    /// The offset that it reads next of a partition.
    pub fn next(&self, place: Place) -> i64 {
        self.feed.borrow().next.get(&place).copied().unwrap_or_default()
    }

    /// Reads some records of a partition, if there are any.
    pub fn read(&self) {
        self.feed.borrow_mut().read_some();
    }

    /// Reads all there is; false if there was nothing.
    pub fn read_all(&self) -> bool {
        self.feed.borrow_mut().read_all()
    }

    /// Partitions were taken away and given back: some of their records come again.
    pub fn rebalance(&self) {
        self.feed.borrow_mut().rebalance();
    }

    /// What goes on in this instance while one of its shards is at work.
    pub fn meanwhile(&self) -> Meanwhile {
        let feed = Rc::clone(&self.feed);
        Rc::new(move || feed.borrow_mut().read_some())
    }

    pub fn adopt(&mut self, arrival: Arrival<ServerSocket>, dice: &Dice) {
        let shard = dice.below(self.shards.len());
        self.shards[shard].adopt(arrival);
    }

    /// One turn of the shards that have something to do; false if none has.
    pub fn turn(&mut self) -> bool {
        self.shards.iter_mut().fold(false, |any, shard| shard.turn() | any)
    }

    /// As SIGTERM does, at first.
    pub fn drain(&mut self, over: Duration, dice: &Dice) {
        self.is_draining = true;
        for shard in &mut self.shards {
            shard.drain(over, dice.below(1_000) as u64);
        }
    }

    pub fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// As SIGTERM does in the end.
    pub fn stop(&mut self) {
        for shard in &mut self.shards {
            shard.stop();
        }
    }
}

fn shard(clock: Clock, journal: &Journal) -> Driven<PollSet> {
    let admission = Arc::clone(&COMMON.admission);
    Driven::new(PollSet::default(), clock, journal.clone(), admission, &COMMON.metrics)
}

impl Feed {
    fn new(log: &Rc<RefCell<Log>>, time: &Arc<Simulated>, dice: &Dice, journal: journal::Writer) -> Feed {
        let now_ms = i64::try_from(time.since_epoch().as_millis()).expect("it is not so late");
        let window_ms = i64::try_from(WINDOW.as_millis()).expect("it is short");
        let places = log.borrow().places();
        let begin = |place: &Place| (*place, log.borrow().offset_for(*place, now_ms - window_ms));
        let next: BTreeMap<Place, i64> = places.iter().map(begin).collect();
        let until = places.iter().map(|place| (*place, log.borrow().next(*place))).collect();
        let name = |((topic, partition), offset): (&Place, &i64)| BegunPartition {
            topic: TOPICS[*topic].to_owned(),
            partition: *partition,
            window: *offset,
            start: *offset,
        };
        let begun = Begun {
            cluster: "simulated".to_owned(),
            partitions: next.iter().map(name).collect(),
            since_ms: None,
        };
        let (records, source) = memory_from(begun);
        let work = Work::new(Pipeline {
            catalog: CurrentCatalog::new(Arc::clone(&COMMON.catalog)),
            writers: COMMON.writers.clone(),
            dead_letters: DeadLetters::Off,
            journal,
            shards: Shards::none(),
            health: Health::new(COMMON.metrics.clone()),
            metrics: COMMON.metrics.clone(),
            clock: time.clock(),
            orders: OrderSettings::read(&mut Document::empty()),
        });
        let mut feed = Feed {
            log: Rc::clone(log),
            dice: dice.clone(),
            work,
            source: Source::Memory(source),
            records,
            next,
            until,
        };
        feed.turn();
        feed
    }

    fn read_some(&mut self) {
        let places = self.log.borrow().places();
        let (place, count) = (*self.dice.pick(&places), 1 + self.dice.below(8));
        self.read(place, count);
        self.turn();
    }

    fn read_all(&mut self) -> bool {
        let places = self.log.borrow().places();
        let read = places.into_iter().fold(false, |any, place| self.read(place, 100) | any);
        self.turn();
        read
    }

    fn read(&mut self, place: Place, count: usize) -> bool {
        let log = self.log.borrow();
        // A partition that was not there at the start is read from its first record.
        let next = self.next.entry(place).or_insert_with(|| log.first(place));
        let records = log.fetch(place, *next, count);
        *next = records.last().map_or_else(|| log.next(place), |record| record.offset + 1);
        let any = !records.is_empty();
        for record in records {
            self.records.send(record).expect("the source is here");
        }
        any
    }

    fn turn(&mut self) {
        // A batch may be shorter than what has come.
        for _ in 0..4 {
            self.work.turn(&mut self.source, Duration::ZERO).expect("memory does not fail");
        }
    }

    fn rebalance(&mut self) {
        for (place, next) in &mut self.next {
            if self.dice.one_in(2) {
                let first = self.log.borrow().first(*place);
                *next -= self.dice.within(0..12).min((*next - first).max(0));
            }
        }
    }
}
