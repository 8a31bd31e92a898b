//! What a cursor says, by the letter of its grammar (src/journal/cursor.rs). Clients do not read it; the judge does,
//! to see what they can still be given.

use super::kafka::{Log, Place, TOPICS, topic_id};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const PLAIN: u8 = 3;

/// The offset to be read next, by partition and by its topic's generation; 0 where nothing is named.
#[derive(Debug, Default)]
pub struct Cursor(BTreeMap<(usize, usize), Vec<i64>>);

impl Cursor {
    pub fn read(text: &str, log: &Log) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let mut rest = bytes.strip_prefix(&[PLAIN])?.strip_prefix(&hash("simulated"))?;
        let mut cursor = Cursor::default();
        for _ in 0..number(&mut rest)? {
            let (name, after) = rest.split_first_chunk::<4>()?;
            let (id, after) = after.split_first_chunk::<4>()?;
            rest = after;
            let topic = TOPICS.iter().position(|topic| hash(topic) == *name)?;
            let mut generations = 0..=log.generation(topic);
            let generation = generations.find(|generation| hash(&topic_id(topic, *generation)) == *id)?;
            let positions = (0..number(&mut rest)?).map(|_| number(&mut rest)).collect::<Option<_>>()?;
            cursor.0.insert((topic, generation), positions);
        }
        rest.is_empty().then_some(cursor)
    }

    /// Topics and their generations.
    pub fn topics(&self) -> impl Iterator<Item = (usize, usize)> {
        self.0.keys().copied()
    }

    pub fn next(&self, place: Place, generation: usize) -> i64 {
        let positions = self.0.get(&(place.0, generation));
        let number = usize::try_from(place.1).expect("partitions are numbered from 0");
        positions.and_then(|positions| positions.get(number)).copied().unwrap_or(0)
    }
}

fn hash(text: &str) -> [u8; 4] {
    *Sha256::digest(text).first_chunk().expect("a hash has 32 bytes")
}

fn number(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= i64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
