//! The connections of a shard, each in a slot that is also its token in the poll set.
//!
//! An id is a slot and a generation, so what is meant for a connection that left never finds the next one in its
//! slot.

use super::connection::{Connection, ConnectionId};
use super::socket::Socket;
use slab::Slab;
use std::ops::{Index, IndexMut};

pub(super) struct Connections<S> {
    slots: Slab<Connection<S>>,
    generation: u32,
}

impl<S: Socket> Connections<S> {
    pub fn new() -> Connections<S> {
        Connections { slots: Slab::new(), generation: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The id of the connection that is inserted next.
    pub fn next_id(&mut self) -> ConnectionId {
        self.generation = self.generation.wrapping_add(1);
        let slot = u32::try_from(self.slots.vacant_key()).expect("CONNECTIONS_MAX fits");
        ConnectionId { slot, generation: self.generation }
    }

    pub fn insert(&mut self, connection: Connection<S>) {
        let slot = self.slots.insert(connection);
        debug_assert_eq!(slot, self.slots[slot].id.slot as usize, "inserted with the next id");
    }

    pub fn in_slot(&self, slot: usize) -> Option<&Connection<S>> {
        self.slots.get(slot)
    }

    /// Behind the last slot that was ever taken.
    pub fn slots_end(&self) -> usize {
        self.slots.capacity()
    }

    /// None if it has left.
    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection<S>> {
        self.slots.get_mut(id.slot as usize).filter(|connection| connection.id == id)
    }

    pub fn remove(&mut self, id: ConnectionId) -> Option<Connection<S>> {
        self.get_mut(id)?;
        Some(self.slots.remove(id.slot as usize))
    }

    pub fn ids(&self) -> Vec<ConnectionId> {
        self.iter().map(|connection| connection.id).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Connection<S>> {
        self.slots.iter().map(|(_, connection)| connection)
    }
}

/// For who knows that it is there.
impl<S: Socket> Index<ConnectionId> for Connections<S> {
    type Output = Connection<S>;

    fn index(&self, id: ConnectionId) -> &Connection<S> {
        &self.slots[id.slot as usize]
    }
}

impl<S: Socket> IndexMut<ConnectionId> for Connections<S> {
    fn index_mut(&mut self, id: ConnectionId) -> &mut Connection<S> {
        &mut self.slots[id.slot as usize]
    }
}
