//! Who is it: from a token, a session or a ticket to verified claims.
//!
//! A request brings a JWT (`Authorization: Bearer`, or the Socket.IO CONNECT packet), the cookie of a session
//! at the login, or a one-off ticket that was given for one of these. Out come [`Claims`], or a [`Refusal`]
//! that says why not, in words for the log and a metric, never for the client. Nothing here shows a token.
//! Which events those claims entitle to is for the catalog's grants; what a client is told, for `web`
//! and `protocol`.
//!
//! A further method of identification is a file beside `jwt` that ends in [`Claims`]; one of a program that has the service
//! inside is an [`Authenticator`].

mod authenticator;
mod by_age;
mod current;
mod identity;
mod jwks;
mod jwt;
mod key;
mod public_key;
mod revocation;
mod rules;
mod session;
mod settings;
mod ticket;

pub use authenticator::Authenticator;
pub use current::CurrentVerifier;
pub use identity::Claims;
pub use jwks::{Fetched as JwksFetched, Jwks, JwksFault, KeySet, Settings as JwksSettings};
pub use jwt::Verifier;
pub use key::{ALGORITHMS, KeyFault, VerifyingKey};
pub use revocation::{Applied, Batch, Change, Login, RecordFault, Revocations};
pub use rules::Rules;
pub use session::{
    Outcome as SessionOutcome, SessionValue, Sessions, SessionsFault, Settings as SessionSettings,
};
pub use settings::{Judge, RevocationSettings, Settings};
pub use ticket::{
    RedisCommand, RedisFault, RedisSettings, TicketFault, TicketKey, TicketSettings, Tickets, Unredeemed,
    probe_redis,
};

use std::borrow::Cow;

/// Why somebody is not let in. Each is one value of a metric's label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no token")]
    Missing,
    #[error("token longer than {} bytes", crate::limits::TOKEN_MAX_BYTES)]
    TooLarge,
    #[error("not a JWT in compact form")]
    Malformed,
    /// The token's `kid` is no configured key's, or it has none and every key has a name.
    #[error("token does not name a configured key")]
    UnknownKey,
    /// The key that the token may be of is for another algorithm; `none` is such a one always.
    #[error("token's algorithm is not that of a configured key")]
    UnsupportedAlgorithm,
    /// RFC 7515, section 4.1.11: who does not understand an extension marked critical must refuse it.
    #[error("token has a critical header extension")]
    UnsupportedExtension,
    #[error("signature does not fit any configured key")]
    BadSignature,
    #[error("token has expired")]
    Expired,
    #[error("token is not valid yet")]
    NotYetValid,
    #[error("token lives longer than auth.max_lifetime")]
    TooLongLived,
    #[error("token is from another issuer")]
    WrongIssuer,
    #[error("token is for another audience")]
    WrongAudience,
    #[error("token has no claim {0}")]
    MissingClaim(Cow<'static, str>),
    #[error("claim {0} is of the wrong type")]
    BadClaim(&'static str),
    #[error("session is not known to the login")]
    UnknownSession,
    /// Any page can make a browser send its cookies; only pages of this very host are heard.
    #[error("session cookie comes from a page of another host")]
    ForeignOrigin,
    /// Not the client's fault, and soon over: it is to come back.
    #[error("session could not be looked up")]
    LookupFailed,
    /// Not the client's fault either: the issuer's key set has no such key yet, and is about to be fetched.
    #[error("token's key is not among the issuer's keys yet")]
    KeysAwaited,
    /// The control topic says so.
    #[error("login was revoked")]
    Revoked,
}

impl Refusal {
    /// Every label there is, for counters that exist before they count.
    pub const LABELS: [&str; 19] = [
        "missing",
        "too_large",
        "malformed",
        "unknown_key",
        "unsupported_algorithm",
        "unsupported_extension",
        "bad_signature",
        "expired",
        "not_yet_valid",
        "too_long_lived",
        "wrong_issuer",
        "wrong_audience",
        "missing_claim",
        "bad_claim",
        "unknown_session",
        "foreign_origin",
        "lookup_failed",
        "keys_awaited",
        "revoked",
    ];

    pub(crate) fn missing(claim: &'static str) -> Refusal {
        Refusal::MissingClaim(claim.into())
    }

    /// The name under which it is counted.
    pub fn label(&self) -> &'static str {
        match self {
            Refusal::Missing => "missing",
            Refusal::TooLarge => "too_large",
            Refusal::Malformed => "malformed",
            Refusal::UnknownKey => "unknown_key",
            Refusal::UnsupportedAlgorithm => "unsupported_algorithm",
            Refusal::UnsupportedExtension => "unsupported_extension",
            Refusal::BadSignature => "bad_signature",
            Refusal::Expired => "expired",
            Refusal::NotYetValid => "not_yet_valid",
            Refusal::TooLongLived => "too_long_lived",
            Refusal::WrongIssuer => "wrong_issuer",
            Refusal::WrongAudience => "wrong_audience",
            Refusal::MissingClaim(_) => "missing_claim",
            Refusal::BadClaim(_) => "bad_claim",
            Refusal::UnknownSession => "unknown_session",
            Refusal::ForeignOrigin => "foreign_origin",
            Refusal::LookupFailed => "lookup_failed",
            Refusal::KeysAwaited => "keys_awaited",
            Refusal::Revoked => "revoked",
        }
    }

    /// Whether the same client may well be let in a little later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Refusal::LookupFailed | Refusal::KeysAwaited)
    }

    /// Whether whoever tries keys would be refused like this. One that was revoked is a real one.
    pub fn is_bad_key(&self) -> bool {
        !self.is_passing() && *self != Refusal::Revoked
    }
}

