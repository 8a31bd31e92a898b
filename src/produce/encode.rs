//! JSON → Avro binary, by a writer's schema.
//!
//! ```text
//! {"price": 149.99, "due_at": "2026-11-22T12:35:00Z", "remark": null}
//!     decimal: a number or its text    timestamps: RFC 3339 in UTC, or a count of their unit
//!     union: the first branch that takes the value    bytes, fixed: a text of code points up to 255, as in defaults
//! ```
//!
//! A field that is missing has its default; one that the schema does not have is a fault, since a misspelt nullable
//! field would else be null without a word. apache-avro parses the schema; its own way from JSON takes no
//! decimals, and no times as text.

use apache_avro::schema::{DecimalSchema, InnerDecimalSchema, Name, RecordSchema, UuidSchema};
use apache_avro::{Schema, schema::UnionSchema};
use serde_json::Value;
use std::collections::HashMap;
use std::time::UNIX_EPOCH;

/// Encodes by one schema.
pub struct Encoder {
    /// The last of a union with what it refers to, so that all names are known.
    schema: Schema,
}

/// Why a value cannot be written by the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeFault {
    #[error("schema is not valid avro: {0}")]
    Schema(String),
    #[error("{}{text}", path_prefix(path))]
    Value { path: String, text: String },
}

fn path_prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("field {path}: ") }
}

impl Encoder {
    /// `references` come in the order of their dependencies.
    pub fn parse(text: &str, references: &[String]) -> Result<Encoder, EncodeFault> {
        let parse =
            |text: &str| serde_json::from_str(text).map_err(|fault| EncodeFault::Schema(fault.to_string()));
        let schemas = references.iter().map(String::as_str).chain([text]).map(parse);
        let schemas: Vec<Value> = schemas.collect::<Result<_, _>>()?;
        let schema = Schema::parse(&Value::Array(schemas));
        Ok(Encoder { schema: schema.map_err(|fault| EncodeFault::Schema(fault.to_string()))? })
    }

    pub fn encode(&self, value: &Value) -> Result<Vec<u8>, EncodeFault> {
        let mut named = HashMap::new();
        collect_named(&self.schema, &mut named);
        let mut writing = Writing { named, bytes: Vec::new(), path: String::new() };
        match &self.schema {
            Schema::Union(union) => {
                let schema = union.variants().last().ok_or_else(|| writing.fault("the schema is empty"))?;
                writing.write(schema, value)?;
            }
            schema => writing.write(schema, value)?,
        }
        Ok(writing.bytes)
    }
}

fn collect_named<'s>(schema: &'s Schema, named: &mut HashMap<&'s Name, &'s Schema>) {
    match schema {
        Schema::Ref { .. } => return,
        Schema::Array(array) => collect_named(&array.items, named),
        Schema::Map(map) => collect_named(&map.types, named),
        Schema::Union(union) => union.variants().iter().for_each(|branch| collect_named(branch, named)),
        Schema::Record(record) => record.fields.iter().for_each(|field| collect_named(&field.schema, named)),
        _ => {}
    }
    if let Some(name) = schema.name() {
        named.insert(name, schema);
    }
}

/// One value under way.
struct Writing<'s> {
    named: HashMap<&'s Name, &'s Schema>,
    bytes: Vec<u8>,
    /// Where we are: `products[0].cost`.
    path: String,
}

type Written = Result<(), EncodeFault>;

