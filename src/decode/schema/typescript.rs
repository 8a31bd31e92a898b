//! A payload's schema in TypeScript: what a client's compiler may know of the JSON that `plan` writes.
//!
//! ```text
//! string, bytes, fixed, a time shown as RFC 3339    string          record    interface, declared once by name
//! numbers, decimals, a time shown as a count        number          array     T[]
//! enum "A", "B"                                     "A" | "B"       map       Record<string, T>
//! union of A, null                                  A | null
//! ```
//!
//! In: payload schemas, one after the other. Out: the interfaces that they need, in the order of use. Which
//! events bear them is `event`'s matter.

use super::ReaderSchema;
use super::types::{Record, Type};
use crate::decode::json::TimeForm;

/// The interfaces of all payloads. Two records of one name that differ have two interfaces: `Product`, `Product2`.
#[derive(Debug, Default)]
pub struct Interfaces {
    declared: Vec<Interface>,
    /// Names that stand for something else in the file.
    taken: &'static [&'static str],
}

#[derive(Debug)]
struct Interface {
    /// Of the record, without its namespace.
    record: String,
    name: String,
    body: String,
}

impl Interfaces {
    pub fn beside(taken: &'static [&'static str]) -> Self {
        Self { declared: Vec::new(), taken }
    }

    /// The interface of a payload, declared if it is not yet.
    pub fn declare(&mut self, schema: &ReaderSchema) -> String {
        self.interface(schema.record())
    }

    /// `export interface Pizza { ... }`, each with an empty line before it.
    pub fn text(&self) -> String {
        let text =
            |Interface { name, body, .. }: &Interface| format!("\nexport interface {name} {{\n{body}}}\n");
        self.declared.iter().map(text).collect()
    }

    fn interface(&mut self, record: &Record) -> String {
        let place = self.declared.len();
        let mut body = String::new();
        for field in &record.fields {
            if let Some(note) = note(&field.schema) {
                body.push_str(&format!("  /** {note} */\n"));
            }
            let shown = self.shown(&field.schema);
            body.push_str(&format!("  {}: {shown};\n", field.name));
        }
        let record = record.name.unqualified.to_string();
        if let Some(same) = self.declared.iter().find(|other| other.record == record && other.body == body) {
            return same.name.clone();
        }
        let name = self.free_name(&record);
        // Before those that it has fields of, which were declared meanwhile.
        self.declared.insert(place, Interface { record, name: name.clone(), body });
        name
    }

    fn free_name(&self, record: &str) -> String {
        let is_free =
            |name: &str| !self.taken.contains(&name) && self.declared.iter().all(|other| other.name != name);
        let numbered = (2..).map(|number| format!("{record}{number}"));
        let mut names = std::iter::once(record.to_owned()).chain(numbered);
        names.find(|name| is_free(name)).expect("numbers do not end")
    }

    fn shown(&mut self, schema: &Type) -> String {
        match schema {
            Type::Null => "null".to_owned(),
            Type::Boolean => "boolean".to_owned(),
            Type::Int
            | Type::Long
            | Type::Calendar(_)
            | Type::Float
            | Type::Double
            | Type::Decimal { .. } => "number".to_owned(),
            Type::Timestamp { form: TimeForm::EpochMillis, .. } => "number".to_owned(),
            Type::Timestamp { form: TimeForm::Rfc3339Micros, .. } => "string".to_owned(),
            Type::Bytes | Type::String | Type::Fixed { .. } => "string".to_owned(),
            Type::Enum { symbols, .. } => {
                let symbols: Vec<_> = symbols.iter().map(|symbol| format!("\"{symbol}\"")).collect();
                symbols.join(" | ")
            }
            Type::Array(items) => match self.shown(items) {
                several if several.contains(" | ") => format!("({several})[]"),
                one => format!("{one}[]"),
            },
            Type::Map(values) => format!("Record<string, {}>", self.shown(values)),
            Type::Union(branches) => self.union(branches),
            Type::Record(record) => self.interface(record),
        }
    }

    /// What looks the same in JSON stands there once, and null last.
    fn union(&mut self, branches: &[Type]) -> String {
        let mut shown: Vec<String> = Vec::new();
        for branch in branches {
            let branch = self.shown(branch);
            if !shown.contains(&branch) {
                shown.push(branch);
            }
        }
        shown.sort_by_key(|branch| branch == "null");
        shown.join(" | ")
    }
}

/// What a type does not say by itself.
fn note(schema: &Type) -> Option<&'static str> {
    match schema {
        Type::Timestamp { form: TimeForm::EpochMillis, .. } => Some("Milliseconds since 1970."),
        Type::Timestamp { form: TimeForm::Rfc3339Micros, .. } => Some("RFC 3339, UTC."),
        Type::Union(branches) => branches.iter().find_map(note),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn declare(interfaces: &mut Interfaces, name: &str, fields: &[Value]) -> String {
        let schema = json!({"type": "record", "name": name, "fields": fields});
        interfaces.declare(&ReaderSchema::parse(&schema.to_string()).unwrap())
    }

    #[track_caller]
    fn check(schema: Value, expected: &str) {
        let mut interfaces = Interfaces::default();
        declare(&mut interfaces, "R", &[json!({"name": "field", "type": schema})]);
        let text = interfaces.text();
        let shown = text.lines().find_map(|line| line.strip_prefix("  field: ")).unwrap();
        assert_eq!(shown, format!("{expected};"), "{text}");
    }

    #[test]
    fn a_type_is_what_its_json_is() {
        check(json!("string"), "string");
        check(json!(["null", "long"]), "number | null");
        check(json!({"type": "array", "items": "int"}), "number[]");
        check(json!({"type": "array", "items": ["null", "string"]}), "(string | null)[]");
        check(json!({"type": "map", "values": "boolean"}), "Record<string, boolean>");
        check(json!({"type": "enum", "name": "E", "symbols": ["A", "B"]}), r#""A" | "B""#);
        check(json!({"type": "long", "logicalType": "timestamp-millis"}), "number");
        check(json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}), "number");
        check(json!(["bytes", "string", "null"]), "string | null");
        check(json!({"type": "record", "name": "In", "fields": []}), "In");
    }

    #[test]
    fn a_time_that_is_shown_as_a_text_is_one() {
        let time = json!(["null", {"type": "long", "logicalType": "timestamp-micros"}]);
        let mut interfaces = Interfaces::default();
        declare(&mut interfaces, "R", &[json!({"name": "at", "type": time, "json": "rfc3339-micros"})]);
        assert_eq!(
            interfaces.text(),
            "\nexport interface R {\n  /** RFC 3339, UTC. */\n  at: string | null;\n}\n"
        );
    }

    #[test]
    fn records_of_one_name_have_one_interface_if_they_are_the_same() {
        let mut interfaces = Interfaces::beside(&["Status"]);
        let product = |field: &str| {
            json!({"name": "p", "type": {"type": "record", "name": "Product", "fields": [
                {"name": field, "type": "int"},
            ]}})
        };
        assert_eq!(declare(&mut interfaces, "One", &[product("a")]), "One");
        assert_eq!(declare(&mut interfaces, "Two", &[product("a")]), "Two");
        assert_eq!(declare(&mut interfaces, "Three", &[product("b")]), "Three");
        assert_eq!(declare(&mut interfaces, "Status", &[]), "Status2");
        let text = interfaces.text();
        let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("export interface ")).collect();
        assert_eq!(names, ["One {", "Product {", "Two {", "Three {", "Product2 {", "Status2 {"]);
    }
}
