//! The kit with which every part of the service reads its own settings.
//!
//! In come a TOML file, the environment (as a map) and `section.key=value` overrides of the command
//! line; each beats the one before it. Out come typed values, every fault at once with its place, and
//! a description of each key that was asked for. Keys are described where they are read, so the values
//! in use (`--print-config`) and the reference of all keys come from those same calls:
//!
//! ```
//! use dumbwaiter::settings::Document;
//!
//! let mut document = Document::parse("dumbwaiter.toml", "[web]\nlisten = \"127.0.0.1:9000\"");
//! let mut web = document.section("web", "Where clients connect.");
//! let listen = web.key("listen", "Address for clients.").address(([127, 0, 0, 1], 8080));
//! assert_eq!(listen.port(), 9000);
//! assert!(document.finish().is_ok());
//! ```
//!
//! A getter never fails: it records the fault and gives the default, and [`Document::finish`] decides.
//! What the sections are and how they depend on each other is for the parts and for `config`.

mod description;
mod document;
mod fault;
mod file;
mod form;
mod section;
mod unknown;
mod value;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::read_text;

pub use description::{DescribedKey, DescribedSection, Kind, Shown};
pub use document::{Document, ENVIRONMENT_PREFIX, Environment};
pub use fault::{Fault, Faults, Origin, regex_fault};
pub use file::read_small_file;
pub use reqwest::Url;
pub use section::{Key, Section};
pub use unknown::did_you_mean;
