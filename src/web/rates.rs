//! How often one address may ask: a bucket for each kind of request that refills at its rate.
//!
//! A bucket is one time, at which it will be full again (the generic cell rate algorithm): each request moves that on
//! by its share, and there is none left when it lies a whole bucket ahead. So a table of addresses holds three times
//! each; an address whose buckets are full is as good as forgotten, and is. Time is a parameter.

use super::visitor::Visitor;
use crate::limits::{RATE_BURST, RATED_ADDRESSES_MAX, RATES_SWEEP_INTERVAL};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Handshake,
    Ticket,
    /// A ticket or a token that is none.
    BadKey,
}

/// Requests a second of one address, by kind.
#[derive(Debug, Clone, Copy)]
pub struct RateSettings {
    pub handshakes: u32,
    pub tickets: u32,
    pub bad_keys: u32,
}

/// Read and written by all requests; each section is one lookup, or once a second one pass over the table.
pub(super) struct Rates {
    settings: RateSettings,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    full_at: HashMap<Visitor, [Option<Instant>; 3]>,
    swept: Option<Instant>,
}

impl Rates {
    pub fn new(settings: RateSettings) -> Rates {
        Rates { settings, table: Mutex::default() }
    }

    /// Takes one from the bucket; false if it is empty.
    pub fn take(&self, kind: Kind, visitor: Visitor, now: Instant) -> bool {
        let mut table = self.table.lock();
        let may = !self.is_empty(&table, kind, visitor, now);
        if may && let Some(full_at) = table.bucket(kind, visitor, now) {
            *full_at = Some(full_at.map_or(now, |at| at.max(now)) + self.share(kind));
        }
        may
    }

    /// Whether there is nothing left, without taking any.
    pub fn is_used_up(&self, kind: Kind, visitor: Visitor, now: Instant) -> bool {
        self.is_empty(&self.table.lock(), kind, visitor, now)
    }

    fn is_empty(&self, table: &Table, kind: Kind, visitor: Visitor, now: Instant) -> bool {
        let full_at = table.full_at.get(&visitor).and_then(|buckets| buckets[kind as usize]);
        visitor.is_limited() && full_at.is_some_and(|at| at + self.share(kind) > now + RATE_BURST)
    }

    /// What one request costs, in time.
    fn share(&self, kind: Kind) -> Duration {
        let per_second = match kind {
            Kind::Handshake => self.settings.handshakes,
            Kind::Ticket => self.settings.tickets,
            Kind::BadKey => self.settings.bad_keys,
        };
        Duration::from_secs(1) / per_second.max(1)
    }
}

impl Table {
    /// The bucket to take from; none for an address that is not limited, or for which there is no room: then it is
    /// not limited either. The bounds on connections hold in any case.
    fn bucket(&mut self, kind: Kind, visitor: Visitor, now: Instant) -> Option<&mut Option<Instant>> {
        if !visitor.is_limited() {
            return None;
        }
        if !self.full_at.contains_key(&visitor) && self.full_at.len() >= RATED_ADDRESSES_MAX {
            self.forget_the_full(now);
            if self.full_at.len() >= RATED_ADDRESSES_MAX {
                return None;
            }
        }
        Some(&mut self.full_at.entry(visitor).or_default()[kind as usize])
    }

    fn forget_the_full(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now < swept + RATES_SWEEP_INTERVAL) {
            return;
        }
        self.swept = Some(now);
        self.full_at.retain(|_, buckets| buckets.iter().flatten().any(|at| *at > now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> Rates {
        Rates::new(RateSettings { handshakes: 10, tickets: 1, bad_keys: 1 })
    }

    /// How many go through at `now` before the first does not.
    fn burst(rates: &Rates, kind: Kind, visitor: Visitor, now: Instant) -> usize {
        (0..100_000).take_while(|_| rates.take(kind, visitor, now)).count()
    }

    #[test]
    fn a_bucket_holds_so_many_and_refills_at_its_rate() {
        let (rates, now, visitor) = (rates(), Instant::now(), Visitor::at("192.0.2.7"));
        let seconds = usize::try_from(RATE_BURST.as_secs()).unwrap();
        assert_eq!(burst(&rates, Kind::Handshake, visitor, now), 10 * seconds);
        assert!(rates.is_used_up(Kind::Handshake, visitor, now));
        assert_eq!(burst(&rates, Kind::Handshake, visitor, now + Duration::from_secs(1)), 10);
        assert_eq!(burst(&rates, Kind::Ticket, visitor, now), seconds, "kinds have their own");
        let other = Visitor::at("192.0.2.8");
        assert_eq!(burst(&rates, Kind::Handshake, other, now), 10 * seconds, "addresses have their own");
        assert_eq!(burst(&rates, Kind::Handshake, visitor, now + 10 * RATE_BURST), 10 * seconds);
    }

    #[test]
    fn this_machine_is_not_limited() {
        let (rates, now) = (rates(), Instant::now());
        for address in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert_eq!(burst(&rates, Kind::BadKey, Visitor::at(address), now), 100_000);
        }
        assert!(rates.table.lock().full_at.is_empty());
    }

    #[test]
    fn addresses_are_bounded_and_those_that_rest_make_room() {
        let (rates, now) = (rates(), Instant::now());
        let visitor = |number: usize| {
            Visitor::at(
                &std::net::Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(number).unwrap()).to_string(),
            )
        };
        for number in 0..=RATED_ADDRESSES_MAX {
            assert!(rates.take(Kind::Ticket, visitor(number), now));
        }
        assert_eq!(rates.table.lock().full_at.len(), RATED_ADDRESSES_MAX);
        // There is no room for it, so it is not limited.
        assert_eq!(burst(&rates, Kind::Ticket, visitor(RATED_ADDRESSES_MAX), now), 100_000);
        let later = now + Duration::from_secs(2);
        assert!(rates.take(Kind::Ticket, visitor(RATED_ADDRESSES_MAX), later));
        assert_eq!(rates.table.lock().full_at.len(), 1);
    }
}
