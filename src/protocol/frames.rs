//! The finished frames of one event, one per client protocol that it goes to.

use super::Protocol;
use bytes::Bytes;

/// The frames of one event, each encoded once and shared by all connections of its protocol.
#[derive(Debug, Clone, Default)]
pub struct Frames([Option<Bytes>; Protocol::ALL.len()]);

impl Frames {
    pub fn set(&mut self, protocol: Protocol, frame: Bytes) {
        self.0[protocol as usize] = Some(frame);
    }

    pub fn get(&self, protocol: Protocol) -> Option<&Bytes> {
        self.0[protocol as usize].as_ref()
    }

    pub fn len_bytes(&self) -> usize {
        self.0.iter().flatten().map(Bytes::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_own_frame() {
        let mut frames = Frames::default();
        assert_eq!((frames.get(Protocol::Plain), frames.len_bytes()), (None, 0));
        frames.set(Protocol::Plain, Bytes::from_static(b"plain"));
        frames.set(Protocol::SocketIo, Bytes::from_static(b"io"));
        assert_eq!(frames.get(Protocol::Plain).map(|frame| &frame[..]), Some(&b"plain"[..]));
        assert_eq!(frames.get(Protocol::SocketIo).map(|frame| &frame[..]), Some(&b"io"[..]));
        assert_eq!(frames.len_bytes(), 7);
    }
}
