//! What is written and nobody asked for: a typing error, nearly always.
//!
//! Sections, keys and variables are compared with what the parts have read, and the nearest name is
//! offered. A silently ignored `max_conections` would be found out on the day it is needed.

use super::description::{DescribedSection, Kind};
use super::document::{Document, ENVIRONMENT_PREFIX, Layer};
use super::fault::{Fault, Origin};

/// Below this likeness (1 is equal) a suggestion would be a guess.
const LIKENESS_MIN: f64 = 0.6;

pub(super) fn faults(document: &Document) -> Vec<Fault> {
    let known = Known { sections: &document.described };
    let mut faults = Vec::new();
    for layer in document.layers_from_top() {
        known.judge_layer(layer, &mut faults);
    }
    faults.extend(document.stray_variables.iter().filter_map(|variable| known.judge_stray(variable)));
    faults
}

/// A key at the top of the file, before the first section.
pub(super) const OUTSIDE_OF_SECTIONS: &str =
    "stands outside of any section (expected a section like [web] and keys below it)";

struct Known<'a> {
    sections: &'a [DescribedSection],
}

impl Known<'_> {
    fn judge_layer(&self, layer: &Layer, faults: &mut Vec<Fault>) {
        for (name, section) in layer {
            if !self.has_section(name) {
                faults.push(self.unknown_section(name, &section.origin));
                continue;
            }
            let unknown = section.keys.iter().filter(|(key, _)| !self.has_key(name, key));
            faults.extend(unknown.map(|(key, written)| self.unknown_key(name, key, &written.origin)));
        }
    }

    fn has_section(&self, name: &str) -> bool {
        self.sections.iter().any(|section| section.name == name)
    }

    fn has_key(&self, section: &str, name: &str) -> bool {
        self.keys_of(section).any(|known| match known.kind {
            Kind::Secret => name == known.name || name.strip_suffix("_file") == Some(known.name),
            Kind::Table => name.split('.').next() == Some(known.name),
            _ => name == known.name,
        })
    }

    fn keys_of(&self, section: &str) -> impl Iterator<Item = &super::DescribedKey> {
        let sections = self.sections.iter().filter(move |known| known.name == section);
        sections.flat_map(|section| &section.keys)
    }

    fn unknown_section(&self, name: &str, origin: &Origin) -> Fault {
        let sections = self.sections.iter().filter(|section| !section.is_table_of_array());
        let mut names: Vec<&str> = sections.map(|section| section.name.as_ref()).collect();
        names.sort_unstable();
        let text = format!("unknown section{} (sections: {})", did_you_mean(name, &names), names.join(", "));
        Fault { origin: origin.clone(), key: name.to_owned(), text }
    }

    fn unknown_key(&self, section: &str, name: &str, origin: &Origin) -> Fault {
        let mut names: Vec<&str> = self.keys_of(section).map(|key| key.name).collect();
        names.sort_unstable();
        let elsewhere = self.sections.iter().find(|other| other.keys.iter().any(|key| key.name == name));
        let hint = match elsewhere {
            Some(other) if nearest(name, &names).is_none() => {
                format!("; {name} is a key of {}", other.heading())
            }
            _ => did_you_mean(name, &names),
        };
        let heading = self.sections.iter().find(|known| known.name == section).map(DescribedSection::heading);
        let heading = heading.unwrap_or_default();
        let text = format!("unknown key{hint} (keys of {heading}: {})", names.join(", "));
        Fault { origin: origin.clone(), key: format!("{section}.{name}"), text }
    }

    /// A variable with our prefix that does not spell a section and a key.
    fn judge_stray(&self, variable: &str) -> Option<Fault> {
        let name = variable.strip_prefix(ENVIRONMENT_PREFIX).unwrap_or(variable);
        if is_service_link(name) {
            return None;
        }
        let sections = self.sections.iter().filter(|section| !section.is_table_of_array());
        let variables = sections.flat_map(|section| {
            let spell = |key: &super::DescribedKey| format!("{}__{}", section.name, key.name);
            section.keys.iter().map(move |key| spell(key).to_uppercase())
        });
        let variables: Vec<String> = variables.collect();
        let names: Vec<&str> = variables.iter().map(String::as_str).collect();
        // Without the prefix, which would make any two of them look alike.
        let hint =
            nearest(name, &names).map(|nearest| format!("; did you mean {ENVIRONMENT_PREFIX}{nearest}?"));
        let hint = hint.unwrap_or_default();
        let text = format!("names no setting{hint} (expected {ENVIRONMENT_PREFIX}SECTION__KEY)");
        Some(Fault { origin: Origin::Environment(variable.to_owned()), key: String::new(), text })
    }
}

/// Kubernetes gives every container variables for every service of its namespace; for a service that
/// is called "dumbwaiter" they bear our prefix: `SERVICE_HOST`, `SERVICE_PORT_HTTP`, `PORT`,
/// `PORT_8080_TCP_ADDR`.
fn is_service_link(name: &str) -> bool {
    let of_port = |rest: &str| rest.is_empty() || rest.starts_with('_');
    name == "SERVICE_HOST"
        || name.strip_prefix("SERVICE_PORT").is_some_and(of_port)
        || name.strip_prefix("PORT").is_some_and(of_port)
}

/// The nearest of `names`, as the part of a fault that offers it; empty when none is near.
pub fn did_you_mean(name: &str, names: &[&str]) -> String {
    nearest(name, names).map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default()
}

fn nearest<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    let likeness = names.iter().map(|known| (strsim::normalized_damerau_levenshtein(name, known), *known));
    let best = likeness.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 >= LIKENESS_MIN).then_some(best.1)
}
