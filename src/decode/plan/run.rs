//! Walks a plan over a record: Avro bytes in, JSON bytes out, in one pass and with no allocation of its own
//! unless fields change places.
//!
//! The stack is bounded by the schema's depth, the output by its own bound, and the items by theirs. Every byte
//! of the body has to be used: what is left over means that it was not written with this schema.

use super::{CaptureStep, Captured, Decimal, Number, RecordPlan, Step};
use crate::decode::Poison;
use crate::decode::json::{
    write_bytes, write_decimal, write_double, write_float, write_integer, write_string, write_timestamp,
};
use crate::decode::wire::Cursor;
use crate::limits::{BODY_MAX_BYTES, ITEMS_MAX, PAYLOAD_MAX_BYTES};

pub(super) fn run(
    record: &RecordPlan,
    body: &[u8],
    json: &mut Vec<u8>,
    captured: &mut [Captured],
) -> Result<(), Poison> {
    if body.len() > BODY_MAX_BYTES {
        return Err(Poison::TooLarge);
    }
    // With its names and punctuation an order takes 2.2 times its bytes; growing once more would cost a copy.
    json.reserve((3 * body.len()).min(PAYLOAD_MAX_BYTES));
    let json_max_bytes = json.len() + PAYLOAD_MAX_BYTES;
    let mut run = Run {
        cursor: Cursor::new(body),
        json,
        json_max_bytes,
        items_left: ITEMS_MAX,
        captured,
        ends: Vec::new(),
    };
    run.record(record)?;
    run.check_size(0)?;
    if run.cursor.is_at_end() { Ok(()) } else { Err(Poison::TrailingBytes) }
}

struct Run<'a> {
    cursor: Cursor<'a>,
    json: &'a mut Vec<u8>,
    json_max_bytes: usize,
    items_left: u64,
    captured: &'a mut [Captured],
    /// Where the JSON of each field ends, for the records under way whose fields change places.
    ends: Vec<usize>,
}

