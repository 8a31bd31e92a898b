//! The open orders: order id → owner, for records that do not say whose order they are about.
//!
//! Fed from the order topics themselves; bounded by number (the order opened first goes first). An order that
//! is not here has an unknown owner, and then only staff see its events.

use super::Owner;
use std::collections::{HashMap, VecDeque};

/// What the catalog says of orders: which events open and change one, and in which fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRules {
    pub opened_by: Box<str>,
    pub changed_by: Box<str>,
    pub id_field: Box<str>,
    pub owner_field: Box<str>,
    pub condition_field: Box<str>,
    /// Conditions with which an order closes.
    pub closed: Box<[Box<str>]>,
}

/// Owned by the pipeline alone.
#[derive(Debug)]
pub struct OpenOrders {
    owners: HashMap<Box<str>, Opened>,
    by_age: VecDeque<(u64, Box<str>)>,
    opened: u64,
    max: usize,
}

#[derive(Debug)]
struct Opened {
    /// Tells a reopened order from an old line of `by_age`.
    number: u64,
    owner: Owner,
}

impl OpenOrders {
    pub fn new(max: usize) -> OpenOrders {
        OpenOrders { owners: HashMap::new(), by_age: VecDeque::new(), opened: 0, max }
    }

    pub fn len(&self) -> usize {
        self.owners.len()
    }

    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    pub fn open(&mut self, id: &str, owner: Owner) {
        self.opened += 1;
        let number = self.opened;
        self.owners.insert(id.into(), Opened { number, owner });
        self.by_age.push_back((number, id.into()));
        self.trim();
    }

    pub fn close(&mut self, id: &str) {
        self.owners.remove(id);
    }

    pub fn owner(&self, id: &str) -> Option<&Owner> {
        self.owners.get(id).map(|opened| &opened.owner)
    }

    /// Drops the oldest order over the bound, and lines of orders that closed long ago.
    fn trim(&mut self) {
        while self.owners.len() > self.max || self.by_age.len() > 2 * self.max {
            let Some((number, id)) = self.by_age.pop_front() else { return };
            if self.owners.get(&id).is_some_and(|opened| opened.number == number) {
                self.owners.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> Owner {
        Owner::User(id.into())
    }

    #[test]
    fn an_open_order_has_its_owner_and_a_closed_one_has_none() {
        let mut orders = OpenOrders::new(10);
        orders.open("o1", user("u1"));
        orders.open("o2", Owner::Guest);
        assert_eq!(orders.owner("o1"), Some(&user("u1")));
        assert_eq!(orders.owner("o2"), Some(&Owner::Guest));
        orders.close("o1");
        assert_eq!(orders.owner("o1"), None);
    }

    #[test]
    fn at_the_bound_the_order_opened_first_goes_first() {
        let mut orders = OpenOrders::new(2);
        for id in ["o1", "o2", "o3"] {
            orders.open(id, user(id));
        }
        assert_eq!((orders.len(), orders.owner("o1")), (2, None));
        assert_eq!(orders.owner("o3"), Some(&user("o3")));
    }

    #[test]
    fn a_reopened_order_keeps_its_newer_place() {
        let mut orders = OpenOrders::new(2);
        orders.open("o1", user("u1"));
        orders.open("o2", user("u2"));
        orders.open("o1", user("u1"));
        orders.open("o3", user("u3"));
        assert_eq!((orders.owner("o1").is_some(), orders.owner("o2")), (true, None));
    }

    #[test]
    fn orders_that_close_at_once_leave_nothing_behind() {
        let mut orders = OpenOrders::new(4);
        for n in 0..1_000 {
            orders.open(&n.to_string(), Owner::Guest);
            orders.close(&n.to_string());
        }
        assert!(orders.is_empty() && orders.by_age.len() <= 8);
    }
}
