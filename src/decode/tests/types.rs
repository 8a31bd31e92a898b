//! Resolution of values: what a writer's type becomes in a field of another.
//!
//! A case is a type of the writer's, a value of it as JSON or as Avro bytes, the reader's type, and the JSON that
//! the payload shows. What the plan takes beyond the specification has its cases here.

use serde_json::json;

use super::*;

/// A value of one field.
fn check_value(writer: &str, value: Value, reader: &str, expected: &str) {
    assert_eq!(try_value(writer, value, reader), Ok(expected.to_owned()), "{writer} -> {reader}");
}

fn field(schema: &str) -> String {
    format!(r#"{{"name":"f","type":{schema}}}"#)
}

fn try_value(writer: &str, value: Value, reader: &str) -> Result<String, Poison> {
    read_field(writer, reader, &avro(&field_of(writer), &json!({ "f": value })))
}

#[test]
fn promotions() {
    for reader in ["int", "long", "float", "double"] {
        check_value(r#""int""#, json!(-7), &format!("\"{reader}\""), "-7");
    }
    check_value(r#""long""#, json!(1_i64 << 53), r#""double""#, "9007199254740992");
    check_value(r#""long""#, json!((1 << 24) + 1), r#""float""#, "16777216");
    check_value(r#""float""#, json!(0.5), r#""double""#, "0.5");
    check_value(r#""string""#, json!("é"), r#""bytes""#, "\"\u{c3}\u{a9}\"");
    assert_eq!(read_field(r#""bytes""#, r#""string""#, &[4, 0xc3, 0xa9]), Ok("\"é\"".to_owned()));
    assert_eq!(read_field(r#""bytes""#, r#""string""#, &[4, 0xc3, b'a']), Err(Poison::BadUtf8));
}

#[test]
fn dates_and_times_of_day_are_numbers_and_no_points_in_time() {
    let annotated = |base: &str, name: &str| format!(r#"{{"type":"{base}","logicalType":"{name}"}}"#);
    let millis = annotated("long", "timestamp-millis");
    for (base, name) in [("int", "date"), ("int", "time-millis"), ("long", "time-micros")] {
        let writer = annotated(base, name);
        let body = [0xC0, 0xB8, 0x02];
        for reader in [format!("\"{base}\""), r#""double""#.to_owned(), writer.clone()] {
            assert_eq!(read_field(&writer, &reader, &body), Ok("20000".to_owned()), "{writer} -> {reader}");
        }
        check_incompatible(
            &field(&writer),
            &field(&millis),
            &format!("field f: writer has {name}, reader wants timestamp-millis"),
        );
        assert_eq!(read_field(&format!("\"{base}\""), &writer, &body), Ok("20000".to_owned()));
    }
}

#[test]
fn unions() {
    check_value(r#""string""#, json!("x"), r#"["null","string"]"#, r#""x""#);
    check_value(r#"["null","int"]"#, json!(5), r#"["long","null"]"#, "5");
    check_value(r#"["null","int"]"#, json!(null), r#"["long","null"]"#, "null");
    check_value(r#"["null","string"]"#, json!("x"), r#""string""#, r#""x""#);
    check_value(r#"["int","string"]"#, json!("x"), r#"["bytes","double","string"]"#, r#""x""#);
    check_value(r#"["int","string"]"#, json!(3), r#"["bytes","double","string"]"#, "3");
}

#[test]
fn a_branch_that_does_not_resolve_is_wrong_only_where_it_occurs() {
    let nullable = r#"["null","string"]"#;
    assert_eq!(try_value(nullable, json!(null), r#""string""#), Err(Poison::IncompatibleSchema));
    assert_eq!(try_value(nullable, json!("x"), r#""string""#), Ok(r#""x""#.to_owned()));
    check_incompatible(
        &field(nullable),
        &field(r#"["long","boolean"]"#),
        "field f: writer has [null, string], reader wants [long, boolean]",
    );
}

#[test]
fn a_plan_tells_which_branches_do_not_resolve() {
    let list = |fields: &str| {
        let record = format!(r#"["null",{{"type":"record","name":"N","fields":[{fields}]}}]"#);
        format!(r#"{{"name":"list","type":{{"type":"array","items":{record}}}}}"#)
    };
    let [writer, reader] = [A, B].map(|fields| record_of(&list(fields)));
    let plan = plan(&writer, &reader, &[]).unwrap();
    let [fault] = plan.unresolved() else { panic!("{:?}", plan.unresolved()) };
    let expected = "field list[].b: writer has no such field, reader wants string without a default";
    assert_eq!(fault.to_string(), expected);
    assert_eq!(payload(&plan, &[2, 0, 0]), Ok(r#"{"list":[null]}"#.to_owned()));
    assert_eq!(payload(&plan, &[2, 2, 2, 0]), Err(Poison::IncompatibleSchema));
}

#[test]
fn enums() {
    let symbols = |symbols: &str, default: &str| {
        format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]{default}}}"#)
    };
    let writer = symbols(r#""P","Q","R""#, "");
    check_value(&writer, json!("Q"), &symbols(r#""R","Q""#, ""), r#""Q""#);
    check_value(&writer, json!("P"), &symbols(r#""R","Q""#, r#","default":"R""#), r#""R""#);
    assert_eq!(try_value(&writer, json!("P"), &symbols(r#""Q""#, "")), Err(Poison::IncompatibleSchema));
    check_value(&writer, json!("R"), r#""string""#, r#""R""#);
    check_value(&writer, json!("R"), r#"["null","string"]"#, r#""R""#);
    check_incompatible(
        &format!(r#"{{"name":"f","type":{writer}}}"#),
        r#"{"name":"f","type":{"type":"enum","name":"Other","symbols":["P","Q","R"]}}"#,
        "field f: writer has enum E, reader wants enum Other",
    );
    let renamed = r#"{"type":"enum","name":"Other","aliases":["E"],"symbols":["P","Q","R"]}"#;
    check_value(&writer, json!("P"), renamed, r#""P""#);
}

#[test]
fn records_by_name_else_by_their_fields() {
    let record = |name: &str, fields: &str| {
        format!(r#"{{"type":"record","name":"{name}","namespace":"n","fields":[{fields}]}}"#)
    };
    let reader = format!(
        "[\"null\",{},{}]",
        record("First", &[r#"{"name":"z","type":"int","default":0}"#, A].join(",")),
        record("Second", A)
    );
    check_value(&record("Second", A), json!({ "a": 1 }), &reader, r#"{"a":1}"#);
    check_value(&record("First", A), json!({ "a": 1 }), &reader, r#"{"z":0,"a":1}"#);
    check_value(&record("Unknown", A), json!({ "a": 1 }), &reader, r#"{"z":0,"a":1}"#);
    check_value(&record("Unknown", A), json!({ "a": 1 }), &record("Known", A), r#"{"a":1}"#);
}

#[test]
fn fixed_by_name_and_size() {
    let fixed = |name: &str, size: usize| format!(r#"{{"type":"fixed","name":"{name}","size":{size}}}"#);
    assert_eq!(read_field(&fixed("F", 2), &fixed("F", 2), &[b'a', 0xff]), Ok("\"a\u{ff}\"".to_owned()));
    let field = |schema: &str| format!(r#"{{"name":"f","type":{schema}}}"#);
    for (reader, shown) in [(fixed("F", 3), "fixed F of 3"), (fixed("G", 2), "fixed G of 2")] {
        let expected = format!("field f: writer has fixed F of 2, reader wants {shown}");
        check_incompatible(&field(&fixed("F", 2)), &field(&reader), &expected);
    }
}

#[test]
fn decimals_become_numbers() {
    let decimal = r#""logicalType":"decimal","precision":12,"scale":2"#;
    let in_bytes = format!(r#"{{"type":"bytes",{decimal}}}"#);
    let in_fixed = format!(r#"{{"type":"fixed","name":"D","size":4,{decimal}}}"#);
    assert_eq!(read_field(&in_bytes, r#""double""#, &[4, 0x3a, 0x97]), Ok("149.99".to_owned()));
    assert_eq!(read_field(&in_bytes, &in_bytes, &[2, 0xff]), Ok("-0.01".to_owned()));
    assert_eq!(read_field(&in_fixed, r#"["null","double"]"#, &[0xff, 0xff, 0xff, 0x9c]), Ok("-1".to_owned()));
    assert_eq!(read_field(r#""bytes""#, &in_bytes, &[2, 100]), Ok("1".to_owned()));
    check_incompatible(
        &format!(r#"{{"name":"f","type":{in_bytes}}}"#),
        r#"{"name":"f","type":"string"}"#,
        "field f: writer has decimal, reader wants string",
    );
}

#[test]
fn timestamps_convert_between_their_units() {
    let of = |unit: &str| format!(r#"{{"type":"long","logicalType":"{unit}"}}"#);
    let two = [4];
    for (writer, reader, expected) in [
        ("timestamp-millis", "timestamp-millis", "2"),
        ("timestamp-millis", "timestamp-micros", "2"),
        ("timestamp-micros", "timestamp-millis", "0"),
        ("timestamp-nanos", "timestamp-millis", "0"),
        ("local-timestamp-millis", "timestamp-millis", "2"),
        ("local-timestamp-micros", "timestamp-millis", "0"),
    ] {
        assert_eq!(read_field(&of(writer), &of(reader), &two), Ok(expected.to_owned()), "{writer} {reader}");
    }
    assert_eq!(read_field(&of("timestamp-micros"), r#""long""#, &two), Ok("2".to_owned()));
    assert_eq!(read_field(r#""long""#, &of("timestamp-millis"), &two), Ok("2".to_owned()));
    assert_eq!(read_field(r#""int""#, &of("timestamp-micros"), &two), Ok("0".to_owned()));
}
