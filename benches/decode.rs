//! How fast records become payloads and frames, on one thread: `cargo bench --bench decode`.
//!
//! The order is a usual one, 920 bytes of Avro and 1.9 KB of JSON. `reordered` has a writer whose fields stand the
//! other way round, at every level, and is what moving them costs. Beside ours: serde_avro_fast, transcoded to JSON
//! without a value between, which has no resolution (a reader's schema) at all; and apache-avro, by way of its
//! values, with and without resolution.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as AvroValue;
use apache_avro::writer::datum::GenericDatumWriter;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement};
use dumbwaiter::decode::{Plan, ReaderSchema, WriterSchema};
use dumbwaiter::protocol::{Protocol, event_frame};
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState};
use serde_json::{Value, json};
use std::hint::black_box;

type Group<'c> = BenchmarkGroup<'c, measurement::WallTime>;

const ORDER: &str = include_str!("../schemas/populated_order.avsc");

fn product(title: &str) -> Value {
    json!({
        "cost": 540, "weight": 320, "number": 2,
        "product": {
            "_id": "625ab27addbcb27222de91ee", "visible": true, "title": title,
            "description": "Salmon, cream cheese, cucumber, nori, rice; with ginger and wasabi. \
                            Eight pieces, rolled to order; allergens: fish, milk, sesame, soya.",
            "ingredients": ["salmon", "cream cheese", "cucumber", "nori", "rice"],
            "images": ["/images/625ab27addbcb27222de91ee-1.webp"],
            "type": "MULTIPLE", "cost": 540, "weight": 320,
            "createdAt": 1_650_111_098_902_i64, "updatedAt": 1_650_111_098_902_i64,
        },
        "variant": {
            "_id": "625ab27addbcb27222de91ef", "title": "8 pieces", "visible": true,
            "image": "/images/8.webp", "icon": null, "cost": 540, "weight": 320,
            "createdAt": 1_650_111_098_902_i64, "updatedAt": 1_650_111_098_902_i64,
        },
    })
}

fn order() -> Value {
    json!({
        "_id": "6263bda571a52b2d541ec5f7", "number": 23, "clientId": "4920737570657261646d696e",
        "phone": "+38(071)000-00-00", "address": "ул. Артёма, 1, кв. 2", "cost": 1620, "weight": 960,
        "username": "Евдоким Субботин", "condition": "NEW", "delivery": true, "deliveryCost": 150,
        "discount": { "type": "WITHOUT_DELIVERY", "percent": 10 }, "additionalInformation": "call first",
        "deliveryCalculateManually": false, "time": null, "productsSum": 1800,
        "products": [product("Philadelphia"), product("California")],
        "isTestOrder": false, "createdAt": 1_650_703_781_870_i64, "updatedAt": 1_650_703_781_870_i64,
    })
}

/// The schema with the fields of every record the other way round.
fn reversed(schema: Value) -> Value {
    match schema {
        Value::Object(entries) => {
            let reversed_entry = |(key, value): (String, Value)| match (key.as_str(), value) {
                ("fields", Value::Array(fields)) => (key, fields.into_iter().rev().map(reversed).collect()),
                (_, value) => (key, reversed(value)),
            };
            entries.into_iter().map(reversed_entry).collect()
        }
        Value::Array(items) => items.into_iter().map(reversed).collect(),
        scalar => scalar,
    }
}

fn encode(schema: &Schema) -> Vec<u8> {
    let value = AvroValue::try_from(order()).and_then(|value| value.resolve(schema));
    let written = GenericDatumWriter::builder(schema)
        .build()
        .and_then(|datum_writer| datum_writer.write_value_to_vec(value.expect("an order")));
    written.expect("an order")
}

fn ours(group: &mut Group<'_>, name: &str, writer: &str) {
    let body = encode(&Schema::parse_str(writer).expect("a valid schema"));
    let writer = WriterSchema::parse(writer, &[]).expect("a valid schema");
    let reader = ReaderSchema::parse(ORDER).expect("a valid schema");
    let plan = Plan::compile(&writer, &reader, &["clientId".into()]).expect("the same fields");
    let mut captured = Vec::new();
    let mut json = Vec::new();
    plan.run(&body, &mut json, &mut captured).expect("a valid record");
    let sizes = format!("{} bytes to {}", body.len(), json.len());
    group.bench_function(format!("{name}, {sizes}"), |bencher| {
        bencher.iter(|| {
            json.clear();
            plan.run(&body, &mut json, &mut captured).expect("a valid record");
        });
    });
    group.bench_function(format!("{name}, to a finished frame"), |bencher| {
        bencher.iter(|| {
            json.clear();
            plan.run(&body, &mut json, &mut captured).expect("a valid record");
            event_frame(Protocol::SocketIo, "order:new", &json)
        });
    });
}

fn transcoding(group: &mut Group<'_>) {
    let body = encode(&Schema::parse_str(ORDER).expect("a valid schema"));
    let schema: serde_avro_fast::Schema = ORDER.parse().expect("a valid schema");
    let mut json = Vec::new();
    group.bench_function("serde_avro_fast, transcoded, no resolution", |bencher| {
        bencher.iter(|| {
            json.clear();
            let config = DeserializerConfig::new(&schema);
            let mut state = DeserializerState::with_config(SliceRead::new(&body), config);
            let mut serializer = serde_json::Serializer::new(&mut json);
            serde_transcode::transcode(state.deserializer(), &mut serializer).expect("a valid record");
        });
    });
}

fn values(group: &mut Group<'_>) {
    let schema = Schema::parse_str(ORDER).expect("a valid schema");
    let body = encode(&schema);
    let alone = GenericDatumReader::builder(&schema).build();
    let resolving = GenericDatumReader::builder(&schema).reader_schema(&schema).build();
    for (name, reader) in [("apache-avro, no resolution", alone), ("apache-avro, with resolution", resolving)]
    {
        let reader = reader.expect("a valid schema");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let value = reader.read_value(&mut body.as_slice()).expect("a valid record");
                let value = Value::try_from(value).expect("an order has no bytes");
                serde_json::to_vec(&value).expect("a value is JSON")
            });
        });
    }
}

fn frame(criterion: &mut Criterion) {
    let payload = order().to_string();
    let mut group = criterion.benchmark_group("frame");
    group.throughput(Throughput::Elements(1));
    for protocol in Protocol::ALL {
        group.bench_function(protocol.label(), |bencher| {
            bencher.iter(|| event_frame(protocol, "order:new", black_box(payload.as_bytes())));
        });
    }
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("populated_order");
    group.throughput(Throughput::Elements(1));
    ours(&mut group, "in order", ORDER);
    let schema = serde_json::from_str(ORDER).expect("valid json");
    ours(&mut group, "reordered", &reversed(schema).to_string());
    transcoding(&mut group);
    values(&mut group);
    group.finish();
}

criterion_group!(benches, decode, frame);
criterion_main!(benches);
