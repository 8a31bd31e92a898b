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

use super::client::{Client, Person, Run};
use super::kafka::{Place, Written};
use crate::protocol::Protocol;
use std::collections::BTreeMap;

/// What is wrong, if anything.
pub fn judge(written: &[Written], clients: &[Client]) -> Result<(), String> {
    for (number, client) in clients.iter().enumerate() {
        let last = client.screen.len().saturating_sub(1);
        for (place, run) in client.screen.iter().enumerate() {
            let judged = judge_run(written, client, run, place == last);
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

fn judge_run(written: &[Written], client: &Client, run: &Run, is_last: bool) -> Result<(), String> {
    if client.person.is_refused {
        let saw = || format!("a stranger saw {:?}", run.seen);
        return if run.seen.is_empty() { Ok(()) } else { Err(saw()) };
    }
    if let Some(gap) = run.gap.as_ref().filter(|gap| **gap != "too_old") {
        return Err(format!("told of a gap that cannot be: {gap}"));
    }
    let mut seen: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    for id in &run.seen {
        let record = &written[*id];
        if !is_entitled(&client.person, client.protocol, record) {
            return Err(format!("record {id} is none of its business: {record:?}"));
        }
        seen.entry(record.place).or_default().push(*id);
    }
    let mut entitled: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    for (id, record) in written.iter().enumerate() {
        if is_entitled(&client.person, client.protocol, record) {
            entitled.entry(record.place).or_default().push(id);
        }
    }
    for (place, entitled) in &entitled {
        judge_partition(run.mark, entitled, seen.get(place).map_or(&[], Vec::as_slice), is_last)
            .map_err(|wrong| format!("in partition {place:?}, {wrong}"))?;
    }
    Ok(())
}

/// Ids of one partition grow with its offsets.
fn judge_partition(mark: usize, entitled: &[usize], seen: &[usize], is_last: bool) -> Result<(), String> {
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
    let end = if is_last { entitled.len() } else { end };
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
