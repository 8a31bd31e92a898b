//! The reference of all keys, `docs/configuration.md`: made of the same calls that read them.
//!
//! `make docs` writes the file; a test compares it with what the code says and fails when it is stale.

use super::Config;
use crate::auth::Judge;
use crate::settings::{DescribedKey, DescribedSection, Document};
use std::fmt::Write;

/// What stands before the keys.
const HEAD: &str = include_str!("reference.md");

/// The whole document, in Markdown.
pub fn reference() -> String {
    let mut document = Document::for_reference();
    let _ = Config::read(&mut document, Judge::Keys);
    let mut text = HEAD.to_owned();
    for section in document.describe_all() {
        write_section(&mut text, &section);
    }
    text
}

fn write_section(text: &mut String, section: &DescribedSection) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n## {}\n\n{}\n", section.heading(), section.doc);
    let _ = writeln!(text, "| key | form | default | meaning |\n|---|---|---|---|");
    for key in &section.keys {
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", key.name, form(key), default(key), cell(key.doc));
    }
}

fn form(key: &DescribedKey) -> String {
    match &key.allowed {
        Some(allowed) => format!("{}: {}", key.kind, cell(allowed)),
        None => key.kind.to_string(),
    }
}

fn default(key: &DescribedKey) -> String {
    match (key.computed, &key.default) {
        (Some(made_of), _) => made_of.to_owned(),
        (None, Some(default)) if default.to_string().is_empty() => "none".to_owned(),
        (None, Some(default)) => format!("`{}`", cell(&default.to_string())),
        (None, None) => "not set".to_owned(),
    }
}

/// A bar would end the cell of the table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written == super::reference(), "docs/configuration.md is stale: make docs");
    }
}
