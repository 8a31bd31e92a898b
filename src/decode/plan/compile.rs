//! Resolves a writer's type into a reader's (Avro 1.12, "Schema Resolution"), leaving records to `record`.
//!
//! In: two types. Out: the [`Step`] that turns a value of the first into JSON of the second, or where they don't
//! meet. Both trees are finite and bounded, and each pair of types meets at most once, so this ends soon.

use super::{Decimal, Incompatible, Number, Step, record};
use crate::decode::schema::Type;

/// Compiles one plan, and notes on the way which branches of the writer's unions do not resolve.
#[derive(Default)]
pub(super) struct Compiler {
    pub unresolved: Vec<Incompatible>,
}

impl Compiler {
    pub fn compile(&mut self, writer: &Type, reader: &Type) -> Result<Step, Incompatible> {
        match (writer, reader) {
            (Type::Union(branches), _) => self.writer_union(branches, writer, reader),
            (_, Type::Union(branches)) => self.reader_union(writer, branches, reader),
            (Type::Array(writer), Type::Array(reader)) => {
                let items = self.within("[]", |compiler| compiler.compile(writer, reader))?;
                Ok(Step::Array(Box::new(items)))
            }
            (Type::Map(writer), Type::Map(reader)) => {
                let values = self.within("{}", |compiler| compiler.compile(writer, reader))?;
                Ok(Step::Map(Box::new(values)))
            }
            (Type::Record(writer), Type::Record(reader)) => {
                Ok(Step::Record(Box::new(record::compile(self, writer, reader)?)))
            }
            (Type::Enum { .. }, _) => from_enum(writer, reader),
            _ => leaf(writer, reader).ok_or_else(|| incompatible(writer, reader)),
        }
    }

    /// Compiles a part, whose faults then have the part's name before their path.
    pub fn within<T>(
        &mut self,
        part: &str,
        compile: impl FnOnce(&mut Self) -> Result<T, Incompatible>,
    ) -> Result<T, Incompatible> {
        let first = self.unresolved.len();
        let outcome = compile(self);
        for fault in &mut self.unresolved[first..] {
            fault.prefix_path(part);
        }
        outcome.map_err(|mut fault| {
            fault.prefix_path(part);
            fault
        })
    }

    /// Each branch by itself, as only those that occur have to resolve; but if none does, no record can be read.
    fn writer_union(
        &mut self,
        branches: &[Type],
        writer: &Type,
        reader: &Type,
    ) -> Result<Step, Incompatible> {
        let mut faults = Vec::new();
        let mut steps = Vec::new();
        for branch in branches {
            steps.push(self.compile(branch, reader).unwrap_or_else(|fault| {
                faults.push(fault);
                Step::Unresolvable
            }));
        }
        if faults.len() == branches.len() {
            return Err(most_telling(faults, incompatible(writer, reader)));
        }
        self.unresolved.append(&mut faults);
        Ok(Step::Union(steps.into()))
    }

    /// The first branch of the same type, else the first that the writer's type can be turned into.
    fn reader_union(
        &mut self,
        writer: &Type,
        branches: &[Type],
        reader: &Type,
    ) -> Result<Step, Incompatible> {
        let (same, other): (Vec<_>, Vec<_>) =
            branches.iter().partition(|branch| is_same_type(writer, branch));
        let first = self.unresolved.len();
        let mut faults = Vec::new();
        for branch in same.into_iter().chain(other) {
            match self.compile(writer, branch) {
                Ok(step) => return Ok(step),
                Err(fault) => faults.push(fault),
            }
            self.unresolved.truncate(first);
        }
        Err(most_telling(faults, incompatible(writer, reader)))
    }
}

/// The fault of a branch that failed further in, since that says more than that no branch will do.
fn most_telling(faults: Vec<Incompatible>, summary: Incompatible) -> Incompatible {
    faults.into_iter().find(|fault| !fault.path.is_empty()).unwrap_or(summary)
}

