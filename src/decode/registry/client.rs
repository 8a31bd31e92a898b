//! Fetches one schema over HTTP, with the schemas it refers to.
//!
//! ```text
//! GET <address>/schemas/ids/7                      a schema, and its references: subject and version
//! GET <address>/schemas/guids/8f0e...              the same
//! GET <address>/subjects/<subject>/versions/<n>    the same, for each reference
//! GET <root>/registry/v3/ids/globalIds/7           a schema's text; <address> is <root>/ccompat/v7 (Apicurio)
//! GET <address>/schemas/types                      is this a registry? asked after an unclear 404
//! ```
//!
//! One try at one address; when to try again is for the parent. What a reply means is judged in `reply`.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{RequestBuilder, Url};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::super::{SchemaReference, WriterSchema};
use super::history::History;
use super::reply::{self, Fault, Found, Outcome, Reference, Reply, failed, no_answer, unusable};
use super::{Credentials, RegistryFault, Settings};
use crate::{fetch, limits};

/// Told of every request's outcome, for metrics.
pub type Observer = Box<dyn Fn(Outcome) + Send + Sync>;

pub(super) struct Client {
    http: reqwest::Client,
    addresses: Vec<Url>,
    /// Which address is asked; shared by all fetches, so that they leave a dead one together.
    current: AtomicUsize,
    authorization: Option<HeaderValue>,
    observer: Observer,
    history: History,
}

impl Client {
    pub(super) fn new(settings: Settings, observer: Observer) -> Result<Client, RegistryFault> {
        if settings.urls.is_empty() {
            return Err(RegistryFault::NoAddress);
        }
        let http = fetch::client(&settings.urls).timeout(settings.timeout);
        Ok(Client {
            http: http.build().map_err(RegistryFault::Client)?,
            addresses: settings.urls,
            current: AtomicUsize::new(0),
            authorization: authorization(&settings.credentials)?,
            observer,
            history: History::default(),
        })
    }

    /// The address to ask now.
    pub(super) fn address(&self) -> &Url {
        &self.addresses[self.current.load(Ordering::Relaxed) % self.addresses.len()]
    }