impl<'s> Writing<'s> {
    fn write(&mut self, schema: &'s Schema, value: &Value) -> Written {
        match schema {
            Schema::Null if value.is_null() => {}
            Schema::Boolean => match value {
                Value::Bool(flag) => self.bytes.push(u8::from(*flag)),
                _ => return self.wrong(value, "a boolean"),
            },
            Schema::Int | Schema::Date | Schema::TimeMillis => {
                let integer = value.as_i64().filter(|integer| i32::try_from(*integer).is_ok());
                self.integer(integer, value, "an int")?;
            }
            Schema::Long | Schema::TimeMicros => self.integer(value.as_i64(), value, "a long")?,
            Schema::TimestampMillis | Schema::LocalTimestampMillis => self.timestamp(value, 1_000_000)?,
            Schema::TimestampMicros | Schema::LocalTimestampMicros => self.timestamp(value, 1_000)?,
            Schema::TimestampNanos | Schema::LocalTimestampNanos => self.timestamp(value, 1)?,
            Schema::Float => match value.as_f64() {
                // A float has fewer digits than what was written; that is what the schema asks for.
                #[expect(clippy::cast_possible_truncation)]
                Some(number) => self.bytes.extend((number as f32).to_le_bytes()),
                None => return self.wrong(value, "a number"),
            },
            Schema::Double => match value.as_f64() {
                Some(number) => self.bytes.extend(number.to_le_bytes()),
                None => return self.wrong(value, "a number"),
            },
            Schema::String | Schema::Uuid(UuidSchema::String) => match value.as_str() {
                Some(text) => self.counted(text.as_bytes()),
                None => return self.wrong(value, "a text"),
            },
            Schema::Bytes => {
                let bytes = self.latin1(value)?;
                self.counted(&bytes);
            }
            Schema::Fixed(fixed) => {
                let bytes = self.latin1(value)?;
                if bytes.len() != fixed.size {
                    return self.wrong(value, &format!("a text of {} code points", fixed.size));
                }
                self.bytes.extend(bytes);
            }
            Schema::Enum(symbols) => {
                let place = symbols.symbols.iter().position(|symbol| Some(symbol.as_str()) == value.as_str());
                match place.and_then(|place| i64::try_from(place).ok()) {
                    Some(place) => self.long(place),
                    None => return self.wrong(value, &format!("one of {}", symbols.symbols.join(", "))),
                }
            }
            Schema::Array(array) => self.array(&array.items, value)?,
            Schema::Map(map) => self.map(&map.types, value)?,
            Schema::Union(union) => self.union(union, value)?,
            Schema::Record(record) => self.record(record, value)?,
            Schema::Decimal(decimal) => self.decimal(decimal, value)?,
            Schema::Ref { name } => match self.named.get(name).copied() {
                Some(schema) => self.write(schema, value)?,
                None => return Err(self.fault(&format!("type {} is not defined", name.fullname(None)))),
            },
            other => return self.wrong(value, &format!("a {other:?}, which cannot be written from JSON")),
        }
        Ok(())
    }

    fn record(&mut self, record: &'s RecordSchema, value: &Value) -> Written {
        let Value::Object(fields) = value else { return self.wrong(value, "an object") };
        if let Some(unknown) = fields.keys().find(|name| !record.fields.iter().any(|f| f.name == **name)) {
            let expected = record.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>();
            let text = format!("{unknown:?} is not a field of the schema (fields: {})", expected.join(", "));
            return Err(self.fault(&text));
        }
        for field in &record.fields {
            let value = fields.get(&field.name).or(field.default.as_ref());
            self.within(&field.name, |writing| match value {
                Some(value) => writing.write(&field.schema, value),
                None => Err(writing.fault("is missing and has no default")),
            })?;
        }
        Ok(())
    }

    fn array(&mut self, items: &'s Schema, value: &Value) -> Written {
        let Value::Array(values) = value else { return self.wrong(value, "a list") };
        self.block(values.len());
        for (place, value) in values.iter().enumerate() {
            self.within(&format!("[{place}]"), |writing| writing.write(items, value))?;
        }
        self.end_of_blocks(values.len());
        Ok(())
    }

    fn map(&mut self, types: &'s Schema, value: &Value) -> Written {
        let Value::Object(entries) = value else { return self.wrong(value, "an object") };
        self.block(entries.len());
        for (key, value) in entries {
            self.counted(key.as_bytes());
            self.within(key, |writing| writing.write(types, value))?;
        }
        self.end_of_blocks(entries.len());
        Ok(())
    }

    /// The first branch that takes the value. Where only one besides null could, its fault is told, since it
    /// says more than that none fits.
    fn union(&mut self, union: &'s UnionSchema, value: &Value) -> Written {
        let start = self.bytes.len();
        let mut faults = Vec::new();
        for (place, branch) in (0..).zip(union.variants()) {
            if value.is_null() != matches!(branch, Schema::Null) {
                continue;
            }
            self.long(place);
            match self.write(branch, value) {
                Ok(()) => return Ok(()),
                Err(fault) => faults.push(fault),
            }
            self.bytes.truncate(start);
        }
        match faults.pop() {
            Some(fault) if faults.is_empty() => Err(fault),
            _ => self.wrong(value, "what any branch of the union takes"),
        }
    }

