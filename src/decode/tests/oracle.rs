//! Random schemas, values and evolutions, judged by apache-avro.
//!
//! A stream of choices makes a writer's schema, a value of it and a reader's schema that the writer's evolved
//! into. apache-avro resolves the value; it comes to JSON here, by a converter of its own, and has to be what the
//! plan wrote. Left out is what apache-avro gets wrong: decimals, a timestamp read as a long, and aliases (its
//! reader keeps the writer's name; ours has the new one, with `_new` behind it).

use apache_avro::reader::datum::GenericDatumReader;
use proptest::prelude::*;
use serde_json::{Map, Number, json};

use super::*;

/// Decisions, taken one by one; 0 when there are no more, so that shorter is simpler.
struct Choices(std::vec::IntoIter<u16>);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % bound
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    fn pick<T: Clone>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())].clone()
    }
}

/// Makes schemas whose named types all have names of their own.
struct Schemas<'c> {
    choices: &'c mut Choices,
    names: usize,
}

impl Schemas<'_> {
    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn record(&mut self, depth: usize) -> Value {
        let name = self.name("R");
        let count = 1 + self.choices.below(5);
        let fields: Vec<Value> = (0..count)
            .map(|index| json!({ "name": format!("f{index}"), "type": self.schema(depth) }))
            .collect();
        json!({ "type": "record", "name": name, "fields": fields })
    }

    fn schema(&mut self, depth: usize) -> Value {
        let kinds = if depth == 0 { 10 } else { 14 };
        match self.choices.below(kinds) {
            0 => json!("int"),
            1 => json!("string"),
            2 => json!("long"),
            3 => json!("boolean"),
            4 => json!("float"),
            5 => json!("double"),
            6 => json!("bytes"),
            7 => {
                json!({ "type": "long", "logicalType": self.choices.pick(&["timestamp-millis", "timestamp-micros"]) })
            }
            8 => json!({ "type": "enum", "name": self.name("E"), "symbols": ["P", "Q", "S"] }),
            9 => json!({ "type": "fixed", "name": self.name("F"), "size": self.choices.below(4) }),
            10 => self.record(depth - 1),
            11 => json!(["null", self.schema_of_one_type(depth - 1)]),
            12 => json!({ "type": "array", "items": self.schema(depth - 1) }),
            _ => json!({ "type": "map", "values": self.schema(depth - 1) }),
        }
    }

    fn schema_of_one_type(&mut self, depth: usize) -> Value {
        match self.schema(depth) {
            Value::Array(union) => union[1].clone(),
            schema => schema,
        }
    }
}

fn type_name(schema: &Value) -> &str {
    match schema {
        Value::String(name) => name,
        Value::Array(_) => "union",
        _ => schema["logicalType"].as_str().or(schema["type"].as_str()).unwrap(),
    }
}

