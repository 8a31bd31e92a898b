//! The Parsing Canonical Form of a schema, and its fingerprint (Avro 1.12, "Parsing Canonical Form for Schemas"
//! and "Schema Fingerprints").
//!
//! ```text
//! {"name":"a.Order","type":"record","fields":[{"name":"_id","type":"string"}, ...]}
//! ```
//!
//! In: the JSON of a schema that has been parsed, and of those it refers to. Out: 64 bits that say which schema
//! it is. What says nothing about the bytes of a record is not in it; that includes logical types, so two schemas
//! that differ in nothing else have one fingerprint.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::decode::Fingerprint;

/// The fingerprint of `schema`. A type of the `references` stands in its text where it is first used, as it
/// would if it had been defined there.
pub(super) fn fingerprint(schema: &Value, references: &[Value]) -> Fingerprint {
    Fingerprint(crc_64_avro(canonical_form(schema, references).as_bytes()))
}

fn canonical_form(schema: &Value, references: &[Value]) -> String {
    let mut referred = HashMap::new();
    for reference in references {
        collect_definitions(reference, "", &mut referred);
    }
    let mut writer = Writer { referred, written: HashSet::new(), text: String::new() };
    writer.schema(schema, "");
    writer.text
}

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

struct Writer<'s> {
    /// Definitions in the references, each with the namespace that it stands in.
    referred: HashMap<String, (&'s Value, &'s str)>,
    /// Full names of the types that stand in the text already.
    written: HashSet<String>,
    text: String,
}

impl<'s> Writer<'s> {
    fn schema(&mut self, schema: &'s Value, namespace: &'s str) {
        match schema {
            Value::String(name) => self.named(name, namespace),
            Value::Array(branches) => self.list(branches, |writer, branch| writer.schema(branch, namespace)),
            _ => match schema["type"].as_str() {
                Some("record" | "error" | "enum" | "fixed") => self.definition(schema, namespace),
                Some(kind @ ("array" | "map")) => {
                    let content = if kind == "array" { "items" } else { "values" };
                    self.text.push_str(&format!("{{\"type\":\"{kind}\",\"{content}\":"));
                    self.schema(&schema[content], namespace);
                    self.text.push('}');
                }
                // A type with attributes, none of which says anything of its bytes.
                _ if !schema["type"].is_null() => self.schema(&schema["type"], namespace),
                _ => {}
            },
        }
    }

    fn named(&mut self, name: &'s str, namespace: &str) {
        if PRIMITIVES.contains(&name) {
            return self.string(name);
        }
        let full = full_name(name, namespace);
        let known = |full: &str| self.written.contains(full) || self.referred.contains_key(full);
        // A name without a namespace may mean one that is in none.
        let full = if known(&full) { full } else { name.to_owned() };
        match self.referred.get(&full) {
            Some(&(definition, outer)) if !self.written.contains(&full) => self.definition(definition, outer),
            _ => self.string(&full),
        }
    }

    fn definition(&mut self, schema: &'s Value, outer: &'s str) {
        let name = schema["name"].as_str().unwrap_or_default();
        let namespace = namespace_of(schema, outer);
        let full = full_name(name, namespace);
        self.text.push_str("{\"name\":");
        self.string(&full);
        self.written.insert(full);
        match schema["type"].as_str() {
            Some("enum") => {
                self.text.push_str(",\"type\":\"enum\",\"symbols\":");
                self.list(items(&schema["symbols"]), |writer, symbol| {
                    writer.string(symbol.as_str().unwrap_or_default());
                });
            }
            Some("fixed") => {
                let size = schema["size"].as_u64().unwrap_or_default();
                self.text.push_str(&format!(",\"type\":\"fixed\",\"size\":{size}"));
            }
            _ => {
                self.text.push_str(",\"type\":\"record\",\"fields\":");
                self.list(items(&schema["fields"]), |writer, field| writer.field(field, namespace));
            }
        }
        self.text.push('}');
    }

    fn field(&mut self, field: &'s Value, namespace: &'s str) {
        self.text.push_str("{\"name\":");
        self.string(field["name"].as_str().unwrap_or_default());
        self.text.push_str(",\"type\":");
        self.schema(&field["type"], namespace);
        self.text.push('}');
    }

    fn list(&mut self, items: &'s [Value], mut write: impl FnMut(&mut Self, &'s Value)) {
        self.text.push('[');
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            write(self, item);
        }
        self.text.push(']');
    }

    /// Names and symbols are letters, digits, underscores and dots: there is nothing to escape.
    fn string(&mut self, text: &str) {
        self.text.push_str(&format!("\"{text}\""));
    }
}

fn collect_definitions<'s>(
    schema: &'s Value,
    outer: &'s str,
    found: &mut HashMap<String, (&'s Value, &'s str)>,
) {
    let mut namespace = outer;
    if let (Some(name), Some("record" | "error" | "enum" | "fixed")) =
        (schema["name"].as_str(), schema["type"].as_str())
    {
        namespace = namespace_of(schema, outer);
        found.entry(full_name(name, namespace)).or_insert((schema, outer));
    }
    for part in ["type", "items", "values"] {
        collect_definitions_of_part(&schema[part], namespace, found);
    }
    for field in items(&schema["fields"]) {
        collect_definitions_of_part(&field["type"], namespace, found);
    }
    for branch in items(schema) {
        collect_definitions_of_part(branch, namespace, found);
    }
}

