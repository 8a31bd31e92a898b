//! A plan: how records of one writer's schema become one payload's JSON.
//!
//! `compile` resolves the two schemas (Avro 1.12, "Schema Resolution") into a tree of [`Step`]s in the order of
//! the wire; `run` walks it over a record, copying JSON pieces that were written at compile time and converting
//! what stands between. Fields that only the writer has are skipped; [`Captured`] fields are picked on the way.
//!
//! More lenient than the specification, because writers are other teams:
//! - the top-level record's name does not have to match, and a nested record whose name differs is resolved by
//!   its fields where no branch has its name;
//! - a string takes an enum's symbol; a double takes a decimal;
//! - timestamps convert between their units, local ones like the others; a plain int or long read as a timestamp
//!   is taken as a count of the reader's unit;
//! - a branch of a reader's union that is the same type goes before one that the writer's promotes to.
//!
//! Stricter: a decimal does not become a string.

mod capture;
mod compile;
mod record;
mod run;
mod skip;

use std::fmt;

use thiserror::Error;

use self::capture::Capture;
use self::compile::Compiler;
use self::skip::Skip;
use super::json::{TimeForm, TimeUnit};
use super::{Poison, ReaderSchema, WriterSchema};

/// Turns records of one writer's schema into one payload. Shared by all who decode.
#[derive(Debug)]
pub struct Plan {
    record: RecordPlan,
    capture_count: usize,
    unresolved: Box<[Incompatible]>,
}

impl Plan {
    /// Resolves the writer's schema into the reader's.
    ///
    /// `captures` are top-level fields that are wanted apart from the payload.
    pub fn compile(
        writer: &WriterSchema,
        reader: &ReaderSchema,
        captures: &[CaptureField],
    ) -> Result<Self, Incompatible> {
        let mut compiler = Compiler::default();
        let record = record::compile_top(&mut compiler, writer.record(), reader.record(), captures)?;
        Ok(Self { record, capture_count: captures.len(), unresolved: compiler.unresolved.into() })
    }

    /// Branches of the writer's unions that do not resolve: a record that has one is poison, others are not.
    pub fn unresolved(&self) -> &[Incompatible] {
        &self.unresolved
    }

    /// Appends the payload of a record to `json`, and puts one value per capture into `captured`.
    ///
    /// After an error both hold what was done so far, which is of no use.
    pub fn run(&self, body: &[u8], json: &mut Vec<u8>, captured: &mut Vec<Captured>) -> Result<(), Poison> {
        captured.clear();
        captured.resize(self.capture_count, Captured::Absent);
        run::run(&self.record, body, json, captured)
    }
}

/// A field that is wanted apart from the payload: the reader's of this name, by whatever the reader's schema calls it, or
/// one that only the writer has, by this name or an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureField {
    pub name: Box<str>,
    pub aliases: Box<[Box<str>]>,
}

/// Of `name|alias|alias`.
impl From<&str> for CaptureField {
    fn from(text: &str) -> CaptureField {
        let mut names = text.split('|').map(|name| name.trim().into());
        CaptureField { name: names.next().unwrap_or_default(), aliases: names.collect() }
    }
}

/// The writer's value of a field that is wanted apart from the payload.
#[derive(Clone, PartialEq, Eq)]
pub enum Captured {
    /// The writer's schema has no such field, even if the payload then shows a default.
    Absent,
    Null,
    /// A string, or the symbol of an enum.
    Text(Box<str>),
    /// An int or a long.
    Integer(i64),
    /// A value of any other type.
    Unusable,
}

/// Without the value, which is part of somebody's record.
impl fmt::Debug for Captured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Captured::Absent => "Absent",
            Captured::Null => "Null",
            Captured::Text(_) => "Text(..)",
            Captured::Integer(_) => "Integer(..)",
            Captured::Unusable => "Unusable",
        })
    }
}

/// Where and why a writer's schema does not resolve into the reader's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("field {path}: writer has {writer}, reader wants {reader}")]
pub struct Incompatible {
    /// The reader's field, `products[].cost`; `{}` stands for a map's values.
    pub path: String,
    /// The writer's type, or that it has no such field.
    pub writer: String,
    /// The reader's type.
    pub reader: String,
}

impl Incompatible {
    fn prefix_path(&mut self, outer: &str) {
        let dot = if self.path.is_empty() || self.path.starts_with(['[', '{']) { "" } else { "." };
        self.path = format!("{outer}{dot}{}", self.path);
    }
}

/// What becomes of a value of the writer.
#[derive(Debug)]
enum Step {
    Null,
    Boolean,
    Int,
    Long,
    Float(Number),
    Double,
    /// A double from a smaller number.
    Promoted(Number),
    Decimal(Decimal),
    Timestamp {
        unit: TimeUnit,
        form: TimeForm,
    },
    String,
    Bytes,
    Fixed {
        size: usize,
    },
    /// By symbol: the JSON, or `None` if the reader doesn't have it.
    Enum(Box<[Option<Box<[u8]>>]>),
    Array(Box<Step>),
    Map(Box<Step>),
    /// By branch of the writer.
    Union(Box<[Step]>),
    Record(Box<RecordPlan>),
    /// Read over, since the payload has no such field.
    Skip(Skip),
    /// Read once more for `captured[slot]`.
    Capture(Box<CaptureStep>),
    /// A branch that does not resolve: wrong only if a record has it.
    Unresolvable,
}

/// A writer's number that a float or double takes.
#[derive(Debug, Clone, Copy)]
enum Number {
    Int,
    Long,
    Float,
}

#[derive(Debug, Clone, Copy)]
struct Decimal {
    fixed_size: Option<usize>,
    scale: usize,
}

#[derive(Debug)]
struct CaptureStep {
    slot: usize,
    capture: Capture,
    step: Step,
}

/// A record: its fields in the order of the wire, and the JSON before, between and after their values.
#[derive(Debug)]
struct RecordPlan {
    fields: Box<[FieldPlan]>,
    /// Defaults after the last field, and the closing brace.
    tail: Box<[u8]>,
    /// Which fields to take in which order for the payload, if that is not the order of the wire.
    order: Option<Box<[usize]>>,
}

#[derive(Debug)]
struct FieldPlan {
    /// JSON before the value: `,"name":`, after whatever defaults go before it in the payload.
    lead: Box<[u8]>,
    step: Step,
}
