//! Revocation: logins that hold no longer, although nothing in them has expired.
//!
//! ```text
//! key            value                            what it revokes
//! user:<id>      {"issued_before": 1790000000}    every login of a user that was issued before
//! token:<jti>    {}                               one token
//! everybody      {"issued_before": 1790000000}    every login that was issued before
//! any of these   none (a tombstone)               lifts it
//! ```
//!
//! In come records of the control topic; out come [`Rules`], which say whether a [`Login`] is revoked. Times are
//! seconds since 1970, as in tokens. `until` beside them says from when on a rule may be forgotten, because what
//! it revokes has expired. Pure: reading is left to `consume`, ending connections to `shard`.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use parking_lot::RwLock;
use serde_json::{Map, Value};

use super::Claims;
use super::rules::date;
use super::settings::Settings;
use crate::clock::since_epoch_ms;
use crate::limits::{REVOCATION_KEY_MAX_BYTES, REVOCATION_VALUE_MAX_BYTES, REVOCATIONS_MAX};

const USER: &str = "user:";
const TOKEN: &str = "token:";
const EVERYBODY: &str = "everybody";

/// A record's key by its hash: all that is kept of whom a rule is about. Of 64 bits, so that two keys are taken for
/// each other once in billions of years, and of a hash by which nobody can bring that about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(NonZeroU64);

impl Mark {
    const EVERYBODY: Mark = Mark(NonZeroU64::MIN);

    fn of(kind: &str, id: &str) -> Mark {
        let mut hash = Context::new(&SHA256);
        hash.update(kind.as_bytes());
        hash.update(id.as_bytes());
        let first = hash.finish().as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Mark(NonZeroU64::new(first).unwrap_or(NonZeroU64::MAX))
    }
}

/// What a connection has to remember of its login so that it can be revoked: 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Login {
    user: Option<Mark>,
    token: Option<Mark>,
    /// Milliseconds since 1970. What does not say when it was issued counts as issued then, before any rule's time.
    issued_ms: u64,
}

impl Login {
    /// An issue time ahead of `now` counts as now, so that a clock that is fast puts nothing out of reach.
    pub fn of(claims: &Claims, user_claim: &str, now: SystemTime) -> Login {
        Login {
            user: claims.get(user_claim).and_then(|user| mark(USER, user)),
            token: claims.get("jti").and_then(|token| mark(TOKEN, token)),
            issued_ms: claims.issued_at().map_or(0, |issued| since_epoch_ms(issued.min(now))),
        }
    }

    fn is_met(&self, issued_before_ms: impl Fn(Mark) -> Option<u64>) -> bool {
        let marks = [self.user, self.token, Some(Mark::EVERYBODY)].into_iter().flatten();
        marks.filter_map(issued_before_ms).any(|before| self.issued_ms < before)
    }
}

fn mark(kind: &str, id: &Value) -> Option<Mark> {
    match id {
        Value::String(text) => Some(Mark::of(kind, text)),
        Value::Number(number) => Some(Mark::of(kind, &number.to_string())),
        _ => None,
    }
}

/// What one record of the control topic says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    mark: Mark,
    /// None lifts it.
    rule: Option<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    issued_before_ms: u64,
    /// From when on nothing is left that it could revoke, counted without how long logins live.
    since_ms: Option<u64>,
    /// The same as the record says it.
    until_ms: Option<u64>,
}

/// Why a record says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    #[error("key or value is too long")]
    TooLarge,
    #[error("key is not user:<id>, token:<jti> or everybody")]
    Key,
    #[error("value is not a JSON object")]
    Value,
    #[error("issued_before is missing, or not a number of seconds since 1970")]
    IssuedBefore,
    #[error("until is not a number of seconds since 1970")]
    Until,
}

impl Change {
    /// Reads a record; `timestamp_ms` is Kafka's.
    pub fn parse(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp_ms: Option<i64>,
    ) -> Result<Change, RecordFault> {
        let (key, value_bytes) = (key.ok_or(RecordFault::Key)?, value.map_or(0, <[u8]>::len));
        if key.len() > REVOCATION_KEY_MAX_BYTES || value_bytes > REVOCATION_VALUE_MAX_BYTES {
            return Err(RecordFault::TooLarge);
        }
        let key = str::from_utf8(key).map_err(|_| RecordFault::Key)?;
        let is_token = key.starts_with(TOKEN);
        let mark = read_key(key).ok_or(RecordFault::Key)?;
        let rule = value.map(|value| Rule::parse(is_token, value, timestamp_ms)).transpose()?;
        Ok(Change { mark, rule })
    }
}

fn read_key(key: &str) -> Option<Mark> {
    if key == EVERYBODY {
        return Some(Mark::EVERYBODY);
    }
    let (kind, id) = [USER, TOKEN].into_iter().find_map(|kind| Some((kind, key.strip_prefix(kind)?)))?;
    (!id.is_empty()).then(|| Mark::of(kind, id))
}

