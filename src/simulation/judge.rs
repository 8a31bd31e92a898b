//! The judge: what the screens show, against what was written. It knows nothing of the service but its promises.
//!
//! ```text
//! written   a0 a1 b0 a2 b1 | a3 b2 a4 b3      (letters: partitions; all of it for this person)
//! begun                    ^ mark
//! screen          b0 a2 b1   a3 a4 b2 b3      good: each partition from some record before the mark on, each
//!                                             record once, in the partition's order, to the end
//! ```
//!
//! A run that was ended by a gap (which was told), or that of a client without cursors by its disconnection,
//! need not go to the end; everything else holds for it as well.
//!
//! A topic that was made anew is another one, its generation. A run has a topic's generations one after the other, the
//! later ones from their first record on. Of one that is gone it need not have the end that an instance has not read, if
//! that was told.

use super::client::{Client, Person};
use super::gap::{judge_beginning, judge_told};
use super::kafka::{Log, Part, Written};
use super::screen::Run;
use crate::protocol::Protocol;
use std::collections::BTreeMap;

/// What is wrong, if anything.
pub fn judge(log: &Log, clients: &[Client]) -> Result<(), String> {
    for (number, client) in clients.iter().enumerate() {
        let last = client.screen.len().saturating_sub(1);
        for (place, run) in client.screen.iter().enumerate() {
            let judged = judge_run(log, client, run, place == last);
            let Person { role, user, store, .. } = &client.person;
            judged.map_err(|wrong| {
                format!(
                    "client {number} ({role} {user} {store:?}, {}, resumes: {}), run {place} of {}: {wrong}",
                    client.protocol.label(),
                    client.resumes,
                    last + 1
                )
            })?;
        }
        if !client.person.is_refused && client.screen.is_empty() {
            return Err(format!("client {number} was never let in"));
        }
    }
    Ok(())
}

fn judge_run(log: &Log, client: &Client, run: &Run, is_last: bool) -> Result<(), String> {
    if client.person.is_refused {
        let saw = || format!("a stranger saw {:?}", run.seen);
        return if run.seen.is_empty() { Ok(()) } else { Err(saw()) };
    }
    judge_beginning(log, run)?;
    if client.resumes {
        judge_told(log, run, is_last)?;
    }
    let mut seen: BTreeMap<Part, Vec<usize>> = BTreeMap::new();
    let (mut generations, none) = (BTreeMap::<usize, Generations>::new(), Generations::new());
    for (place, id) in run.seen.iter().enumerate() {
        let record = &log.records[*id];
        if !is_entitled(&client.person, client.protocol, record) {
            return Err(format!("record {id} is none of its business: {record:?}"));
        }
        let generations = generations.entry(record.place.0).or_default();
        if generations.last_key_value().is_some_and(|(newest, _)| *newest > record.generation) {
            return Err(format!("record {id} came behind those of the topic made anew: {record:?}"));
        }
        generations.insert(record.generation, place);
        seen.entry(record.part()).or_default().push(*id);
    }
    let mut entitled: BTreeMap<Part, Vec<usize>> = BTreeMap::new();
    for (id, record) in log.records.iter().enumerate() {
        if is_entitled(&client.person, client.protocol, record) {
            entitled.entry(record.part()).or_default().push(id);
        }
    }
    for (part, entitled) in &entitled {
        let (place, generation) = *part;
        let of_topic = generations.get(&place.0).unwrap_or(&none);
        let is_later = of_topic.range(..generation).next().is_some();
        let mark = if is_later { 0 } else { run.begun.written };
        let is_gone = generation < log.generation(place.0);
        let behind = of_topic.range(..=generation).next_back().map_or(0, |(_, last)| last + 1);
        let is_told = run.told.iter().any(|told| told.place >= behind);
        let end = match (is_last, is_gone && (is_told || !client.resumes)) {
            (false, _) => 0,
            (true, false) => entitled.len(),
            (true, true) => entitled.partition_point(|id| log.records[*id].offset < log.read_of_gone(*part)),
        };
        judge_partition(mark, entitled, seen.get(part).map_or(&[], Vec::as_slice), end)
            .map_err(|wrong| format!("in partition {part:?}, {wrong}"))?;
    }
    Ok(())
}

/// Of one topic, each with the place of the last record that was seen of it.
type Generations = BTreeMap<usize, usize>;

/// Ids of one partition grow with its offsets. So many of them have to be there, or as far as it goes beyond.
fn judge_partition(mark: usize, entitled: &[usize], seen: &[usize], due: usize) -> Result<(), String> {
    if let Some(pair) = seen.windows(2).find(|pair| pair[0] >= pair[1]) {
        let what = if seen.iter().filter(|id| **id == pair[1]).count() > 1 { "twice" } else { "late" };
        return Err(format!("record {} came {what}, behind {}", pair[1], pair[0]));
    }
    let must_begin = entitled.partition_point(|id| *id < mark);
    let (begin, end) = match (seen.first(), seen.last()) {
        (Some(first), Some(last)) => {
            (entitled.partition_point(|id| id < first), entitled.partition_point(|id| id <= last))
        }
        _ => (must_begin, must_begin),
    };
    let end = end.max(due);
    let expected = &entitled[begin.min(must_begin).min(end)..end];
    match expected.iter().find(|id| seen.binary_search(id).is_err()) {
        Some(missing) => Err(format!("record {missing} is missing (told at {mark}): saw {seen:?}")),
        None => Ok(()),
    }
}

fn is_entitled(person: &Person, protocol: Protocol, record: &Written) -> bool {
    let is_staff = matches!(person.role, "ADMIN" | "WATCHER");
    let is_owner = record.owner.as_ref() == Some(&person.user);
    let is_of_store = record.store.is_some() && record.store == person.store;
    record.is_event_for(protocol) && (is_staff || is_owner || is_of_store)
}
