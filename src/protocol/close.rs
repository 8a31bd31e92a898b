//! Why connections end: the one table of close codes, for the code, the metrics and the documents.
//!
//! Each [`Ending`] has one [`CloseRow`]. A code is what a plain client finds in its close event. A Socket.IO
//! client gets a Close frame for broken WebSocket framing and floods only: from any other code its library would learn
//! nothing, and some ignore the frame and stay "connected", so `socketio` says goodbye in its own way or just
//! lets the connection drop. Rows without a code never have a Close frame of their own.

use crate::limits::{LINGER_BRIEF_MAX, LINGER_MAX};
use std::time::Duration;

/// Why a connection ends. What each one means stands in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    ClientClosed,
    ProtocolError,
    InvalidText,
    MessageTooBig,
    Flood,
    Restart,
    Full,
    WrongKey,
    EmptyKey,
    TokenExpired,
    Revoked,
    Regranted,
    TooSlow,
    Unauthorized,
    Unavailable,
    Unauthenticated,
    BadPacket,
    Unresponsive,
    Panic,
    Gone,
}

/// What a client should do about an ending. A plain client needs a new ticket for every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComeBack {
    /// Coming back as it is would end the same way.
    No,
    /// At once, or at the usual pace of its library.
    AtOnce,
    /// After some seconds, a random part among them.
    Later,
    /// When its user has logged in again and it has a new token.
    WithNewToken,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct CloseRow {
    /// The code of the Close frame, where there is one.
    pub code: Option<u16>,
    /// The name of the ending in metrics, logs and documents.
    pub label: &'static str,
    /// The reason text of the Close frame.
    pub reason: &'static str,
    /// Whether the client should connect again.
    pub come_back: ComeBack,
    /// What happened, for people.
    pub meaning: &'static str,
}

impl Ending {
    /// Every ending, in the order of the documented table.
    pub const ALL: [Self; 20] = [
        Self::ClientClosed,
        Self::ProtocolError,
        Self::InvalidText,
        Self::MessageTooBig,
        Self::Flood,
        Self::Restart,
        Self::Full,
        Self::WrongKey,
        Self::EmptyKey,
        Self::TokenExpired,
        Self::Revoked,
        Self::Regranted,
        Self::TooSlow,
        Self::Unauthorized,
        Self::Unavailable,
        Self::Unauthenticated,
        Self::BadPacket,
        Self::Unresponsive,
        Self::Panic,
        Self::Gone,
    ];

    /// This ending's row of the table.
    #[rustfmt::skip] // A table is read by its columns.
    pub const fn row(self) -> CloseRow {
        use ComeBack::{AtOnce, Later, No, WithNewToken};
        match self {
            Self::ClientClosed    => row(None,       "client_closed",   "",                               No,           "the client said goodbye; its own code is sent back"),
            Self::ProtocolError   => row(Some(1002), "protocol_error",  "Protocol error",                 No,           "a frame breaks RFC 6455"),
            Self::InvalidText     => row(Some(1007), "invalid_text",    "Text is not UTF-8",              No,           "a text message is not UTF-8"),
            Self::MessageTooBig   => row(Some(1009), "message_too_big", "Message too big",                No,           "a message is above the limit"),
            Self::Flood           => row(Some(1008), "flood",           "Too much at once",               No,           "more bytes or frames came than a client may send"),
            Self::Restart         => row(Some(1012), "restart",         "Service restart",                AtOnce,       "this instance is going down"),
            Self::Full            => row(Some(1013), "full",            "Try again later",                Later,        "this instance, or its share for one user, has no room for more"),
            Self::WrongKey        => row(Some(4001), "wrong_key",       "Wrong connection key.",          AtOnce,       "the ticket is unknown, used or too old"),
            Self::EmptyKey        => row(Some(4001), "empty_key",       "Connection key cannot be empty", AtOnce,       "the address has no ticket"),
            Self::TokenExpired    => row(Some(4002), "token_expired",   "Token expired",                  WithNewToken, "the login has run out"),
            Self::Revoked         => row(Some(4003), "revoked",         "Access revoked",                 WithNewToken, "the login was revoked"),
            Self::Regranted       => row(Some(1012), "regranted",       "Grants changed",                 AtOnce,       "other grants came into force; a new connection gets the keys of now"),
            Self::TooSlow         => row(Some(4004), "too_slow",        "Too slow",                       AtOnce,       "events were not taken in time"),
            Self::Unauthorized    => row(None,       "unauthorized",    "",                               WithNewToken, "a Socket.IO client's token is no good"),
            Self::Unavailable     => row(Some(1013), "unavailable",     "Try again later",                Later,        "nobody can tell for now who the client is"),
            Self::Unauthenticated => row(None,       "unauthenticated", "",                               Later,        "not authorized within the time allowed"),
            Self::BadPacket       => row(None,       "bad_packet",      "",                               No,           "a packet breaks the Socket.IO protocol"),
            Self::Unresponsive    => row(None,       "unresponsive",    "",                               AtOnce,       "a ping was not answered in time"),
            Self::Panic           => row(None,       "panic",           "",                               AtOnce,       "a fault in the service met this connection, which is dropped; the others are not"),
            Self::Gone            => row(None,       "gone",            "",                               AtOnce,       "the connection broke, or the client left without a word"),
        }
    }

