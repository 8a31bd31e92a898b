//! Says a thing at most so many times in an interval, and how often it was left unsaid: a flood of bad records
//! or of connection errors must not become a flood of log lines.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Throttle {
    max: u32,
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Throttle {
    pub fn new(max: u32, interval: Duration) -> Throttle {
        Throttle { max, interval, state: Mutex::new(State { since: None, said: 0, unsaid: 0 }) }
    }

    /// Whether to say it now, and then how often it was not said since the last time.
    pub fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        if state.since.is_none_or(|since| now.duration_since(since) >= self.interval) {
            state.since = Some(now);
            state.said = 0;
        }
        if state.said >= self.max {
            state.unsaid += 1;
            return None;
        }
        state.said += 1;
        Some(std::mem::take(&mut state.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_so_many_in_an_interval_and_counts_the_rest() {
        let throttle = Throttle::new(2, Duration::from_secs(60));
        let start = Instant::now();
        let admitted: Vec<_> =
            (0..5).map(|second| throttle.admit_at(start + Duration::from_secs(second))).collect();
        assert_eq!(admitted, [Some(0), Some(0), None, None, None]);
        assert_eq!(throttle.admit_at(start + Duration::from_secs(60)), Some(3));
    }
}
