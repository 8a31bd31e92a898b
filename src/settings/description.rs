//! What was asked for: the source of the configuration reference and of `--print-config`.
//!
//! A description is recorded by the very call that reads the key, so it cannot fall behind the code.
//! Values of secrets are not in it at all, only that they are set.

use std::fmt;

use super::fault::Origin;

/// One section with the keys that were read from it, in reading order.
#[derive(Clone, Debug)]
pub struct DescribedSection {
    pub name: &'static str,
    pub doc: &'static str,
    pub keys: Vec<DescribedKey>,
}

/// One key: what it means, and what it is now.
#[derive(Clone, Debug)]
pub struct DescribedKey {
    pub name: &'static str,
    pub doc: &'static str,
    pub kind: Kind,
    /// What it takes, where the kind alone does not say it: a range, or the words to choose from.
    pub allowed: Option<String>,
    /// The value when nothing is written; none where that means "not set".
    pub default: Option<String>,
    /// The value in use, in the form in which it can be written; secrets masked.
    pub value: Option<String>,
    pub origin: Origin,
}

/// The forms a value can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    List,
    Duration,
    Bytes,
    Integer,
    Flag,
    Address,
    Path,
    Url,
    Urls,
    Choice,
    /// Written as it is, or as the path of a file under `<key>_file`.
    Secret,
    /// A table of foreign names, which are not checked here.
    Table,
}

impl Kind {
    /// How the kind is called in the reference of all keys.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::List => "list of texts",
            Kind::Duration => "duration",
            Kind::Bytes => "bytes",
            Kind::Integer => "integer",
            Kind::Flag => "true or false",
            Kind::Address => "address and port",
            Kind::Path => "path",
            Kind::Url => "URL",
            Kind::Urls => "list of URLs",
            Kind::Choice => "choice",
            Kind::Secret => "secret",
            Kind::Table => "table",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}
