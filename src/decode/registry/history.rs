//! Finds a schema by its fingerprint among all that a topic's values were ever registered with.
//!
//! ```text
//! GET <address>/subjects/<topic>-value/versions?deleted=true        [1, 2, 3]
//! GET <address>/subjects/<topic>-value/versions/3?deleted=true      the newest first, until one fits
//! ```
//!
//! The subject is the one of the registry clients' default strategy. Fingerprints of versions are remembered for
//! a while, so that records with one foreign fingerprint after the other do not read the history each time.

use std::collections::HashMap;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use reqwest::Url;

use super::super::{Fingerprint, WriterSchema};
use super::client::Client;
use super::reply::Fault;
use crate::limits::{
    REGISTRY_HISTORY_REMEMBERED_MAX, REGISTRY_HISTORY_VERSIONS_MAX, REGISTRY_REFUSAL_REMEMBERED,
};

#[derive(Default)]
pub(super) struct History {
    /// Held for a look or an entry, never across an await.
    versions: Mutex<Versions>,
}

/// Which schema a version is, by subject and number; none is one that cannot be used.
#[derive(Default)]
struct Versions {
    fingerprints: HashMap<(String, u32), Option<Fingerprint>>,
    since: Option<Instant>,
}

impl History {
    pub(super) async fn search(
        &self,
        client: &Client,
        address: &Url,
        topic: &str,
        wanted: Fingerprint,
    ) -> Result<WriterSchema, Fault> {
        let subject = format!("{topic}-value");
        let versions = client.versions(address, &subject).await?;
        for version in versions.into_iter().rev().take(REGISTRY_HISTORY_VERSIONS_MAX) {
            if self.is_another(&subject, version, wanted) {
                continue;
            }
            let schema = match client.version(address, &subject, version).await {
                Ok(found) => client.with_references(address, found).await,
                Err(fault) => Err(fault),
            };
            let schema = match schema {
                Ok(schema) => Some(schema),
                Err(Fault::Unusable { .. }) => None,
                Err(Fault::Missing) => continue,
                Err(outage) => return Err(outage),
            };
            self.remember(&subject, version, schema.as_ref().map(WriterSchema::fingerprint));
            if let Some(schema) = schema.filter(|schema| schema.fingerprint() == wanted) {
                return Ok(schema);
            }
        }
        Err(Fault::Missing)
    }

    fn is_another(&self, subject: &str, version: u32, wanted: Fingerprint) -> bool {
        let versions = self.current();
        let known = versions.fingerprints.get(&(subject.to_owned(), version));
        known.is_some_and(|fingerprint| *fingerprint != Some(wanted))
    }

    fn remember(&self, subject: &str, version: u32, fingerprint: Option<Fingerprint>) {
        self.current().fingerprints.insert((subject.to_owned(), version), fingerprint);
    }

    /// What is remembered. All is forgotten together, by age or at the bound: a subject that was deleted for good
    /// begins its numbers anew.
    fn current(&self) -> MutexGuard<'_, Versions> {
        let now = Instant::now();
        let mut versions = self.versions.lock();
        let is_old = versions.since.is_none_or(|since| now - since >= REGISTRY_REFUSAL_REMEMBERED);
        if is_old || versions.fingerprints.len() >= REGISTRY_HISTORY_REMEMBERED_MAX {
            *versions = Versions { since: Some(now), ..Versions::default() };
        }
        versions
    }
}
