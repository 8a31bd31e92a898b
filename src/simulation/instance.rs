//! An instance: the real pipeline, journal and shards, without threads. Restarting one is making a new one.

use super::dice::Dice;
use super::feed::Feed;
use super::kafka::{Log, Place};
use super::wire::{Meanwhile, PollSet, ServerSocket};
use crate::admission::Admission;
use crate::auth::{self, CurrentVerifier, Revocations, TicketSettings, Tickets, Verifier};
use crate::clock::{Clock, Simulated};
use crate::decode::{self, Writers};
use crate::event::{Catalog, CurrentCatalog};
use crate::journal::{self, Journal};
use crate::metrics::Metrics;
use crate::seats::Seats;
use crate::settings::Document;
use crate::shard::{Arrival, Driven};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// How far back an instance reads when it starts, and keeps.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Memory for that: plenty, or less than there may be.
const WINDOW_BYTES: usize = 100_000_000;
const SHORT_WINDOW_BYTES: usize = 100_000;

/// What excuses an instance that tells of a gap.
#[derive(Debug, Clone)]
pub struct Excuses {
    /// Its window is shorter than others'.
    pub is_short: bool,
    /// Of each topic, which one it reads: it may not have noticed yet that there is a newer one.
    pub generations: Vec<usize>,
}

/// What all instances of all simulations share: it does not change, and takes a while to make.
pub static COMMON: LazyLock<Common> = LazyLock::new(Common::new);

pub struct Common {
    pub catalog: Arc<Catalog>,
    admission: Arc<Admission>,
    pub writers: Writers,
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
    is_short: bool,
    is_draining: bool,
}

impl Instance {
    /// Reads the window back from the log.
    pub fn start(log: &Rc<RefCell<Log>>, time: &Arc<Simulated>, dice: &Dice) -> Instance {
        let is_short = dice.one_in(8);
        let max_bytes = if is_short { SHORT_WINDOW_BYTES } else { WINDOW_BYTES };
        let settings = journal::Settings { max_bytes, max_age: WINDOW, cursor_keys: Vec::new() };
        let (writer, journal) = journal::open(&settings);
        let feed = Rc::new(RefCell::new(Feed::new(log, time, dice, writer)));
        let shards = (0..1 + dice.below(2)).map(|_| shard(time.clock(), &journal)).collect();
        Instance { feed, shards, is_short, is_draining: false }
    }

    pub fn is_ready(&self) -> bool {
        !self.is_draining && self.feed.borrow().is_caught_up()
    }

    pub fn excuses(&self) -> Excuses {
        Excuses { is_short: self.is_short, generations: self.feed.borrow().generations.clone() }
    }

    /// The offset that it reads next of a partition.
    pub fn next(&self, place: Place) -> i64 {
        self.feed.borrow().next(place)
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
