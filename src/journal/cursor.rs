//! A cursor: positions as a short opaque string that any instance understands.
//!
//! ```text
//! cursor  = base64url( plain / sealed )
//! plain   = %x03 body
//! sealed  = %x04 nonce(12) AES-256-GCM( body, authenticated with the version byte )
//! body    = cluster(4) topics *( topic(4) incarnation(4) partitions *position )
//! cluster = first 4 bytes of SHA-256 of the cluster's id        topic = the same of the topic's name
//! incarnation = the same of the topic's id in Kafka, 0 if that is not known
//! topics stand in ascending order, each incarnation once
//! topics, partitions, position = LEB128; a position is the newest offset + 1, so 0 is "none"
//! ```
//!
//! It says only where a reader is. What a reader may see is decided by the keys that it has when it comes with
//! the cursor, so a forged one gains nothing. Whatever does not parse is no cursor, never an error.

use super::positions::{Incarnation, NameHash, PartitionId, Partitions, Positions, UNKNOWN, name_hash};
use crate::limits::{CURSOR_MAX_BYTES, CURSOR_PARTITIONS_MAX};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;

const PLAIN: u8 = 3;
const SEALED: u8 = 4;

/// Makes and reads the cursors of one cluster.
pub struct CursorCodec {
    cluster: NameHash,
    /// The first one seals, all of them open: so that a key can be replaced while clients hold older cursors.
    keys: Vec<RandomizedNonceKey>,
}

/// Positions from a cursor, as far as this instance knows the partitions by now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Guard {
    pub positions: Positions,
    /// Of partitions that this instance has not met.
    unmet: Vec<Unmet>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Unmet {
    topic: NameHash,
    incarnation: Incarnation,
    partition: i32,
    offset: i64,
}

/// Without its keys.
impl std::fmt::Debug for CursorCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CursorCodec").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl CursorCodec {
    /// `keys` are 32 bytes each; without any, cursors are readable (though opaque by contract).
    pub fn new(cluster_id: &str, keys: &[[u8; 32]]) -> CursorCodec {
        let key =
            |bytes: &[u8; 32]| RandomizedNonceKey::new(&AES_256_GCM, bytes).expect("the key has 32 bytes");
        CursorCodec { cluster: name_hash(cluster_id), keys: keys.iter().map(key).collect() }
    }

    /// The cursor of a reader at `guard`.
    pub fn encode(&self, partitions: &Partitions, guard: &Guard) -> String {
        let mut body = Vec::with_capacity(16 + 5 * partitions.len());
        body.extend_from_slice(&self.cluster);
        let topics = topics(partitions, guard);
        write_number(&mut body, topics.len() as u64);
        for ((topic, incarnation), positions) in &topics {
            body.extend_from_slice(topic);
            body.extend_from_slice(incarnation);
            write_number(&mut body, positions.len() as u64);
            for offset in positions {
                write_number(&mut body, (offset + 1).cast_unsigned());
            }
        }
        URL_SAFE_NO_PAD.encode(self.wrap(body))
    }

    /// None is "no cursor": garbage, another version, another cluster, or a key that we do not have.
    pub fn decode(&self, partitions: &Partitions, text: &str) -> Option<Guard> {
        if text.len() > CURSOR_MAX_BYTES {
            return None;
        }
        let body = self.unwrap(URL_SAFE_NO_PAD.decode(text).ok()?)?;
        let mut rest = body.strip_prefix(&self.cluster[..])?;
        let mut guard = Guard::past_all_that_ended(partitions);
        let mut last = None;
        for _ in 0..read_number(&mut rest)? {
            let (topic, after) = rest.split_first_chunk()?;
            let (incarnation, after) = after.split_first_chunk()?;
            rest = after;
            // What stood twice would have two positions, and which one counts would be chance.
            let named = (topic, incarnation);
            if last.replace(named).is_some_and(|last| last >= named) {
                return None;
            }
            let count = read_number(&mut rest)?;
            for partition in 0..i32::try_from(count).ok().filter(|count| *count <= CURSOR_PARTITIONS_MAX)? {
                let offset = i64::try_from(read_number(&mut rest)?).ok()? - 1;
                guard.unmet.push(Unmet { topic: *topic, incarnation: *incarnation, partition, offset });
            }
        }
        guard.meet(partitions);
        // What has nothing yet says something only where there was a partition of that name before.
        guard.unmet.retain(|unmet| unmet.offset > Positions::NONE || unmet.is_of_another(partitions));
        rest.is_empty().then_some(guard)
    }

    fn wrap(&self, mut body: Vec<u8>) -> Vec<u8> {
        let Some(key) = self.keys.first() else {
            body.insert(0, PLAIN);
            return body;
        };
        let nonce = key.seal_in_place_append_tag(Aad::from([SEALED]), &mut body).expect("a cursor is short");
        [&[SEALED][..], nonce.as_ref(), &body].concat()
    }

    fn unwrap(&self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        match (bytes.split_first()?, self.keys.is_empty()) {
            ((&PLAIN, body), true) => Some(body.to_vec()),
            ((&SEALED, sealed), false) => self.keys.iter().find_map(|key| open(key, sealed)),
            _ => None,
        }
    }
}

