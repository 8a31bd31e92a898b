//! Avro to JSON, by the documented schemas and by schemas that nobody should have registered.
//!
//! ```text
//! input = "0".."2" body                  a record of a documented payload's own schema
//!       | schema %xFF body               a record of any schema, read by the documented payloads and by itself
//! ```
//!
//! What comes out is JSON within its bound, and the same again.

#![no_main]

use dumbwaiter::decode::{CaptureField, Captured, Plan, ReaderSchema, WriterSchema};
use dumbwaiter::limits::PAYLOAD_MAX_BYTES;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use std::sync::LazyLock;

const DOCUMENTED: [&str; 3] = [
    include_str!("../../schemas/pizza.avsc"),
    include_str!("../../schemas/populated_order.avsc"),
    include_str!("../../schemas/order_condition.avsc"),
];

static CAPTURES: LazyLock<[CaptureField; 4]> =
    LazyLock::new(|| ["clientId|client_id", "store_id", "_id", "condition"].map(CaptureField::from));

static READERS: LazyLock<Vec<ReaderSchema>> =
    LazyLock::new(|| DOCUMENTED.iter().map(|text| ReaderSchema::parse(text).unwrap()).collect());

static PLANS: LazyLock<Vec<Plan>> = LazyLock::new(|| {
    let writers = DOCUMENTED.iter().map(|text| WriterSchema::parse(text, &[]).unwrap());
    writers
        .zip(&*READERS)
        .map(|(writer, reader)| Plan::compile(&writer, reader, &*CAPTURES).unwrap())
        .collect()
});

fuzz_target!(|input: &[u8]| {
    if let [number @ b'0'..=b'2', body @ ..] = input {
        return check(&PLANS[usize::from(number - b'0')], body);
    }
    let mut parts = input.splitn(2, |&byte| byte == 0xFF);
    let (schema, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(schema) = str::from_utf8(schema) else { return };
    let Ok(writer) = WriterSchema::parse(schema, &[]) else { return };
    let own = ReaderSchema::of_writer(&writer);
    for reader in READERS.iter().chain([&own]) {
        if let Ok(plan) = Plan::compile(&writer, reader, &*CAPTURES) {
            check(&plan, body);
        }
    }
});

fn check(plan: &Plan, body: &[u8]) {
    let Ok((json, captured)) = run(plan, body) else { return };
    assert!(json.len() <= PAYLOAD_MAX_BYTES, "{} bytes", json.len());
    serde_json::from_slice::<IgnoredAny>(&json).expect("a payload is JSON");
    assert_eq!(run(plan, body).ok(), Some((json, captured)));
}

fn run(plan: &Plan, body: &[u8]) -> Result<(Vec<u8>, Vec<Captured>), dumbwaiter::decode::Poison> {
    let (mut json, mut captured) = (Vec::new(), Vec::new());
    plan.run(body, &mut json, &mut captured)?;
    Ok((json, captured))
}
