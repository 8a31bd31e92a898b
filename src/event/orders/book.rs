//! The writing side of the open orders: applies what events do to them, within bounds.
//!
//! What leaves for a bound is the order that was opened first. Its owner stays known, as those of closed orders
//! do, until so many others have left after it. A condition that comes before its order is kept for it.

use super::{ChangeKind, OpenOrder, OpenOrders, OrderChange, OrderSettings, Shown, Turn, open::Place};
use crate::event::{Key, Owner};
use crate::limits::{
    EARLY_CONDITIONS_MAX, EARLY_CONDITIONS_MAX_BYTES, OPEN_ORDERS_MAX, ORDER_WEIGHT_BYTES,
    OWNERS_REMEMBERED_MAX,
};
use rpds::RedBlackTreeSetSync;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

#[derive(Debug)]
pub struct OrderBook {
    orders: OpenOrders,
    bounds: Bounds,
    /// How many were opened.
    opened: u64,
    /// Orders that are no longer open and whose owner is known, those first that left first.
    left: VecDeque<(Turn, Arc<str>)>,
    early: Early,
    dropped: u64,
}

#[derive(Debug)]
struct Bounds {
    open: usize,
    weight_bytes: usize,
    /// Milliseconds after which an order counts as over, as it would after a restart.
    age_ms: i64,
    owners: usize,
}

impl OrderBook {
    /// `wide` are the keys that every order's audience has.
    pub fn new(settings: &OrderSettings, wide: Arc<[Key]>) -> OrderBook {
        let bounds = Bounds {
            open: OPEN_ORDERS_MAX,
            weight_bytes: settings.max_bytes,
            age_ms: i64::try_from(settings.kept().as_millis()).unwrap_or(i64::MAX),
            owners: OWNERS_REMEMBERED_MAX,
        };
        OrderBook::with_bounds(bounds, wide)
    }

    fn with_bounds(bounds: Bounds, wide: Arc<[Key]>) -> OrderBook {
        OrderBook {
            orders: OpenOrders::new(wide),
            bounds,
            opened: 0,
            left: VecDeque::new(),
            early: Early::default(),
            dropped: 0,
        }
    }

    pub fn orders(&self) -> &OpenOrders {
        &self.orders
    }

    /// Orders that left for a bound since this was asked last.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// An event about an order: what it does, how it was shown, and Kafka's timestamp of it.
    pub fn apply(&mut self, change: &OrderChange, shown: Shown, timestamp_ms: i64) {
        match &change.kind {
            ChangeKind::Opens { owner } => self.open(&change.id, owner, shown, timestamp_ms),
            ChangeKind::Changes { closes } => self.change(&change.id, *closes, shown),
        }
    }

    /// Lets orders go that are older than is read back after a restart: no instance shall show more than
    /// another. True if there were any.
    pub fn expire(&mut self, now_ms: i64) -> bool {
        let oldest_ms = now_ms.saturating_sub(self.bounds.age_ms);
        let before = self.orders.len();
        while let Some((_, first)) = self.orders.open.first()
            && first.turn.opened_ms < oldest_ms
        {
            let id = Arc::clone(&first.id);
            self.leave(&id);
        }
        self.orders.len() < before
    }

    /// An order that is open already keeps its place and its condition: its record was written twice.
    fn open(&mut self, id: &str, owner: &Owner, opened: Shown, opened_ms: i64) {
        self.opened += 1;
        let again = self.orders.places.get(id).and_then(|place| self.orders.open.get(&place.turn)).cloned();
        let early = self.early.take(id);
        let closes = early.as_ref().is_some_and(|early| early.closes);
        let (turn, newest) = match &again {
            Some(order) => (order.turn, order.newest.clone()),
            None => (Turn { opened_ms, number: self.opened }, early.map(|early| early.shown)),
        };
        if let Some(order) = again {
            self.remove(&order);
        }
        let id: Arc<str> = id.into();
        self.orders.places.insert_mut(Arc::clone(&id), Place { turn, owner: owner.clone() });
        self.insert(OpenOrder { turn, id: Arc::clone(&id), opened, newest });
        if closes {
            self.leave(&id);
        }
        self.trim();
    }

    fn change(&mut self, id: &str, closes: bool, shown: Shown) {
        let Some(place) = self.orders.places.get(id) else { return self.early.keep(id, closes, shown) };
        let Some(order) = self.orders.open.get(&place.turn) else { return };
        if closes {
            return self.leave(id);
        }
        let before_bytes = weight_bytes(order);
        let order = OpenOrder { newest: Some(shown), ..(**order).clone() };
        self.orders.weight_bytes += weight_bytes(&order);
        self.orders.weight_bytes -= before_bytes;
        self.orders.open.insert_mut(order.turn, Arc::new(order));
        self.trim();
    }

