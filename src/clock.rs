//! What time it is, for the parts that the simulation drives: they are given a clock and never ask the machine.

use std::time::{Instant, SystemTime};

/// Cheap to clone; all clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {}

impl Clock {
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// The time of day, which tokens and records are dated by.
    pub fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}
