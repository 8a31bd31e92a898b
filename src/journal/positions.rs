//! Where readers are in Kafka: the newest offset per partition.
//!
//! Partitions are numbered by this instance in the order in which it meets them; another instance numbers
//! them otherwise, so a number never leaves the process (cursors name topics by hash).

use crate::limits::CURSOR_EVERY_EVENT_PARTITIONS_MAX;
use aws_lc_rs::digest::{SHA256, digest};

/// First bytes of a name's SHA-256: how cursors name topics. Two topics of one cluster meet by chance once in
/// some 10^9 catalogs.
pub(super) type NameHash = [u8; 4];

/// A partition's number within this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartitionId(pub u32);

/// The partitions met so far; only ever longer.
#[derive(Debug, Clone, Default)]
pub struct Partitions {
    list: Vec<(NameHash, i32)>,
}

impl Partitions {
    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Every so many events carry a cursor: all of them, unless cursors are long.
    pub fn events_per_cursor(&self) -> u64 {
        self.len().div_ceil(CURSOR_EVERY_EVENT_PARTITIONS_MAX).max(1) as u64
    }

    /// None if this instance has not met it.
    pub fn find(&self, topic: &str, partition: i32) -> Option<PartitionId> {
        let name = (name_hash(topic), partition);
        let place = self.list.iter().position(|met| *met == name)?;
        u32::try_from(place).ok().map(PartitionId)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PartitionId, NameHash, i32)> {
        self.list.iter().zip(0..).map(|((topic, partition), id)| (PartitionId(id), *topic, *partition))
    }

    pub(crate) fn push(&mut self, topic: &str, partition: i32) -> PartitionId {
        self.list.push((name_hash(topic), partition));
        PartitionId(u32::try_from(self.list.len() - 1).expect("fewer partitions than 4 billion"))
    }
}

pub(super) fn name_hash(name: &str) -> NameHash {
    *digest(&SHA256, name.as_bytes()).as_ref().first_chunk().expect("a hash has 32 bytes")
}

/// The newest offset of each partition, `NONE` before its first.
#[derive(Debug, Clone, Default)]
pub struct Positions {
    offsets: Vec<i64>,
}

impl Positions {
    /// Before the first offset.
    pub const NONE: i64 = -1;

    pub fn get(&self, partition: PartitionId) -> i64 {
        self.offsets.get(partition.0 as usize).copied().unwrap_or(Positions::NONE)
    }

    /// Moves a partition's position; never back.
    pub fn advance(&mut self, partition: PartitionId, offset: i64) {
        let place = partition.0 as usize;
        if self.offsets.len() <= place {
            self.offsets.resize(place + 1, Positions::NONE);
        }
        self.offsets[place] = self.offsets[place].max(offset);
    }

    /// Whether every partition is at least as far as in `other`.
    pub fn has_passed(&self, other: &Positions) -> bool {
        other.offsets.iter().zip(0..).all(|(offset, id)| self.get(PartitionId(id)) >= *offset)
    }

    /// The partitions in which `other` is farther.
    pub fn behind(&self, other: &Positions) -> impl Iterator<Item = PartitionId> {
        let ids = other.offsets.iter().zip(0..).map(|(offset, id)| (*offset, PartitionId(id)));
        ids.filter(|(offset, id)| self.get(*id) < *offset).map(|(_, id)| id)
    }

    /// The farther of the two in each partition.
    pub fn or_newer(&self, other: &Positions) -> Positions {
        let mut newer = self.clone();
        for (offset, id) in other.offsets.iter().zip(0..) {
            newer.advance(PartitionId(id), *offset);
        }
        newer
    }
}

/// By value: positions of different length are the same where the rest is `NONE`.
impl PartialEq for Positions {
    fn eq(&self, other: &Positions) -> bool {
        self.has_passed(other) && other.has_passed(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(offsets: &[i64]) -> Positions {
        Positions { offsets: offsets.to_vec() }
    }

    #[test]
    fn a_position_never_moves_back() {
        let mut here = Positions::default();
        here.advance(PartitionId(2), 5);
        here.advance(PartitionId(2), 3);
        assert_eq!(here, positions(&[-1, -1, 5]));
    }

    #[test]
    fn passed_is_passed_in_every_partition() {
        let check = |here: &[i64], there: &[i64], expected| {
            assert_eq!(positions(here).has_passed(&positions(there)), expected, "{here:?} {there:?}");
        };
        check(&[5, 7], &[5, 7], true);
        check(&[5, 7], &[5], true);
        check(&[5], &[5, 0], false);
        check(&[5], &[5, -1], true);
        check(&[4, 9], &[5, 7], false);
    }

    #[test]
    fn the_newer_of_two() {
        assert_eq!(positions(&[5, 1]).or_newer(&positions(&[3, 2, 0])), positions(&[5, 2, 0]));
    }
}