fn value_of(schema: &Value, choices: &mut Choices) -> AvroValue {
    const LONGS: [i64; 7] = [0, -1, 63, 64, 1 << 40, i64::MIN, i64::MAX];
    const DOUBLES: [f64; 8] = [0.0, -0.0, 10.0, 0.1, -7.5, 1e21, 1e-9, 1e300];
    match type_name(schema) {
        "int" => AvroValue::Int(choices.pick(&[0, -1, 23, 1 << 20, i32::MIN, i32::MAX])),
        "long" => AvroValue::Long(choices.pick(&LONGS)),
        "timestamp-millis" => AvroValue::TimestampMillis(choices.pick(&LONGS)),
        "timestamp-micros" => AvroValue::TimestampMicros(choices.pick(&LONGS)),
        "boolean" => AvroValue::Boolean(choices.one_in(2)),
        "float" => AvroValue::Float(choices.pick(&[0.0, 0.1, -2.5, 1e20, 3e38])),
        "double" => AvroValue::Double(choices.pick(&DOUBLES)),
        "string" => AvroValue::String(
            choices.pick(&["", "x", "Евдоким \"\\", "\u{1}\u{7f}\n", "twelve bytes"]).into(),
        ),
        "bytes" => AvroValue::Bytes(choices.pick(&[&b""[..], b"ascii", b"\"\\\n\0"]).to_vec()),
        "enum" => {
            let index = choices.below(3);
            AvroValue::Enum(index as u32, schema["symbols"][index].as_str().unwrap().to_owned())
        }
        "fixed" => {
            let size = schema["size"].as_u64().unwrap() as usize;
            AvroValue::Fixed(size, vec![choices.pick(&[0, b'a', 0xff]); size])
        }
        "union" => match choices.below(2) {
            0 => AvroValue::Union(0, Box::new(AvroValue::Null)),
            _ => AvroValue::Union(1, Box::new(value_of(&schema[1], choices))),
        },
        "array" => {
            let count = choices.below(4);
            AvroValue::Array((0..count).map(|_| value_of(&schema["items"], choices)).collect())
        }
        "map" => {
            // One entry at most, as apache-avro forgets their order.
            let count = choices.below(2);
            AvroValue::Map(
                (0..count).map(|_| ("k\"".to_owned(), value_of(&schema["values"], choices))).collect(),
            )
        }
        _ => {
            let fields = schema["fields"].as_array().unwrap().iter();
            AvroValue::Record(
                fields
                    .map(|field| {
                        (field["name"].as_str().unwrap().to_owned(), value_of(&field["type"], choices))
                    })
                    .collect(),
            )
        }
    }
}

/// A schema that values of the given one resolve into.
fn evolved(schema: &Value, choices: &mut Choices) -> Value {
    let evolved = match type_name(schema) {
        "int" => json!(choices.pick(&["int", "long", "float", "double"])),
        "long" => json!(choices.pick(&["long", "float", "double"])),
        "float" => json!(choices.pick(&["float", "double"])),
        "string" => json!(choices.pick(&["string", "bytes"])),
        "bytes" => json!(choices.pick(&["bytes", "string"])),
        "enum" if choices.one_in(2) => {
            json!({ "type": "enum", "name": schema["name"], "symbols": ["S", "Z", "P"], "default": "Z" })
        }
        "union" => {
            let branch = evolved_type(&schema[1], choices);
            return if choices.one_in(3) { json!([branch, "null"]) } else { json!(["null", branch]) };
        }
        "array" => json!({ "type": "array", "items": evolved(&schema["items"], choices) }),
        "map" => json!({ "type": "map", "values": evolved(&schema["values"], choices) }),
        "record" => evolved_record(schema, choices),
        _ => schema.clone(),
    };
    match evolved {
        Value::Array(_) => evolved,
        _ if choices.one_in(5) => json!(["null", evolved]),
        _ => evolved,
    }
}

fn evolved_type(schema: &Value, choices: &mut Choices) -> Value {
    match evolved(schema, choices) {
        Value::Array(union) => union.into_iter().find(|branch| branch != "null").unwrap(),
        evolved => evolved,
    }
}

fn evolved_record(schema: &Value, choices: &mut Choices) -> Value {
    let mut fields = Vec::new();
    for field in schema["fields"].as_array().unwrap() {
        let name = field["name"].as_str().unwrap();
        let schema = evolved(&field["type"], choices);
        match choices.below(6) {
            4 => continue,
            5 => fields.push(json!({ "name": format!("{name}_new"), "aliases": [name], "type": schema })),
            _ => fields.push(json!({ "name": name, "type": schema })),
        }
    }
    for index in 0..choices.below(3) {
        let (schema, default) = choices.pick(&[
            (json!("long"), json!(-3)),
            (json!(["null", "string"]), Value::Null),
            (json!({ "type": "array", "items": "string" }), json!(["a\n"])),
            (json!("double"), json!(2.0)),
        ]);
        fields.push(json!({ "name": format!("added{index}"), "type": schema, "default": default }));
    }
    for last in (1..fields.len()).rev() {
        let other = choices.below(3 * (last + 1));
        fields.swap(last, other.min(last));
    }
    json!({ "type": "record", "name": schema["name"], "fields": fields })
}

