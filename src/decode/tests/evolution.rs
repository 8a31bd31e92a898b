//! Schema resolution, rule by rule: what a writer's value becomes in the payload.

use serde_json::json;

use super::*;

/// A record of the writer's fields, read with the reader's.
fn check(writer: &str, value: Value, reader: &str, expected: &str) {
    let (writer, reader) = (record_of(writer), record_of(reader));
    let plan = plan(&writer, &reader, &[]).unwrap();
    assert_eq!(
        payload(&plan, &avro(&writer, &value)),
        Ok(expected.to_owned()),
        "{writer} -> {reader}"
    );
}

/// A value of one field.
fn check_value(writer: &str, value: Value, reader: &str, expected: &str) {
    assert_eq!(
        try_value(writer, value, reader),
        Ok(expected.to_owned()),
        "{writer} -> {reader}"
    );
}

fn try_value(writer: &str, value: Value, reader: &str) -> Result<String, Poison> {
    read_field(writer, reader, &avro(&field_of(writer), &json!({ "f": value })))
}

fn check_incompatible(writer: &str, reader: &str, expected: &str) {
    let fault = plan(&record_of(writer), &record_of(reader), &[]).unwrap_err();
    assert_eq!(fault.to_string(), expected);
}

const A: &str = r#"{"name":"a","type":"int"}"#;
const B: &str = r#"{"name":"b","type":"string"}"#;
const C: &str = r#"{"name":"c","type":{"type":"array","items":"long"}}"#;

