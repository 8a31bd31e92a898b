//! A Socket.IO connection from its first packet to its end; the input is a script as in the library.

#![no_main]

use fuzz::Watched;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| Watched::socket_io().play(script));
