//! What time it is: the clocks of the machine, or in the simulation one that it moves by itself.
//!
//! Parts that the simulation drives are given a clock and never ask the machine.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Cheap to clone; all clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    #[cfg(test)]
    simulated: Option<std::sync::Arc<Simulated>>,
}

impl Clock {
    pub fn now(&self) -> Instant {
        #[cfg(test)]
        if let Some(simulated) = &self.simulated {
            return simulated.look();
        }
        Instant::now()
    }

    /// The time of day, which tokens and records are dated by.
    pub fn wall(&self) -> SystemTime {
        #[cfg(test)]
        if let Some(simulated) = &self.simulated {
            return SystemTime::UNIX_EPOCH + simulated.since_epoch();
        }
        SystemTime::now()
    }
}

/// Milliseconds since 1970, for arithmetic with times. What is before that counts as its beginning.
pub fn since_epoch_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The same as Kafka dates records.
pub fn unix_ms(time: SystemTime) -> i64 {
    i64::try_from(since_epoch_ms(time)).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) use simulated::Simulated;

#[cfg(test)]
mod simulated {
    use super::Clock;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    /// The time of day at which a simulation begins: any, but the same in each run.
    const BEGIN: Duration = Duration::from_secs(1_700_000_000);

    /// What a look at the clock costs, so that loops which watch it come to an end.
    const LOOK: Duration = Duration::from_micros(20);

    #[derive(Debug)]
    pub(crate) struct Simulated {
        start: Instant,
        passed_micros: AtomicU64,
    }

    impl Simulated {
        pub fn begin() -> Arc<Simulated> {
            Arc::new(Simulated { start: Instant::now(), passed_micros: AtomicU64::new(0) })
        }

        pub fn clock(self: &Arc<Simulated>) -> Clock {
            Clock { simulated: Some(Arc::clone(self)) }
        }

        pub fn pass(&self, time: Duration) {
            let micros = u64::try_from(time.as_micros()).expect("a simulation is short");
            self.passed_micros.fetch_add(micros, Ordering::Relaxed);
        }

        pub fn passed(&self) -> Duration {
            Duration::from_micros(self.passed_micros.load(Ordering::Relaxed))
        }

        pub fn since_epoch(&self) -> Duration {
            BEGIN + self.passed()
        }

        pub(super) fn look(&self) -> Instant {
            self.pass(LOOK);
            self.start + self.passed()
        }
    }
}
