//! The verifier of now: read for each token, and replaced as a whole while the service runs.

use super::{Verifier, VerifyingKey};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct CurrentVerifier(Arc<ArcSwap<Verifier>>);

impl CurrentVerifier {
    pub fn new(verifier: Verifier) -> CurrentVerifier {
        CurrentVerifier(Arc::new(ArcSwap::from_pointee(verifier)))
    }

    pub fn get(&self) -> Arc<Verifier> {
        self.0.load_full()
    }

    /// From the next token on the settings' keys are these. Who is connected stays, and so do tickets.
    pub fn replace_keys(&self, keys: &[VerifyingKey]) {
        self.change(|verifier| verifier.with_keys(keys.to_vec()));
    }

    pub fn change(&self, change: impl Fn(Verifier) -> Verifier) {
        self.0.rcu(|verifier| change(Verifier::clone(verifier)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Settings;
    use jsonwebtoken::Algorithm;
    use serde_json::{Map, json};
    use std::time::SystemTime;

    #[test]
    fn other_keys_count_from_the_next_token_on() {
        let [old, new] =
            ["a", "b"].map(|letter| VerifyingKey::from_secret(Algorithm::HS256, &letter.repeat(32)).unwrap());
        let claims =
            Map::from_iter([("sub".to_owned(), json!("u")), ("exp".to_owned(), json!(4_000_000_000_u64))]);
        let tokens = [&old, &new].map(|key| key.sign(&claims).unwrap());
        let current =
            CurrentVerifier::new(Verifier::new(&Settings { keys: vec![old], ..Settings::default() }));
        let is_good = |token: &String| current.get().verify(token, SystemTime::now()).is_ok();
        assert_eq!(tokens.each_ref().map(is_good), [true, false]);
        current.clone().replace_keys(&[new]);
        assert_eq!(tokens.each_ref().map(is_good), [false, true]);
    }
}
