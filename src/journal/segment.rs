//! Up to `SEGMENT_ENTRIES_MAX` consecutive entries: open while the writer appends, then sealed with an index.

use super::{Entry, Reached};
use crate::event::Key;
use crate::limits::SEGMENT_ENTRIES_MAX;
use crate::protocol::Protocol;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Slots are filled in order by the writer and read by anybody: a `OnceLock` each, so that readers need no lock.
#[derive(Debug)]
pub(super) struct Segment {
    base: u64,
    /// How far the instance was before the first entry.
    reached: Reached,
    slots: Box<[OnceLock<Entry>]>,
    sealed: OnceLock<Sealed>,
}

#[derive(Debug)]
struct Sealed {
    end: u64,
    index: HashMap<Key, Vec<u16>, foldhash::fast::RandomState>,
}

const _: () = assert!(SEGMENT_ENTRIES_MAX <= u16::MAX as usize);

impl Segment {
    pub fn new(base: u64, reached: Reached) -> Segment {
        let slots = (0..SEGMENT_ENTRIES_MAX).map(|_| OnceLock::new()).collect();
        Segment { base, reached, slots, sealed: OnceLock::new() }
    }

    pub fn base(&self) -> u64 {
        self.base
    }

    pub fn reached(&self) -> &Reached {
        &self.reached
    }

    /// Behind the last entry that this segment has or may get.
    pub fn end(&self) -> u64 {
        self.sealed.get().map_or(self.base + SEGMENT_ENTRIES_MAX as u64, |sealed| sealed.end)
    }

    pub fn entry(&self, sequence: u64) -> Option<&Entry> {
        let slot = usize::try_from(sequence.checked_sub(self.base)?).ok()?;
        self.slots.get(slot)?.get()
    }

    /// Called by the writer alone, with the sequence behind the last entry.
    pub fn append(&self, entry: Entry) {
        let slot = usize::try_from(entry.sequence - self.base).expect("a segment is shorter than memory");
        self.slots[slot].set(entry).expect("the writer appends each sequence once");
    }

    /// Called by the writer alone, once; nothing is appended afterwards.
    pub fn seal(&self, end: u64) {
        let mut index: HashMap<Key, Vec<u16>, _> = HashMap::default();
        for (slot, entry) in self.slots.iter().map_while(OnceLock::get).enumerate() {
            for key in &entry.audience {
                let slot = u16::try_from(slot).expect("SEGMENT_ENTRIES_MAX fits");
                index.entry(key.clone()).or_default().push(slot);
            }
        }
        self.sealed.set(Sealed { end, index }).expect("a segment is sealed once");
    }

    pub fn find(&self, keys: &[Key], protocol: Protocol, from: u64, to: u64, found: &mut Vec<u64>) {
        let start = found.len();
        match self.sealed.get() {
            Some(sealed) => {
                let slots = keys.iter().filter_map(|key| sealed.index.get(key)).flatten();
                let sequences = slots.map(|slot| self.base + u64::from(*slot));
                found.extend(sequences.filter(|sequence| (from..to).contains(sequence)));
                found[start..].sort_unstable();
            }
            None => {
                let entries = (from..to).map_while(|sequence| self.entry(sequence));
                found.extend(entries.filter(|entry| entry.is_for(keys)).map(|entry| entry.sequence));
            }
        }
        // An entry stands under several of a reader's keys, and may have no frame for the reader's protocol.
        let mut kept = start;
        for place in start..found.len() {
            let sequence = found[place];
            let repeated = kept > start && found[kept - 1] == sequence;
            if !repeated && self.entry(sequence).is_some_and(|entry| entry.frames.get(protocol).is_some()) {
                found[kept] = sequence;
                kept += 1;
            }
        }
        found.truncate(kept);
    }
}