#[test]
fn fields_in_the_reader_s_order() {
    let value = || json!({ "a": 1, "b": "x", "c": [2, 3] });
    let writer = [A, B, C].join(",");
    check(&writer, value(), &writer, r#"{"a":1,"b":"x","c":[2,3]}"#);
    check(
        &writer,
        value(),
        &[C, B, A].join(","),
        r#"{"c":[2,3],"b":"x","a":1}"#,
    );
    check(
        &writer,
        value(),
        &[B, A, C].join(","),
        r#"{"b":"x","a":1,"c":[2,3]}"#,
    );
    check(&writer, value(), &[C, A].join(","), r#"{"c":[2,3],"a":1}"#);
}

#[test]
fn fields_change_places_at_every_level() {
    let nested = |fields: &str| {
        let inner = format!(r#"{{"type":"record","name":"N","fields":[{fields}]}}"#);
        format!(r#"{B},{{"name":"list","type":{{"type":"array","items":{inner}}}}},{A}"#)
    };
    let reader = |fields: &str| {
        let inner = format!(r#"{{"type":"record","name":"N","fields":[{fields}]}}"#);
        format!(r#"{A},{{"name":"list","type":{{"type":"array","items":{inner}}}}},{B}"#)
    };
    check(
        &nested(&[A, C, B].join(",")),
        json!({ "b": "o", "a": 9, "list": [{ "a": 1, "b": "x", "c": [2] }, { "a": 3, "b": "y", "c": [] }] }),
        &reader(&[B, A].join(",")),
        r#"{"a":9,"list":[{"b":"x","a":1},{"b":"y","a":3}],"b":"o"}"#,
    );
}

#[test]
fn fields_that_only_the_writer_has_are_skipped() {
    let dropped = r#"{"name":"x","type":["null","double"]},{"name":"y","type":"boolean"},
        {"name":"m","type":{"type":"map","values":{"type":"array","items":"float"}}},{"name":"n","type":"null"}"#;
    let value = json!({ "a": 1, "x": 0.5, "y": true, "m": { "k": [1.0], "l": [] }, "n": null, "b": "z" });
    check(
        &[A, dropped, B].join(","),
        value.clone(),
        &[A, B].join(","),
        r#"{"a":1,"b":"z"}"#,
    );
    check(&[dropped, A, B].join(","), value.clone(), B, r#"{"b":"z"}"#);
    check(
        &[A, B, dropped].join(","),
        value.clone(),
        &[B, A].join(","),
        r#"{"b":"z","a":1}"#,
    );
    check(dropped, value, "", "{}");
}

fn check_default(schema: &str, default: Value, attributes: &str, expected: &str) {
    let reader = format!(r#"{A},{{"name":"new","type":{schema},"default":{default}{attributes}}}"#);
    check(
        A,
        json!({ "a": 1 }),
        &reader,
        &format!(r#"{{"a":1,"new":{expected}}}"#),
    );
}

#[test]
fn fields_that_only_the_reader_has_show_their_defaults() {
    check_default(r#""null""#, json!(null), "", "null");
    check_default(r#""boolean""#, json!(true), "", "true");
    check_default(r#""int""#, json!(-5), "", "-5");
    check_default(r#""long""#, json!(i64::MAX), "", "9223372036854775807");
    check_default(r#""float""#, json!(0.1), "", "0.1");
    check_default(r#""double""#, json!(10.0), "", "10");
    check_default(r#""string""#, json!("a\"\n"), "", r#""a\"\n""#);
    check_default(r#""bytes""#, json!("\u{ff}"), "", "\"\u{ff}\"");
    check_default(r#"["null","string"]"#, json!(null), "", "null");
    check_default(r#"["string","null"]"#, json!("x"), "", r#""x""#);
    check_default(
        r#"{"type":"enum","name":"E","symbols":["P","Q"]}"#,
        json!("Q"),
        "",
        r#""Q""#,
    );
    check_default(r#"{"type":"array","items":"long"}"#, json!([1, 2]), "", "[1,2]");
    check_default(
        r#"{"type":"map","values":"long"}"#,
        json!({ "k": 1 }),
        "",
        r#"{"k":1}"#,
    );
    let record = r#"{"type":"record","name":"N","fields":[
        {"name":"p","type":"long","default":7},{"name":"q","type":"string"}]}"#;
    check_default(record, json!({ "q": "x" }), "", r#"{"p":7,"q":"x"}"#);
    let timestamp = r#"{"type":"long","logicalType":"timestamp-micros"}"#;
    check_default(timestamp, json!(1_500), "", "1");
    let attribute = r#","json":"rfc3339-micros""#;
    check_default(
        timestamp,
        json!(1_500),
        attribute,
        r#""1970-01-01T00:00:00.001500Z""#,
    );
}

#[test]
fn defaults_stand_where_the_reader_has_them() {
    let reader = r#"{"name":"p","type":"long","default":1},{"name":"b","type":"string"},
        {"name":"q","type":"long","default":2},{"name":"a","type":"int"},{"name":"r","type":"long","default":3}"#;
    let value = json!({ "a": 0, "b": "x" });
    check(
        &[B, A].join(","),
        value.clone(),
        reader,
        r#"{"p":1,"b":"x","q":2,"a":0,"r":3}"#,
    );
    check(
        &[A, B].join(","),
        value,
        reader,
        r#"{"p":1,"b":"x","q":2,"a":0,"r":3}"#,
    );
}

#[test]
fn aliases_of_the_reader_find_the_writer_s_field() {
    let reader = r#"{"name":"clientId","type":"string","aliases":["client_id","owner"]}"#;
    check(
        r#"{"name":"client_id","type":"string"}"#,
        json!({ "client_id": "x" }),
        reader,
        r#"{"clientId":"x"}"#,
    );
    let both = r#"{"name":"owner","type":"string"},{"name":"clientId","type":"string"}"#;
    check(
        both,
        json!({ "owner": "x", "clientId": "y" }),
        reader,
        r#"{"clientId":"y"}"#,
    );
}

#[test]
fn an_alias_takes_no_field_that_another_has_by_name() {
    let reader =
        r#"{"name":"a","type":"int"},{"name":"q","type":["null","int"],"aliases":["a"],"default":null}"#;
    check(A, json!({ "a": 1 }), reader, r#"{"a":1,"q":null}"#);
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
    assert_eq!(
        read_field(r#""bytes""#, r#""string""#, &[4, 0xc3, 0xa9]),
        Ok("\"é\"".to_owned())
    );
    assert_eq!(
        read_field(r#""bytes""#, r#""string""#, &[4, 0xc3, b'a']),
        Err(Poison::BadUtf8)
    );
}

#[test]
fn unions() {
    check_value(r#""string""#, json!("x"), r#"["null","string"]"#, r#""x""#);
    check_value(r#"["null","int"]"#, json!(5), r#"["long","null"]"#, "5");
    check_value(r#"["null","int"]"#, json!(null), r#"["long","null"]"#, "null");
    check_value(r#"["null","string"]"#, json!("x"), r#""string""#, r#""x""#);
    check_value(
        r#"["int","string"]"#,
        json!("x"),
        r#"["bytes","double","string"]"#,
        r#""x""#,
    );
    check_value(
        r#"["int","string"]"#,
        json!(3),
        r#"["bytes","double","string"]"#,
        "3",
    );
}

#[test]
fn a_branch_that_does_not_resolve_is_wrong_only_where_it_occurs() {
    let nullable = r#"["null","string"]"#;
    assert_eq!(
        try_value(nullable, json!(null), r#""string""#),
        Err(Poison::IncompatibleSchema)
    );
    assert_eq!(
        try_value(nullable, json!("x"), r#""string""#),
        Ok(r#""x""#.to_owned())
    );
    let field = |schema: &str| format!(r#"{{"name":"f","type":{schema}}}"#);
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
    let [fault] = plan.unresolved() else {
        panic!("{:?}", plan.unresolved())
    };
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
    check_value(
        &writer,
        json!("P"),
        &symbols(r#""R","Q""#, r#","default":"R""#),
        r#""R""#,
    );
    assert_eq!(
        try_value(&writer, json!("P"), &symbols(r#""Q""#, "")),
        Err(Poison::IncompatibleSchema)
    );
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
        record(
            "First",
            &[r#"{"name":"z","type":"int","default":0}"#, A].join(",")
        ),
        record("Second", A)
    );
    check_value(&record("Second", A), json!({ "a": 1 }), &reader, r#"{"a":1}"#);
    check_value(
        &record("First", A),
        json!({ "a": 1 }),
        &reader,
        r#"{"z":0,"a":1}"#,
    );
    check_value(
        &record("Unknown", A),
        json!({ "a": 1 }),
        &reader,
        r#"{"z":0,"a":1}"#,
    );
    check_value(
        &record("Unknown", A),
        json!({ "a": 1 }),
        &record("Known", A),
        r#"{"a":1}"#,
    );
}

#[test]
fn fixed_by_name_and_size() {
    let fixed = |name: &str, size: usize| format!(r#"{{"type":"fixed","name":"{name}","size":{size}}}"#);
    assert_eq!(
        read_field(&fixed("F", 2), &fixed("F", 2), &[b'a', 0xff]),
        Ok("\"a\u{ff}\"".to_owned())
    );
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
    assert_eq!(
        read_field(&in_bytes, r#""double""#, &[4, 0x3a, 0x97]),
        Ok("149.99".to_owned())
    );
    assert_eq!(
        read_field(&in_bytes, &in_bytes, &[2, 0xff]),
        Ok("-0.01".to_owned())
    );
    assert_eq!(
        read_field(&in_fixed, r#"["null","double"]"#, &[0xff, 0xff, 0xff, 0x9c]),
        Ok("-1".to_owned())
    );
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
        assert_eq!(
            read_field(&of(writer), &of(reader), &two),
            Ok(expected.to_owned()),
            "{writer} {reader}"
        );
    }
    assert_eq!(
        read_field(&of("timestamp-micros"), r#""long""#, &two),
        Ok("2".to_owned())
    );
    assert_eq!(
        read_field(r#""long""#, &of("timestamp-millis"), &two),
        Ok("2".to_owned())
    );
    assert_eq!(
        read_field(r#""int""#, &of("timestamp-micros"), &two),
        Ok("0".to_owned())
    );
}

#[test]
fn faults_name_the_field() {
    check_incompatible(
        A,
        &[A, B].join(","),
        "field b: writer has no such field, reader wants string without a default",
    );
    check_incompatible(
        r#"{"name":"a","type":"long"}"#,
        A,
        "field a: writer has long, reader wants int",
    );
    let list = |inner: &str| {
        let record = format!(r#"{{"type":"record","name":"N","fields":[{inner}]}}"#);
        format!(
            r#"{{"name":"products","type":{{"type":"array","items":{{"type":"map","values":{record}}}}}}}"#
        )
    };
    check_incompatible(
        &list(r#"{"name":"cost","type":"string"}"#),
        &list(r#"{"name":"cost","type":"long"}"#),
        "field products[]{}.cost: writer has string, reader wants long",
    );
}

#[test]
fn captures_are_the_writer_s_own_values() {
    let reader = r#"{"name":"clientId","type":["null","string"],"aliases":["client_id"],"default":null},
        {"name":"number","type":"double"}"#;
    let number = r#"{"name":"number","type":"int"}"#;
    let names = ["clientId", "number", "extra"];
    let check = |writer: &str, value: Value, expected: [Captured; 3]| {
        let writer = record_of(&format!("{writer},{number}"));
        let plan = plan(&writer, &record_of(reader), &names).unwrap();
        assert_eq!(captured(&plan, &avro(&writer, &value)), expected);
    };
    let seven = Captured::Integer(7);
    check(
        r#"{"name":"client_id","type":["null","string"]}"#,
        json!({ "client_id": "me", "number": 7 }),
        [Captured::Text("me".into()), seven.clone(), Captured::Absent],
    );
    check(
        r#"{"name":"clientId","type":"null"}"#,
        json!({ "clientId": null, "number": 7 }),
        [Captured::Null, seven.clone(), Captured::Absent],
    );
    check(
        r#"{"name":"extra","type":["boolean","string"]}"#,
        json!({ "extra": true, "number": 7 }),
        [Captured::Absent, seven.clone(), Captured::Unusable],
    );
    check(
        r#"{"name":"extra","type":"bytes"}"#,
        json!({ "extra": "", "number": 7 }),
        [Captured::Absent, seven, Captured::Unusable],
    );
}
