//! The open orders: which there are, whose they are, and what a screen that comes later has to be shown of them.
//!
//! Fed from the order topics themselves. `OrderBook` is the writing side, owned by whoever feeds it; `OpenOrders`
//! is a picture of it at some moment, which costs nothing to take and never changes. Owners are remembered for
//! records that do not say whose order they are about, some of them beyond the order's end.

mod book;
mod open;
mod settings;

pub use book::OrderBook;
pub use open::{OpenOrder, OpenOrders, Shown, Turn};
pub use settings::OrderSettings;

use super::Owner;

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

/// What an event does to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderChange {
    pub id: Box<str>,
    pub kind: ChangeKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    Opens { owner: Owner },
    Changes { closes: bool },
}

#[cfg(test)]
mod tests;
