//! What was asked for: the source of the configuration reference and of `--print-config`.
//!
//! A description is recorded by the very call that reads the key, so it cannot fall behind the code.
//! Values of secrets are not in it at all, only that they are set.

use std::borrow::Cow;
use std::fmt;

use super::fault::Origin;

/// One section with the keys that were read from it, in reading order.
#[derive(Clone, Debug)]
pub struct DescribedSection {
    /// Such as `web`; of the tables of an array `auth.keys[0]`, and so on.
    pub name: Cow<'static, str>,
    pub doc: &'static str,
    pub keys: Vec<DescribedKey>,
}

impl DescribedSection {
    /// The section's head as it is written in the file: `[web]`, `[[auth.keys]]`.
    pub fn heading(&self) -> String {
        match self.name.split_once('[') {
            Some((array, _)) => format!("[[{array}]]"),
            None => format!("[{}]", self.name),
        }
    }

    /// Whether it is one table of an array, which only the file can have.
    pub fn is_table_of_array(&self) -> bool {
        is_table_of_array(&self.name)
    }
}

pub(super) fn is_table_of_array(section: &str) -> bool {
    section.ends_with(']')
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
    /// An array of tables. Each is described as a section of its own, so the key itself has no value.
    Tables,
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
            Kind::Tables => "list of tables",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}
