//! Where readers are in Kafka: the newest offset per partition.
//!
//! Partitions are numbered by this instance in the order in which it meets them; another instance numbers
//! them otherwise, so a number never leaves the process (cursors name topics by hash).

use crate::limits::CURSOR_EVERY_EVENT_PARTITIONS_MAX;
use aws_lc_rs::digest::{SHA256, digest};

/// First bytes of a name's SHA-256: how cursors name topics. Two topics of one cluster meet by chance once in
/// some 10^9 catalogs.
pub(super) type NameHash = [u8; 4];

/// First bytes of the SHA-256 of a topic's id in Kafka: tells topics apart that had one name one after the other.
pub(super) type Incarnation = [u8; 4];

/// Of brokers that give topics no id. It may be any of them.
pub(super) const UNKNOWN: Incarnation = [0; 4];

/// A partition's number within this instance. A partition of a topic that was made anew is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartitionId(pub u32);

/// The partitions met so far; only ever longer.
#[derive(Debug, Clone, Default)]
pub struct Partitions {
    list: Vec<Met>,
}

/// A partition that this instance has met.
#[derive(Debug, Clone)]
pub(super) struct Met {
    pub topic: NameHash,
    pub partition: i32,
    pub incarnation: Incarnation,
    /// The partition of that name and number before it, whose topic was deleted.
    pub previous: Option<PartitionId>,
    /// When that was found to have happened to this one, in milliseconds since 1970.
    pub ended_ms: Option<i64>,
}

impl Partitions {
    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Every so many events carry a cursor: all of them, unless cursors are long. A cursor names no partition that has
    /// ended, once its reader is past that.
    pub fn events_per_cursor(&self) -> u64 {
        let named = self.list.iter().filter(|met| met.ended_ms.is_none()).count();
        named.div_ceil(CURSOR_EVERY_EVENT_PARTITIONS_MAX).max(1) as u64
    }

    /// None if this instance has not met it, or it is gone.
    pub fn find(&self, topic: &str, partition: i32) -> Option<PartitionId> {
        self.newest(name_hash(topic), partition).filter(|id| self.get(*id).ended_ms.is_none())
    }

    /// Those whose topic was deleted, and when that was found, in milliseconds since 1970.
    pub fn ended(&self) -> impl Iterator<Item = (PartitionId, i64)> {
        self.iter().filter_map(|(id, met)| Some((id, met.ended_ms?)))
    }

    #[cfg(test)]
    pub(crate) fn push(&mut self, topic: &str, partition: i32) -> PartitionId {
        self.push_of(name_hash(topic), partition, UNKNOWN)
    }

    /// Where there was one of that name and number, the new one takes its place.
    pub(super) fn push_of(
        &mut self,
        topic: NameHash,
        partition: i32,
        incarnation: Incarnation,
    ) -> PartitionId {
        let previous = self.newest(topic, partition);
        self.list.push(Met { topic, partition, incarnation, previous, ended_ms: None });
        PartitionId(u32::try_from(self.list.len() - 1).expect("fewer partitions than 4 billion"))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PartitionId, &Met)> {
        self.list.iter().zip(0..).map(|(met, id)| (PartitionId(id), met))
    }

    pub(super) fn get(&self, id: PartitionId) -> &Met {
        &self.list[id.0 as usize]
    }

    /// The newest of that name and number, be it gone or not.
    pub(super) fn newest(&self, topic: NameHash, partition: i32) -> Option<PartitionId> {
        let place = self.list.iter().rposition(|met| met.topic == topic && met.partition == partition)?;
        u32::try_from(place).ok().map(PartitionId)
    }

    /// What a topic of that name is now.
    pub(super) fn set_incarnation(&mut self, topic: NameHash, incarnation: Incarnation) {
        for met in self.list.iter_mut().filter(|met| met.topic == topic && met.ended_ms.is_none()) {
            met.incarnation = incarnation;
        }
    }

    pub(super) fn end(&mut self, id: PartitionId, now_ms: i64) {
        self.list[id.0 as usize].ended_ms = Some(now_ms);
    }

    /// Whether a reader at `positions` counts this partition: neither has it read all that there will ever be of
    /// it, nor does it still stand in the one before.
    pub(super) fn is_current(&self, id: PartitionId, positions: &Positions) -> bool {
        let has_ended = |id| positions.get(id) == Positions::ENDED;
        !has_ended(id) && self.get(id).previous.is_none_or(has_ended)
    }
}

pub(super) fn name_hash(name: &str) -> NameHash {
    *digest(&SHA256, name.as_bytes()).as_ref().first_chunk().expect("a hash has 32 bytes")
}

/// None where the broker gives no id.
pub(super) fn incarnation(id: Option<&str>) -> Incarnation {
    id.map_or(UNKNOWN, name_hash)
}

/// The newest offset of each partition, `NONE` before its first.
#[derive(Debug, Clone, Default)]
pub struct Positions {
    offsets: Vec<i64>,
}

impl Positions {
    /// Before the first offset.
    pub const NONE: i64 = -1;
    /// Behind all that a partition will ever have: its topic was deleted, and the reader is past that.
    pub const ENDED: i64 = i64::MAX;

    pub fn get(&self, partition: PartitionId) -> i64 {
        self.offsets.get(partition.0 as usize).copied().unwrap_or(Positions::NONE)
    }

    /// Puts a partition's position wherever that is.
    pub(super) fn set(&mut self, partition: PartitionId, offset: i64) {
        self.advance(partition, offset);
        self.offsets[partition.0 as usize] = offset;
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
    fn every_event_has_a_cursor_unless_cursors_are_long() {
        let check = |count: i32, expected: u64| {
            let mut partitions = Partitions::default();
            for partition in 0..count {
                partitions.push("t", partition);
            }
            assert_eq!(partitions.events_per_cursor(), expected, "{count}");
        };
        for (count, expected) in [(0, 1), (1, 1), (128, 1), (129, 2), (256, 2), (257, 3)] {
            check(count, expected);
        }
    }

    #[test]
    fn partitions_that_have_ended_make_no_cursor_longer() {
        let mut partitions = Partitions::default();
        for partition in 0..128 {
            let ended = partitions.push("t", partition);
            partitions.end(ended, 1);
            partitions.push("t", partition);
        }
        assert_eq!(partitions.events_per_cursor(), 1);
    }

    #[test]
    fn only_what_a_topic_is_now_is_named_anew() {
        let mut partitions = Partitions::default();
        let [gone, now, other] = ["t", "t", "u"].map(|topic| partitions.push(topic, 0));
        partitions.end(gone, 1);
        partitions.set_incarnation(name_hash("t"), incarnation(Some("id")));
        let named = [gone, now, other].map(|id| partitions.get(id).incarnation != UNKNOWN);
        assert_eq!(named, [false, true, false]);
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
    fn the_same_is_the_same_in_every_partition() {
        assert_eq!(positions(&[5, -1]), positions(&[5]));
        assert_ne!(positions(&[5, 0]), positions(&[5]));
        assert_ne!(positions(&[5]), positions(&[5, 0]));
        assert_ne!(positions(&[5, 7]), positions(&[7, 5]));
    }

    #[test]
    fn the_newer_of_two() {
        assert_eq!(positions(&[5, 1]).or_newer(&positions(&[3, 2, 0])), positions(&[5, 2, 0]));
    }
}