/// Names without `_new`, in a schema or in a payload.
fn with_old_names(value: &Value) -> Value {
    let old = |name: &str| name.strip_suffix("_new").unwrap_or(name).to_owned();
    match value {
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(key, _)| *key != "aliases");
            Value::Object(entries.map(|(key, value)| (old(key), with_old_names(value))).collect())
        }
        Value::Array(items) => items.iter().map(with_old_names).collect(),
        Value::String(text) => Value::String(old(text)),
        scalar => scalar.clone(),
    }
}

fn expected_json(value: AvroValue) -> Value {
    match value {
        AvroValue::Null => Value::Null,
        AvroValue::Boolean(value) => value.into(),
        AvroValue::Int(value) => value.into(),
        AvroValue::Long(value) | AvroValue::TimestampMillis(value) => value.into(),
        AvroValue::TimestampMicros(value) => value.div_euclid(1_000).into(),
        AvroValue::Float(value) => value.to_string().parse::<f64>().unwrap().into(),
        AvroValue::Double(value) => value.into(),
        AvroValue::String(value) | AvroValue::Enum(_, value) => value.into(),
        AvroValue::Bytes(bytes) | AvroValue::Fixed(_, bytes) => {
            bytes.into_iter().map(char::from).collect::<String>().into()
        }
        AvroValue::Union(_, value) => expected_json(*value),
        AvroValue::Array(items) => items.into_iter().map(expected_json).collect(),
        AvroValue::Map(entries) => {
            Value::Object(entries.into_iter().map(|(key, value)| (key, expected_json(value))).collect())
        }
        AvroValue::Record(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, expected_json(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => panic!("not made here: {other:?}"),
    }
}

/// Equal with the same order of fields; `10` is the double 10, and serde_json may miss a double's last bit.
fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || (left.is_f64() || right.is_f64()) && is_near(left, right)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len()
                && pairs.all(|((left_key, left), (right_key, right))| {
                    left_key == right_key && is_same(left, right)
                })
        }
        _ => left == right,
    }
}

fn is_near(left: &Number, right: &Number) -> bool {
    let [left, right] = [left, right].map(|number| number.as_f64().unwrap());
    (left - right).abs() <= left.abs() * 1e-15
}

fn resolved_by_apache_avro(writer: &Schema, reader: &Value, body: &[u8]) -> Value {
    let reader = Schema::parse(&with_old_names(reader)).unwrap();
    let resolving = GenericDatumReader::builder(writer).reader_schema(&reader).build().unwrap();
    expected_json(resolving.read_value(&mut &body[..]).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_record_resolves_as_apache_avro_resolves_it(choices in prop::collection::vec(any::<u16>(), 0..120)) {
        let mut choices = Choices(choices.into_iter());
        let writer = Schemas { choices: &mut choices, names: 0 }.record(3);
        let reader = evolved_record(&writer, &mut choices);
        let schema = Schema::parse(&writer).unwrap();
        let body = avro_datum(&schema, value_of(&writer, &mut choices));

        let plan = plan(&writer.to_string(), &reader.to_string(), &[]).unwrap();
        let payload = payload(&plan, &body).unwrap();
        let expected = resolved_by_apache_avro(&schema, &reader, &body);
        let written = with_old_names(&serde_json::from_str(&payload).unwrap());
        prop_assert!(is_same(&written, &expected), "{writer}\n{reader}\n{payload}\n{expected}");

        for length in 0..body.len() {
            prop_assert_eq!(self::payload(&plan, &body[..length]), Err(Poison::Truncated));
        }
    }
}