impl Run<'_> {
    fn record(&mut self, record: &RecordPlan) -> Result<(), Poison> {
        match &record.order {
            None => {
                for field in &record.fields {
                    self.json.extend_from_slice(&field.lead);
                    self.step(&field.step)?;
                }
            }
            Some(order) => self.reordered(record, order)?,
        }
        self.json.extend_from_slice(&record.tail);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), Poison> {
        match step {
            Step::Null => self.json.extend_from_slice(b"null"),
            Step::Boolean => {
                let value: &[u8] = if self.cursor.boolean()? { b"true" } else { b"false" };
                self.json.extend_from_slice(value);
            }
            Step::Int => write_integer(self.cursor.int()?.into(), self.json),
            Step::Long => write_integer(self.cursor.long()?, self.json),
            Step::Float(number) => self.float(*number)?,
            Step::Double => write_double(self.cursor.double()?, self.json)?,
            Step::Promoted(number) => self.promoted(*number)?,
            Step::Decimal(decimal) => self.decimal(*decimal)?,
            Step::Timestamp { unit, form } => {
                write_timestamp(self.cursor.long()?, *unit, *form, self.json)?;
            }
            Step::String => self.string()?,
            Step::Bytes => {
                let bytes = self.cursor.bytes()?;
                self.check_size(bytes.len())?;
                write_bytes(bytes, self.json);
            }
            Step::Fixed { size } => {
                let bytes = self.cursor.take(*size)?;
                self.check_size(bytes.len())?;
                write_bytes(bytes, self.json);
            }
            Step::Enum(symbols) => {
                let symbol = symbols.get(self.cursor.index()?).ok_or(Poison::BadIndex)?;
                self.json.extend_from_slice(symbol.as_ref().ok_or(Poison::IncompatibleSchema)?);
            }
            Step::Array(items) => self.array(items)?,
            Step::Map(values) => self.map(values)?,
            Step::Union(branches) => {
                let branch = branches.get(self.cursor.index()?).ok_or(Poison::BadIndex)?;
                self.step(branch)?;
            }
            Step::Record(record) => self.record(record)?,
            Step::Skip(skip) => skip.run(&mut self.cursor)?,
            Step::Capture(capture) => self.capture(capture)?,
            Step::Unresolvable => return Err(Poison::IncompatibleSchema),
        }
        Ok(())
    }

    /// Writes the fields in the order of the wire, then once more in that of the payload over the first ones.
    fn reordered(&mut self, record: &RecordPlan, order: &[usize]) -> Result<(), Poison> {
        let start = self.json.len();
        let first = self.ends.len();
        self.ends.push(start);
        for field in &record.fields {
            self.json.extend_from_slice(&field.lead);
            self.step(&field.step)?;
            self.ends.push(self.json.len());
        }
        let written = self.json.len();
        for index in order {
            let [from, to] = [self.ends[first + index], self.ends[first + index + 1]];
            self.json.extend_from_within(from..to);
        }
        self.ends.truncate(first);
        self.json.copy_within(written.., start);
        self.json.truncate(written);
        Ok(())
    }

    fn capture(&mut self, capture: &CaptureStep) -> Result<(), Poison> {
        self.captured[capture.slot] = capture.capture.read(&mut self.cursor.clone())?;
        self.step(&capture.step)
    }

    #[inline]
    fn string(&mut self) -> Result<(), Poison> {
        let bytes = self.cursor.bytes()?;
        self.check_size(bytes.len())?;
        write_string(bytes, self.json)
    }

    fn array(&mut self, items: &Step) -> Result<(), Poison> {
        self.json.push(b'[');
        let start = self.json.len();
        while let Some(count) = self.block()? {
            for _ in 0..count {
                self.comma_after(start);
                self.step(items)?;
                self.check_size(0)?;
            }
        }
        self.json.push(b']');
        Ok(())
    }

    fn map(&mut self, values: &Step) -> Result<(), Poison> {
        self.json.push(b'{');
        let start = self.json.len();
        while let Some(count) = self.block()? {
            for _ in 0..count {
                self.comma_after(start);
                self.string()?;
                self.json.push(b':');
                self.step(values)?;
                self.check_size(0)?;
            }
        }
        self.json.push(b'}');
        Ok(())
    }

    fn comma_after(&mut self, start: usize) {
        if self.json.len() > start {
            self.json.push(b',');
        }
    }

    /// The number of items in the next block, taken from those that a record may have.
    fn block(&mut self) -> Result<Option<u64>, Poison> {
        let Some(block) = self.cursor.block()? else {
            return Ok(None);
        };
        self.items_left = self.items_left.checked_sub(block.count).ok_or(Poison::TooLarge)?;
        Ok(Some(block.count))
    }

    /// The casts round to the nearest float, as promotion does.
    fn float(&mut self, number: Number) -> Result<(), Poison> {
        let value = match number {
            Number::Int => self.cursor.int()? as f32,
            Number::Long => self.cursor.long()? as f32,
            Number::Float => self.cursor.float()?,
        };
        write_float(value, self.json)
    }

    fn promoted(&mut self, number: Number) -> Result<(), Poison> {
        let value = match number {
            Number::Int => self.cursor.int()?.into(),
            Number::Long => self.cursor.long()? as f64,
            Number::Float => self.cursor.float()?.into(),
        };
        write_double(value, self.json)
    }

    fn decimal(&mut self, decimal: Decimal) -> Result<(), Poison> {
        let unscaled = match decimal.fixed_size {
            Some(size) => self.cursor.take(size)?,
            None => self.cursor.bytes()?,
        };
        write_decimal(unscaled, decimal.scale, self.json)
    }

    /// Whether the payload may have `more` bytes, asked before a string and after an item.
    #[inline]
    fn check_size(&self, more: usize) -> Result<(), Poison> {
        if self.json.len() + more > self.json_max_bytes { Err(Poison::TooLarge) } else { Ok(()) }
    }
}