fn incompatible(writer: &Type, reader: &Type) -> Incompatible {
    Incompatible { path: String::new(), writer: writer.to_string(), reader: reader.to_string() }
}

fn is_same_type(writer: &Type, reader: &Type) -> bool {
    match (writer, reader) {
        (Type::Record(writer), Type::Record(reader)) => reader.name.accepts(&writer.name),
        (Type::Enum { name: writer, .. }, Type::Enum { name: reader, .. })
        | (Type::Fixed { name: writer, .. }, Type::Fixed { name: reader, .. }) => reader.accepts(writer),
        _ => std::mem::discriminant(writer) == std::mem::discriminant(reader),
    }
}

fn from_enum(writer: &Type, reader: &Type) -> Result<Step, Incompatible> {
    let Type::Enum { name, symbols, .. } = writer else {
        return Err(incompatible(writer, reader));
    };
    let shown: Box<[_]> = match reader {
        Type::String => symbols.iter().map(|symbol| Some(symbol_json(symbol))).collect(),
        Type::Enum { name: reader_name, symbols: known, default } if reader_name.accepts(name) => symbols
            .iter()
            .map(|symbol| if known.contains(symbol) { Some(symbol) } else { default.as_ref() })
            .map(|symbol| symbol.map(|symbol| symbol_json(symbol)))
            .collect(),
        _ => return Err(incompatible(writer, reader)),
    };
    Ok(Step::Enum(shown))
}

fn symbol_json(symbol: &str) -> Box<[u8]> {
    // A symbol is a name (Avro 1.12, "Names"): letters, digits, underscores; nothing to escape.
    format!("\"{symbol}\"").into_bytes().into()
}

fn leaf(writer: &Type, reader: &Type) -> Option<Step> {
    Some(match (writer, reader) {
        (Type::Calendar(_), Type::Timestamp { .. }) => return None,
        (Type::Calendar(calendar), _) => return leaf(&calendar.number(), reader),
        (_, Type::Calendar(calendar)) => return leaf(writer, &calendar.number()),
        (Type::Null, Type::Null) => Step::Null,
        (Type::Boolean, Type::Boolean) => Step::Boolean,
        (Type::Int, Type::Int | Type::Long) => Step::Int,
        (Type::Long | Type::Timestamp { .. }, Type::Long) => Step::Long,
        (_, Type::Float) => Step::Float(number(writer)?),
        (Type::Double, Type::Double) => Step::Double,
        (Type::Decimal { fixed_size, scale }, Type::Double | Type::Decimal { .. }) => {
            Step::Decimal(Decimal { fixed_size: *fixed_size, scale: *scale })
        }
        (_, Type::Double) => Step::Promoted(number(writer)?),
        (Type::Timestamp { unit, .. }, Type::Timestamp { form, .. }) => {
            Step::Timestamp { unit: *unit, form: *form }
        }
        (Type::Int | Type::Long, Type::Timestamp { unit, form }) => {
            Step::Timestamp { unit: *unit, form: *form }
        }
        (Type::String | Type::Bytes, Type::String) => Step::String,
        (Type::String | Type::Bytes | Type::Decimal { fixed_size: None, .. }, Type::Bytes) => Step::Bytes,
        (Type::Bytes, Type::Decimal { fixed_size: None, scale }) => {
            Step::Decimal(Decimal { fixed_size: None, scale: *scale })
        }
        (Type::Fixed { name, size }, Type::Fixed { name: reader_name, size: reader_size })
            if reader_name.accepts(name) && size == reader_size =>
        {
            Step::Fixed { size: *size }
        }
        _ => return None,
    })
}

fn number(writer: &Type) -> Option<Number> {
    match writer {
        Type::Int => Some(Number::Int),
        Type::Long | Type::Timestamp { .. } => Some(Number::Long),
        Type::Float => Some(Number::Float),
        _ => None,
    }
}
