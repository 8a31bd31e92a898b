//! Resolves a writer's record into a reader's: which field is which, and what stands between them.
//!
//! In: two records. Out: a [`RecordPlan`]. Everything that does not depend on the data (names, punctuation,
//! defaults) is put together here into one piece of JSON before each value; nested records do the same.

use super::capture::Capture;
use super::compile::Compiler;
use super::skip::Skip;
use super::{CaptureField, CaptureStep, FieldPlan, Incompatible, RecordPlan, Step};
use crate::decode::schema::{Field, Record};
use std::iter;

pub(super) fn compile(
    compiler: &mut Compiler,
    writer: &Record,
    reader: &Record,
) -> Result<RecordPlan, Incompatible> {
    compile_top(compiler, writer, reader, &[])
}

/// The same with captures, which only the fields of the outermost record can be.
pub(super) fn compile_top(
    compiler: &mut Compiler,
    writer: &Record,
    reader: &Record,
    captures: &[CaptureField],
) -> Result<RecordPlan, Incompatible> {
    let matched = match_fields(writer, reader);
    let mut payload = lay_out(compiler, writer, reader, &matched)?;
    for (slot, wanted) in captures.iter().enumerate() {
        if let Some(index) = captured_field(wanted, writer, reader, &matched) {
            let capture = Capture::of(&writer.fields[index].schema);
            let field = &mut payload.fields[index];
            let step = std::mem::replace(&mut field.step, Step::Unresolvable);
            field.step = Step::Capture(Box::new(CaptureStep { slot, capture, step }));
        }
    }
    Ok(without_idle_steps(payload))
}

/// For each field of the reader, the index of the writer's.
///
/// The names come first, so that an alias takes no field that another of the reader's fields has by name.
fn match_fields(writer: &Record, reader: &Record) -> Vec<Option<usize>> {
    let position = |name: &str| writer.fields.iter().position(|field| *field.name == *name);
    let mut matched: Vec<_> = reader.fields.iter().map(|field| position(&field.name)).collect();
    for (index, field) in reader.fields.iter().enumerate() {
        if matched[index].is_none() {
            let mut candidates = field.aliases.iter().filter_map(|alias| position(alias));
            matched[index] = candidates.find(|candidate| !matched.contains(&Some(*candidate)));
        }
    }
    matched
}

/// Every field of the writer in the order of the wire, and the payload around them.
fn lay_out(
    compiler: &mut Compiler,
    writer: &Record,
    reader: &Record,
    matched: &[Option<usize>],
) -> Result<RecordPlan, Incompatible> {
    let skipped =
        |field: &Field| FieldPlan { lead: Box::default(), step: Step::Skip(Skip::over(&field.schema)) };
    let mut fields: Box<[FieldPlan]> = writer.fields.iter().map(skipped).collect();
    let mut order = Vec::new();
    let mut pending = vec![b'{'];
    for (index, (field, source)) in reader.fields.iter().zip(matched).enumerate() {
        if index > 0 {
            pending.push(b',');
        }
        // A field's name has letters, digits and underscores only; there is nothing to escape.
        pending.extend_from_slice(format!("\"{}\":", field.name).as_bytes());
        match source {
            Some(source) => {
                let written = &writer.fields[*source].schema;
                let step =
                    compiler.within(&field.name, |compiler| compiler.compile(written, &field.schema))?;
                fields[*source] = FieldPlan { lead: std::mem::take(&mut pending).into(), step };
                order.push(*source);
            }
            None => pending.extend_from_slice(field.default_json.as_ref().ok_or_else(|| absent(field))?),
        }
    }
    pending.push(b'}');
    Ok(RecordPlan { fields, tail: pending.into(), order: Some(order.into()) })
}

fn absent(field: &Field) -> Incompatible {
    Incompatible {
        path: field.name.to_string(),
        writer: "no such field".to_owned(),
        reader: format!("{} without a default", field.schema),
    }
}

/// The writer's field behind a capture: that of the reader's field of this name, else the writer's own.
fn captured_field(
    wanted: &CaptureField,
    writer: &Record,
    reader: &Record,
    matched: &[Option<usize>],
) -> Option<usize> {
    let position = |fields: &[Field], name: &str| fields.iter().position(|field| *field.name == *name);
    match position(&reader.fields, &wanted.name) {
        Some(index) => matched[index],
        None => {
            let mut names = iter::once(&wanted.name).chain(&wanted.aliases);
            names.find_map(|name| position(&writer.fields, name))
        }
    }
}

/// Drops what takes no bytes and shows none, joins neighbours that are skipped, and forgets the payload's order
/// if it is that of the wire.
fn without_idle_steps(plan: RecordPlan) -> RecordPlan {
    let mut fields: Vec<FieldPlan> = Vec::new();
    let mut moved_to = Vec::new();
    for field in plan.fields {
        match (field.step, fields.last_mut()) {
            (Step::Skip(skip), _) if skip.is_nothing() => {}
            (Step::Skip(skip), Some(FieldPlan { step: Step::Skip(before), .. })) => before.and_then(skip),
            (step, _) => fields.push(FieldPlan { lead: field.lead, step }),
        }
        moved_to.push(fields.len().saturating_sub(1));
    }
    let order: Option<Box<[usize]>> =
        plan.order.map(|order| order.iter().map(|index| moved_to[*index]).collect());
    RecordPlan { fields: fields.into(), tail: plan.tail, order: order.filter(|order| !order.is_sorted()) }
}