impl Rule {
    fn parse(is_token: bool, value: &[u8], timestamp_ms: Option<i64>) -> Result<Rule, RecordFault> {
        let value: Map<String, Value> = serde_json::from_slice(value).map_err(|_| RecordFault::Value)?;
        let until = date(&value, "until").map_err(|_| RecordFault::Until)?;
        let (issued_before_ms, since_ms) = if is_token {
            // A token is older than the word that it is revoked.
            (u64::MAX, timestamp_ms.and_then(|millis| u64::try_from(millis).ok()))
        } else {
            let before = date(&value, "issued_before").ok().flatten().ok_or(RecordFault::IssuedBefore)?;
            (since_epoch_ms(before), Some(since_epoch_ms(before)))
        };
        Ok(Rule { issued_before_ms, since_ms, until_ms: until.map(since_epoch_ms) })
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    Revoked,
    Lifted,
    /// All that it revokes has expired.
    Past,
}

/// The rules in force.
#[derive(Debug)]
pub struct Rules {
    by_mark: HashMap<Mark, InForce, foldhash::fast::RandomState>,
    /// In the order in which they are forgotten.
    by_end: BTreeSet<End>,
    /// How long after its time a rule may have something to revoke; none: for ever.
    retention: Option<Duration>,
    most: usize,
}

#[derive(Debug)]
struct InForce {
    issued_before_ms: u64,
    end: End,
}

/// When a rule is forgotten, and what comes first of those that never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    at_ms: u64,
    since_ms: u64,
    mark: Mark,
}

impl Rules {
    fn new(retention: Option<Duration>, most: usize) -> Rules {
        Rules { by_mark: HashMap::default(), by_end: BTreeSet::new(), retention, most }
    }

    fn apply(&mut self, change: Change, now: SystemTime) -> Applied {
        if let Some(earlier) = self.by_mark.remove(&change.mark) {
            self.by_end.remove(&earlier.end);
        }
        let Some(rule) = change.rule else { return Applied::Lifted };
        let end = self.end(change.mark, rule);
        if end.at_ms <= since_epoch_ms(now) {
            return Applied::Past;
        }
        let issued_before_ms = rule.issued_before_ms;
        self.by_mark.insert(change.mark, InForce { issued_before_ms, end });
        self.by_end.insert(end);
        Applied::Revoked
    }

    fn end(&self, mark: Mark, rule: Rule) -> End {
        let counted = self.retention.zip(rule.since_ms).map(|(retention, since_ms)| {
            since_ms.saturating_add(u64::try_from(retention.as_millis()).unwrap_or(u64::MAX))
        });
        let at_ms = rule.until_ms.or(counted).unwrap_or(u64::MAX);
        End { at_ms, since_ms: rule.since_ms.unwrap_or(0), mark }
    }

    /// Drops what has nothing left to revoke.
    fn forget(&mut self, now: SystemTime) {
        let now_ms = since_epoch_ms(now);
        while self.by_end.first().is_some_and(|end| end.at_ms <= now_ms) {
            self.drop_first();
        }
    }

    /// Drops what is over the bound, the one that would be forgotten first: what it revokes expires first. Tells
    /// how many.
    fn evict(&mut self) -> usize {
        let over = self.by_mark.len().saturating_sub(self.most);
        (0..over).for_each(|_| self.drop_first());
        over
    }

    fn drop_first(&mut self) {
        if let Some(end) = self.by_end.pop_first() {
            self.by_mark.remove(&end.mark);
        }
    }

    fn revoke(&self, login: &Login) -> bool {
        login.is_met(|mark| self.by_mark.get(&mark).map(|rule| rule.issued_before_ms))
    }
}

/// The rules that came together, for connections that were let in before.
#[derive(Debug, Default)]
pub struct Batch {
    issued_before_ms: HashMap<Mark, u64, foldhash::fast::RandomState>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.issued_before_ms.is_empty()
    }

    pub fn revokes(&self, login: &Login) -> bool {
        login.is_met(|mark| self.issued_before_ms.get(&mark).copied())
    }

    fn note(&mut self, change: Change, applied: Applied) {
        match change.rule.filter(|_| applied == Applied::Revoked) {
            Some(rule) => self.issued_before_ms.insert(change.mark, rule.issued_before_ms),
            None => self.issued_before_ms.remove(&change.mark),
        };
    }
}

/// The rules as all parts share them.
pub struct Revocations {
    /// Written by the control topic's thread, a batch at a time; read by whoever lets somebody in, three lookups
    /// each. A lock, since a copy of all rules for each change would cost more than it saves.
    rules: RwLock<Rules>,
    user_claim: String,
}

impl Revocations {
    pub fn new(settings: &Settings) -> Revocations {
        let rules = RwLock::new(Rules::new(retention(settings), REVOCATIONS_MAX));
        Revocations { rules, user_claim: settings.revocation.user_claim.clone() }
    }

    pub fn login(&self, claims: &Claims, now: SystemTime) -> Login {
        Login::of(claims, &self.user_claim, now)
    }

    pub fn revoke(&self, login: &Login) -> bool {
        self.rules.read().revoke(login)
    }

    /// Puts changes in force, in their order. `note` hears of each; out comes what is to be asked of connections.
    pub fn apply(&self, changes: &[Change], now: SystemTime, mut note: impl FnMut(Applied)) -> Batch {
        let (mut batch, mut rules) = (Batch::default(), self.rules.write());
        for change in changes {
            let applied = rules.apply(*change, now);
            batch.note(*change, applied);
            note(applied);
        }
        batch
    }

    /// Drops what has nothing left to revoke, then what is over the bound: how many are left, and how many had to
    /// go before their time.
    pub fn tidy(&self, now: SystemTime) -> (usize, usize) {
        let mut rules = self.rules.write();
        rules.forget(now);
        let evicted = rules.evict();
        (rules.by_mark.len(), evicted)
    }
}

/// No token lives longer than `auth.max_lifetime`. Of sessions only the login knows how long they live.
fn retention(settings: &Settings) -> Option<Duration> {
    let longest = settings.rules.max_lifetime.filter(|_| settings.session.is_none());
    longest.map(|longest| longest + settings.rules.leeway)
}

#[cfg(test)]
mod tests;
