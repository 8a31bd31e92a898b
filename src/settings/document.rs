//! The layers in which settings are written, and the record of what was asked for.
//!
//! ```text
//! file                     [web]
//!                          listen = "127.0.0.1:8080"
//! environment              DUMBWAITER_WEB__LISTEN=127.0.0.1:8080
//! command line             web.listen=127.0.0.1:8080
//! ```
//!
//! A later layer beats an earlier one, key by key. An empty variable counts as not set, since compose
//! files pass one for every variable that has no value. Tables (`[kafka.properties]`) come from the
//! file and the command line only: a variable's name cannot spell `ssl.ca.location`. Arrays of tables
//! (`[[auth.keys]]`) come from the file only; each becomes a section of its own, `auth.keys[0]`.
//! Reading typed values is for `section`; what nobody asked for is judged by `unknown`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::description::{DescribedKey, DescribedSection, is_table_of_array};
use super::fault::{Fault, Faults, Origin};
use super::section::Section;
use super::unknown;
use super::value::{Value, Written};

/// Environment variables by name, handed in so that tests never touch the process.
pub type Environment = BTreeMap<String, String>;

/// Variables with this prefix are ours.
pub const ENVIRONMENT_PREFIX: &str = "DUMBWAITER_";

/// One layer's sections by name.
pub(super) type Layer = BTreeMap<String, WrittenSection>;

pub(super) struct WrittenSection {
    /// The section's head in the file; elsewhere the first key that is in it.
    pub origin: Origin,
    pub keys: BTreeMap<String, Written>,
}

/// The settings as written, and what has been read from them so far.
pub struct Document {
    file_name: Arc<str>,
    file: Layer,
    pub(super) environment: Layer,
    /// Variables that have our prefix and do not spell `SECTION__KEY`.
    pub(super) stray_variables: Vec<String>,
    pub(super) command_line: Layer,
    pub(super) described: Vec<DescribedSection>,
    faults: Vec<Fault>,
    /// Arrays of tables that nobody wrote are read as if they had one.
    describes_tables: bool,
    /// A file that is not TOML is reported alone: what follows from it would mislead.
    syntax_faults: Vec<Fault>,
}

impl Document {
    /// No file: environment, command line and defaults only.
    pub fn empty() -> Document {
        Document::parse("", "")
    }

    /// Nothing is written, but every array of tables has one to describe.
    pub fn for_reference() -> Document {
        Document { describes_tables: true, ..Document::empty() }
    }

    /// The settings file; `name` is how faults call it. Syntax faults come out of [`Document::finish`].
    pub fn parse(name: &str, text: &str) -> Document {
        let mut document = Document {
            file_name: name.into(),
            file: Layer::new(),
            environment: Layer::new(),
            stray_variables: Vec::new(),
            command_line: Layer::new(),
            described: Vec::new(),
            faults: Vec::new(),
            describes_tables: false,
            syntax_faults: Vec::new(),
        };
        document.read_file_layer(text);
        document
    }

    /// Lays the variables that bear our prefix over the file.
    #[must_use]
    pub fn with_environment(mut self, environment: &Environment) -> Document {
        for (variable, text) in environment {
            let Some(rest) = variable.strip_prefix(ENVIRONMENT_PREFIX) else {
                continue;
            };
            let Some((section, key)) = rest.split_once("__") else {
                self.stray_variables.push(variable.clone());
                continue;
            };
            if text.is_empty() {
                continue;
            }
            let written = Written::bare(text, Origin::Environment(variable.clone()));
            write(&mut self.environment, section.to_lowercase(), key.to_lowercase(), written);
        }
        self
    }

    /// Lays `section.key=value` overrides over all else; of two for one key the later wins.
    #[must_use]
    pub fn with_overrides<S: AsRef<str>>(mut self, overrides: &[S]) -> Document {
        for (index, text) in overrides.iter().enumerate() {
            let assignment = text.as_ref().split_once('=');
            let Some((section, key, value)) = assignment
                .and_then(|(path, value)| path.split_once('.').map(|(section, key)| (section, key, value)))
            else {
                // What is not an assignment may be a secret on its own, so it is told by its number.
                let text = format!("override number {} is not of the form section.key=value", index + 1);
                self.push_fault(Origin::CommandLine, String::new(), text);
                continue;
            };
            let written = Written::bare(value, Origin::CommandLine);
            write(&mut self.command_line, section.to_owned(), key.to_owned(), written);
        }
        self
    }

