//! A viewer: somebody about whom it is asked what reaches them. One connection, by what decides its delivery.
//!
//! ```text
//! viewer = ["socketio", "role:CUSTOMER", "user:4920737570657261646d696e"]      protocol, then the keys it holds
//! ```

use crate::event::{Key, Withheld, entitled};
use crate::journal::Entry;
use crate::limits::{BOARD_VIEWERS_MAX, KEYS_PER_CONNECTION_MAX};
use crate::protocol::Protocol;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Viewer {
    protocol: Protocol,
    keys: Vec<Key>,
}

/// Why a request says nothing about viewers.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadViewer {
    #[error("more than {BOARD_VIEWERS_MAX} viewers")]
    TooMany,
    #[error(
        "a viewer is a JSON array of a protocol (plain, socketio) and up to {KEYS_PER_CONNECTION_MAX} keys"
    )]
    Form,
}

impl Viewer {
    /// All that a query names, in its order.
    pub fn all(query: &[(String, String)]) -> Result<Vec<Viewer>, BadViewer> {
        let written = query.iter().filter(|(name, _)| name == "viewer");
        let viewers: Vec<Viewer> = written.map(|(_, text)| Viewer::parse(text)).collect::<Result<_, _>>()?;
        if viewers.len() > BOARD_VIEWERS_MAX { Err(BadViewer::TooMany) } else { Ok(viewers) }
    }

    fn parse(text: &str) -> Result<Viewer, BadViewer> {
        let words: Vec<String> = serde_json::from_str(text).map_err(|_| BadViewer::Form)?;
        let (protocol, keys) = words.split_first().ok_or(BadViewer::Form)?;
        let protocol = Protocol::ALL.into_iter().find(|known| known.label() == protocol);
        if keys.len() > KEYS_PER_CONNECTION_MAX {
            return Err(BadViewer::Form);
        }
        Ok(Viewer {
            protocol: protocol.ok_or(BadViewer::Form)?,
            keys: keys.iter().map(|key| Key::new(key)).collect(),
        })
    }

    /// The keys by which an entry reaches this connection, or why it does not.
    pub fn verdict<'e>(&self, entry: &'e Entry) -> Result<Vec<&'e Key>, Withheld> {
        let by = entitled(&entry.audience, &self.keys)?;
        if entry.frames.get(self.protocol).is_none() { Err(Withheld::OtherProtocol) } else { Ok(by) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_are_protocol_and_keys() {
        let check = |texts: &[&str], expected: Result<usize, BadViewer>| {
            let mut query = vec![("after".to_owned(), "7".to_owned())];
            query.extend(texts.iter().map(|text| ("viewer".to_owned(), (*text).to_owned())));
            assert_eq!(Viewer::all(&query).map(|viewers| viewers.len()), expected, "{texts:?}");
        };
        check(&[], Ok(0));
        check(&[r#"["plain"]"#, r#"["socketio","role:ADMIN","user:a, b"]"#], Ok(2));
        for wrong in ["", "plain", "[]", r#"["smoke"]"#, r#"["plain",7]"#, r#"{"plain":1}"#] {
            check(&[wrong], Err(BadViewer::Form));
        }
        let many = format!("[\"plain\"{}]", ",\"k\"".repeat(KEYS_PER_CONNECTION_MAX + 1));
        check(&[&many], Err(BadViewer::Form));
        check(&[r#"["plain"]"#; BOARD_VIEWERS_MAX], Ok(BOARD_VIEWERS_MAX));
        check(&[r#"["plain"]"#; BOARD_VIEWERS_MAX + 1], Err(BadViewer::TooMany));
    }
}
