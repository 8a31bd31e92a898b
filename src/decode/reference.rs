//! How a record names the schema that wrote it.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// The number under which a schema registry keeps a writer's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub u32);

/// CRC-64-AVRO of a schema's Parsing Canonical Form (Avro 1.12, "Schema Fingerprints").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u64);

/// Where a writer's schema is to be found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SchemaReference {
    /// The registry's number of a schema.
    Id(SchemaId),
    /// The registry's name of a schema's content, the same in every registry.
    Guid(Uuid),
    /// Apicurio's number of one version of one artifact.
    GlobalId(u64),
    /// What is known of the schema itself, and the topic whose history in the registry may have it.
    Fingerprint { fingerprint: Fingerprint, topic: Arc<str> },
}

impl SchemaReference {
    /// What kind of name it is, as logs and dead letters say it.
    pub fn kind(&self) -> &'static str {
        match self {
            SchemaReference::Id(_) => "schema_id",
            SchemaReference::Guid(_) => "schema_guid",
            SchemaReference::GlobalId(_) => "schema_global_id",
            SchemaReference::Fingerprint { .. } => "schema_fingerprint",
        }
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// The value alone: `7`, `8f0e…`. What kind of value it is, says [`SchemaReference::kind`].
impl fmt::Display for SchemaReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SchemaReference::Id(id) => id.fmt(formatter),
            SchemaReference::Guid(guid) => guid.fmt(formatter),
            SchemaReference::GlobalId(id) => id.fmt(formatter),
            SchemaReference::Fingerprint { fingerprint, .. } => fingerprint.fmt(formatter),
        }
    }
}

impl From<SchemaId> for SchemaReference {
    fn from(id: SchemaId) -> SchemaReference {
        SchemaReference::Id(id)
    }
}