    /// The order is over, as far as screens are concerned. Its owner is remembered.
    fn leave(&mut self, id: &str) {
        let Some(order) = self.orders.places.get(id).and_then(|place| self.orders.open.get(&place.turn))
        else {
            return;
        };
        let order = Arc::clone(order);
        self.remove(&order);
        self.left.push_back((order.turn, Arc::clone(&order.id)));
        while self.left.len() > self.bounds.owners {
            let Some((turn, id)) = self.left.pop_front() else { return };
            // Its turn tells an order that was opened anew meanwhile.
            if self.orders.places.get(&id).is_some_and(|place| place.turn == turn) {
                self.orders.places.remove_mut(&id);
            }
        }
    }

    fn insert(&mut self, order: OpenOrder) {
        for key in order.opened.audience.iter().filter(|key| !self.orders.wide.contains(key)) {
            match self.orders.by_key.get_mut(key) {
                Some(turns) => turns.insert_mut(order.turn),
                None => {
                    let turns = RedBlackTreeSetSync::new_sync().insert(order.turn);
                    self.orders.by_key.insert_mut(key.clone(), turns);
                }
            }
        }
        self.orders.weight_bytes += weight_bytes(&order);
        self.orders.open.insert_mut(order.turn, Arc::new(order));
    }

    fn remove(&mut self, order: &OpenOrder) {
        for key in &order.opened.audience {
            let Some(turns) = self.orders.by_key.get_mut(key) else { continue };
            turns.remove_mut(&order.turn);
            if turns.is_empty() {
                self.orders.by_key.remove_mut(key);
            }
        }
        self.orders.weight_bytes -= weight_bytes(order);
        self.orders.open.remove_mut(&order.turn);
    }

    fn trim(&mut self) {
        while self.orders.len() > self.bounds.open || self.orders.weight_bytes > self.bounds.weight_bytes {
            let Some((_, first)) = self.orders.open.first() else { return };
            let id = Arc::clone(&first.id);
            self.leave(&id);
            self.dropped += 1;
        }
    }
}

fn weight_bytes(order: &OpenOrder) -> usize {
    let newest = order.newest.as_ref().map_or(0, shown_bytes);
    ORDER_WEIGHT_BYTES + order.id.len() + shown_bytes(&order.opened) + newest
}

fn shown_bytes(shown: &Shown) -> usize {
    let keys: usize = shown.audience.iter().map(|key| size_of::<Key>() + key.as_str().len()).sum();
    shown.frames.len_bytes() + keys
}

/// The newest conditions of orders that are not known, by order; those first that came first.
#[derive(Default)]
struct Early {
    conditions: HashMap<Arc<str>, EarlyCondition>,
    by_age: BTreeMap<u64, Arc<str>>,
    /// How many orders had one.
    came: u64,
    /// What is shown of them.
    bytes: usize,
}

struct EarlyCondition {
    /// Its place in `by_age`.
    age: u64,
    closes: bool,
    shown: Shown,
}

impl Early {
    fn keep(&mut self, id: &str, closes: bool, shown: Shown) {
        if let Some(earlier) = self.conditions.get_mut(id) {
            // What closed an order is not undone by what comes behind it.
            earlier.closes |= closes;
            self.bytes = self.bytes + shown_bytes(&shown) - shown_bytes(&earlier.shown);
            earlier.shown = shown;
        } else {
            let id: Arc<str> = id.into();
            self.came += 1;
            self.bytes += shown_bytes(&shown);
            self.by_age.insert(self.came, Arc::clone(&id));
            self.conditions.insert(id, EarlyCondition { age: self.came, closes, shown });
        }
        while self.by_age.len() > EARLY_CONDITIONS_MAX || self.bytes > EARLY_CONDITIONS_MAX_BYTES {
            let Some(oldest) = self.by_age.values().next().cloned() else { return };
            self.take(&oldest);
        }
    }

    fn take(&mut self, id: &str) -> Option<EarlyCondition> {
        let early = self.conditions.remove(id)?;
        self.by_age.remove(&early.age);
        self.bytes -= shown_bytes(&early.shown);
        Some(early)
    }
}

impl std::fmt::Debug for Early {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Early").field("len", &self.conditions.len()).finish()
    }
}

#[cfg(test)]
pub(super) fn bounded(open: usize, weight_bytes: usize, owners: usize) -> OrderBook {
    OrderBook::with_bounds(Bounds { open, weight_bytes, age_ms: 1_000, owners }, [Key::new("staff")].into())
}
