//! Who should get what, and who got it: the books of a run.
//!
//! ```text
//! clients 0 .. staff          get every event
//! the others, customers       get the events they own: event n is owned by customer n % customers
//! ```
//!
//! A bit for every delivery that is due, laid out before the run: a delivery sets its own, a bit that is set
//! already is a double, one that is not set in the end is missing. Nothing is allocated on the way. What belongs
//! to somebody else is foreign, which is the worst that a service can do.

use super::mark::Mark;
use super::report::Percentiles;
use hdrhistogram::Histogram;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The clients of a run, and its events.
#[derive(Clone, Copy, Debug)]
pub struct Audience {
    pub clients: usize,
    /// The first so many.
    pub staff: usize,
    /// None: whatever comes.
    pub events: usize,
}

impl Audience {
    pub fn is_staff(&self, client: usize) -> bool {
        client < self.staff
    }

    pub fn customers(&self) -> usize {
        self.clients - self.staff
    }

    /// The client that owns an event, if anybody does.
    pub fn owner_of(&self, event: usize) -> Option<usize> {
        Some(self.staff + event.checked_rem(self.customers())?)
    }

    /// How many events a client should get.
    fn share_of(&self, client: usize) -> usize {
        if self.is_staff(client) {
            return self.events;
        }
        let place = client - self.staff;
        self.events / self.customers() + usize::from(place < self.events % self.customers())
    }

    /// All deliveries that are due.
    pub fn deliveries(&self) -> usize {
        let owned = if self.customers() > 0 { self.events } else { 0 };
        self.staff.saturating_mul(self.events).saturating_add(owned)
    }

    /// The place of a delivery among all that are due; none if it is not due.
    fn place(&self, client: usize, event: usize) -> Option<usize> {
        if event >= self.events {
            return None;
        }
        if self.is_staff(client) {
            return Some(client * self.events + event);
        }
        (self.owner_of(event) == Some(client)).then(|| self.staff * self.events + event)
    }
}

/// What has come.
pub struct Books {
    audience: Audience,
    delivered: Vec<u64>,
    tally: Tally,
    staff_latency: Histogram<u64>,
    customer_latency: Histogram<u64>,
    first: Option<SystemTime>,
    last: Option<SystemTime>,
}

/// Counts of messages, by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Due, and come for the first time.
    pub deliveries: u64,
    pub double: u64,
    /// Not this client's.
    pub foreign: u64,
    /// Without a mark of this run: what others produce.
    pub other: u64,
    pub bytes: u64,
}

impl Books {
    pub fn open(audience: Audience) -> Books {
        Books {
            audience,
            delivered: vec![0; audience.deliveries().div_ceil(64)],
            tally: Tally::default(),
            staff_latency: latencies(),
            customer_latency: latencies(),
            first: None,
            last: None,
        }
    }

    pub fn tally(&self) -> Tally {
        self.tally
    }

    pub fn is_complete(&self) -> bool {
        usize::try_from(self.tally.deliveries)
            .is_ok_and(|deliveries| deliveries >= self.audience.deliveries())
    }

