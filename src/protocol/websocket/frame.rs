//! One RFC 6455 frame: reads the header of a client's, encodes a server's.
//!
//! ```text
//!  byte 0       byte 1       126: 2 bytes, 127: 8 bytes   clients: 4
//! +-+---+------+-+---------+----------------------------+----------+----------------+
//! |F|RSV|opcode|M| length  | length, big endian         | mask key | payload ^ mask |
//! |I|000| 4 bit| | 0 - 127 | (the shortest that fits)   |          |                |
//! +-+---+------+-+---------+----------------------------+----------+----------------+
//! opcode: 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong
//! ```
//!
//! A server's frame has no mask, which is why one encoded frame can serve every connection. A header is checked
//! by itself here; whether its frame may come now is for the reader.

use crate::limits::{CONTROL_MAX_BYTES, MESSAGE_MAX_BYTES, MESSAGE_MAX_FRAGMENTS};
use crate::protocol::close::Ending;
use bytes::Bytes;

/// The most bytes the header of a server's frame takes.
const SERVER_HEADER_MAX_BYTES: usize = 10;

/// What kind of frame it is (RFC 6455, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl Opcode {
    /// Reads the first byte of a frame. No extension is ever agreed on, so the reserved bits are zero.
    fn parse(first: u8) -> Result<Self, Violation> {
        match first & 0x7F {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Ok(Self::Binary),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xA => Ok(Self::Pong),
            _ => Err(Violation::Malformed),
        }
    }

    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// How a client broke the framing. After any of these its stream can't be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::protocol) enum Violation {
    #[error("malformed or misplaced frame")]
    Malformed,
    #[error("text is not utf-8")]
    InvalidText,
    #[error("message above {MESSAGE_MAX_BYTES} bytes or {MESSAGE_MAX_FRAGMENTS} fragments")]
    TooBig,
}

impl From<Violation> for Ending {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::Malformed => Self::ProtocolError,
            Violation::InvalidText => Self::InvalidText,
            Violation::TooBig => Self::MessageTooBig,
        }
    }
}

/// The header of a client's frame, checked as far as it can be by itself.
pub(in crate::protocol) struct FrameHeader {
    pub is_final: bool,
    pub opcode: Opcode,
    pub mask: [u8; 4],
    /// The header's own length, the mask key included.
    pub bytes: usize,
    pub payload_bytes: usize,
}

impl FrameHeader {
    /// Reads the header at the front of `bytes`; `None` if it has not come whole. What is wrong with its first
    /// two bytes is told as soon as they are there.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let opcode = Opcode::parse(first)?;
        let is_final = first & 0x80 != 0;
        let is_masked = second & 0x80 != 0;
        let length = second & 0x7F;
        let is_short_control = is_final && usize::from(length) <= CONTROL_MAX_BYTES;
        if !is_masked || (opcode.is_control() && !is_short_control) {
            return Err(Violation::Malformed);
        }
        let Some((payload_bytes, rest)) = parse_length(length, rest)? else {
            return Ok(None);
        };
        let Some((mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let bytes = bytes.len() - rest.len();
        Ok(Some(Self { is_final, opcode, mask: *mask, bytes, payload_bytes }))
    }

    pub fn frame_bytes(&self) -> usize {
        self.bytes + self.payload_bytes
    }
}

/// The payload length, which must be in its shortest form, and what follows it.
fn parse_length(length: u8, rest: &[u8]) -> Result<Option<(usize, &[u8])>, Violation> {
    let (length, shortest, rest) = match length {
        126 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), 126, rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from_be_bytes(*length), 0x1_0000, rest),
            None => return Ok(None),
        },
        length => (u64::from(length), 0, rest),
    };
    if length < shortest || length > i64::MAX.cast_unsigned() {
        return Err(Violation::Malformed);
    }
    match usize::try_from(length) {
        Ok(length) if length <= MESSAGE_MAX_BYTES => Ok(Some((length, rest))),
        _ => Err(Violation::TooBig),
    }
}

pub(in crate::protocol) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for chunk in payload.chunks_mut(mask.len()) {
        for (byte, key) in chunk.iter_mut().zip(mask) {
            *byte ^= key;
        }
    }
}

/// A finished text frame whose payload is `parts` in a row, in one allocation.
pub(in crate::protocol) fn text_frame(parts: &[&[u8]]) -> Bytes {
    let payload_bytes = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut frame = Vec::with_capacity(SERVER_HEADER_MAX_BYTES + payload_bytes);
    append_frame(&mut frame, Opcode::Text, parts);
    frame.into()
}

/// The payload of a finished frame of ours, which is not masked.
pub(in crate::protocol) fn server_payload(frame: &[u8]) -> &[u8] {
    let header_bytes = match frame[1] {
        127 => 10,
        126 => 4,
        _ => 2,
    };
    &frame[header_bytes..]
}

/// A Close frame, with a code and a reason or with neither.
pub(in crate::protocol) fn close_frame(code: Option<u16>, reason: &str) -> Bytes {
    let payload = match code {
        Some(code) => [&code.to_be_bytes(), reason.as_bytes()].concat(),
        None => Vec::new(),
    };
    let mut frame = Vec::new();
    append_frame(&mut frame, Opcode::Close, &[&payload]);
    frame.into()
}

/// Appends a frame whose payload is `parts` in a row to those already in `frames`.
pub(in crate::protocol) fn append_frame(frames: &mut Vec<u8>, opcode: Opcode, parts: &[&[u8]]) {
    append_header(frames, opcode, parts.iter().map(|part| part.len()).sum());
    for part in parts {
        frames.extend_from_slice(part);
    }
}

fn append_header(frames: &mut Vec<u8>, opcode: Opcode, payload_bytes: usize) {
    frames.push(0x80 | opcode as u8);
    match (u8::try_from(payload_bytes), u16::try_from(payload_bytes)) {
        (Ok(length @ ..126), _) => frames.push(length),
        (_, Ok(length)) => {
            frames.push(126);
            frames.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            frames.push(127);
            frames.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
}
