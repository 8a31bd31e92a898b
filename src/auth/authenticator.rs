//! A program's own judge of tokens, in the place of JWTs: for who has the service inside a program that knows its users
//! itself.
//!
//! In comes a token as a client brought it (`Authorization: Bearer`, the Socket.IO CONNECT packet, the query where that is
//! switched on), out come claims. Tickets, grants, expiry and bounds are the same as for JWTs.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Claims, Refusal};

/// What a program has to say of a token.
pub trait Authenticator: Send + Sync + 'static {
    /// The claims behind a token that is good at `now`; what they entitle to is for the catalog's grants. A connection
    /// ends when they do.
    ///
    /// To be answered at once: the threads that write to clients ask, and all their clients would wait. Who has to ask
    /// somebody else says [`Refusal::LookupFailed`] meanwhile, upon which the client comes back by itself.
    fn authenticate(&self, token: &str, now: SystemTime) -> Result<Claims, Refusal>;
}

impl<F> Authenticator for F
where
    F: Fn(&str, SystemTime) -> Result<Claims, Refusal> + Send + Sync + 'static,
{
    fn authenticate(&self, token: &str, now: SystemTime) -> Result<Claims, Refusal> {
        self(token, now)
    }
}

/// Claims that have ended are none, whoever says so.
pub(super) fn ask(
    authenticator: &Arc<dyn Authenticator>,
    token: &str,
    now: SystemTime,
) -> Result<Claims, Refusal> {
    let claims = authenticator.authenticate(token, now)?;
    if claims.expires_at() > now { Ok(claims) } else { Err(Refusal::Expired) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;
    use std::time::Duration;

    #[test]
    fn claims_that_have_ended_are_none_whoever_says_so() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let check = |ends: u64, expected: Option<Refusal>| {
            let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(ends);
            let says = move |_: &str, _: SystemTime| Ok(Claims::new(Map::new(), ends));
            let authenticator: Arc<dyn Authenticator> = Arc::new(says);
            assert_eq!(ask(&authenticator, "anything", now).err(), expected);
        };
        check(1_001, None);
        check(1_000, Some(Refusal::Expired));
        check(999, Some(Refusal::Expired));
    }
}
