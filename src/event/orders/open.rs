//! A picture of the open orders. Maps that share their structure make it: a clone costs a few counters, and the
//! writer's next change copies the path to what it changes and nothing else.
//!
//! ```text
//! places   order id -> turn, owner    open orders, and those that left not long ago
//! open     turn -> order              in the order in which they were opened
//! by_key   key -> turns               who may see an order finds it without a look at the others
//! wide     keys in every audience     who holds one looks at all of them anyway
//! ```

use crate::event::{Key, Owner, Owners, shared};
use crate::protocol::Frames;
use foldhash::fast::RandomState;
use rpds::{HashTrieMapSync, RedBlackTreeMapSync, RedBlackTreeSetSync};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

/// The open orders at some moment.
#[derive(Clone)]
pub struct OpenOrders {
    pub(super) places: HashTrieMapSync<Arc<str>, Place, RandomState>,
    pub(super) open: RedBlackTreeMapSync<Turn, Arc<OpenOrder>>,
    pub(super) by_key: HashTrieMapSync<Key, RedBlackTreeSetSync<Turn>, RandomState>,
    pub(super) wide: Arc<[Key]>,
    pub(super) weight_bytes: usize,
}

/// An order's place among the others. By Kafka's timestamp first: partitions are read side by side, at the start in
/// large pieces, and a screen shall not see in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    pub(super) opened_ms: i64,
    /// Rises with each order; tells one opened anew from what it was before.
    pub(super) number: u64,
}

/// Where an order stands, and whose it is.
#[derive(Clone)]
pub(super) struct Place {
    pub turn: Turn,
    pub owner: Owner,
}

/// What is shown of an open order.
#[derive(Clone)]
pub struct OpenOrder {
    pub turn: Turn,
    pub(super) id: Arc<str>,
    pub opened: Shown,
    /// Its newest condition, once there is one.
    pub newest: Option<Shown>,
}

/// An event as it was sent: its finished frames, and who may see them.
#[derive(Clone)]
pub struct Shown {
    pub audience: Box<[Key]>,
    pub frames: Frames,
}

/// Whose order it is, or was: an owner outlives the order for a while.
impl Owners for OpenOrders {
    fn owner(&self, id: &str) -> Option<&Owner> {
        self.places.get(id).map(|place| &place.owner)
    }
}

impl Default for OpenOrders {
    fn default() -> OpenOrders {
        OpenOrders::new([].into())
    }
}

impl OpenOrders {
    /// None yet. `wide` are keys that will be in the audience of every one.
    pub(super) fn new(wide: Arc<[Key]>) -> OpenOrders {
        OpenOrders {
            places: HashTrieMapSync::new_with_hasher_and_degree_and_ptr_kind(RandomState::default(), DEGREE),
            open: RedBlackTreeMapSync::new_sync(),
            by_key: HashTrieMapSync::new_with_hasher_and_degree_and_ptr_kind(RandomState::default(), DEGREE),
            wide,
            weight_bytes: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.open.size()
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Memory held for what is shown of the open orders.
    pub fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    /// Orders that one of `keys` may see, behind `after` if that is given, in the order of opening, at most `max` of
    /// them. Costs what it finds, times the number of keys.
    pub fn find(&self, keys: &[Key], after: Option<Turn>, max: usize) -> Vec<&OpenOrder> {
        let behind = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        if shared(&self.wide, keys).next().is_some() {
            return self.open.range(behind).take(max).map(|(_, order)| &**order).collect();
        }
        let sets = keys.iter().filter_map(|key| self.by_key.get(key));
        let mut turns: Vec<Turn> = sets.flat_map(|set| set.range(behind).take(max)).copied().collect();
        turns.sort_unstable();
        turns.dedup();
        turns.truncate(max);
        turns.iter().filter_map(|turn| self.open.get(turn).map(|order| &**order)).collect()
    }
}

/// Children of a node of a hash trie. Each change copies a path of nodes; wider ones cost more than they save.
const DEGREE: u8 = 16;

/// How many: neither whose nor what.
impl fmt::Debug for OpenOrders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOrders").field("len", &self.len()).finish_non_exhaustive()
    }
}