    /// Goes on to the next address, unless somebody else has left this one already.
    pub(super) fn turn_from(&self, address: &Url) {
        let current = self.current.load(Ordering::Relaxed);
        if self.addresses[current % self.addresses.len()] == *address {
            let next = current.wrapping_add(1);
            let _ = self.current.compare_exchange(current, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    pub(super) async fn fetch(&self, address: &Url, schema: &SchemaReference) -> Result<WriterSchema, Fault> {
        let found = match schema {
            SchemaReference::Id(id) => {
                self.schema_at(address, below(address, &["schemas", "ids", &id.to_string()])).await?
            }
            SchemaReference::Guid(guid) => {
                self.schema_at(address, below(address, &["schemas", "guids", &guid.to_string()])).await?
            }
            SchemaReference::GlobalId(id) => self.by_global_id(address, *id).await?,
            SchemaReference::Fingerprint { fingerprint, topic } => {
                return self.history.search(self, address, topic, *fingerprint).await;
            }
        };
        self.with_references(address, found).await
    }

    /// A subject's version, be it deleted since: it is still what records were written with.
    pub(super) async fn version(&self, address: &Url, subject: &str, version: u32) -> Result<Found, Fault> {
        let mut url = below(address, &["subjects", subject, "versions", &version.to_string()]);
        url.set_query(Some("deleted=true"));
        self.schema_at(address, url).await
    }

    /// The versions of a subject, the oldest first.
    pub(super) async fn versions(&self, address: &Url, subject: &str) -> Result<Vec<u32>, Fault> {
        let mut url = below(address, &["subjects", subject, "versions"]);
        url.set_query(Some("deleted=true"));
        self.get(address, url).await
    }

    /// The schema of an answer, with what it refers to.
    pub(super) async fn with_references(&self, address: &Url, found: Found) -> Result<WriterSchema, Fault> {
        let references = self.referred_to(address, found.references).await?;
        WriterSchema::parse(&found.schema, &references)
            .map_err(|fault| Fault::Unusable { poison: fault.poison(), reason: fault.to_string() })
    }

    /// The texts of what a schema refers to, in the order of their dependencies.
    pub(super) async fn referred_to(
        &self,
        address: &Url,
        wanted: Vec<Reference>,
    ) -> Result<Vec<String>, Fault> {
        let mut references = References::default();
        self.gather(address, wanted, 0, &mut references).await?;
        Ok(references.texts)
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        address: &Url,
        request: RequestBuilder,
    ) -> Result<T, Fault> {
        match self.send(request).await? {
            Reply::Content(content) => Ok(content),
            Reply::Missing => Err(Fault::Missing),
            // Else a record that asks what this registry never answers would hold up its partition for ever.
            Reply::UnknownPath if self.is_registry(address).await => Err(Fault::Missing),
            Reply::UnknownPath => {
                Err(failed("status 404, not as a registry says it: is the address's path right?".to_owned()))
            }
        }
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Fetches what is referred to, what that refers to first, so that each comes after what it needs.
    fn gather<'a>(
        &'a self,
        address: &'a Url,
        wanted: Vec<Reference>,
        depth: usize,
        references: &'a mut References,
    ) -> Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>> {
        Box::pin(async move {
            for reference in wanted {
                if !references.admit(&reference, depth)? {
                    continue;
                }
                let found = self.version(address, &reference.subject, reference.version).await?;
                self.gather(address, found.references, depth + 1, references).await?;
                references.add(found.schema)?;
            }
            Ok(())
        })
    }

    async fn schema_at(&self, address: &Url, url: Url) -> Result<Found, Fault> {
        let found: Found = self.get(address, url).await?;
        check_type(found.schema_type.as_deref())?;
        Ok(found)
    }

    /// Apicurio's own API gives the text by itself, with what it refers to put in.
    async fn by_global_id(&self, address: &Url, id: u64) -> Result<Found, Fault> {
        let url = apicurio_global_id(address, id).ok_or(Fault::Missing)?;
        let text: Box<RawValue> = self.get(address, url).await?;
        Ok(Found { schema: text.get().to_owned(), schema_type: None, references: Vec::new() })
    }

    async fn get<T: DeserializeOwned>(&self, address: &Url, url: Url) -> Result<T, Fault> {
        let answer = self.ask(address, self.http.get(url)).await;
        (self.observer)(match &answer {
            Ok(_) => Outcome::Found,
            Err(Fault::Missing) => Outcome::Missing,
            Err(Fault::Unusable { .. }) => Outcome::TooLarge,
            Err(Fault::Outage { outcome, .. }) => *outcome,
        });
        answer
    }

    async fn is_registry(&self, address: &Url) -> bool {
        let types = self.http.get(below(address, &["schemas", "types"]));
        matches!(self.send::<Vec<String>>(types).await, Ok(Reply::Content(_)))
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<Reply<T>, Fault> {
        let mut request = request.header(ACCEPT, ACCEPTED);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        reply::read(request.send().await.map_err(no_answer)?).await
    }
}

pub(super) fn check_type(schema_type: Option<&str>) -> Result<(), Fault> {
    match schema_type {
        None | Some("AVRO") => Ok(()),
        Some(other) => Err(unusable(format!("schema is of type {other:?}, not AVRO"))),
    }
}

/// The registry's own media type, and plain JSON for the other registries that speak its API.
const ACCEPTED: &str = "application/vnd.schemaregistry.v1+json, application/json;q=0.9";

/// Schemas referred to, each once, in the order of their dependencies.
#[derive(Default)]
struct References {
    asked: HashSet<(String, u32)>,
    texts: Vec<String>,
    length: usize,
}

impl References {
    /// Whether it is still to be fetched. Cycles end here, as do answers that would lead on and on.
    fn admit(&mut self, reference: &Reference, depth: usize) -> Result<bool, Fault> {
        if depth >= limits::REGISTRY_REFERENCE_DEPTH_MAX
            || self.asked.len() >= limits::REGISTRY_REFERENCES_MAX
        {
            return Err(unusable("schema has too many references".to_owned()));
        }
        Ok(self.asked.insert((reference.subject.clone(), reference.version)))
    }

    fn add(&mut self, text: String) -> Result<(), Fault> {
        self.length += text.len();
        if self.length > limits::SCHEMA_TEXT_MAX_BYTES {
            return Err(unusable("schema is too long with its references".to_owned()));
        }
        self.texts.push(text);
        Ok(())
    }
}

/// `address` with segments added, percent-encoded: a subject may hold any character.
pub(super) fn below(address: &Url, segments: &[&str]) -> Url {
    let mut url = address.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Where Apicurio's own API has a schema by its global id, if `address` is that of its Confluent API.
fn apicurio_global_id(address: &Url, id: u64) -> Option<Url> {
    let segments: Vec<&str> = address.path_segments()?.collect();
    let confluent = segments.iter().position(|segment| *segment == "ccompat")?;
    let mut url = address.clone();
    url.path_segments_mut().ok()?.clear().extend(&segments[..confluent]).extend([
        "registry",
        "v3",
        "ids",
        "globalIds",
        &id.to_string(),
    ]);
    url.set_query(Some("references=DEREFERENCE"));
    Some(url)
}

fn authorization(credentials: &Credentials) -> Result<Option<HeaderValue>, RegistryFault> {
    let text = match credentials {
        Credentials::None => return Ok(None),
        Credentials::Basic { username, password } => {
            let pair = format!("{username}:{}", password.expose_secret());
            format!("Basic {}", BASE64_STANDARD.encode(pair))
        }
        Credentials::Bearer(token) => format!("Bearer {}", token.expose_secret()),
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| RegistryFault::Token)?;
    value.set_sensitive(true);
    Ok(Some(value))
}
