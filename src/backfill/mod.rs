//! The past that has left the journal: read from Kafka for one client that comes back late, or asks for a replay.
//!
//! ```text
//! shard ──question──> queue ──> reader (a few threads) ──> records ─> mapping ─> its events, merged by time ─┐
//!   └──<── prelude, and where the journal goes on, or the gap ───────────────────────────────────────────────┘
//! ```
//!
//! Everything about it is bounded: readings at once, those that wait, and of each the records, bytes and time. What
//! can't be had within that is a gap, which the client is told.

mod ends;
mod merge;
mod owners;
mod reading;
mod settings;

pub use settings::Settings;

use crate::consume::{ClientFault, Past, PastFault, PastReader};
use crate::decode::Writers;
use crate::event::{CurrentCatalog, OrderSettings};
use crate::journal::Journal;
use crate::limits::{BACKFILLS_WAITING_MAX, PAST_CHECKS_WAITING_MAX};
use crate::metrics::Metrics;
use crate::protocol::Gap;
use crate::shard::{self, Asks, Found, Question};
use ends::Ends;
use parking_lot::Mutex;
use reading::Reading;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

/// What readings need; all of it is shared.
#[derive(Clone)]
pub struct Parts {
    pub settings: Settings,
    pub past: Arc<Past>,
    pub journal: Journal,
    pub catalog: CurrentCatalog,
    pub writers: Writers,
    pub orders: OrderSettings,
    pub metrics: Metrics,
}

/// Questions of all shards; the lock is held by the one reader that waits for the next.
type Queue = Arc<Mutex<Receiver<Question>>>;

/// Starts the threads. They end when nobody is left who could ask.
pub fn start(parts: &Parts) -> io::Result<(shard::Past, Vec<JoinHandle<()>>)> {
    let (ends, questions) = sync_channel(PAST_CHECKS_WAITING_MAX);
    let mut threads = vec![spawn("past-ends".to_owned(), Arc::new(Mutex::new(questions)), parts)?];
    let mut readings = None;
    if parts.settings.readers > 0 {
        let (sender, questions) = sync_channel(BACKFILLS_WAITING_MAX);
        let questions: Queue = Arc::new(Mutex::new(questions));
        for number in 0..parts.settings.readers {
            threads.push(spawn(format!("backfill-{number}"), Arc::clone(&questions), parts)?);
        }
        readings = Some(sender);
    }
    Ok((shard::Past { ends, readings, timeout: parts.settings.timeout }, threads))
}

fn spawn(name: String, questions: Queue, parts: &Parts) -> io::Result<JoinHandle<()>> {
    let mut worker = Worker::new(parts.clone());
    std::thread::Builder::new().name(name).spawn(move || {
        loop {
            let question = questions.lock().recv();
            let Ok(question) = question else { return };
            worker.serve(question);
        }
    })
}

/// One thread's: it keeps its connection to Kafka and its compiled plans from one question to the next.
struct Worker {
    parts: Parts,
    reader: Option<PastReader>,
    mapping: owners::OwnedMapping,
    ends: Ends,
}

impl Worker {
    fn new(parts: Parts) -> Worker {
        let mapping = owners::OwnedMapping::new(&parts);
        Worker { parts, reader: None, mapping, ends: Ends::default() }
    }

    fn serve(&mut self, question: Question) {
        let metrics = self.parts.metrics.clone();
        if !question.is_wanted() {
            metrics.backfill_abandoned();
            return;
        }
        let is_reading = !matches!(question.asks, Asks::Ends(_));
        let begin = Instant::now();
        let _running = is_reading.then(|| metrics.backfill_runs());
        let outcome = self.find(&question);
        let label = outcome.as_ref().map_or_else(|gap| gap.label(), |_| "found");
        if is_reading {
            metrics.backfill(label, begin.elapsed());
            tracing::debug!(outcome = label, seconds = begin.elapsed().as_secs_f64(), "backfill");
        } else {
            metrics.cursor_checked(label);
        }
        question.answer(outcome);
    }

    fn find(&mut self, question: &Question) -> Result<Found, Gap> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.parts.past.reader().map_err(|fault: ClientFault| no_client(&fault))?,
        };
        let found = match &question.asks {
            Asks::Ends(guard) => self.ends.check(&mut reader, &self.parts.journal, guard),
            Asks::Behind(_) | Asks::Since(_) => {
                let Worker { parts, mapping, ends, .. } = self;
                Reading::new(parts, &mut reader, mapping, ends, question).run()
            }
        };
        // One that has no answer is not asked again: its successor finds the brokers anew.
        if !matches!(found, Err(Gap::Unavailable)) && reader.rest().is_ok() {
            self.reader = Some(reader);
        }
        found
    }
}

fn no_client(fault: &ClientFault) -> Gap {
    tracing::error!(%fault, "cannot read the past");
    Gap::Unavailable
}

/// What a client is told of it.
fn gap(fault: PastFault) -> Gap {
    match fault {
        PastFault::Gone => Gap::TooOld,
        PastFault::NoAnswer(_) => {
            tracing::debug!(%fault, "cannot read the past");
            Gap::Unavailable
        }
    }
}
