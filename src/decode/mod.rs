//! Record → fields: the Avro bytes of a writer become the JSON bytes of the documented payload.
//!
//! In: a record's value and the schemas of its writer and of the payload. Out: JSON, and on the way the few
//! fields that decide who gets the event. A (writer, reader) pair is compiled once into a [`Plan`]; a record
//! is then one pass over its bytes, with no tree of values between.
//! What cannot be decoded is [`Poison`], by a fixed reason. Which event a record is, and who may see it, is
//! `event`'s matter. Apart from the registry client and the
//! reading of a folder of schemas nothing here knows a socket, task, clock or log.

pub mod framing;
pub mod plan;
pub mod poison;
pub mod registry;
pub mod schema;

mod json;
mod reference;
mod settings;
mod wire;
mod writers;

#[cfg(test)]
mod tests;

pub use plan::{CaptureField, Captured, Incompatible, Plan};
pub use poison::Poison;
pub use reference::{Fingerprint, SchemaId, SchemaReference};
pub use registry::{
    Lookup, Outcome as RegistryOutcome, Questions as RegistryQuestions, Registry, RegistryAnswerFault,
    RegistryFault, SchemaVersion, Settings as RegistrySettings,
};
pub use schema::{Interfaces, ReaderSchema, SchemaFault, WriterSchema};
pub use settings::Settings;
pub use writers::{Writers, WritersFault};
