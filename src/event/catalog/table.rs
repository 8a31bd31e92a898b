//! One table of the catalog's file, read key by key, with the place of everything that is wrong.
//!
//! A getter never fails: it records the fault and gives none, so that reading goes on and whoever writes a
//! catalog sees all faults at once, beside those of the settings. What the values mean is for `read`.

use crate::settings::{Fault, Faults, Origin, did_you_mean};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// A file under reading: where its faults are gathered.
pub(super) struct File<'t> {
    name: Arc<str>,
    text: &'t str,
    faults: RefCell<Vec<Fault>>,
}

/// A table of the file: the file itself, one `[[event]]`, or a section.
pub(super) struct Table<'f> {
    file: &'f File<'f>,
    table: &'f DeTable<'f>,
    /// Where the table stands, for what is missing in it.
    place: usize,
    /// How faults call it: `event "CREATE_PIZZA"`.
    pub name: String,
}

/// A text and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Text<'f> {
    pub text: &'f str,
    pub place: usize,
}

impl<'t> File<'t> {
    pub fn new(name: &str, text: &'t str) -> File<'t> {
        File { name: name.into(), text, faults: RefCell::default() }
    }

    pub fn fault(&self, place: usize, key: &str, text: impl Into<String>) {
        let origin = Origin::in_file(&self.name, self.text, place);
        self.faults.borrow_mut().push(Fault { origin, key: key.to_owned(), text: text.into() });
    }

    /// All that was found to be wrong so far; none if nothing was.
    pub fn faults(&self) -> Option<Faults> {
        let faults = self.faults.take();
        (!faults.is_empty()).then(|| Faults::new(faults))
    }
}

impl<'f> Table<'f> {
    pub fn new(file: &'f File<'f>, table: &'f DeTable<'f>, place: usize, name: String) -> Table<'f> {
        Table { file, table, place, name }
    }

    /// A text that must be there.
    pub fn text(&self, key: &'static str) -> Option<Text<'f>> {
        self.required(key);
        self.text_if_set(key)
    }

    pub fn text_if_set(&self, key: &'static str) -> Option<Text<'f>> {
        let (value, span) = self.get(key)?;
        self.as_text(key, value, span)
    }

    /// A list of texts that must be there.
    pub fn texts(&self, key: &'static str) -> Option<Vec<Text<'f>>> {
        self.required(key);
        self.texts_if_set(key)
    }

    pub fn texts_if_set(&self, key: &'static str) -> Option<Vec<Text<'f>>> {
        let (value, span) = self.get(key)?;
        let Some(items) = value.as_array() else {
            self.fault(key, span.start, format!("is {}, not a list of texts", kind(value)));
            return None;
        };
        items.iter().map(|item| self.as_text(key, item.get_ref(), item.span())).collect()
    }

    /// A table within this one.
    pub fn table(&self, key: &'static str) -> Option<Table<'f>> {
        let (value, span) = self.get(key)?;
        let Some(table) = value.as_table() else {
            self.fault(key, span.start, format!("is {}, not a table", kind(value)));
            return None;
        };
        Some(Table::new(self.file, table, span.start, key.to_owned()))
    }

    /// The tables of an array such as `[[event]]`, each named by its `name`.
    pub fn tables(&self, key: &'static str) -> Vec<Table<'f>> {
        let Some((value, span)) = self.get(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.fault(key, span.start, format!("is {}, not a list of tables ([[{key}]])", kind(value)));
            return Vec::new();
        };
        let tables = items.iter().filter_map(|item| Some((item.get_ref().as_table()?, item.span())));
        tables.map(|(table, span)| Table::new(self.file, table, span.start, called(key, table))).collect()
    }

    /// Every key but these is a fault: a misspelt one would otherwise be found out much later.
    pub fn allow(&self, keys: &[&str]) {
        for written in self.table.keys().filter(|written| !keys.contains(&&**written.get_ref())) {
            let name = written.get_ref();
            let hint = did_you_mean(name, keys);
            self.fault(name, written.span().start, format!("unknown key{hint} (keys: {})", keys.join(", ")));
        }
    }

    pub fn fault(&self, key: &str, place: usize, text: impl Into<String>) {
        let key = if self.name.is_empty() { key.to_owned() } else { format!("{key} of {}", self.name) };
        self.file.fault(place, &key, text);
    }

    /// A fault of the table as a whole.
    pub fn fault_here(&self, text: impl Into<String>) {
        self.file.fault(self.place, &self.name, text);
    }

    fn required(&self, key: &str) {
        if !self.table.contains_key(key) {
            self.fault_here(format!("has no {key}"));
        }
    }

    fn get(&self, key: &str) -> Option<(&'f DeValue<'f>, Range<usize>)> {
        self.table.get(key).map(|value| (value.get_ref(), value.span()))
    }

    fn as_text(&self, key: &str, value: &'f DeValue<'f>, span: Range<usize>) -> Option<Text<'f>> {
        match value.as_str() {
            Some(text) => Some(Text { text, place: span.start }),
            None => {
                self.fault(key, span.start, format!("is {}, not a text", kind(value)));
                None
            }
        }
    }
}

fn called(key: &str, table: &DeTable<'_>) -> String {
    match table.get("name").and_then(|name| name.get_ref().as_str()) {
        Some(name) => format!("{key} {name:?}"),
        None => key.to_owned(),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
