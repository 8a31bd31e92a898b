//! WebSocket frames: how a client's bytes are cut into reads changes nothing.
//!
//! ```text
//! input = cut bytes               the bytes in one read, and in reads of `cut` bytes
//! ```
//!
//! But for floods, of which every read is a part: so there are not many.

#![no_main]

use fuzz::Watched;
use libfuzzer_sys::fuzz_target;

const LONGEST: usize = 4_096;
const READS_MAX: usize = 1_024;

fuzz_target!(|input: &[u8]| {
    let Some((cut, bytes)) = input.split_first() else { return };
    if bytes.len() > LONGEST {
        return;
    }
    let (mut at_once, mut in_pieces) = (Watched::plain(), Watched::plain());
    at_once.receive(bytes);
    for piece in bytes.chunks(usize::from(*cut).max(LONGEST / READS_MAX)) {
        in_pieces.receive(piece);
    }
    assert_eq!(at_once.said, in_pieces.said);
});
