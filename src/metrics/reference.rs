//! The reference of all metrics, `docs/metrics.md`: made of the same calls that register them.
//!
//! `make docs` writes the file; a test compares it with what the code says and fails when it is stale.

use super::Metrics;
use super::labels::closed_values;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use std::fmt::Write;

/// What stands before the metrics.
const HEAD: &str = include_str!("reference.md");

/// One metric as it was registered; its name without the prefix.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub name: String,
    pub kind: &'static str,
    pub help: String,
    pub labels: Vec<String>,
}

/// The whole document, in Markdown.
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n## The service\n\n| metric | type | meaning | labels |\n|---|---|---|---|");
    for metric in Metrics::new().described.iter() {
        let Described { name, kind, help, .. } = metric;
        let _ = writeln!(text, "| `dumbwaiter_{name}` | {kind} | {help} | {} |", labels(metric));
    }
    let _ = writeln!(text, "\n## The process\n\n| metric | meaning |\n|---|---|");
    for description in ProcessCollector::for_self().desc() {
        let _ = writeln!(text, "| `{}` | {} |", description.fq_name, description.help);
    }
    text
}

/// `reason`: `a`, `b`; a label without values is one of the head's.
fn labels(metric: &Described) -> String {
    let cell = |label: &String| {
        let explained = label == "protocol" || label == "ending";
        let values = closed_values(&metric.name, label).filter(|_| !explained);
        let values = values.map(|values| format!(": `{}`", values.join("`, `")));
        format!("`{label}`{}", values.unwrap_or_default())
    };
    metric.labels.iter().map(cell).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == super::reference(), "docs/metrics.md is stale: make docs");
    }
}
