//! Reading one section, key by key.
//!
//! [`Section::key`] names a key and says what it means; the method called on it says its form and its
//! default. Whatever is wrong is recorded in the document and the default is given, so that reading
//! goes on and the operator sees all faults at once. Bounds and forms are judged in `form`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use super::description::{DescribedKey, Kind, Shown};
use super::document::Document;
use super::fault::Origin;
use super::file::{self, SmallFile};
use super::form::{
    Address, BytesIn, Choice, DurationIn, FilePath, Flag, Form, HTTP, HttpUrls, IntegerIn, List, REDIS, Text,
};
use super::value::{Value, Written};

/// One section of the settings, open for reading.
pub struct Section<'d> {
    document: &'d mut Document,
    name: Cow<'static, str>,
}

impl<'d> Section<'d> {
    pub(super) fn new(document: &'d mut Document, name: Cow<'static, str>) -> Section<'d> {
        Section { document, name }
    }

    /// Names a key; `doc` is its line in the reference (meaning and, at a bare number, the unit).
    pub fn key(&mut self, name: &'static str, doc: &'static str) -> Key<'_> {
        Key { document: self.document, section: &self.name, name, doc, computed: None }
    }

    /// Whether the key, or its `_file` form, is written in any layer, be it wrongly.
    pub fn is_written(&self, key: &str) -> bool {
        self.document.find_either(&self.name, key).is_some()
    }

    /// Records what only the part itself can see to be wrong: why, and the way out.
    pub fn fault(&mut self, key: &str, text: impl Into<String>) {
        self.document.fault(&self.name, key, text);
    }
}

/// A key about to be read. The methods ending in `_if_set` are for keys without a default.
#[must_use = "a key is read by the method that says its form"]
pub struct Key<'d> {
    document: &'d mut Document,
    section: &'d str,
    name: &'static str,
    doc: &'static str,
    computed: Option<&'static str>,
}