/// The token of an `Authorization` header: `Bearer` in any case (RFC 7235, section 2.1), one or more
/// spaces, and a token of the characters of RFC 6750, section 2.1.
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim_start_matches(' ');
    let body = token.trim_end_matches('=');
    let is_token_char = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let well_formed = !body.is_empty() && body.bytes().all(is_token_char);
    (scheme.eq_ignore_ascii_case("bearer") && well_formed).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::{Refusal, SessionOutcome, bearer};

    #[test]
    fn the_bearer_token_is_found_whatever_the_case_of_the_scheme() {
        let check = |header: &str, expected: Option<&str>| assert_eq!(bearer(header), expected, "{header:?}");
        check("Bearer a.b-c_d.e", Some("a.b-c_d.e"));
        check("bearer abc==", Some("abc=="));
        check("BEARER   abc ", Some("abc"));
        check("Bearer", None);
        check("Bearer ", None);
        check("Bearer ==", None);
        check("Bearer a b", None);
        check("Bearer a,b", None);
        check("Basic abc", None);
        check("Bearerabc", None);
        check("", None);
    }

    #[test]
    fn labels_and_texts_are_told_apart() {
        let refusals =
            [Refusal::Missing, Refusal::Expired, Refusal::missing("exp"), Refusal::BadClaim("sub")];
        for refusal in refusals {
            assert!(Refusal::LABELS.contains(&refusal.label()));
        }
        assert_eq!(Refusal::missing("exp").to_string(), "token has no claim exp");
        let outcomes = SessionOutcome::ALL.map(SessionOutcome::label);
        assert_eq!(outcomes, ["known", "unknown", "refused", "failed"]);
    }

    #[test]
    fn whoever_tries_keys_is_told_from_whoever_comes_too_early() {
        let check =
            |refusal: Refusal, expected: bool| assert_eq!(refusal.is_bad_key(), expected, "{refusal}");
        check(Refusal::Missing, true);
        check(Refusal::BadSignature, true);
        check(Refusal::UnknownSession, true);
        check(Refusal::Revoked, false);
        check(Refusal::LookupFailed, false);
        check(Refusal::KeysAwaited, false);
    }
}
