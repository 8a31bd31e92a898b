//! Reads over what the payload does not show.
//!
//! In: a writer's type. Out: the shortest way past its values: sizes that are known are added up at compile time,
//! blocks that tell their size are jumped over, items that take no bytes are not counted through. What is skipped
//! is not judged either, except that it must be there.

use crate::decode::Poison;
use crate::decode::schema::{Record, Type};
use crate::decode::wire::Cursor;

/// The way past a value.
#[derive(Debug)]
pub(super) enum Skip {
    Bytes(usize),
    /// An int, a long or an enum.
    Long,
    /// A length and as many bytes.
    Prefixed,
    Sequence(Vec<Skip>),
    /// By branch.
    Union(Box<[Skip]>),
    /// Blocks of items: an array's, or a map's (a key, then a value).
    Blocks(Box<Skip>),
}

impl Skip {
    pub fn over(schema: &Type) -> Self {
        match schema {
            Type::Null => Skip::Bytes(0),
            Type::Boolean => Skip::Bytes(1),
            Type::Float => Skip::Bytes(4),
            Type::Double => Skip::Bytes(8),
            Type::Fixed { size, .. } | Type::Decimal { fixed_size: Some(size), .. } => Skip::Bytes(*size),
            Type::Int | Type::Long | Type::Calendar(_) | Type::Timestamp { .. } | Type::Enum { .. } => {
                Skip::Long
            }
            Type::String | Type::Bytes | Type::Decimal { fixed_size: None, .. } => Skip::Prefixed,
            Type::Array(items) => Skip::Blocks(Box::new(Skip::over(items))),
            Type::Map(values) => {
                let mut entry = Skip::Prefixed;
                entry.and_then(Skip::over(values));
                Skip::Blocks(Box::new(entry))
            }
            Type::Union(branches) => Skip::Union(branches.iter().map(Skip::over).collect()),
            Type::Record(record) => Skip::over_fields(record),
        }
    }

    fn over_fields(record: &Record) -> Self {
        let mut skip = Skip::Bytes(0);
        for field in &record.fields {
            skip.and_then(Skip::over(&field.schema));
        }
        skip
    }

    /// Whether there is nothing on the wire to skip.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Skip::Bytes(0))
    }

    /// Adds what comes right after.
    pub fn and_then(&mut self, next: Skip) {
        match (&mut *self, next) {
            (_, next) if next.is_nothing() => {}
            (this, next) if this.is_nothing() => *this = next,
            (Skip::Bytes(size), Skip::Bytes(more)) => *size = size.saturating_add(more),
            (Skip::Sequence(sequence), next) => match (sequence.last_mut(), next) {
                (Some(Skip::Bytes(size)), Skip::Bytes(more)) => *size = size.saturating_add(more),
                (_, next) => sequence.push(next),
            },
            (this, next) => {
                let first = std::mem::replace(this, Skip::Bytes(0));
                *this = Skip::Sequence(vec![first, next]);
            }
        }
    }

    pub fn run(&self, cursor: &mut Cursor<'_>) -> Result<(), Poison> {
        match self {
            Skip::Bytes(size) => cursor.take(*size).map(drop),
            Skip::Long => cursor.long().map(drop),
            Skip::Prefixed => cursor.bytes().map(drop),
            Skip::Sequence(sequence) => sequence.iter().try_for_each(|skip| skip.run(cursor)),
            Skip::Union(branches) => {
                let branch = branches.get(cursor.index()?).ok_or(Poison::BadIndex)?;
                branch.run(cursor)
            }
            Skip::Blocks(items) => items.run_blocks(cursor),
        }
    }

    /// Each item takes a byte at least, or none does and they are not counted through, so this ends with the input.
    fn run_blocks(&self, cursor: &mut Cursor<'_>) -> Result<(), Poison> {
        while let Some(block) = cursor.block()? {
            match block.size_bytes {
                Some(size) => drop(cursor.take(size)?),
                None if self.is_nothing() => {}
                None => (0..block.count).try_for_each(|_| self.run(cursor))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sizes_are_added_up() {
        let mut skip = Skip::over(&Type::Double);
        skip.and_then(Skip::over(&Type::Null));
        skip.and_then(Skip::over(&Type::Boolean));
        assert!(matches!(skip, Skip::Bytes(9)));
        skip.and_then(Skip::over(&Type::Long));
        skip.and_then(Skip::over(&Type::Float));
        skip.and_then(Skip::over(&Type::Float));
        let Skip::Sequence(sequence) = skip else { panic!("{skip:?}") };
        assert!(matches!(sequence[..], [Skip::Bytes(9), Skip::Long, Skip::Bytes(8)]));
    }

    #[test]
    fn items_without_bytes_cost_nothing() {
        let nulls = Skip::over(&Type::Array(Box::new(Type::Null)));
        let billions = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00];
        assert_eq!(nulls.run(&mut Cursor::new(&billions)), Ok(()));
    }
}