fn open(key: &RandomizedNonceKey, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut body = sealed.to_vec();
    let length = key.open_in_place(Nonce::from(nonce), Aad::from([SEALED]), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

impl Guard {
    pub fn at(positions: Positions) -> Guard {
        Guard { positions, unmet: Vec::new() }
    }

    /// What was deleted before the reader began does not concern it.
    fn past_all_that_ended(partitions: &Partitions) -> Guard {
        let mut positions = Positions::default();
        for (id, _) in partitions.ended() {
            positions.advance(id, Positions::ENDED);
        }
        Guard::at(positions)
    }

    /// Takes in the partitions that this instance has met meanwhile.
    pub fn meet(&mut self, partitions: &Partitions) {
        let Guard { positions, unmet } = self;
        unmet.retain(|unmet| match unmet.find(partitions) {
            None => true,
            Some(id) => {
                unmet.stand(id, partitions, positions);
                false
            }
        });
    }

    /// Partitions that the cursor names and this instance has not met; it may yet.
    pub fn has_unmet(&self) -> bool {
        !self.unmet.is_empty()
    }

    /// Whether it names a topic which another one of that name has taken the place of, or will.
    pub fn is_of_another(&self, partitions: &Partitions) -> bool {
        self.unmet.iter().any(|unmet| unmet.is_of_another(partitions))
    }

    /// Its position in a partition, met or not.
    pub fn get(&self, partitions: &Partitions, topic: &str, partition: i32) -> i64 {
        if let Some(id) = partitions.find(topic, partition) {
            return self.positions.get(id);
        }
        let topic = name_hash(topic);
        let unmet = self.unmet.iter().find(|unmet| unmet.topic == topic && unmet.partition == partition);
        unmet.map_or(Positions::NONE, |unmet| unmet.offset)
    }

    /// Whether it stands at records that an instance has not read yet, which is at `handled`.
    pub fn is_ahead_of(&self, handled: &Positions) -> bool {
        self.has_unmet() || !handled.has_passed(&self.positions)
    }

    pub fn forget_unmet(&mut self) {
        self.unmet.clear();
    }

    /// The farther of the guard and `here` in each partition.
    pub fn or_newer(&self, here: &Positions) -> Guard {
        Guard { positions: self.positions.or_newer(here), unmet: self.unmet.clone() }
    }

    pub fn covers(&self, partition: PartitionId, offset: i64) -> bool {
        offset <= self.positions.get(partition)
    }
}

impl Unmet {
    /// The partition that is meant, be it gone or not.
    fn find(&self, partitions: &Partitions) -> Option<PartitionId> {
        let mut next = partitions.newest(self.topic, self.partition);
        while let Some(id) = next {
            let met = partitions.get(id);
            #[cfg(test)]
            if crate::simulation::Broken::ForgetsTopicIds.is_on() {
                return Some(id);
            }
            if self.incarnation == met.incarnation || [self.incarnation, met.incarnation].contains(&UNKNOWN) {
                return Some(id);
            }
            next = met.previous;
        }
        None
    }

    /// Whoever stands in a partition has read nothing of those that came after it.
    fn stand(&self, at: PartitionId, partitions: &Partitions, positions: &mut Positions) {
        let mut next = partitions.newest(self.topic, self.partition).filter(|newest| *newest != at);
        while let Some(id) = next {
            positions.set(id, Positions::NONE);
            next = partitions.get(id).previous.filter(|previous| *previous != at);
        }
        positions.set(at, self.offset);
    }

    fn is_of_another(&self, partitions: &Partitions) -> bool {
        self.find(partitions).is_none() && partitions.newest(self.topic, self.partition).is_some()
    }
}

/// Topic → offset of each partition, in an order that does not depend on the instance.
fn topics(partitions: &Partitions, guard: &Guard) -> BTreeMap<(NameHash, Incarnation), Vec<i64>> {
    let met = partitions.iter().filter(|(id, _)| partitions.is_current(*id, &guard.positions));
    let met = met.map(|(id, met)| ((met.topic, met.incarnation), met.partition, guard.positions.get(id)));
    let unmet =
        guard.unmet.iter().map(|unmet| ((unmet.topic, unmet.incarnation), unmet.partition, unmet.offset));
    let mut topics: BTreeMap<(NameHash, Incarnation), Vec<i64>> = BTreeMap::new();
    for (topic, partition, offset) in met.chain(unmet) {
        let positions = topics.entry(topic).or_default();
        let place = usize::try_from(partition).expect("Kafka numbers partitions from 0");
        if positions.len() <= place {
            positions.resize(place + 1, Positions::NONE);
        }
        positions[place] = positions[place].max(offset);
    }
    topics
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::positions::incarnation;
    use super::*;
    use proptest::prelude::*;

    fn partitions(names: &[(&str, i32)]) -> Partitions {
        let mut partitions = Partitions::default();
        for (topic, partition) in names {
            partitions.push(topic, *partition);
        }
        partitions
    }

    fn guard(offsets: &[i64]) -> Guard {
        let mut positions = Positions::default();
        for (offset, id) in offsets.iter().zip(0..) {
            positions.advance(PartitionId(id), *offset);
        }
        Guard::at(positions)
    }

    const KEY: [u8; 32] = [7; 32];
    const OLD_KEY: [u8; 32] = [8; 32];

    proptest! {
        /// An instance that met the partitions in another order reads the same positions.
        #[test]
        fn a_cursor_means_the_same_to_every_instance(
            offsets in prop::collection::vec(-1..i64::MAX - 1, 6),
            order in Just(vec![0usize, 1, 2, 3, 4, 5]).prop_shuffle(),
            sealed in any::<bool>(),
        ) {
            let names = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("c", 0)];
            let codec = CursorCodec::new("cluster", if sealed { &[KEY] } else { &[] });
            let cursor = codec.encode(&partitions(&names), &guard(&offsets));
            let there: Vec<_> = order.iter().map(|place| names[*place]).collect();
            let expected: Vec<_> = order.iter().map(|place| offsets[*place]).collect();
            prop_assert_eq!(codec.decode(&partitions(&there), &cursor), Some(guard(&expected)));
        }

        #[test]
        fn garbage_is_no_cursor_and_no_panic(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for keys in [&[][..], &[KEY]] {
                let codec = CursorCodec::new("cluster", keys);
                prop_assert_eq!(codec.decode(&partitions(&[("a", 0)]), &text), None);
                let _ = codec.decode(&partitions(&[("a", 0)]), &URL_SAFE_NO_PAD.encode(&bytes));
            }
        }
    }

    #[test]
    fn a_cursor_of_another_cluster_version_or_key_is_none() {
        let here = partitions(&[("a", 0)]);
        let cursor = CursorCodec::new("one", &[]).encode(&here, &guard(&[5]));
        let sealed = CursorCodec::new("one", &[OLD_KEY]).encode(&here, &guard(&[5]));
        let check =
            |codec: CursorCodec, cursor: &str, expected| assert_eq!(codec.decode(&here, cursor), expected);
        check(CursorCodec::new("one", &[]), &cursor, Some(guard(&[5])));
        check(CursorCodec::new("two", &[]), &cursor, None);
        check(CursorCodec::new("one", &[KEY]), &cursor, None);
        check(CursorCodec::new("one", &[]), &sealed, None);
        check(CursorCodec::new("one", &[KEY]), &sealed, None);
        check(CursorCodec::new("one", &[KEY, OLD_KEY]), &sealed, Some(guard(&[5])));
        check(CursorCodec::new("one", &[]), "authorization:ok", None);
        check(CursorCodec::new("one", &[]), "", None);
    }

    #[test]
    fn a_topic_that_stands_twice_is_no_cursor() {
        let cursor = |topics: [&str; 2]| {
            let position = |name| [&name_hash(name)[..], &UNKNOWN[..], &[1, 6]].concat();
            let body = [&[PLAIN][..], &name_hash("one"), &[2], &topics.map(position).concat()].concat();
            URL_SAFE_NO_PAD.encode(body)
        };
        let (codec, here) = (CursorCodec::new("one", &[]), partitions(&[("b", 0), ("a", 0)]));
        assert!(name_hash("b") < name_hash("a"));
        assert_eq!(codec.decode(&here, &cursor(["b", "a"])), Some(guard(&[5, 5])));
        assert_eq!(codec.decode(&here, &cursor(["a", "b"])), None);
        assert_eq!(codec.decode(&here, &cursor(["a", "a"])), None);
    }

    #[test]
    fn a_partition_not_met_yet_is_kept_and_passed_on() {
        let codec = CursorCodec::new("one", &[]);
        let both = partitions(&[("a", 0), ("a", 1)]);
        let first = partitions(&[("a", 0)]);
        let cursor = codec.encode(&both, &guard(&[5, 9]));
        let mut here = codec.decode(&first, &cursor).unwrap();
        assert!(here.has_unmet() && !here.is_of_another(&first));
        let get = |topic, partition| here.get(&first, topic, partition);
        assert_eq!(
            [get("a", 0), get("a", 1), get("a", 2), get("b", 1)],
            [5, 9, Positions::NONE, Positions::NONE]
        );
        assert_eq!(codec.encode(&first, &here), cursor);
        let mut forgets = here.or_newer(&guard(&[7]).positions);
        assert_eq!(codec.encode(&both, &forgets), codec.encode(&both, &guard(&[7, 9])));
        forgets.forget_unmet();
        assert_eq!(forgets, guard(&[7]));
        here.meet(&both);
        assert_eq!(here, guard(&[5, 9]));
        let nothing_yet = codec.encode(&both, &guard(&[5, Positions::NONE]));
        assert!(!codec.decode(&first, &nothing_yet).unwrap().has_unmet());
    }

    #[test]
    fn a_guard_is_ahead_of_an_instance_that_has_not_read_as_far() {
        let check = |here: &[i64], expected: bool| {
            assert_eq!(guard(&[5, 9]).is_ahead_of(&guard(here).positions), expected, "{here:?}");
        };
        check(&[5, 9], false);
        check(&[6, 9], false);
        check(&[6, 8], true);
        check(&[6], true);
        let codec = CursorCodec::new("one", &[]);
        let elsewhere = codec.encode(&partitions(&[("a", 0)]), &guard(&[5]));
        let unmet = codec.decode(&Partitions::default(), &elsewhere).unwrap();
        assert!(unmet.is_ahead_of(&guard(&[6]).positions), "nobody knows which partition that is");
    }

    #[test]
    fn who_comes_back_to_a_topic_made_anew_twice_has_read_nothing_of_either() {
        let mut here = Partitions::default();
        for id in ["first", "second", "third"] {
            here.push_of(name_hash("a"), 0, incarnation(Some(id)));
        }
        here.end(PartitionId(0), 1);
        here.end(PartitionId(1), 2);
        let mut there = Partitions::default();
        there.push_of(name_hash("a"), 0, incarnation(Some("first")));
        let codec = CursorCodec::new("one", &[]);
        let read = codec.decode(&here, &codec.encode(&there, &guard(&[5]))).unwrap();
        assert_eq!(read, guard(&[5]));
    }

    #[test]
    fn a_cursor_is_read_up_to_the_longest() {
        let codec = CursorCodec::new("one", &[]);
        let cursor = |partitions: usize| {
            let mut body = [&name_hash("one")[..], &[1], &name_hash("a"), &UNKNOWN].concat();
            write_number(&mut body, partitions as u64);
            body.resize(body.len() + partitions, 6);
            URL_SAFE_NO_PAD.encode(codec.wrap(body))
        };
        assert_eq!(cursor(9_200).len(), CURSOR_MAX_BYTES);
        assert!(codec.decode(&Partitions::default(), &cursor(9_200)).is_some_and(|guard| guard.has_unmet()));
        assert!(codec.decode(&Partitions::default(), &cursor(9_201)).is_none());
    }

    #[test]
    fn a_cursor_of_a_topic_that_was_made_anew_is_of_another() {
        let codec = CursorCodec::new("one", &[]);
        let named = |id: &str| {
            let mut partitions = partitions(&[("a", 0)]);
            partitions.set_incarnation(name_hash("a"), incarnation(Some(id)));
            partitions
        };
        let cursor = codec.encode(&named("first"), &guard(&[5]));
        let check = |here: &Partitions, is_met: bool, is_of_another: bool| {
            let read = codec.decode(here, &cursor).unwrap();
            assert_eq!((read == guard(&[5]), read.is_of_another(here)), (is_met, is_of_another));
        };
        check(&named("first"), true, false);
        check(&named("second"), false, true);
        // A broker that tells no ids.
        check(&partitions(&[("a", 0)]), true, false);
        check(&partitions(&[("b", 0)]), false, false);
    }

    /// The sizes that docs/resume.md states.
    #[test]
    fn sizes() {
        let size = |count: i32, sealed: bool| {
            let names: Vec<_> = (0..count).map(|n| (["a", "b", "c"][n as usize % 3], n / 3)).collect();
            let codec = CursorCodec::new("one", if sealed { &[KEY] } else { &[] });
            codec.encode(&partitions(&names), &guard(&vec![1_000_000_000; count as usize])).len()
        };
        let sizes = [15, 120, 1_000].map(|count| (size(count, false), size(count, true)));
        assert_eq!(sizes, [(144, 182), (844, 882), (6_715, 6_752)]);
    }
}