    fn timestamp(&mut self, value: &Value, nanos_per_unit: u128) -> Written {
        let Some(text) = value.as_str() else { return self.integer(value.as_i64(), value, "a time") };
        let since_epoch =
            humantime::parse_rfc3339(text).ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let count = since_epoch.and_then(|since| i64::try_from(since.as_nanos() / nanos_per_unit).ok());
        self.integer(count, value, "a time such as 2026-11-22T12:35:00Z, or a count of its unit")
    }

    fn decimal(&mut self, decimal: &DecimalSchema, value: &Value) -> Written {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return self.wrong(value, "a number"),
        };
        let Some(units) = units_of(&text, decimal.scale) else {
            return self.wrong(value, &format!("a decimal of at most {} places", decimal.scale));
        };
        let bytes = units.to_be_bytes();
        match &decimal.inner {
            InnerDecimalSchema::Bytes => self.counted(shortest(&bytes)),
            InnerDecimalSchema::Fixed(fixed) => {
                let sign = if units < 0 { 0xff } else { 0 };
                let short = shortest(&bytes);
                let Some(padding) = fixed.size.checked_sub(short.len()) else {
                    return self.wrong(value, &format!("a decimal of {} bytes", fixed.size));
                };
                self.bytes.extend(std::iter::repeat_n(sign, padding));
                self.bytes.extend(short);
            }
        }
        Ok(())
    }

    fn integer(&mut self, integer: Option<i64>, value: &Value, expected: &str) -> Written {
        match integer {
            Some(integer) => self.long(integer),
            None => return self.wrong(value, expected),
        }
        Ok(())
    }

    /// Zigzag, then seven bits a byte, the least first (Avro 1.12, "Primitive Types").
    fn long(&mut self, value: i64) {
        let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
        while rest >= 0x80 {
            self.bytes.push((rest & 0x7f).to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest.to_le_bytes()[0]);
    }

    fn counted(&mut self, bytes: &[u8]) {
        self.block(bytes.len());
        self.bytes.extend(bytes);
    }

    fn block(&mut self, length: usize) {
        self.long(i64::try_from(length).expect("no value in memory is longer"));
    }

    /// An empty array or map is its end already.
    fn end_of_blocks(&mut self, length: usize) {
        if length > 0 {
            self.long(0);
        }
    }

    fn latin1(&self, value: &Value) -> Result<Vec<u8>, EncodeFault> {
        let bytes = value.as_str().and_then(|text| text.chars().map(|c| u8::try_from(c).ok()).collect());
        bytes.ok_or_else(|| self.unexpected(value, "a text of code points up to 255"))
    }

    fn within(&mut self, step: &str, write: impl FnOnce(&mut Self) -> Written) -> Written {
        let length = self.path.len();
        if length > 0 && !step.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(step);
        write(self)?;
        // After a fault nobody looks at the path again, unless a union tries its next branch.
        self.path.truncate(length);
        Ok(())
    }

    fn wrong(&self, value: &Value, expected: &str) -> Written {
        Err(self.unexpected(value, expected))
    }

    fn unexpected(&self, value: &Value, expected: &str) -> EncodeFault {
        let shown = match value {
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            scalar => scalar.to_string(),
        };
        self.fault(&format!("{shown} is not {expected}"))
    }

    fn fault(&self, text: &str) -> EncodeFault {
        EncodeFault::Value { path: self.path.clone(), text: text.to_owned() }
    }
}

/// A decimal's text in units of its last place: `149.9` with two places is 14990.
fn units_of(text: &str, scale: usize) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > scale || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{whole}{fraction:0<scale$}").parse().ok()
}

/// Two's complement without the leading bytes that only repeat the sign.
fn shortest(bytes: &[u8; 16]) -> &[u8] {
    let repeats = |pair: &[u8]| {
        matches!(pair, [0, next] if next < &0x80) || matches!(pair, [0xff, next] if next >= &0x80)
    };
    let skipped = bytes.windows(2).take_while(|pair| repeats(pair)).count();
    bytes.get(skipped..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
