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
