//! Resolution of records: which of the writer's fields the payload shows, where, and what stands in for the rest.
//!
//! A case is the writer's fields, a value of them as JSON, the reader's fields, and the payload. Captured fields
//! are here as well, since they are found by the same rules.

use serde_json::json;

use super::*;

/// A record of the writer's fields, read with the reader's.
fn check(writer: &str, value: Value, reader: &str, expected: &str) {
    let (writer, reader) = (record_of(writer), record_of(reader));
    let plan = plan(&writer, &reader, &[]).unwrap();
    assert_eq!(payload(&plan, &avro(&writer, &value)), Ok(expected.to_owned()), "{writer} -> {reader}");
}

#[test]
fn fields_in_the_reader_s_order() {
    let value = || json!({ "a": 1, "b": "x", "c": [2, 3] });
    let writer = [A, B, C].join(",");
    check(&writer, value(), &writer, r#"{"a":1,"b":"x","c":[2,3]}"#);
    check(&writer, value(), &[C, B, A].join(","), r#"{"c":[2,3],"b":"x","a":1}"#);
    check(&writer, value(), &[B, A, C].join(","), r#"{"b":"x","a":1,"c":[2,3]}"#);
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
    check(&[A, dropped, B].join(","), value.clone(), &[A, B].join(","), r#"{"a":1,"b":"z"}"#);
    check(&[dropped, A, B].join(","), value.clone(), B, r#"{"b":"z"}"#);
    check(&[A, B, dropped].join(","), value.clone(), &[B, A].join(","), r#"{"b":"z","a":1}"#);
    check(dropped, value, "", "{}");
}

fn check_default(schema: &str, default: Value, attributes: &str, expected: &str) {
    let reader = format!(r#"{A},{{"name":"new","type":{schema},"default":{default}{attributes}}}"#);
    check(A, json!({ "a": 1 }), &reader, &format!(r#"{{"a":1,"new":{expected}}}"#));
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
    check_default(r#"{"type":"enum","name":"E","symbols":["P","Q"]}"#, json!("Q"), "", r#""Q""#);
    check_default(r#"{"type":"array","items":"long"}"#, json!([1, 2]), "", "[1,2]");
    check_default(r#"{"type":"map","values":"long"}"#, json!({ "k": 1 }), "", r#"{"k":1}"#);
    let record = r#"{"type":"record","name":"N","fields":[
        {"name":"p","type":"long","default":7},{"name":"q","type":"string"}]}"#;
    check_default(record, json!({ "q": "x" }), "", r#"{"p":7,"q":"x"}"#);
    let timestamp = r#"{"type":"long","logicalType":"timestamp-micros"}"#;
    check_default(timestamp, json!(1_500), "", "1");
    let attribute = r#","json":"rfc3339-micros""#;
    check_default(timestamp, json!(1_500), attribute, r#""1970-01-01T00:00:00.001500Z""#);
}

#[test]
fn defaults_stand_where_the_reader_has_them() {
    let reader = r#"{"name":"p","type":"long","default":1},{"name":"b","type":"string"},
        {"name":"q","type":"long","default":2},{"name":"a","type":"int"},{"name":"r","type":"long","default":3}"#;
    let value = json!({ "a": 0, "b": "x" });
    check(&[B, A].join(","), value.clone(), reader, r#"{"p":1,"b":"x","q":2,"a":0,"r":3}"#);
    check(&[A, B].join(","), value, reader, r#"{"p":1,"b":"x","q":2,"a":0,"r":3}"#);
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
    check(both, json!({ "owner": "x", "clientId": "y" }), reader, r#"{"clientId":"y"}"#);
}

#[test]
fn an_alias_takes_no_field_that_another_has_by_name() {
    let reader =
        r#"{"name":"a","type":"int"},{"name":"q","type":["null","int"],"aliases":["a"],"default":null}"#;
    check(A, json!({ "a": 1 }), reader, r#"{"a":1,"q":null}"#);
}

#[test]
fn faults_name_the_field() {
    check_incompatible(
        A,
        &[A, B].join(","),
        "field b: writer has no such field, reader wants string without a default",
    );
    check_incompatible(r#"{"name":"a","type":"long"}"#, A, "field a: writer has long, reader wants int");
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
    let names = ["clientId", "number", "extra|more"];
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
        r#"{"name":"more","type":"string"}"#,
        json!({ "more": "by its alias", "number": 7 }),
        [Captured::Absent, seven.clone(), Captured::Text("by its alias".into())],
    );
    let bytes = |bytes: &[u8]| {
        let writer = record_of(&format!(r#"{{"name":"extra","type":"bytes"}},{number}"#));
        let record = [
            (String::from("extra"), AvroValue::Bytes(bytes.to_vec())),
            (String::from("number"), AvroValue::Int(7)),
        ];
        let body = avro_datum(&Schema::parse_str(&writer).unwrap(), AvroValue::Record(record.into()));
        captured(&plan(&writer, &record_of(reader), &names).unwrap(), &body)
    };
    // As a payload shows them.
    assert_eq!(bytes("я".as_bytes()), [Captured::Absent, seven.clone(), Captured::Text("я".into())]);
    assert_eq!(bytes(&[0xFF]), [Captured::Absent, seven, Captured::Unusable]);
}
