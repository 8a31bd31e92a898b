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
    pub default: Option<Shown>,
    /// What the default is made of, where it differs from machine to machine.
    pub computed: Option<&'static str>,
    /// The value in use; secrets masked.
    pub value: Option<Shown>,
    pub origin: Origin,
}

/// A value as it can be shown and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    Text(String),
    /// What TOML writes without quotes: integers, true and false.
    Bare(String),
    List(Vec<String>),
    /// Names and values; none is a value that is not to be shown.
    Table(Vec<(String, Option<String>)>),
    /// A secret, of which only is known that it is set.
    Hidden,
}

/// What stands in place of a secret.
const HIDDEN: &str = "(hidden)";

/// For people, and as one variable or override would take it.
impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Text(text) | Shown::Bare(text) => formatter.write_str(text),
            Shown::List(items) => formatter.write_str(&items.join(",")),
            Shown::Table(entries) => {
                let shown = |(name, value): &(String, Option<String>)| {
                    format!("{name}={}", value.as_deref().unwrap_or(HIDDEN))
                };
                formatter.write_str(&entries.iter().map(shown).collect::<Vec<_>>().join(","))
            }
            Shown::Hidden => formatter.write_str(HIDDEN),
        }
    }
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
