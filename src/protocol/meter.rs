//! How much a client sends, metered under its frames: bytes, frames and reads, in one number.
//!
//! What is above the frames does not see all of it: an empty continuation is part of no message yet, and a pong is
//! an answer to nobody. A meter is one time, at which all that has come will be worked off at the allowed rate (the
//! generic cell rate algorithm): whatever comes moves it on, and the client floods when it lies too far ahead.

use crate::limits::{CLIENT_BURST_BYTES, CLIENT_BYTES_PER_SECOND, CLIENT_FRAME_COST_BYTES};
use std::time::{Duration, Instant};

/// The meter of one connection.
pub(super) struct Meter {
    /// None once the client has flooded, for good.
    worked_off_at: Option<Instant>,
}

impl Meter {
    pub fn new(now: Instant) -> Self {
        Self { worked_off_at: Some(now) }
    }

    /// Counts one read of so many bytes, in which so many frames became complete.
    pub fn count(&mut self, bytes: usize, frames: u32, now: Instant) {
        let cost = u32::try_from(bytes)
            .unwrap_or(u32::MAX)
            .saturating_add(frames.saturating_add(1).saturating_mul(CLIENT_FRAME_COST_BYTES));
        let worked_off_at = self.worked_off_at.map(|at| at.max(now) + time_for(cost));
        self.worked_off_at = worked_off_at.filter(|at| *at <= now + time_for(CLIENT_BURST_BYTES));
    }

    pub fn is_flooded(&self) -> bool {
        self.worked_off_at.is_none()
    }
}

fn time_for(bytes: u32) -> Duration {
    Duration::from_secs(1) * bytes / CLIENT_BYTES_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_FRAME_BYTES: usize = 6;

    /// How many reads of this kind go through at `now` before one is too much.
    fn burst(meter: &mut Meter, bytes: usize, frames: u32, now: Instant) -> u32 {
        let mut count = 0;
        while !meter.is_flooded() {
            meter.count(bytes, frames, now);
            count += 1;
        }
        count - 1
    }

    #[test]
    fn bytes_frames_and_reads_are_bounded_at_once() {
        let now = Instant::now();
        let check = |bytes, frames, expected| {
            assert_eq!(burst(&mut Meter::new(now), bytes, frames, now), expected, "{bytes} bytes");
        };
        check(65_536, 0, 7);
        check(EMPTY_FRAME_BYTES * 100, 100, 19);
        check(EMPTY_FRAME_BYTES, 1, 1_012);
        check(1, 0, 2_040);
        check(usize::MAX, u32::MAX, 0);
    }

    #[test]
    fn who_keeps_to_the_rate_may_go_on_for_ever_and_who_does_not_is_done_for_good() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        for second in 0..10_000 {
            meter.count(14 << 10, 7, start + Duration::from_secs(second));
        }
        assert!(!meter.is_flooded());
        for second in 0..200 {
            meter.count(20 << 10, 0, start + Duration::from_secs(second));
        }
        assert!(meter.is_flooded());
        meter.count(1, 0, start + Duration::from_secs(1_000_000));
        assert!(meter.is_flooded());
    }
}
