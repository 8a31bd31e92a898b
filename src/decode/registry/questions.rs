//! Single questions to the registry, for the tools: each is asked once, at each address in turn, and answered or not.
//!
//! ```text
//! GET  <address>/subjects                            ["order.created-value", ...]
//! GET  <address>/subjects/<subject>/versions/latest  {"id": 7, "version": 3, "schema": "...", ...}
//! GET  <address>/subjects/<subject>/versions         [1, 2, 3]
//! GET  <address>/schemas/ids/<id>                    {"schema": "...", ...}
//! POST <address>/subjects/<subject>/versions         {"schema": "..."}  ->  {"id": 7}
//! ```
//!
//! The service itself never waits for an answer; its lookups are in the parent.

use super::super::{SchemaId, WriterSchema};
use super::client::{Client, below, check_type};
use super::reply::{Fault, Outcome, Reference};
use super::{RegistryFault, Settings};
use crate::decode::SchemaFault;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// Asks a registry.
pub struct Questions {
    client: Client,
    addresses: Vec<Url>,
}

/// One version of a subject.
#[derive(Debug)]
pub struct SchemaVersion {
    pub id: SchemaId,
    pub version: u32,
    pub text: String,
    /// What it refers to, in the order of dependencies.
    pub references: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RegistryAnswerFault {
    #[error("the registry does not have it")]
    Missing,
    #[error("the registry refuses these credentials ({reason})")]
    Refused { reason: String },
    #[error("no usable answer from {address}: {reason}")]
    NoAnswer { address: Url, reason: String },
    #[error("what the registry has cannot be used: {0}")]
    Unusable(String),
}

#[derive(Deserialize)]
struct Version {
    id: u32,
    version: u32,
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Registered {
    id: u32,
}

impl Questions {
    pub fn new(settings: Settings) -> Result<Questions, RegistryFault> {
        let addresses = settings.urls.clone();
        Ok(Questions { client: Client::new(settings, Box::new(|_| {}))?, addresses })
    }

    /// All subjects there are.
    pub async fn subjects(&self) -> Result<Vec<String>, RegistryAnswerFault> {
        self.ask_in_turn(async |address| self.get(address, &["subjects"]).await).await
    }

    pub async fn newest(&self, subject: &str) -> Result<SchemaVersion, RegistryAnswerFault> {
        self.at(subject, "latest").await
    }

    pub async fn version(&self, subject: &str, version: u32) -> Result<SchemaVersion, RegistryAnswerFault> {
        self.at(subject, &version.to_string()).await
    }

    /// The versions that a subject has, in their order; deleted ones are not among them.
    pub async fn versions(&self, subject: &str) -> Result<Vec<u32>, RegistryAnswerFault> {
        let path = ["subjects", subject, "versions"];
        let mut versions: Vec<u32> = self.ask_in_turn(async |address| self.get(address, &path).await).await?;
        versions.sort_unstable();
        Ok(versions)
    }

    async fn at(&self, subject: &str, version: &str) -> Result<SchemaVersion, RegistryAnswerFault> {
        let ask = async |address: &Url| {
            let found: Version = self.get(address, &["subjects", subject, "versions", version]).await?;
            check_type(found.schema_type.as_deref())?;
            let references = self.client.referred_to(address, found.references).await?;
            let (id, version) = (SchemaId(found.id), found.version);
            Ok(SchemaVersion { id, version, text: found.schema, references })
        };
        self.ask_in_turn(ask).await
    }

    /// The schema that records with this id were written with.
    pub async fn schema(&self, id: SchemaId) -> Result<WriterSchema, RegistryAnswerFault> {
        self.ask_in_turn(async |address| self.client.fetch(address, &id.into()).await).await
    }

    /// Registers a schema, or finds it registered already.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<SchemaId, RegistryAnswerFault> {
        let ask = async |address: &Url| {
            let url = below(address, &["subjects", subject, "versions"]);
            let request = self.client.http().post(url).json(&json!({"schema": schema}));
            let registered: Registered = self.client.ask(address, request).await?;
            Ok(SchemaId(registered.id))
        };
        self.ask_in_turn(ask).await
    }

    async fn get<T: DeserializeOwned>(&self, address: &Url, path: &[&str]) -> Result<T, Fault> {
        self.client.ask(address, self.client.http().get(below(address, path))).await
    }

    /// Goes on to the next address only when one gives no answer at all.
    async fn ask_in_turn<T>(
        &self,
        ask: impl AsyncFn(&Url) -> Result<T, Fault>,
    ) -> Result<T, RegistryAnswerFault> {
        let mut newest = RegistryAnswerFault::Missing;
        for address in &self.addresses {
            newest = match ask(address).await {
                Ok(answer) => return Ok(answer),
                Err(Fault::Missing) => return Err(RegistryAnswerFault::Missing),
                Err(Fault::Unusable { reason, .. }) => return Err(RegistryAnswerFault::Unusable(reason)),
                Err(Fault::Outage { outcome: Outcome::Refused, reason, .. }) => {
                    RegistryAnswerFault::Refused { reason }
                }
                Err(Fault::Outage { reason, .. }) => {
                    RegistryAnswerFault::NoAnswer { address: address.clone(), reason }
                }
            };
        }
        Err(newest)
    }
}

impl SchemaVersion {
    pub fn parse(&self) -> Result<WriterSchema, SchemaFault> {
        WriterSchema::parse(&self.text, &self.references)
    }
}
