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
