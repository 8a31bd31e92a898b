//! The judge of gaps: whether one that was told had to be, and whether one that had to be was told.
//!
//! What lies behind a cursor may be out of an instance's window, which keeps what is younger than [`WINDOW`]; or the
//! cursor is of a topic that was made anew since. An instance that has not noticed the latter takes a cursor of
//! one that has for another topic's: that one needless gap is its excuse. Between events only a topic that was
//! made anew is a gap, and it has to be told before the first record of the new one.

use super::cursor::Cursor;
use super::instance::{Excuses, WINDOW};
use super::kafka::{Log, Moment, Part, TOPICS, Written};
use super::screen::{Comeback, Run, Told};
use std::collections::BTreeSet;

/// Producers' clocks do not agree, and a client is told some time after the instance has decided.
const SLACK_MS: i64 = 1_000;

/// Of the gap with which a run begins, if its client has been here before.
pub fn judge_beginning(log: &Log, run: &Run) -> Result<(), String> {
    let Some(Comeback { cursor, excuses }) = &run.comeback else {
        return run.gap.as_ref().map_or(Ok(()), |gap| Err(format!("told of a gap to nobody: {gap}")));
    };
    let Some(gap) = run.gap.as_deref() else {
        // The reason comes behind the beginning, and may have been lost with the connection.
        return if run.is_silent { Err("it begins anew, and is not told why".to_owned()) } else { Ok(()) };
    };
    let cursor = Cursor::read(cursor, log).ok_or_else(|| format!("this is no cursor: {cursor}"))?;
    let is_needed = match gap {
        "recreated" => is_ahead(excuses, &cursor) || is_of_another(log, &cursor, run.begun),
        "too_old" => excuses.is_short || has_left_the_window(log, &cursor, run.begun),
        other => return Err(format!("told of a gap that cannot be: {other}")),
    };
    if is_needed { Ok(()) } else { Err(format!("told of a needless gap, {gap}: {cursor:?}")) }
}

fn is_ahead(excuses: &Excuses, cursor: &Cursor) -> bool {
    cursor.topics().any(|(topic, generation)| generation > excuses.generations[topic])
}

fn is_of_another(log: &Log, cursor: &Cursor, at: Moment) -> bool {
    cursor.topics().any(|(topic, generation)| generation < log.generation_at(topic, at))
}

fn has_left_the_window(log: &Log, cursor: &Cursor, at: Moment) -> bool {
    let oldest_ms = at.time_ms - i64::try_from(WINDOW.as_millis()).expect("it is short") + SLACK_MS;
    let written = &log.records[..at.written];
    let parts: BTreeSet<Part> = written.iter().map(Written::part).collect();
    let mut parts = parts
        .into_iter()
        .filter(|(place, generation)| cursor.topics().any(|of| of == (place.0, *generation)));
    parts.any(|(place, generation)| {
        let of_it = || written.iter().filter(|record| record.part() == (place, generation));
        let first = of_it().find(|record| record.timestamp_ms >= oldest_ms).map(|record| record.offset);
        let end = of_it().next_back().map(|record| record.offset + 1);
        first.or(end).is_some_and(|first| cursor.next(place, generation) < first)
    })
}

/// Of what is told between events to a client with cursors.
pub fn judge_told(log: &Log, run: &Run, is_last: bool) -> Result<(), String> {
    for (number, Told { at, gap, .. }) in run.told.iter().enumerate() {
        if gap != "recreated" {
            return Err(format!("told of a gap that cannot be: {gap}"));
        }
        if number >= at.recreated {
            return Err(format!("told of a topic made anew {} times, of {}", number + 1, at.recreated));
        }
    }
    let mut told: Vec<usize> = run.told.iter().map(|told| told.place).collect();
    for (old, new) in changes(log, run) {
        // Each of them needs one of its own.
        let Some(place) = told.iter().position(|place| old < *place && *place <= new) else {
            let what = (run.seen[old], run.seen[new]);
            return Err(format!("a topic was made anew between records {what:?}, and that was not told"));
        };
        told.remove(place);
    }
    let during: BTreeSet<usize> = log.recreated[run.begun.recreated..].iter().copied().collect();
    if is_last && run.told.len() < during.len() {
        return Err(format!("told {} times of topics made anew, {during:?}", run.told.len()));
    }
    Ok(())
}

/// Where a topic's records are followed by those of another one of that name; the earliest second first.
fn changes(log: &Log, run: &Run) -> Vec<(usize, usize)> {
    let generation = |place: usize| log.records[run.seen[place]].generation;
    let changes = (0..TOPICS.len()).flat_map(|topic| {
        let places = (0..run.seen.len()).filter(|place| log.records[run.seen[*place]].place.0 == topic);
        let places: Vec<usize> = places.collect();
        let pairs = places.windows(2).map(|pair| (pair[0], pair[1]));
        pairs.filter(|(old, new)| generation(*old) != generation(*new)).collect::<Vec<_>>()
    });
    let mut changes: Vec<(usize, usize)> = changes.collect();
    changes.sort_unstable_by_key(|(_, new)| *new);
    changes
}
