//! What claims must say before they count, whatever way they came.
//!
//! In come the claims of a token whose signature is good, or of a session that its login vouches for; out
//! come [`Claims`] with the time at which they end to hold, or the reason for refusal. Of a session neither
//! issuer nor audience is asked: it is the answer to a question of ours, put to an address of ours.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::Refusal;
use super::identity::Claims;

/// What the settings ask of claims.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What `iss` must be; unchecked when none.
    pub issuer: Option<String>,
    /// What `aud` must be or contain; unchecked when none.
    pub audience: Option<String>,
    /// Claims that must be there, and be neither null nor an empty text.
    pub required_claims: Vec<String>,
    /// How far the issuer's clock may be off, at `exp` and `nbf`.
    pub leeway: Duration,
    /// Tokens that live longer are refused, as are tokens that do not say since when; unbounded when none.
    pub max_lifetime: Option<Duration>,
}

impl Rules {
    /// Judges the claims of a token.
    pub fn accept_token(&self, claims: Map<String, Value>, now: SystemTime) -> Result<Claims, Refusal> {
        let expires = date(&claims, "exp")?.ok_or_else(|| Refusal::missing("exp"))?;
        let expires_at = self.check_time(&claims, expires, now)?;
        self.check_lifetime(&claims, expires, now)?;
        self.check_issuer(&claims)?;
        self.check_audience(&claims)?;
        self.check_required(&claims)?;
        Ok(Claims::new(claims, expires_at))
    }

    /// Judges the claims of a session, which counts for `lifetime` at most, or until its `exp` if that is
    /// sooner. One of the two must be there.
    pub fn accept_session(
        &self,
        claims: Map<String, Value>,
        lifetime: Option<Duration>,
        now: SystemTime,
    ) -> Result<Claims, Refusal> {
        let ends = lifetime.and_then(|lifetime| now.checked_add(lifetime));
        let expires = [date(&claims, "exp")?, ends].into_iter().flatten().min();
        let expires_at = self.check_time(&claims, expires.ok_or_else(|| Refusal::missing("exp"))?, now)?;
        self.check_required(&claims)?;
        Ok(Claims::new(claims, expires_at))
    }

    /// When the claims end to hold, leeway included.
    fn check_time(
        &self,
        claims: &Map<String, Value>,
        expires: SystemTime,
        now: SystemTime,
    ) -> Result<SystemTime, Refusal> {
        let expires_at = expires.checked_add(self.leeway).ok_or(Refusal::BadClaim("exp"))?;
        // RFC 7519, section 4.1.4: on or after `exp` the token must not be accepted.
        if now >= expires_at {
            return Err(Refusal::Expired);
        }
        let not_before = date(claims, "nbf")?.unwrap_or(SystemTime::UNIX_EPOCH);
        if not_before.duration_since(now).is_ok_and(|early| early > self.leeway) {
            return Err(Refusal::NotYetValid);
        }
        Ok(expires_at)
    }

    /// Counted from `iat`, or from now where that lies ahead, so that it cannot be used to stretch what is
    /// left. Without `iat` nobody knows the lifetime.
    fn check_lifetime(
        &self,
        claims: &Map<String, Value>,
        expires: SystemTime,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let issued = date(claims, "iat")?;
        let Some(most) = self.max_lifetime else {
            return Ok(());
        };
        let issued = issued.ok_or_else(|| Refusal::missing("iat"))?.min(now);
        let lifetime = expires.duration_since(issued).unwrap_or_default();
        if lifetime > most { Err(Refusal::TooLongLived) } else { Ok(()) }
    }

    fn check_issuer(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let Some(expected) = &self.issuer else {
            return Ok(());
        };
        match claims.get("iss") {
            None => Err(Refusal::missing("iss")),
            Some(Value::String(issuer)) if issuer == expected => Ok(()),
            Some(Value::String(_)) => Err(Refusal::WrongIssuer),
            Some(_) => Err(Refusal::BadClaim("iss")),
        }
    }

    /// RFC 7519, section 4.1.3: one text, or a list of them.
    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let Some(expected) = &self.audience else {
            return Ok(());
        };
        let named = match claims.get("aud") {
            None => return Err(Refusal::missing("aud")),
            Some(Value::String(audience)) => audience == expected,
            Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == expected),
            Some(_) => return Err(Refusal::BadClaim("aud")),
        };
        if named { Ok(()) } else { Err(Refusal::WrongAudience) }
    }

    fn check_required(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        // RFC 7519, section 4.1.2: the subject, where there is one, is a text.
        if claims.get("sub").is_some_and(|subject| !subject.is_string() && !subject.is_null()) {
            return Err(Refusal::BadClaim("sub"));
        }
        let is_given = |name: &String| claims.get(name).is_some_and(|value| !value.is_null() && value != "");
        match self.required_claims.iter().find(|name| !is_given(name)) {
            Some(name) => Err(Refusal::MissingClaim(name.clone().into())),
            None => Ok(()),
        }
    }
}

/// A NumericDate (RFC 7519, section 2): seconds since 1970, possibly with a fraction.
pub(super) fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<SystemTime>, Refusal> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let whole = value.as_u64().map(Duration::from_secs);
    let since_epoch = whole.or_else(|| Duration::try_from_secs_f64(value.as_f64()?).ok());
    let date = since_epoch.and_then(|duration| SystemTime::UNIX_EPOCH.checked_add(duration));
    date.map(Some).ok_or(Refusal::BadClaim(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    /// What becomes of a session's claims: how many seconds they hold from now on.
    fn check(lifetime: Option<u64>, claims: Value, expected: Result<u64, Refusal>) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        let rules = Rules {
            issuer: Some("not asked of sessions".to_owned()),
            required_claims: vec!["sub".to_owned()],
            max_lifetime: Some(Duration::from_secs(1)),
            ..Rules::default()
        };
        let Value::Object(map) = claims.clone() else { panic!("claims are an object") };
        let outcome = rules.accept_session(map, lifetime.map(Duration::from_secs), now);
        let left = outcome.map(|claims| claims.expires_at().duration_since(now).unwrap().as_secs());
        assert_eq!(left, expected, "{claims}");
    }

    #[test]
    fn a_session_counts_until_the_sooner_of_its_exp_and_the_lifetime() {
        check(None, json!({"sub": "a", "exp": NOW + 60}), Ok(60));
        check(Some(30), json!({"sub": "a", "exp": NOW + 60}), Ok(30));
        check(Some(90), json!({"sub": "a", "exp": NOW + 60}), Ok(60));
        check(Some(30), json!({"sub": "a"}), Ok(30));
        check(None, json!({"sub": "a"}), Err(Refusal::missing("exp")));
        check(Some(30), json!({"sub": "a", "exp": NOW}), Err(Refusal::Expired));
        check(Some(30), json!({"sub": "a", "exp": "tomorrow"}), Err(Refusal::BadClaim("exp")));
        check(Some(30), json!({"sub": "a", "nbf": NOW + 1}), Err(Refusal::NotYetValid));
        check(Some(30), json!({"uuid": "a"}), Err(Refusal::missing("sub")));
    }
}
