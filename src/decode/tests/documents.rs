//! The payloads of the two client documents come out byte for byte.
//!
//! The examples are those of the documents, compact; what they leave null has a case of its own, and so do
//! writers whose types differ from the bundled schemas'. The fields that decide who gets them are picked too.

use serde_json::json;

use super::*;

/// The example of `order:new`, compact.
const ORDER_EXAMPLE: &str = r#"{"_id":"6263bda571a52b2d541ec5f7","number":23,"clientId":"4920737570657261646d696e","phone":"+38(071)000-00-00","address":null,"cost":90,"weight":300,"username":"Евдоким Субботин","condition":"NEW","delivery":false,"deliveryCost":null,"discount":{"type":"WITHOUT_DELIVERY","percent":10},"additionalInformation":null,"deliveryCalculateManually":null,"time":null,"productsSum":100,"products":[{"cost":100,"weight":300,"number":1,"product":{"_id":"625ab27addbcb27222de91ee","visible":true,"title":"test","description":"test","ingredients":["test"],"images":[],"type":"SINGLE","cost":100,"weight":300,"createdAt":1650111098902,"updatedAt":1650111098902},"variant":null}],"isTestOrder":false,"createdAt":1650703781870,"updatedAt":1650703781870}"#;

/// The example of `order:condition`, compact.
const CONDITION_EXAMPLE: &str = r#"{"_id":"6263bda571a52b2d541ec5f7","condition":"COLLECTED"}"#;

fn check_example(schema: &str, example: &str) {
    let body = avro(schema, &serde_json::from_str(example).unwrap());
    assert_eq!(payload(&plan(schema, schema, &[]).unwrap(), &body), Ok(example.to_owned()));
}

#[test]
fn order_new() {
    check_example(ORDER, ORDER_EXAMPLE);
}

#[test]
fn order_condition() {
    check_example(CONDITION, CONDITION_EXAMPLE);
}

#[test]
fn order_with_everything_that_the_example_leaves_null() {
    let mut order: Value = serde_json::from_str(ORDER_EXAMPLE).unwrap();
    order["address"] = json!("ул. Артёма, 1 \"б\"");
    order["deliveryCost"] = json!(150);
    order["discount"] = json!({ "type": "WEEKDAY", "percent": 7.5 });
    order["deliveryCalculateManually"] = json!(true);
    order["time"] = json!(1_650_703_999_000_i64);
    order["products"][0]["product"] = Value::Null;
    order["products"][0]["variant"] = json!({
        "_id": "625ab27addbcb27222de91ef", "title": "big", "visible": true, "image": null, "icon": "i.png",
        "cost": 1, "weight": 2, "createdAt": 3, "updatedAt": 4,
    });
    check_example(ORDER, &order.to_string());
}

#[test]
fn an_order_told_to_its_owner_and_to_a_guest() {
    let mut order: Value = serde_json::from_str(ORDER_EXAMPLE).unwrap();
    let plan = plan(ORDER, ORDER, &["clientId", "_id", "number", "products", "absent"]).unwrap();
    assert!(matches!(
        &captured(&plan, &avro(ORDER, &order))[..],
        [Captured::Text(owner), Captured::Text(id), Captured::Integer(23), Captured::Unusable, Captured::Absent]
            if &**owner == "4920737570657261646d696e" && &**id == "6263bda571a52b2d541ec5f7"
    ));
    order["clientId"] = Value::Null;
    assert_eq!(captured(&plan, &avro(ORDER, &order))[0], Captured::Null);
}

#[test]
fn a_condition_s_owner_is_captured_and_not_shown() {
    let writer = record_of(
        r#"{"name":"_id","type":"string"},{"name":"clientId","type":["null","string"]},
           {"name":"condition","type":{"type":"enum","name":"C","symbols":["NEW","COLLECTED"]}}"#,
    );
    let plan = plan(&writer, CONDITION, &["clientId", "condition"]).unwrap();
    let value = json!({
        "_id": "6263bda571a52b2d541ec5f7", "clientId": "4920737570657261646d696e", "condition": "COLLECTED",
    });
    let body = avro(&writer, &value);
    assert_eq!(payload(&plan, &body), Ok(CONDITION_EXAMPLE.to_owned()));
    assert_eq!(
        captured(&plan, &body),
        [Captured::Text("4920737570657261646d696e".into()), Captured::Text("COLLECTED".into())]
    );
}

fn pizza(created_date: &str) -> String {
    format!(
        r#"{{"uuid":"0e4c…","name":"Маргарита","store_id":7,"user_uuid":"5b1f","size":30,"accepted":false,"price":10.5,"description":null,"img_url":"/media/1.png","created_date":"{created_date}","time_prepared":"2018-03-22T18:56:35.176577Z"}}"#
    )
}

#[test]
fn create_pizza_with_dates_as_strings() {
    check_example(PIZZA, &pizza("2018-03-22T18:26:35.176577Z"));
}

#[test]
fn create_pizza_of_a_writer_with_its_own_types() {
    let writer = PIZZA
        .replace(r#"[{ "type": "long", "logicalType": "timestamp-micros" }, "string"]"#, "<at>")
        .replacen("<at>", r#"{"type":"long","logicalType":"timestamp-millis"}"#, 1)
        .replacen("<at>", r#"{"type":"long","logicalType":"timestamp-micros"}"#, 1)
        .replace(r#""double""#, r#"{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}"#)
        .replace(r#""json": "rfc3339-micros""#, r#""doc": """#);
    let plan = plan(&writer, PIZZA, &["store_id", "user_uuid"]).unwrap();
    let schema = Schema::parse_str(&writer).unwrap();
    let fields = vec![
        ("uuid", AvroValue::from("0e4c…")),
        ("name", "Маргарита".into()),
        ("store_id", AvroValue::Long(7)),
        ("user_uuid", "5b1f".into()),
        ("size", AvroValue::Long(30)),
        ("accepted", false.into()),
        ("price", AvroValue::Decimal(1_050_i16.to_be_bytes().into())),
        ("description", AvroValue::Union(0, Box::new(AvroValue::Null))),
        ("img_url", "/media/1.png".into()),
        ("created_date", AvroValue::TimestampMillis(1_521_743_195_176)),
        ("time_prepared", AvroValue::TimestampMicros(1_521_744_995_176_577)),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let body = avro_datum(&schema, AvroValue::Record(fields));
    assert_eq!(payload(&plan, &body), Ok(pizza("2018-03-22T18:26:35.176000Z")));
    assert_eq!(captured(&plan, &body), [Captured::Integer(7), Captured::Text("5b1f".into())]);
}
