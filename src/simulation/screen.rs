//! What a client shows, and what it was told: all that the judge has to go by.

use super::instance::Excuses;
use super::kafka::Moment;

/// What a client showed without an interruption that it was told of.
#[derive(Debug)]
pub struct Run {
    /// When it was told that it begins: of what had been written by then it may show the newest.
    pub begun: Moment,
    /// What it came back with, so that it has to be told why this is not the run before.
    pub comeback: Option<Comeback>,
    /// Why the run before has a gap, as it was told.
    pub gap: Option<String>,
    /// Events came in the connection with which it began, and before that reason.
    pub is_silent: bool,
    /// Ids, in the order in which they came.
    pub seen: Vec<usize>,
    /// What it was told between them.
    pub told: Vec<Told>,
}

/// Somebody who has been here before.
#[derive(Debug, Clone)]
pub struct Comeback {
    pub cursor: String,
    /// Of the instance that it comes to.
    pub excuses: Excuses,
}

/// A gap between events.
#[derive(Debug)]
pub struct Told {
    /// Behind so many of what was seen.
    pub place: usize,
    pub at: Moment,
    pub gap: String,
}
