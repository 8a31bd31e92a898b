//! Records that name their schema in other ways than a prefix, and what becomes of those that are poison.

use crate::support::{Instance, pizza_body, pizza_message};
use dumbwaiter::consume::{OwnedHeader, OwnedRecord};
use dumbwaiter::decode::WriterSchema;
use serde_json::json;

fn header(name: &str, value: &[u8]) -> OwnedHeader {
    OwnedHeader { name: name.into(), value: Some(value.into()) }
}

fn record(headers: Vec<OwnedHeader>, value: Vec<u8>) -> OwnedRecord {
    OwnedRecord { topic: "pizza.created".to_owned(), headers, value: Some(value), ..OwnedRecord::default() }
}

#[tokio::test]
async fn one_topic_may_have_records_of_every_encoding() {
    let mut instance = Instance::start().await;
    let mut admin = instance.plain(json!({"role": "ADMIN"})).await;
    let body = |uuid| pizza_body(uuid, 7, "u1");
    let bundled = WriterSchema::parse(include_str!("../../schemas/pizza.avsc"), &[]).unwrap();
    let single_object =
        [&[0xc3, 1], &bundled.fingerprint().0.to_le_bytes()[..], &body("by fingerprint")[..]].concat();

    instance.pizza("by prefix", 7, "u1");
    instance.put_record(record(vec![header("__value_schema_id", &[0; 5])], body("by header")));
    instance.put_record(record(vec![header("apicurio.value.contentId", &[0; 8])], body("by content id")));
    instance.put_record(record(Vec::new(), single_object));

    for uuid in ["by prefix", "by header", "by content id", "by fingerprint"] {
        assert_eq!(admin.text().await, pizza_message(uuid, 7, "u1"));
    }
    instance.stop().await;
}

#[tokio::test]
async fn poison_goes_to_the_dead_letters_as_it_came_and_tombstones_do_not() {
    let mut instance = Instance::start().await;
    let mut admin = instance.plain(json!({"role": "ADMIN"})).await;
    let poison = OwnedRecord {
        key: Some(b"the key".to_vec()),
        ..record(vec![header("trace", b"t1")], vec![0, 0, 0, 0, 2, 200])
    };
    instance.put_record(poison.clone());
    instance.put_bytes("pizza.created", None);
    instance.put_bytes("order.archived", Some(vec![0, 0, 0, 0, 2, 200]));
    instance.pizza("p1", 7, "u1");
    assert_eq!(admin.text().await, pizza_message("p1", 7, "u1"));

    let letter = instance.dead_letters.try_recv().unwrap();
    assert_eq!((&letter.key, &letter.value), (&poison.key, &poison.value));
    let said: Vec<_> = letter.headers.iter().map(|header| (&*header.name, header.value.as_deref())).collect();
    assert_eq!(said[..2], [("trace", Some(&b"t1"[..])), ("dumbwaiter.reason", Some(b"incompatible_schema"))]);
    assert_eq!(said.last().unwrap(), &("dumbwaiter.schema_id", Some(&b"2"[..])));
    assert!(instance.dead_letters.try_recv().is_err(), "one letter only");
    instance.stop().await;
}
