//! WebSocket frames as a client sees them (RFC 6455, 5.2), by code of its own: what judges a server must not share
//! the code that it judges.
//!
//! ```text
//!  server to client                        client to server
//!  0x80 | opcode                           0x80 | opcode
//!  length, never masked                    0x80 | length, under 126 here: or 126 and two bytes
//!  payload                                 masking key, payload under it
//! ```
//!
//! Frames are taken where they lie. A fragmented message, a mask, a reserved bit: no server that is measured
//! sends them, and one that does is told so.

use crate::limits::BENCH_FRAME_MAX_BYTES;

pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// A server's frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'b> {
    pub opcode: u8,
    pub payload: &'b [u8],
}

/// What no server should send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    #[error("a fragmented message, or reserved bits")]
    Head,
    #[error("a masked frame")]
    Masked,
    #[error("a frame of more than {BENCH_FRAME_MAX_BYTES} bytes")]
    Length,
}

/// Takes the first frame off `input`; none if it is not whole yet.
pub fn take_frame<'b>(input: &mut &'b [u8]) -> Result<Option<Frame<'b>>, FrameFault> {
    let [head, length, rest @ ..] = *input else { return Ok(None) };
    if head & 0xf0 != 0x80 || head & 0x0f == 0 {
        return Err(FrameFault::Head);
    }
    let (length, rest) = match length {
        0x80.. => return Err(FrameFault::Masked),
        126 => match rest.split_first_chunk::<2>() {
            Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest),
            None => return Ok(None),
        },
        length => (u64::from(*length), rest),
    };
    let length = usize::try_from(length).ok().filter(|length| *length <= BENCH_FRAME_MAX_BYTES);
    let Some((payload, rest)) = rest.split_at_checked(length.ok_or(FrameFault::Length)?) else {
        return Ok(None);
    };
    *input = rest;
    Ok(Some(Frame { opcode: head & 0x0f, payload }))
}

/// Any key does: the mask protects proxies from pages in browsers, and there are neither here.
const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame of the client. Payloads are tokens and pongs, which are shorter than 64 KiB.
pub fn client_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 8);
    frame.push(0x80 | opcode);
    match u8::try_from(payload.len()) {
        Ok(length @ 0..126) => frame.push(0x80 | length),
        _ => {
            let length = u16::try_from(payload.len()).expect("a token is shorter than 64 KiB");
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend(MASKING_KEY);
    frame.extend(payload.iter().zip(MASKING_KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_one_by_one_and_only_whole() {
        let long = [vec![0x81, 126, 1, 0], vec![b'x'; 256]].concat();
        let bytes = [vec![0x81, 2, b'h', b'i', 0x89, 0], long].concat();
        for cut in 0..=bytes.len() {
            let mut input = &bytes[..cut];
            let mut taken = Vec::new();
            while let Some(frame) = take_frame(&mut input).unwrap() {
                taken.push((frame.opcode, frame.payload.len()));
            }
            let whole = [(TEXT, 2, 4), (PING, 0, 6), (TEXT, 256, 266)];
            let expected: Vec<_> = whole
                .iter()
                .filter(|(.., end)| *end <= cut)
                .map(|&(opcode, length, _)| (opcode, length))
                .collect();
            assert_eq!(taken, expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_no_server_sends_is_a_fault() {
        let check = |mut bytes: &[u8], fault| assert_eq!(take_frame(&mut bytes), Err(fault), "{bytes:?}");
        check(&[0x01, 0], FrameFault::Head); // a first fragment
        check(&[0x80, 0], FrameFault::Head); // a continuation
        check(&[0xc1, 0], FrameFault::Head);
        check(&[0x81, 0x80], FrameFault::Masked);
        check(&[0x81, 127, 0, 0, 0, 0, 1, 0, 0, 0], FrameFault::Length);
    }

    /// The masked "Hello" of RFC 6455, 5.7, whose key is this one.
    #[test]
    fn a_client_masks() {
        let expected = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(client_frame(TEXT, b"Hello"), expected);
        assert_eq!(client_frame(TEXT, &[b'x'; 300])[..4], [0x81, 0xfe, 1, 44]);
    }
}
