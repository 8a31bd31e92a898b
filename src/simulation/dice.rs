//! The one source of chance: everything that a simulation decides is drawn from its seed, in order.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// Clones draw from the same sequence.
#[derive(Clone)]
pub struct Dice(Rc<RefCell<StdRng>>);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(Rc::new(RefCell::new(StdRng::seed_from_u64(seed))))
    }

    pub fn below(&self, count: usize) -> usize {
        self.0.borrow_mut().random_range(0..count)
    }

    pub fn within(&self, range: Range<i64>) -> i64 {
        self.0.borrow_mut().random_range(range)
    }

    pub fn one_in(&self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub fn time(&self, up_to: Duration) -> Duration {
        up_to * u32::try_from(self.below(1_001)).expect("it is below 1,001") / 1_000
    }
}
