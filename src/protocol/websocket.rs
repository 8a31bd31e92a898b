//! RFC 6455 messages: puts together what a client sends, frame by frame (`frame` has the drawing of one).
//!
//! ```text
//! message = one final frame | a first frame, continuation frames.., a final continuation frame
//! ```
//! Control frames may come between the frames of a message, never in fragments themselves.
//!
//! In: bytes as a read gave them, cut anywhere. Out: whole messages. A frame that lies whole in the read buffer
//! is unmasked there and handed out without a copy; only what is incomplete is kept, and a connection at rest
//! owns no buffer. What a message means is for the protocols above.

mod frame;

pub(super) use frame::{Opcode, Violation, append_frame, close_frame, server_payload, text_frame};

use crate::limits::{MESSAGE_MAX_BYTES, MESSAGE_MAX_FRAGMENTS};
use frame::{FrameHeader, unmask};
use std::borrow::Cow;
use std::mem;

/// A complete message or control frame from the client, unmasked.
pub(super) enum Message<'b> {
    Text(Cow<'b, str>),
    Binary(Cow<'b, [u8]>),
    Ping(Cow<'b, [u8]>),
    Pong,
    /// Close with the client's code, if it gave one.
    Close(Option<u16>),
}

/// The reading half of a connection. Together its two buffers never hold more than one message and one frame
/// header, plus one control frame that came between fragments.
#[derive(Default)]
pub(super) struct Reader {
    /// The bytes of a frame that is not complete yet, still masked.
    frame: Vec<u8>,
    /// The message whose first frames have come.
    fragments: Option<Box<Fragments>>,
    /// Frames that became complete since they were last asked for.
    count: u32,
}

/// A whole frame, unmasked.
struct Frame<'b> {
    header: FrameHeader,
    payload: Cow<'b, [u8]>,
}

struct Fragments {
    opcode: Opcode,
    payload: Vec<u8>,
    frames: u32,
}

impl Reader {
    /// Takes the next message off the front of `input`. `None` means that all of `input` has been used up and
    /// that more is needed; the incomplete rest is kept here.
    pub fn read<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Message<'b>>, Violation> {
        while let Some(frame) = self.next_frame(input)? {
            self.count += 1;
            if frame.header.opcode.is_control() {
                return control_message(frame.header.opcode, frame.payload).map(Some);
            }
            if let Some((opcode, payload)) = self.join_fragments(frame) {
                return data_message(opcode, payload).map(Some);
            }
        }
        Ok(None)
    }

    /// How many frames became complete since the last call, control frames and fragments among them.
    pub fn take_count(&mut self) -> u32 {
        mem::take(&mut self.count)
    }

    fn next_frame<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Frame<'b>>, Violation> {
        if !self.frame.is_empty() {
            return self.complete_frame(input);
        }
        let header = FrameHeader::parse(input)?;
        if let Some(header) = header {
            self.check_fits(&header)?;
            if input.len() >= header.frame_bytes() {
                let (frame, rest) = mem::take(input).split_at_mut(header.frame_bytes());
                *input = rest;
                let payload = &mut frame[header.bytes..];
                unmask(payload, header.mask);
                return Ok(Some(Frame { header, payload: Cow::Borrowed(payload) }));
            }
        }
        self.keep(input, input.len());
        Ok(None)
    }

    /// Adds to the frame that an earlier read left incomplete exactly what it lacks.
    fn complete_frame<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Frame<'b>>, Violation> {
        let header = loop {
            match FrameHeader::parse(&self.frame)? {
                Some(header) => break header,
                None if input.is_empty() => return Ok(None),
                None => self.keep(input, 1),
            }
        };
        self.check_fits(&header)?;
        let missing = header.frame_bytes() - self.frame.len();
        self.keep(input, missing.min(input.len()));
        if self.frame.len() < header.frame_bytes() {
            return Ok(None);
        }
        let mut payload = mem::take(&mut self.frame).split_off(header.bytes);
        unmask(&mut payload, header.mask);
        Ok(Some(Frame { header, payload: Cow::Owned(payload) }))
    }

    /// The buffer grows with what has come, never with what a header promises: a promise costs the client
    /// nothing and would cost us 64 KiB.
    fn keep(&mut self, input: &mut &mut [u8], count: usize) {
        let (kept, rest) = mem::take(input).split_at_mut(count);
        self.frame.extend_from_slice(kept);
        *input = rest;
    }

    /// Whether a frame may come now (RFC 6455, 5.4) and leaves its message within the limits.
    fn check_fits(&self, header: &FrameHeader) -> Result<(), Violation> {
        if header.opcode.is_control() {
            return Ok(());
        }
        let continues = header.opcode == Opcode::Continuation;
        let (held, frames) = match &self.fragments {
            Some(fragments) if continues => (fragments.payload.len(), fragments.frames),
            None if !continues => (0, 0),
            _ => return Err(Violation::Malformed),
        };
        if held + header.payload_bytes > MESSAGE_MAX_BYTES || frames >= MESSAGE_MAX_FRAGMENTS {
            return Err(Violation::TooBig);
        }
        Ok(())
    }

    /// Gives the whole message when this frame is its last or only one.
    fn join_fragments<'b>(&mut self, frame: Frame<'b>) -> Option<(Opcode, Cow<'b, [u8]>)> {
        let Frame { header: FrameHeader { opcode, is_final, .. }, payload } = frame;
        let Some(mut fragments) = self.fragments.take() else {
            if is_final {
                return Some((opcode, payload));
            }
            self.fragments = Some(Box::new(Fragments { opcode, payload: payload.into_owned(), frames: 1 }));
            return None;
        };
        fragments.payload.extend_from_slice(&payload);
        fragments.frames += 1;
        if is_final {
            return Some((fragments.opcode, Cow::Owned(fragments.payload)));
        }
        self.fragments = Some(fragments);
        None
    }
}

fn data_message(opcode: Opcode, payload: Cow<'_, [u8]>) -> Result<Message<'_>, Violation> {
    if opcode == Opcode::Binary {
        return Ok(Message::Binary(payload));
    }
    let text = match payload {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).map(Cow::Borrowed).ok(),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).ok(),
    };
    text.map(Message::Text).ok_or(Violation::InvalidText)
}

fn control_message(opcode: Opcode, payload: Cow<'_, [u8]>) -> Result<Message<'_>, Violation> {
    match opcode {
        Opcode::Ping => Ok(Message::Ping(payload)),
        Opcode::Close => parse_close(&payload).map(Message::Close),
        _ => Ok(Message::Pong),
    }
}

/// A Close has no payload, or a code and a reason in UTF-8 (RFC 6455, 5.5.1).
fn parse_close(payload: &[u8]) -> Result<Option<u16>, Violation> {
    if payload.is_empty() {
        return Ok(None);
    }
    let (code, reason) = payload.split_first_chunk().ok_or(Violation::Malformed)?;
    let code = u16::from_be_bytes(*code);
    // The codes that may be sent: RFC 6455, 7.4, and 1012 to 1014 as registered since.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::Malformed);
    }
    str::from_utf8(reason).map_err(|_| Violation::InvalidText)?;
    Ok(Some(code))
}

#[cfg(test)]
mod tests;
