//! What is wrong with the settings, and where it is written.
//!
//! ```text
//! dumbwaiter.toml:3:10: in web.listen: "127.0.0.1:99999" is not an address (expected ...)
//! environment variable DUMBWAITER_KAFKA__GROUP: in kafka.group: must not be empty
//! ```
//!
//! Faults are gathered and shown together, because a start that fails once for each typing error
//! costs the operator a restart for each. The value of a secret is never part of a fault.

use std::fmt;
use std::sync::Arc;

/// Where a value comes from, in the order in which faults are listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A place in the settings file; line and column count from 1, columns in characters.
    File { name: Arc<str>, line: usize, column: usize },
    /// The environment variable of this name.
    Environment(String),
    /// A `section.key=value` override.
    CommandLine,
    /// Written nowhere: the built-in default.
    Default,
}

impl Origin {
    /// The place of byte `offset` in the file's text.
    pub fn in_file(name: &Arc<str>, text: &str, offset: usize) -> Origin {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::File {
            name: Arc::clone(name),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line, column } => write!(formatter, "{name}:{line}:{column}"),
            Origin::Environment(variable) => write!(formatter, "environment variable {variable}"),
            Origin::CommandLine => formatter.write_str("command line"),
            Origin::Default => formatter.write_str("default"),
        }
    }
}

/// One thing that is wrong, with the key it concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    pub origin: Origin,
    /// The full key, such as `web.listen`; empty where the file as a whole is meant.
    pub key: String,
    /// What is wrong and, where there is one, the way out.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(formatter, "{}: ", self.origin)?;
        }
        if !self.key.is_empty() {
            write!(formatter, "in {}: ", self.key)?;
        }
        formatter.write_str(&self.text)
    }
}

/// All that is wrong, one line each, in the order of the file; then environment, command line, and
/// what is missing altogether.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub fn new(mut faults: Vec<Fault>) -> Faults {
        faults.sort();
        faults.dedup();
        Faults(faults)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(formatter, "{line_end}{fault}")?;
        }
        Ok(())
    }
}

/// What is wrong with a regular expression, on one line; the library's own text draws a picture of several.
pub fn regex_fault(text: &str, error: &regex::Error) -> String {
    let error = error.to_string();
    let cause = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("{text:?} is not a regular expression: {cause}")
}