    /// A message has come to a client, with or without a mark, at this time.
    pub fn note(&mut self, client: usize, mark: Option<Mark>, bytes: usize, now: SystemTime) {
        self.tally.bytes += bytes as u64;
        self.first.get_or_insert(now);
        self.last = Some(now);
        let Some(mark) = mark else {
            self.tally.other += 1;
            return;
        };
        let place = usize::try_from(mark.number).ok().and_then(|event| self.audience.place(client, event));
        let Some(place) = place else {
            self.tally.foreign += 1;
            return;
        };
        let (word, bit) = (&mut self.delivered[place / 64], 1 << (place % 64));
        if *word & bit != 0 {
            self.tally.double += 1;
            return;
        }
        *word |= bit;
        self.tally.deliveries += 1;
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let latency = since_epoch.saturating_sub(Duration::from_nanos(mark.produced_at_ns));
        let histogram =
            if self.audience.is_staff(client) { &mut self.staff_latency } else { &mut self.customer_latency };
        histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn missing(&self) -> u64 {
        (self.audience.deliveries() as u64).saturating_sub(self.tally.deliveries)
    }

    /// Clients that lack something which is due.
    pub fn clients_with_missing(&self) -> usize {
        let lacks = |client: &usize| self.count_of(*client) < self.audience.share_of(*client);
        (0..self.audience.clients).filter(lacks).count()
    }

    fn count_of(&self, client: usize) -> usize {
        let has = |place: usize| self.delivered[place / 64] & (1 << (place % 64)) != 0;
        let step = if self.audience.is_staff(client) { 1 } else { self.audience.customers() };
        let first = if self.audience.is_staff(client) { 0 } else { client - self.audience.staff };
        let places = (first..self.audience.events).step_by(step);
        places.filter_map(|event| self.audience.place(client, event)).filter(|place| has(*place)).count()
    }

    /// From the first message to the last.
    pub fn span(&self) -> Duration {
        let (Some(first), Some(last)) = (self.first, self.last) else { return Duration::ZERO };
        last.duration_since(first).unwrap_or_default()
    }

    pub fn staff_latency(&self) -> Option<Percentiles> {
        Percentiles::of(&self.staff_latency)
    }

    pub fn customer_latency(&self) -> Option<Percentiles> {
        Percentiles::of(&self.customer_latency)
    }
}

/// Microseconds up to ten minutes, to three digits; what is longer counts as that.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are in order")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_795_000_000);

    fn note(books: &mut Books, client: usize, number: u64, latency_ms: u64) {
        let produced_at_ns = u64::try_from(NOW.as_nanos()).unwrap();
        let mark = Mark { number, produced_at_ns };
        books.note(client, Some(mark), 100, UNIX_EPOCH + NOW + Duration::from_millis(latency_ms));
    }

    fn check(
        clients: usize,
        staff: usize,
        events: usize,
        noted: &[(usize, u64)],
        expected: (u64, u64, u64, u64),
    ) {
        let mut books = Books::open(Audience { clients, staff, events });
        for (client, number) in noted {
            note(&mut books, *client, *number, 1);
        }
        let tally = books.tally();
        assert_eq!((tally.deliveries, books.missing(), tally.double, tally.foreign), expected);
        assert_eq!(books.is_complete(), books.missing() == 0);
        assert_eq!(books.clients_with_missing() == 0, books.missing() == 0);
    }

    #[test]
    fn staff_get_every_event_once() {
        check(2, 2, 2, &[(0, 0), (0, 1), (1, 0), (1, 1)], (4, 0, 0, 0));
        check(2, 2, 2, &[(0, 0), (0, 0), (1, 1)], (2, 2, 1, 0));
    }

    #[test]
    fn customers_get_what_they_own() {
        // Client 0 is staff; 1 owns events 0, 2 and 4, 2 owns 1 and 3.
        let all = [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (2, 1), (1, 2), (2, 3), (1, 4)];
        check(3, 1, 5, &all, (10, 0, 0, 0));
        check(3, 1, 5, &all[..9], (9, 1, 0, 0));
        check(3, 1, 5, &[(1, 1), (2, 2), (1, 5), (0, 5)], (0, 10, 0, 4));
    }

    #[test]
    fn other_messages_are_counted_and_nothing_is_due_of_them() {
        let mut books = Books::open(Audience { clients: 1, staff: 1, events: 0 });
        books.note(0, None, 10, UNIX_EPOCH + NOW);
        books.note(0, None, 10, UNIX_EPOCH + NOW + Duration::from_secs(2));
        assert_eq!(books.tally(), Tally { other: 2, bytes: 20, ..Tally::default() });
        assert!(books.is_complete() && books.staff_latency().is_none());
        assert_eq!(books.span(), Duration::from_secs(2));
    }

    #[test]
    fn latencies_are_told_apart() {
        let mut books = Books::open(Audience { clients: 2, staff: 1, events: 2 });
        note(&mut books, 0, 0, 1);
        note(&mut books, 0, 1, 3);
        note(&mut books, 1, 0, 20);
        let staff = books.staff_latency().unwrap();
        assert_eq!((staff.count, staff.p50 / 100, staff.max / 100), (2, 10, 30));
        assert_eq!(books.customer_latency().unwrap().max / 1000, 20);
    }
}
