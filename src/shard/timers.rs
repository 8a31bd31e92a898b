//! A timer wheel: each connection has at most one live deadline in it, and setting one costs a push.
//!
//! The wheel turns by ticks of 100 ms and reaches 51 s ahead; a later deadline is put at its rim and looked at
//! again when it comes round. A deadline that moved to an earlier tick leaves its old line behind, which the
//! caller recognizes by the tick it remembers.

use super::ConnectionId;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(100);
const SLOTS: u64 = 512;

pub(super) struct Wheel {
    start: Instant,
    /// The next tick to look at.
    next: u64,
    slots: Vec<Vec<ConnectionId>>,
    scheduled: usize,
}

impl Wheel {
    pub fn new(start: Instant) -> Wheel {
        Wheel { start, next: 0, slots: (0..SLOTS).map(|_| Vec::new()).collect(), scheduled: 0 }
    }

    /// The tick at which `deadline` has passed, or the rim if it is farther away.
    pub fn tick_of(&self, deadline: Instant) -> u64 {
        (self.ticks(deadline) + 1).clamp(self.next, self.next + SLOTS - 1)
    }

    pub fn schedule(&mut self, id: ConnectionId, tick: u64) {
        self.slot(tick).push(id);
        self.scheduled += 1;
    }

    /// The lines whose tick has come, each with its tick.
    pub fn advance(&mut self, now: Instant) -> Vec<(ConnectionId, u64)> {
        let mut due = Vec::new();
        let reached = self.ticks(now);
        while self.next <= reached && self.scheduled > 0 {
            let tick = self.next;
            let before = due.len();
            due.extend(self.slot(tick).drain(..).map(|id| (id, tick)));
            self.scheduled -= due.len() - before;
            self.next += 1;
        }
        self.next = self.next.max(reached + 1);
        due
    }

    /// How long the event loop may sleep.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        if self.scheduled == 0 {
            return None;
        }
        let slot = |tick: &u64| !self.slots[usize::try_from(tick % SLOTS).expect("SLOTS fits")].is_empty();
        let tick = (self.next..self.next + SLOTS).find(slot)?;
        let due = self.start + TICK * u32::try_from(tick).unwrap_or(u32::MAX);
        Some(due.saturating_duration_since(now))
    }

    fn ticks(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_millis() / TICK.as_millis())
            .unwrap_or(u64::MAX)
    }

    fn slot(&mut self, tick: u64) -> &mut Vec<ConnectionId> {
        &mut self.slots[usize::try_from(tick % SLOTS).expect("SLOTS fits")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: 0 }
    }

    #[test]
    fn a_deadline_comes_after_it_has_passed_and_within_a_tick() {
        let start = Instant::now();
        for millis in [0, 1, 99, 100, 101, 2_500, 27_000, 51_000] {
            let mut wheel = Wheel::new(start);
            let deadline = start + Duration::from_millis(millis);
            let tick = wheel.tick_of(deadline);
            wheel.schedule(id(1), tick);
            let wait = wheel.wait(start).unwrap();
            assert!(
                start + wait >= deadline && wait <= Duration::from_millis(millis) + TICK,
                "{millis}: {wait:?}"
            );
            assert!(wheel.advance(start + wait - Duration::from_millis(1)).is_empty(), "{millis}");
            assert_eq!(wheel.advance(start + wait), [(id(1), tick)], "{millis}");
            assert_eq!(wheel.wait(start + wait), None);
        }
    }

    #[test]
    fn a_far_deadline_waits_at_the_rim() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        assert_eq!(wheel.tick_of(start + Duration::from_secs(3_600)), SLOTS - 1);
        wheel.advance(start + Duration::from_secs(10));
        assert_eq!(wheel.tick_of(start + Duration::from_secs(3_600)), 101 + SLOTS - 1);
    }

    #[test]
    fn a_long_sleep_loses_no_deadline() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        for slot in 0..50 {
            let tick = wheel.tick_of(start + Duration::from_secs(u64::from(slot)));
            wheel.schedule(id(slot), tick);
        }
        assert_eq!(wheel.advance(start + Duration::from_secs(500)).len(), 50);
    }
}