fn collect_definitions_of_part<'s>(
    part: &'s Value,
    namespace: &'s str,
    found: &mut HashMap<String, (&'s Value, &'s str)>,
) {
    if part.is_object() || part.is_array() {
        collect_definitions(part, namespace, found);
    }
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The namespace within a definition: that of its name if it has dots, else its attribute, else the one around.
fn namespace_of<'s>(schema: &'s Value, outer: &'s str) -> &'s str {
    match schema["name"].as_str().and_then(|name| name.rsplit_once('.')) {
        Some((namespace, _)) => namespace,
        None => schema["namespace"].as_str().unwrap_or(outer),
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') { name.to_owned() } else { format!("{namespace}.{name}") }
}

/// The fingerprint of no bytes, and the polynomial.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut value = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ if value & 1 == 1 { EMPTY } else { 0 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
};

fn crc_64_avro(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |crc, byte| (crc >> 8) ^ TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

#[cfg(test)]
mod tests {
    use apache_avro::Schema;
    use serde_json::json;

    use super::*;

    /// As apache-avro 0.22 has it, but for logical types, of which it keeps an object around the type. The Avro
    /// libraries of Java and Python do not.
    fn oracle(schema: &Value) -> String {
        let text = Schema::parse(schema).unwrap().canonical_form();
        ["long", "int", "bytes"].iter().fold(text, |text, primitive| {
            text.replace(&format!("{{\"type\":\"{primitive}\"}}"), &format!("\"{primitive}\""))
        })
    }

    #[track_caller]
    fn check(schema: &Value, expected: &str) {
        assert_eq!(canonical_form(schema, &[]), expected);
        assert_eq!(oracle(schema), expected, "the oracle has it otherwise");
    }

    #[test]
    fn fingerprints_of_the_specification() {
        assert_eq!(crc_64_avro(b"\"null\""), 0x63dd_24e7_cc25_8f8a);
        assert_eq!(crc_64_avro(b"\"int\""), 0x7275_d51a_3f39_5c8f);
        let map = json!({"type": "map", "values": "long"});
        let rabin = Schema::parse(&map).unwrap().fingerprint::<apache_avro::rabin::Rabin>().bytes;
        assert_eq!(fingerprint(&map, &[]).0.to_le_bytes(), rabin[..]);
    }

    #[test]
    fn what_says_nothing_about_the_bytes_is_left_out() {
        check(&json!({"type": "long", "logicalType": "timestamp-millis"}), r#""long""#);
        check(
            &json!({
                "doc": "d", "fields": [
                    {"default": null, "type": ["null", {"type": "array", "items": "int"}], "name": "a"},
                    {"name": "b", "type": {"type": "map", "values": {"type": "string", "avro.java.string": "String"}}},
                ],
                "type": "record", "aliases": ["old"], "name": "R", "namespace": "n.s",
            }),
            r#"{"name":"n.s.R","type":"record","fields":[{"name":"a","type":["null",{"type":"array","items":"int"}]},{"name":"b","type":{"type":"map","values":"string"}}]}"#,
        );
    }

    /// apache-avro keeps it, against the specification's [STRIP].
    #[test]
    fn the_order_of_sorting_is_left_out() {
        let schema = json!({"type": "record", "name": "R", "fields": [
            {"name": "a", "type": "int", "order": "ignore"},
        ]});
        let expected = r#"{"name":"R","type":"record","fields":[{"name":"a","type":"int"}]}"#;
        assert_eq!(canonical_form(&schema, &[]), expected);
    }

    #[test]
    fn names_are_full_by_the_namespace_around_them() {
        check(
            &json!({"type": "record", "name": "R", "namespace": "n", "fields": [
                {"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["X", "Y"], "default": "X"}},
                {"name": "b", "type": {"type": "fixed", "name": "other.F", "size": 4}},
                {"name": "c", "type": {"type": "record", "name": "In", "namespace": "m", "fields": [
                    {"name": "e", "type": "n.E"}, {"name": "r", "type": ["null", "In"]},
                ]}},
                {"name": "d", "type": "E"},
                {"name": "f", "type": ["other.F", "m.In"]},
            ]}),
            r#"{"name":"n.R","type":"record","fields":[{"name":"a","type":{"name":"n.E","type":"enum","symbols":["X","Y"]}},{"name":"b","type":{"name":"other.F","type":"fixed","size":4}},{"name":"c","type":{"name":"m.In","type":"record","fields":[{"name":"e","type":"n.E"},{"name":"r","type":["null","m.In"]}]}},{"name":"d","type":"n.E"},{"name":"f","type":["other.F","m.In"]}]}"#,
        );
    }

    #[test]
    fn the_bundled_schemas_agree_with_the_oracle() {
        for text in [
            include_str!("../../../schemas/pizza.avsc"),
            include_str!("../../../schemas/populated_order.avsc"),
            include_str!("../../../schemas/order_condition.avsc"),
        ] {
            let schema: Value = serde_json::from_str(text).unwrap();
            assert_eq!(canonical_form(&schema, &[]), oracle(&schema));
        }
    }

    #[test]
    fn a_type_referred_to_stands_where_it_is_first_used() {
        let kind = json!({"type": "enum", "name": "Kind", "namespace": "k", "symbols": ["A"]});
        let product = json!({"type": "record", "name": "Product", "namespace": "n", "fields": [
            {"name": "kind", "type": "k.Kind"},
        ]});
        let order = json!({"type": "record", "name": "Order", "namespace": "n", "fields": [
            {"name": "a", "type": "Product"}, {"name": "b", "type": ["n.Product", "k.Kind"]},
        ]});
        let whole = json!({"type": "record", "name": "Order", "namespace": "n", "fields": [
            {"name": "a", "type": {"type": "record", "name": "Product", "fields": [{"name": "kind", "type": kind}]}},
            {"name": "b", "type": ["n.Product", "k.Kind"]},
        ]});
        assert_eq!(canonical_form(&order, &[kind.clone(), product]), canonical_form(&whole, &[]));
    }
}