    /// Opens a section for reading; `doc` is its line in the reference of all keys.
    pub fn section(&mut self, name: &'static str, doc: &'static str) -> Section<'_> {
        self.open(name.into(), doc)
    }

    pub(super) fn open(&mut self, name: Cow<'static, str>, doc: &'static str) -> Section<'_> {
        self.described.push(DescribedSection { name: name.clone(), doc, keys: Vec::new() });
        Section::new(self, name)
    }

    /// Makes a section of each table of an array of tables and gives their names. To be done once, when
    /// the array is read.
    pub(super) fn lift_tables(&mut self, section: &str, key: &str) -> Vec<String> {
        let items = self.take_items(section, key).unwrap_or_else(|(origin, text)| {
            self.push_fault(origin, format!("{section}.{key}"), text);
            Vec::new()
        });
        let mut names = Vec::new();
        if self.describes_tables && items.is_empty() {
            names.push(format!("{section}.{key}[0]"));
        }
        for (index, Written { value, origin }) in items.into_iter().enumerate() {
            let name = format!("{section}.{key}[{index}]");
            match value {
                Value::Table(table) => {
                    let keys = table.into_iter().collect();
                    self.file.insert(name.clone(), WrittenSection { origin, keys });
                    names.push(name);
                }
                other => self.push_fault(origin, name, format!("{other} is not a table")),
            }
        }
        names
    }

    /// The items of a list that only the file may have; or what is wrong with it, and where.
    fn take_items(&mut self, section: &str, key: &str) -> Result<Vec<Written>, (Origin, String)> {
        let above_the_file = [&self.command_line, &self.environment];
        if let Some(written) = above_the_file.into_iter().find_map(|layer| layer.get(section)?.keys.get(key))
        {
            let text = format!("is taken from the file only, where it is written as [[{section}.{key}]]");
            return Err((written.origin.clone(), text));
        }
        let section_keys = self.file.get_mut(section).map(|section| &mut section.keys);
        match section_keys.and_then(|keys| keys.get_mut(key)) {
            None => Ok(Vec::new()),
            Some(Written { value: Value::List(items), .. }) => Ok(std::mem::take(items)),
            Some(Written { value, origin }) => {
                let expected = format!("(expected tables, each under [[{section}.{key}]])");
                Err((origin.clone(), format!("{value} is not a list of tables {expected}")))
            }
        }
    }

    /// A fault that only shows when several sections are seen together, on one of their keys.
    pub fn fault(&mut self, section: &str, key: &str, text: impl Into<String>) {
        let origin = match self.find_either(section, key) {
            Some(written) => written.origin.clone(),
            None => self.origin_of_table(section),
        };
        self.push_fault(origin, format!("{section}.{key}"), text.into());
    }

    /// Faults of a file that a setting names, to be told with all others.
    pub fn add_faults(&mut self, faults: Faults) {
        self.faults.extend(faults);
    }

    /// Every fault at once, or the description of all that was read. To be asked after every part has
    /// read its section, because what has not been read by then counts as unknown.
    pub fn finish(mut self) -> Result<Vec<DescribedSection>, Faults> {
        if !self.syntax_faults.is_empty() {
            return Err(Faults::new(self.syntax_faults));
        }
        let unknown = unknown::faults(&self);
        self.faults.extend(unknown);
        if self.faults.is_empty() { Ok(self.described) } else { Err(Faults::new(self.faults)) }
    }

    /// The description of all that was read, whatever is wrong with it: for the reference of all keys.
    pub fn describe_all(self) -> Vec<DescribedSection> {
        self.described
    }

    /// A key or its `_file` form.
    pub(super) fn find_either(&self, section: &str, key: &str) -> Option<&Written> {
        self.find(section, key).or_else(|| self.find(section, &format!("{key}_file")))
    }

    /// The value of the topmost layer that has one.
    pub(super) fn find(&self, section: &str, key: &str) -> Option<&Written> {
        self.layers_from_top().into_iter().find_map(|layer| layer.get(section)?.keys.get(key))
    }

    pub(super) fn find_in_file(&self, section: &str, key: &str) -> Option<&Written> {
        self.file.get(section)?.keys.get(key)
    }

    pub(super) fn layers_from_top(&self) -> [&Layer; 3] {
        [&self.command_line, &self.environment, &self.file]
    }

    /// Where something is missing: at the head of the table, if it is one of an array.
    fn origin_of_table(&self, section: &str) -> Origin {
        let table = self.file.get(section).filter(|_| is_table_of_array(section));
        table.map_or(Origin::Default, |table| table.origin.clone())
    }

    pub(super) fn describe(&mut self, section: &str, key: DescribedKey) {
        if let Some(section) = self.described.iter_mut().rfind(|described| described.name == section) {
            section.keys.push(key);
        }
    }

    pub(super) fn push_fault(&mut self, origin: Origin, key: String, text: String) {
        self.faults.push(Fault { origin, key, text });
    }

    fn read_file_layer(&mut self, text: &str) {
        let (table, errors) = toml::de::DeTable::parse_recoverable(text);
        for error in errors {
            let origin = self.place(text, error.span().map_or(0, |span| span.start));
            // Only the message: the whole error quotes the line, which may hold a secret.
            self.syntax_faults.push(Fault { origin, key: String::new(), text: error.message().to_owned() });
        }
        for (name, value) in table.get_ref() {
            let origin = self.place(text, name.span().start);
            match value.get_ref().as_table() {
                Some(section) => self.read_file_section(text, name.get_ref(), origin, section),
                None => {
                    let fault = unknown::OUTSIDE_OF_SECTIONS.to_owned();
                    self.push_fault(origin, name.get_ref().to_string(), fault);
                }
            }
        }
    }

    fn read_file_section(&mut self, text: &str, name: &str, origin: Origin, table: &toml::de::DeTable<'_>) {
        let place = |offset| self.place(text, offset);
        let keys =
            table.iter().map(|(key, item)| (key.get_ref().to_string(), Written::in_file(item, &place)));
        let section = WrittenSection { keys: keys.collect(), origin };
        self.file.insert(name.to_owned(), section);
    }

    fn place(&self, text: &str, offset: usize) -> Origin {
        Origin::in_file(&self.file_name, text, offset)
    }
}

fn write(layer: &mut Layer, section: String, key: String, written: Written) {
    let first = || WrittenSection { origin: written.origin.clone(), keys: BTreeMap::new() };
    layer.entry(section).or_insert_with(first).keys.insert(key, written);
}
