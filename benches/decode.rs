//! How fast records become payloads, on one thread: `cargo bench --bench decode`.
//!
//! The order is a usual one, 0.9 KB of Avro and 1.8 KB of JSON. `reordered` has a writer whose fields stand the
//! other way round, at every level, and is what moving them costs.

use apache_avro::Schema;
use apache_avro::types::Value as AvroValue;
use apache_avro::writer::datum::GenericDatumWriter;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dumbwaiter::decode::{Plan, ReaderSchema, WriterSchema};
use serde_json::{Value, json};

const ORDER: &str = include_str!("../schemas/populated_order.avsc");

fn product(title: &str) -> Value {
    json!({
        "cost": 540, "weight": 320, "number": 2,
        "product": {
            "_id": "625ab27addbcb27222de91ee", "visible": true, "title": title,
            "description": "Salmon, cream cheese, cucumber, nori, rice; with ginger and wasabi",
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

fn measure(criterion: &mut Criterion, name: &str, writer: &str) {
    let schema = Schema::parse_str(writer).expect("a valid schema");
    let value = AvroValue::try_from(order()).and_then(|value| value.resolve(&schema));
    let body = GenericDatumWriter::builder(&schema)
        .build()
        .and_then(|datum_writer| datum_writer.write_value_to_vec(value.expect("an order")))
        .expect("an order");
    let writer = WriterSchema::parse(writer, &[]).expect("a valid schema");
    let reader = ReaderSchema::parse(ORDER).expect("a valid schema");
    let plan = Plan::compile(&writer, &reader, &["clientId"]).expect("the same fields");

    let mut group = criterion.benchmark_group("populated_order");
    group.throughput(Throughput::Elements(1));
    let mut captured = Vec::new();
    let mut json = Vec::new();
    plan.run(&body, &mut json, &mut captured).expect("a valid record");
    let name = format!("{name}, {} bytes to {}", body.len(), json.len());
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            json.clear();
            plan.run(&body, &mut json, &mut captured).expect("a valid record");
        });
    });
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    measure(criterion, "in order", ORDER);
    let schema = serde_json::from_str(ORDER).expect("valid json");
    measure(criterion, "reordered", &reversed(schema).to_string());
}

criterion_group!(benches, decode);
criterion_main!(benches);
