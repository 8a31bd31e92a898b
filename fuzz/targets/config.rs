//! Settings files, variables and overrides: all that is wrong is told, and nothing panics.
//!
//! ```text
//! input = file [ %xFF *( line %x0A ) ]        line = SECTION__KEY=value  /  section.key=value
//! ```
//!
//! Keys that name files are left out (and escapes, by which one could be spelt): what stands in those is on
//! the machine, not in the input.

#![no_main]

use dumbwaiter::config::Config;
use dumbwaiter::settings::{Document, ENVIRONMENT_PREFIX, Environment};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |&byte| byte == 0xFF).map(str::from_utf8);
    let (Some(Ok(file)), Ok(lines)) = (parts.next(), parts.next().unwrap_or(Ok(""))) else { return };
    if [file, lines].iter().any(|text| text.contains('\\') || text.to_lowercase().contains("file")) {
        return;
    }
    let (variables, overrides): (Vec<&str>, Vec<&str>) = lines.lines().partition(|line| line.contains("__"));
    let variables = variables.iter().filter_map(|line| line.split_once('='));
    let environment: Environment =
        variables.map(|(name, value)| (format!("{ENVIRONMENT_PREFIX}{name}"), value.to_owned())).collect();
    let document = Document::parse("f.toml", file).with_environment(&environment).with_overrides(&overrides);
    match Config::from_document(document) {
        Ok(config) => assert!(!config.described.is_empty()),
        Err(faults) => assert!(!faults.to_string().is_empty()),
    }
});
