//! Every way to name a schema, well and badly done.

use uuid::Uuid;

use super::{join, split};
use crate::decode::{Fingerprint, Poison, SchemaId, SchemaReference};

type Headers<'a> = &'a [(&'a str, &'a [u8])];

fn check(headers: Headers<'_>, value: &[u8], expected: Result<(SchemaReference, &[u8]), Poison>) {
    assert_eq!(split("t", headers.iter().copied(), value), expected, "{headers:?} {value:02x?}");
}

fn id(id: u32) -> SchemaReference {
    SchemaId(id).into()
}

const GUID: [u8; 16] = [0x8f, 0x0e, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];

fn guid() -> SchemaReference {
    SchemaReference::Guid(Uuid::from_bytes(GUID))
}

fn guid_prefix() -> Vec<u8> {
    [&[1], &GUID[..]].concat()
}

#[test]
fn a_prefix_names_an_id_or_a_guid() {
    let value = join(SchemaId(0x0102_0304), b"body");
    assert_eq!(value, [0, 1, 2, 3, 4, b'b', b'o', b'd', b'y']);
    check(&[], &value, Ok((id(0x0102_0304), b"body")));
    check(&[], &join(SchemaId(7), b""), Ok((id(7), b"")));
    check(&[], &[&guid_prefix()[..], b"body"].concat(), Ok((guid(), b"body")));
    assert_eq!(guid().to_string(), "8f0e0001-0203-0405-0607-08090a0b0c0d");
}

#[test]
fn a_single_object_names_a_fingerprint_and_its_topic() {
    let value = b"\xc3\x01\x8f\x5c\x39\x3f\x1a\xd5\x75\x72body";
    let reference =
        SchemaReference::Fingerprint { fingerprint: Fingerprint(0x7275_d51a_3f39_5c8f), topic: "t".into() };
    check(&[], value, Ok((reference, b"body")));
}

#[test]
fn a_header_names_the_schema_of_a_value_that_is_all_body() {
    // The body may look like any other framing.
    for body in [&b"body"[..], b"", b"\x00\x00\x00\x00\x09", b"\xc3\x01"] {
        check(&[("trace", b"x"), ("__value_schema_id", b"\0\0\0\0\x07")], body, Ok((id(7), body)));
        check(&[("__value_schema_id", &guid_prefix())], body, Ok((guid(), body)));
        check(&[("apicurio.value.contentId", b"\0\0\0\0\0\0\0\x07")], body, Ok((id(7), body)));
        let global = SchemaReference::GlobalId(1 << 32);
        check(&[("apicurio.value.globalId", b"\0\0\0\x01\0\0\0\0")], body, Ok((global, body)));
    }
}

#[test]
fn of_several_headers_the_last_of_the_first_kind_counts() {
    let [seven, eight] = [b"\0\0\0\0\x07", b"\0\0\0\0\x08"];
    check(&[("__value_schema_id", seven), ("__value_schema_id", eight)], b"", Ok((id(8), b"")));
    let [content, global] = [b"\0\0\0\0\0\0\0\x01", b"\0\0\0\0\0\0\0\x02"];
    for headers in [
        [("apicurio.value.globalId", &global[..]), ("apicurio.value.contentId", content)],
        [("apicurio.value.contentId", content), ("apicurio.value.globalId", global)],
    ] {
        check(&headers, b"", Ok((id(1), b"")));
    }
}

#[test]
fn the_key_s_schema_is_not_the_value_s() {
    let value = join(SchemaId(7), b"body");
    check(&[("__key_schema_id", b"\0\0\0\0\x09")], &value, Ok((id(7), b"body")));
}

#[test]
fn refuses_other_bytes() {
    for short in
        [&b""[..], &[0], &[0, 0, 0, 1], &[1], &[1; 16], b"\xc3", b"\xc3\x01", b"\xc3\x01\0\0\0\0\0\0\0"]
    {
        check(&[], short, Err(Poison::TooShort));
    }
    for wrong in [&b"{\"_id\":1}"[..], b"Obj\x01", b"\x02", b"\xc3\x02\0\0\0\0\0\0\0\0"] {
        check(&[], wrong, Err(Poison::WrongMagic));
    }
}

#[test]
fn refuses_headers_that_name_nothing() {
    for (name, value, expected) in [
        ("__value_schema_id", &b""[..], Poison::TooShort),
        ("__value_schema_id", b"\0\0\0\x07", Poison::TooShort),
        ("__value_schema_id", b"\0\0\0\0\x07\0", Poison::TrailingBytes),
        ("__value_schema_id", b"7", Poison::WrongMagic),
        ("apicurio.value.contentId", b"7", Poison::TooShort),
        ("apicurio.value.contentId", b"\0\0\0\x01\0\0\0\0", Poison::UnknownSchema),
        ("apicurio.value.globalId", b"\0\0\0\0\0\0\0\x01\0", Poison::TrailingBytes),
    ] {
        check(&[(name, value)], b"body", Err(expected));
    }
}