impl Key<'_> {
    /// Says what the default is made of, for a reference that must not name one machine's.
    pub fn computed(mut self, made_of: &'static str) -> Self {
        self.computed = Some(made_of);
        self
    }

    pub fn text(self, default: &str) -> String {
        self.read(&Text, default.to_owned())
    }

    pub fn text_if_set(self) -> Option<String> {
        self.read_if_set(&Text)
    }

    /// Texts without empty ones; in bare text separated by commas.
    pub fn list(self, default: &[&str]) -> Vec<String> {
        self.read(&List, default.iter().map(|&item| item.to_owned()).collect())
    }

    pub fn duration(self, default: Duration, range: RangeInclusive<Duration>) -> Duration {
        self.read(&DurationIn(range), default)
    }

    pub fn duration_if_set(self, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.read_if_set(&DurationIn(range))
    }

    pub fn bytes(self, default: usize, range: RangeInclusive<usize>) -> usize {
        self.read(&BytesIn(range), default)
    }

    /// An integer of whatever type the range is of; beyond 64 bits signed nothing can be written.
    pub fn integer<T>(self, default: T, range: RangeInclusive<T>) -> T
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        self.read(&IntegerIn(range), default)
    }

    pub fn integer_if_set<T>(self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        self.read_if_set(&IntegerIn(range))
    }

    pub fn flag(self, default: bool) -> bool {
        self.read(&Flag, default)
    }

    /// An IP address and a port; names are not looked up for a listener.
    pub fn address(self, default: impl Into<SocketAddr>) -> SocketAddr {
        self.read(&Address, default.into())
    }

    pub fn address_if_set(self) -> Option<SocketAddr> {
        self.read_if_set(&Address)
    }

    pub fn path(self, default: impl AsRef<Path>) -> PathBuf {
        self.read(&FilePath, default.as_ref().to_owned())
    }

    pub fn path_if_set(self) -> Option<PathBuf> {
        self.read_if_set(&FilePath)
    }

    /// The path of a small text file, such as a key or a certificate: gives its content. One that cannot
    /// be read is a fault like any other.
    pub fn file_content_if_set(self) -> Option<String> {
        self.small_file_if_set().map(|(_, content)| content)
    }

    /// The same with the path.
    pub fn small_file_if_set(self) -> Option<(PathBuf, String)> {
        self.read_if_set(&SmallFile)
    }

    /// An http or https address without credentials in it, so it may be logged as it is.
    pub fn url_if_set(self) -> Option<Url> {
        self.read_if_set(&HTTP)
    }

    /// A redis or rediss address, without credentials in it too.
    pub fn redis_url_if_set(self) -> Option<Url> {
        self.read_if_set(&REDIS)
    }

    /// Several such addresses; none by default.
    pub fn urls(self) -> Vec<Url> {
        self.read(&HttpUrls, Vec::new())
    }

    /// One of the words of a closed set.
    pub fn choice<T: Copy + PartialEq>(self, choices: &[(&'static str, T)], default: T) -> T {
        self.read(&Choice(choices), default)
    }

    /// The same without a default.
    pub fn choice_if_set<T: Copy + PartialEq>(self, choices: &[(&'static str, T)]) -> Option<T> {
        self.read_if_set(&Choice(choices))
    }

    /// A secret, written under the key itself or as the path of a file under `<key>_file`. The file's
    /// content is taken without the white space around it, which editors and `echo` leave there.
    pub fn secret(self) -> Option<SecretString> {
        let (secret, origin) = match self.find_secret() {
            None => (None, Origin::Default),
            Some((origin, Ok(secret))) => (Some(secret), origin),
            Some((origin, Err(text))) => {
                self.document.push_fault(origin.clone(), self.full_name(), text);
                (None, origin)
            }
        };
        let shown = secret.as_ref().map(|_| Shown::Hidden);
        self.describe(Kind::Secret, None, [None, shown], origin);
        secret
    }

    /// A table of foreign names (such as Kafka client properties), sorted by name. The names are not
    /// checked here; the value of one whose name tells of a secret is left out of descriptions.
    pub fn table(self) -> Vec<(String, String)> {
        let mut entries = BTreeMap::new();
        let mut origin = Origin::Default;
        if let Some(written) = self.document.find_in_file(self.section, self.name) {
            origin = written.origin.clone();
            match table_entries(&written.value) {
                Ok(table) => entries.extend(table),
                Err(text) => self.document.push_fault(origin.clone(), self.full_name(), text),
            }
        }
        for origin in self.nameless_entries() {
            let path = self.full_name();
            let text = format!(
                "is taken from the file only, where it is written as [{path}], and from the command line, \
                 as --set {path}.NAME=VALUE"
            );
            self.document.push_fault(origin, path, text);
        }
        for (name, value) in self.overridden_entries() {
            entries.insert(name, value);
            origin = Origin::CommandLine;
        }
        let shown: Vec<_> = entries.iter().map(|(name, value)| show_entry(name, value)).collect();
        self.describe(Kind::Table, None, [None, (!shown.is_empty()).then_some(Shown::Table(shown))], origin);
        entries.into_iter().collect()
    }

    /// An array of tables, each read by `read` like a section of its own, in the order of the file.
    pub fn tables<T>(self, mut read: impl FnMut(&mut Section<'_>) -> T) -> Vec<T> {
        let Key { document, section, name, doc, computed } = self;
        let written = document.find(section, name);
        let origin = written.map_or(Origin::Default, |written| written.origin.clone());
        let key = DescribedKey {
            name,
            doc,
            kind: Kind::Tables,
            allowed: None,
            default: None,
            computed,
            value: None,
            origin,
        };
        document.describe(section, key);
        let tables = document.lift_tables(section, name);
        tables.into_iter().map(|table| read(&mut document.open(table.into(), doc))).collect()
    }

    fn read<F: Form>(mut self, form: &F, default: F::Output) -> F::Output {
        let shown_default = form.describe(&default);
        let (output, origin) = self.parse(form);
        let output = output.unwrap_or(default);
        let shown = form.describe(&output);
        self.describe(F::KIND, form.allowed(), [Some(shown_default), Some(shown)], origin);
        output
    }

    fn read_if_set<F: Form>(mut self, form: &F) -> Option<F::Output> {
        let (output, origin) = self.parse(form);
        let shown = output.as_ref().map(|output| form.describe(output));
        self.describe(F::KIND, form.allowed(), [None, shown], origin);
        output
    }

    fn parse<F: Form>(&mut self, form: &F) -> (Option<F::Output>, Origin) {
        let Some(written) = self.document.find(self.section, self.name) else {
            return (None, Origin::Default);
        };
        let origin = written.origin.clone();
        match form.parse(&written.value) {
            Ok(output) => (Some(output), origin),
            Err(text) => {
                self.document.push_fault(origin.clone(), self.full_name(), text);
                (None, origin)
            }
        }
    }

    /// The topmost layer that has the secret in either form decides, even when it decides wrongly: to
    /// fall back to a lower one would run with a key nobody meant.
    fn find_secret(&self) -> Option<(Origin, Result<SecretString, String>)> {
        let file_key = format!("{}_file", self.name);
        let layers = self.document.layers_from_top();
        let sections = layers.into_iter().filter_map(|layer| layer.get(self.section));
        let (direct, file) = sections
            .map(|section| (section.keys.get(self.name), section.keys.get(&file_key)))
            .find(|(direct, file)| direct.is_some() || file.is_some())?;
        let outcome = match (direct, file) {
            (Some(_), Some(_)) => Err(format!("is written together with {file_key}; keep one of the two")),
            (Some(written), None) => read_secret_text(written, &file_key),
            (None, Some(written)) => {
                file::read_secret(&written.value).map_err(|text| format!("{file_key} {text}"))
            }
            (None, None) => return None,
        };
        Some((direct.or(file)?.origin.clone(), outcome))
    }

    /// Entries of the table that the command line sets, as `kafka.properties.acks=1`.
    fn overridden_entries(&self) -> Vec<(String, String)> {
        let section = self.document.command_line.get(self.section);
        let keys = section.into_iter().flat_map(|section| &section.keys);
        let entries = keys.filter_map(|(key, written)| {
            let name = key.strip_prefix(self.name)?.strip_prefix('.')?;
            Some((name.to_owned(), written.value.scalar_text()?))
        });
        entries.collect()
    }

    /// Where the table is written so that no entry can be made of it: by a variable, or by an override of the whole.
    fn nameless_entries(&self) -> Vec<Origin> {
        let variables = self.document.environment.get(self.section);
        let variables = variables.into_iter().flat_map(|section| &section.keys);
        let variables = variables.filter(|(key, _)| key.split('.').next() == Some(self.name));
        let whole = self.document.command_line.get(self.section);
        let whole = whole.and_then(|section| section.keys.get(self.name));
        variables.map(|(_, written)| written).chain(whole).map(|written| written.origin.clone()).collect()
    }

    fn full_name(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    fn describe(
        self,
        kind: Kind,
        allowed: Option<String>,
        [default, value]: [Option<Shown>; 2],
        origin: Origin,
    ) {
        let Key { document, section, name, doc, computed } = self;
        document
            .describe(section, DescribedKey { name, doc, kind, allowed, default, computed, value, origin });
    }
}

fn read_secret_text(written: &Written, file_key: &str) -> Result<SecretString, String> {
    if written.origin == Origin::CommandLine {
        return Err(format!(
            "is not taken from the command line, which every process can read; use {file_key}"
        ));
    }
    match written.value.as_text() {
        Some("") => Err("is empty".to_owned()),
        Some(text) => Ok(SecretString::from(text)),
        None => Err("is not a text".to_owned()),
    }
}

fn table_entries(value: &Value) -> Result<Vec<(String, String)>, String> {
    let Value::Table(table) = value else {
        return Err(format!("{value} is not a table"));
    };
    let mut entries = Vec::new();
    flatten(table, "", &mut entries)?;
    Ok(entries)
}

/// Dotted names may be quoted in TOML or not; unquoted they arrive as tables within tables.
fn flatten(
    table: &[(String, Written)],
    prefix: &str,
    entries: &mut Vec<(String, String)>,
) -> Result<(), String> {
    for (name, Written { value, .. }) in table {
        let name = format!("{prefix}{name}");
        if let Value::Table(inner) = value {
            flatten(inner, &format!("{name}."), entries)?;
        } else {
            let text = value.scalar_text().ok_or_else(|| format!("{name} is {value}, not a text"))?;
            entries.push((name, text));
        }
    }
    Ok(())
}

fn show_entry(name: &str, value: &str) -> (String, Option<String>) {
    const SECRET_WORDS: [&str; 6] = ["password", "secret", "token", "key", "jaas", "credential"];
    let tells_of_secret = SECRET_WORDS.iter().any(|word| name.contains(word));
    (name.to_owned(), (!tells_of_secret).then(|| value.to_owned()))
}
