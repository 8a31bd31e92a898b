//! Key → connections. Finding an event's receivers costs the size of its audience, never the number of connections.
//!
//! A connection's place in each of its lists is remembered, so that leaving costs the number of its keys even
//! when thousands share one.

use super::ConnectionId;
use crate::event::Key;
use slab::Slab;
use std::collections::HashMap;

#[derive(Default)]
pub struct Index {
    list_of: HashMap<Key, usize, foldhash::fast::RandomState>,
    lists: Slab<List>,
    /// By slot of the connection.
    places: Vec<Box<[Place]>>,
}

struct List {
    key: Key,
    members: Vec<Member>,
}

struct Member {
    connection: ConnectionId,
    /// Which of the connection's places points here.
    place: u16,
}

#[derive(Clone, Copy)]
struct Place {
    list: u32,
    member: u32,
}

impl Index {
    /// `keys` has no key twice.
    pub fn insert(&mut self, id: ConnectionId, keys: &[Key]) {
        let slot = id.slot as usize;
        if self.places.len() <= slot {
            self.places.resize_with(slot + 1, Box::default);
        }
        self.places[slot] = keys.iter().zip(0..).map(|(key, place)| self.add(id, key, place)).collect();
    }

    fn add(&mut self, id: ConnectionId, key: &Key, place: u16) -> Place {
        let lists = &mut self.lists;
        let list = *self
            .list_of
            .entry(key.clone())
            .or_insert_with(|| lists.insert(List { key: key.clone(), members: Vec::with_capacity(1) }));
        let members = &mut lists[list].members;
        members.push(Member { connection: id, place });
        Place { list: narrow(list), member: narrow(members.len() - 1) }
    }

    pub fn remove(&mut self, id: ConnectionId) {
        let Some(places) = self.places.get_mut(id.slot as usize).map(std::mem::take) else { return };
        for place in &places {
            let (list, member) = (place.list as usize, place.member as usize);
            let members = &mut self.lists[list].members;
            members.swap_remove(member);
            if let Some(moved) = members.get(member) {
                self.places[moved.connection.slot as usize][usize::from(moved.place)].member = place.member;
            }
            if self.lists[list].members.is_empty() {
                let list = self.lists.remove(list);
                self.list_of.remove(&list.key);
            }
        }
    }

    pub fn connections(&self, key: &Key) -> impl Iterator<Item = ConnectionId> {
        let list = self.list_of.get(key).map(|list| &self.lists[*list]);
        list.into_iter().flat_map(|list| &list.members).map(|member| member.connection)
    }
}

fn narrow(place: usize) -> u32 {
    u32::try_from(place).expect("CONNECTIONS_MAX and its keys fit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn id(slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: slot }
    }

    proptest! {
        /// The index answers as a plain map of sets does, whatever comes and goes.
        #[test]
        fn the_index_is_a_map_of_sets(steps in prop::collection::vec((0..20u32, prop::collection::btree_set(0..5u8, 0..4)), 0..200)) {
            let mut index = Index::default();
            let mut model: BTreeMap<u32, BTreeSet<u8>> = BTreeMap::new();
            for (slot, keys) in steps {
                if model.remove(&slot).is_some() {
                    index.remove(id(slot));
                } else {
                    let named: Vec<Key> = keys.iter().map(|key| Key::new(&format!("k:{key}"))).collect();
                    index.insert(id(slot), &named);
                    model.insert(slot, keys);
                }
                for key in 0..5u8 {
                    let found: BTreeSet<u32> = index.connections(&Key::new(&format!("k:{key}"))).map(|c| c.slot).collect();
                    let expected: BTreeSet<u32> = model.iter().filter(|(_, keys)| keys.contains(&key)).map(|(slot, _)| *slot).collect();
                    prop_assert_eq!(found, expected);
                }
            }
            for slot in model.into_keys() {
                index.remove(id(slot));
            }
            prop_assert!(index.list_of.is_empty() && index.lists.is_empty());
        }
    }
}
