//! The records of a run, each made of one that was encoded before it.
//!
//! ```text
//! {"_id": "{id}", "clientId": "{owner}", "additionalInformation": "{mark}", ...}
//!         24 letters          24 letters                          a mark
//! ```
//!
//! What differs from event to event has a fixed width, so it is written over the bytes in place: a generator that
//! encoded every record would take time from the service that it measures, on the machine that both share.

use super::mark::{MARK_BYTES, Mark, RunId};
use memchr::memmem;

/// The width of an id and of an owner.
const ID_BYTES: usize = 24;

/// What stands for an id and an owner until one is written: letters that no text of the samples has.
const ID: &str = "\u{1}id-of-the-event--------";
const OWNER: &str = "\u{1}owner-of-the-event-----";

const _: () = assert!(ID.len() == ID_BYTES && OWNER.len() == ID_BYTES);

/// A record that is written anew for every event.
pub struct Record {
    run: RunId,
    bytes: Vec<u8>,
    id: usize,
    owner: usize,
    mark: usize,
    /// The event's id, which is the record's key.
    key: String,
}

/// The sample as JSON, with room for what differs.
pub fn sample(text: &str, run: RunId) -> Result<serde_json::Value, serde_json::Error> {
    let escaped = |text: &str| text.replace('\u{1}', "\\u0001");
    let text = text.replace("{id}", &escaped(ID)).replace("{owner}", &escaped(OWNER));
    serde_json::from_str(&text.replace("{mark}", &run.mark(Mark { number: 0, produced_at_ns: 0 })))
}

impl Record {
    /// Of an encoded [`sample`]. None if the encoding does not show its texts as they are.
    pub fn new(run: RunId, bytes: Vec<u8>) -> Option<Record> {
        let at = |text: &str| memmem::find(&bytes, text.as_bytes());
        let mark = at(&run.mark(Mark { number: 0, produced_at_ns: 0 }))?;
        let (id, owner) = (at(ID)?, at(OWNER)?);
        Some(Record { run, bytes, id, owner, mark, key: String::new() })
    }

    pub fn write(&mut self, mark: Mark, owner: &str) {
        self.key = format!("{}{:016x}", self.run, mark.number);
        let texts = [(self.id, self.key.as_str()), (self.owner, owner), (self.mark, &self.run.mark(mark))];
        for (place, text) in texts {
            self.bytes[place..place + text.len()].copy_from_slice(text.as_bytes());
        }
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn value(&self) -> &[u8] {
        &self.bytes
    }
}

/// The `sub` of a customer, by which it owns events. It has the run in it: clients of another run own others.
pub fn customer_id(run: RunId, client: usize) -> String {
    format!("bench-{run}-{client:09}")
}

/// The owner of events that nobody owns.
pub const NOBODY: &str = "bench-nobody------------";

const _: () = assert!(NOBODY.len() == ID_BYTES && MARK_BYTES > ID_BYTES);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::mark::Marks;

    #[test]
    fn what_differs_is_written_in_place() {
        let run: RunId = "5f0c91d2".parse().unwrap();
        for text in [include_str!("order.json"), include_str!("pizza.json")] {
            let value = sample(text, run).unwrap();
            // As in Avro: texts as they are.
            let bytes =
                value.as_object().unwrap().values().filter_map(|value| value.as_str()).collect::<String>();
            let mut record = Record::new(run, bytes.into_bytes()).unwrap();
            for number in [0, 41] {
                let owner = customer_id(run, 7);
                let mark = Mark { number, produced_at_ns: 1_795_350_900_123_456_789 };
                record.write(mark, &owner);
                assert_eq!(Marks::of(run).find(record.value()), Some(mark));
                let has = |text: &str| memmem::find(record.value(), text.as_bytes()).is_some();
                assert!(has(record.key()) && has(&owner) && !has("event"));
            }
        }
        assert_eq!(customer_id(run, 19_004).len(), ID_BYTES);
    }
}
