//! How fast the past goes by: each record as long after the first as it was then, or so many times sooner.

use crate::limits::REPLAY_SPEED;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Speed {
    Times(f64),
    Max,
}

pub(super) struct Pace {
    speed: Speed,
    /// When the first record was sent, and its own time.
    begun: Option<(Instant, i64)>,
}

impl Pace {
    pub fn new(speed: Speed) -> Pace {
        Pace { speed, begun: None }
    }

    /// How long to wait for a record of that time. What is late, or older than the first, has no wait.
    pub fn wait(&mut self, time_ms: i64, now: Instant) -> Duration {
        let Speed::Times(times) = self.speed else { return Duration::ZERO };
        let (begun, first_ms) = *self.begun.get_or_insert((now, time_ms));
        let after = Duration::from_millis(u64::try_from(time_ms.saturating_sub(first_ms)).unwrap_or(0));
        (begun + after.div_f64(times)).saturating_duration_since(now)
    }
}

pub(super) fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let times =
        text.strip_suffix('x').unwrap_or(text).parse().ok().filter(|times| REPLAY_SPEED.contains(times));
    let expected = || format!("expected max, or {} to {}", REPLAY_SPEED.start(), REPLAY_SPEED.end());
    times.map(Speed::Times).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_a_second_apart_is_so_again_or_sooner() {
        let now = Instant::now();
        let check = |speed: Speed, expected: &[u64]| {
            let mut pace = Pace::new(speed);
            let waits = [5_000, 6_000, 5_500, 15_000].map(|time_ms| pace.wait(time_ms, now).as_millis());
            assert_eq!(waits, *expected.iter().map(|wait| u128::from(*wait)).collect::<Vec<_>>());
        };
        check(Speed::Times(1.0), &[0, 1_000, 500, 10_000]);
        check(Speed::Times(10.0), &[0, 100, 50, 1_000]);
        check(Speed::Max, &[0, 0, 0, 0]);
        let mut late = Pace::new(Speed::Times(1.0));
        late.wait(0, now);
        assert_eq!(late.wait(1_000, now + Duration::from_secs(2)), Duration::ZERO);
    }

    #[test]
    fn speeds() {
        assert_eq!(speed("max"), Ok(Speed::Max));
        assert_eq!(speed("10"), Ok(Speed::Times(10.0)));
        assert_eq!(speed("0.5x"), Ok(Speed::Times(0.5)));
        for wrong in ["0", "-1", "fast", "NaN", "inf", "1001"] {
            assert!(speed(wrong).is_err(), "{wrong}");
        }
    }
}
