//! What can be changed while an instance serves: the keys of tokens, the catalog, the certificate.
//!
//! All or nothing: a catalog that cannot be taken over keeps the keys from being taken, too. Records are mapped and
//! newcomers are granted keys by the new catalog from here on; entries of the journal keep what was decided. Who
//! holds a key that the new grants may not give is ended and comes back to those of now.

use crate::auth::{CurrentVerifier, VerifyingKey};
use crate::decode::Writers;
use crate::event::{Catalog, CurrentCatalog};
use crate::shard::Shards;
use crate::web::{Certificate, CurrentCertificate};
use std::sync::{Arc, OnceLock};

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Live {
    pub(super) verifier: CurrentVerifier,
    pub(super) catalog: CurrentCatalog,
    pub(super) writers: Writers,
    /// There once the instance runs.
    pub(super) shards: Arc<OnceLock<Shards>>,
    /// None where clients do not speak TLS.
    pub(super) certificate: Option<CurrentCertificate>,
}

/// Why a catalog has to wait for a restart. The open orders were gathered by the one in force, 24 hours of them.
#[derive(Debug, thiserror::Error)]
#[error(
    "how orders are gathered takes a restart: [orders], and the topic, record and encoding of its two events, \
     and the keys that are in every order's audience"
)]
pub struct NeedsRestart;

impl Live {
    pub fn replace(
        &self,
        keys: &[VerifyingKey],
        catalog: &Arc<Catalog>,
        certificate: Option<Certificate>,
    ) -> Result<(), NeedsRestart> {
        if !self.catalog.get().gathers_orders_like(catalog) {
            return Err(NeedsRestart);
        }
        self.verifier.replace_keys(keys);
        self.writers.replace_catalog(catalog.events().iter().map(|event| Arc::clone(&event.writer)));
        let former = self.catalog.replace(Arc::clone(catalog));
        let withdrawn = former.grants().withdrawn_by(catalog.grants());
        // Behind the replacement: whoever joins from now on is judged by it.
        if let (Some(shards), false) = (self.shards.get(), withdrawn.is_empty()) {
            shards.withdraw(&Arc::new(withdrawn));
        }
        match (&self.certificate, certificate) {
            (Some(current), Some(certificate)) => current.replace(certificate),
            (None, None) => {}
            _ => tracing::warn!("TLS is switched on and off by a restart only"),
        }
        Ok(())
    }
}
