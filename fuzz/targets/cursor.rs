//! Cursors that clients bring: whatever is one means the same when it is written and read again.
//!
//! ```text
//! input = text                     a cursor as it comes
//!       | "!" body                 what stands in one, so that base64 is no hurdle
//! ```

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dumbwaiter::journal::{CursorCodec, Partitions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let text = match input.split_first() {
        Some((b'!', body)) => URL_SAFE_NO_PAD.encode(body).into(),
        _ => String::from_utf8_lossy(input),
    };
    check(&CursorCodec::new("cluster", &[]), &text);
    check(&CursorCodec::new("cluster", &[[7; 32], [8; 32]]), &text);
});

fn check(codec: &CursorCodec, text: &str) {
    let partitions = Partitions::default();
    let Some(guard) = codec.decode(&partitions, text) else { return };
    assert_eq!(codec.decode(&partitions, &codec.encode(&partitions, &guard)), Some(guard));
}
