//! What names a record's schema, beside or before its body.
//!
//! ```text
//! input = [ header name %x0A header value %x0A ] %xFF value
//! ```

#![no_main]

use dumbwaiter::decode::{SchemaReference, framing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |&byte| byte == 0xFF);
    let (header, value) = (parts.next().unwrap_or_default(), parts.next());
    let mut fields = header.splitn(2, |&byte| byte == b'\n');
    let name = fields.next().and_then(|name| str::from_utf8(name).ok());
    let header = name.filter(|_| value.is_some()).zip(fields.next());
    let value = value.unwrap_or(input);

    let Ok((reference, body)) = framing::split("topic", header.into_iter(), value) else { return };
    assert!(value.ends_with(body), "a body is the end of its value");
    match (reference, body.len() == value.len()) {
        (SchemaReference::Id(id), false) => assert_eq!(framing::join(id, body), value),
        (SchemaReference::Fingerprint { .. }, is_all) => assert!(!is_all),
        _ => {}
    }
});
