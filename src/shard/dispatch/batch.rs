//! What is found for whom, and not yet written: the receivers of a batch of entries, each with its own entries in order.
//!
//! Entries come in order, each with all of its receivers. A receiver's first entry makes a place for it, later ones are
//! chained to the one before, so that a batch costs the number of its deliveries, and what waits for one connection is
//! found together without being sorted.
//!
//! ```text
//! places (by slot) --> receivers --first--> deliveries --next--> .. --next--> the last
//! ```

use crate::shard::ConnectionId;
use std::num::NonZero;

#[derive(Default)]
pub(super) struct Batch {
    /// The sequence of the batch's first entry.
    first: u64,
    /// In the order in which they were met, and are written to.
    receivers: Vec<Receiver>,
    taken: usize,
    deliveries: Vec<Delivery>,
    /// By slot of the connection: where in `receivers` it is, if it stands there. What earlier batches have left is
    /// recognized by that, so nothing is ever cleared.
    places: Vec<u32>,
}

struct Receiver {
    id: ConnectionId,
    first: u32,
    last: u32,
}

struct Delivery {
    /// The entry's place in the batch.
    entry: u32,
    next: Option<NonZero<u32>>,
}

impl Batch {
    /// Forgets the former batch.
    pub fn begin(&mut self, first: u64) {
        self.first = first;
        self.receivers.clear();
        self.taken = 0;
        self.deliveries.clear();
    }

    pub fn first(&self) -> u64 {
        self.first
    }

    /// `sequence` is never less than one that was added before. An entry that is added twice is added once.
    pub fn add(&mut self, id: ConnectionId, sequence: u64) {
        let entry = narrow(sequence - self.first);
        let delivery = narrow(self.deliveries.len() as u64);
        let slot = id.slot as usize;
        if self.places.len() <= slot {
            self.places.resize(slot + 1, u32::MAX);
        }
        let place = self.places[slot] as usize;
        if let Some(receiver) = self.receivers.get_mut(place).filter(|receiver| receiver.id == id) {
            let last = &mut self.deliveries[receiver.last as usize];
            if last.entry == entry {
                return;
            }
            last.next = NonZero::new(delivery);
            receiver.last = delivery;
        } else {
            self.places[slot] = narrow(self.receivers.len() as u64);
            self.receivers.push(Receiver { id, first: delivery, last: delivery });
        }
        self.deliveries.push(Delivery { entry, next: None });
    }

    pub fn is_pending(&self) -> bool {
        self.taken < self.receivers.len()
    }

    pub fn next_receiver(&self) -> Option<ConnectionId> {
        Some(self.receivers.get(self.taken)?.id)
    }

    /// The next receiver, whose sequences are appended to `waiting`.
    pub fn take_next(&mut self, waiting: &mut Vec<u64>) -> Option<ConnectionId> {
        let receiver = self.receivers.get(self.taken)?;
        waiting.extend(self.sequences(receiver));
        let id = receiver.id;
        self.taken += 1;
        Some(id)
    }

    /// All receivers, with their sequences.
    pub fn receivers(&self) -> impl Iterator<Item = (ConnectionId, impl Iterator<Item = u64>)> {
        self.receivers.iter().map(|receiver| (receiver.id, self.sequences(receiver)))
    }

    fn sequences(&self, receiver: &Receiver) -> impl Iterator<Item = u64> {
        let first = self.deliveries.get(receiver.first as usize);
        let chain = std::iter::successors(first, |delivery| {
            delivery.next.map(|next| &self.deliveries[next.get() as usize])
        });
        chain.map(|delivery| self.first + u64::from(delivery.entry))
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number)
        .expect("a batch is DISPATCH_ENTRIES_MAX entries for CONNECTIONS_MAX connections at most")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    proptest! {
        /// Batch after batch, everybody is given what is his, once and in order.
        #[test]
        fn a_batch_is_a_map_of_sorted_sets(
            batches in prop::collection::vec(
                (prop::collection::vec(0..2u32, 6), prop::collection::vec(prop::collection::vec(0..6u32, 0..8), 0..6)),
                1..4,
            )
        ) {
            let mut batch = Batch::default();
            let mut sequence = 7;
            // Somebody else may come into a slot between two batches, never within one.
            for (generations, entries) in batches {
                batch.begin(sequence);
                let mut model: BTreeMap<ConnectionId, BTreeSet<u64>> = BTreeMap::new();
                for slots in entries {
                    for slot in slots {
                        let id = ConnectionId { slot, generation: generations[slot as usize] };
                        batch.add(id, sequence);
                        model.entry(id).or_default().insert(sequence);
                    }
                    sequence += 1;
                }
                let told: BTreeMap<_, Vec<_>> =
                    batch.receivers().map(|(id, sequences)| (id, sequences.collect())).collect();
                let expected: BTreeMap<_, Vec<_>> =
                    model.iter().map(|(id, sequences)| (*id, sequences.iter().copied().collect())).collect();
                prop_assert_eq!(&told, &expected);
                while let Some(next) = batch.next_receiver() {
                    let mut waiting = Vec::new();
                    prop_assert_eq!(batch.take_next(&mut waiting), Some(next));
                    prop_assert_eq!(&waiting, &expected[&next]);
                    model.remove(&next);
                }
                prop_assert!(model.is_empty() && !batch.is_pending());
            }
        }
    }
}