    /// Whether the client broke the framing or its measure, so that its stream is not listened to any further.
    pub const fn is_violation(self) -> bool {
        matches!(self, Self::ProtocolError | Self::InvalidText | Self::MessageTooBig | Self::Flood)
    }

    /// How long the connection may take to end.
    pub const fn linger(self) -> Duration {
        match self {
            Self::ClientClosed | Self::BadPacket => LINGER_BRIEF_MAX,
            _ if self.is_violation() => LINGER_BRIEF_MAX,
            _ => LINGER_MAX,
        }
    }
}

const fn row(
    code: Option<u16>,
    label: &'static str,
    reason: &'static str,
    come_back: ComeBack,
    meaning: &'static str,
) -> CloseRow {
    CloseRow { code, label, reason, come_back, meaning }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CONTROL_MAX_BYTES;
    use std::collections::HashSet;

    #[test]
    fn rows_fit_a_close_frame_and_have_names_of_their_own() {
        let mut labels = HashSet::new();
        for ending in Ending::ALL {
            let row = ending.row();
            assert!(labels.insert(row.label), "{} twice", row.label);
            assert!(row.reason.len() + 2 <= CONTROL_MAX_BYTES, "{}", row.label);
            assert_eq!(row.code.is_none(), row.reason.is_empty(), "{}", row.label);
            assert!(!row.meaning.is_empty(), "{}", row.label);
        }
    }

    #[test]
    fn who_said_goodbye_or_broke_the_rules_is_not_waited_for() {
        let brief = [
            Ending::ClientClosed,
            Ending::ProtocolError,
            Ending::InvalidText,
            Ending::MessageTooBig,
            Ending::Flood,
            Ending::BadPacket,
        ];
        for ending in Ending::ALL {
            let expected = if brief.contains(&ending) { LINGER_BRIEF_MAX } else { LINGER_MAX };
            assert_eq!(ending.linger(), expected, "{ending:?}");
        }
    }

    #[test]
    fn documented_codes_and_reasons() {
        let check = |ending: Ending, code, reason| {
            assert_eq!((ending.row().code, ending.row().reason), (Some(code), reason));
        };
        check(Ending::WrongKey, 4001, "Wrong connection key.");
        check(Ending::EmptyKey, 4001, "Connection key cannot be empty");
        check(Ending::TokenExpired, 4002, "Token expired");
        check(Ending::Revoked, 4003, "Access revoked");
        check(Ending::TooSlow, 4004, "Too slow");
        check(Ending::Flood, 1008, "Too much at once");
        check(Ending::Restart, 1012, "Service restart");
        check(Ending::Full, 1013, "Try again later");
        check(Ending::Unavailable, 1013, "Try again later");
    }
}
