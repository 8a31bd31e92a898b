//! Documents that repeat what the code says are compared with it.

use dumbwaiter::auth::{JwksFetched, RedisFault, Refusal, SessionOutcome, Settings};
use dumbwaiter::decode::{Poison, RegistryOutcome};
use dumbwaiter::metrics::closed_values;
use dumbwaiter::protocol::close::ComeBack;
use dumbwaiter::protocol::{Ending, Gap, Protocol};
use dumbwaiter::settings::Document;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_documented_close_codes_are_those_of_the_code() {
    let documented = include_str!("../../docs/close-codes.md");
    let rows: Vec<String> = Ending::ALL.into_iter().map(close_row).collect();
    let missing: Vec<&String> =
        rows.iter().filter(|row| !documented.lines().any(|line| line == *row)).collect();
    assert!(missing.is_empty(), "docs/close-codes.md lacks these rows:\n{missing:#?}");
    let documented_rows = documented.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(documented_rows, rows.len(), "docs/close-codes.md has a row that the code has not");
}

fn close_row(ending: Ending) -> String {
    let row = ending.row();
    let code = row.code.map_or_else(|| "–".to_owned(), |code| code.to_string());
    let come_back = match row.come_back {
        ComeBack::No => "no",
        ComeBack::AtOnce => "yes",
        ComeBack::Later => "yes, after some seconds",
        ComeBack::WithNewToken => "with a new token",
    };
    format!("| `{}` | {code} | {} | {} | {come_back} |", row.label, row.reason, row.meaning)
}

#[test]
fn every_gap_is_documented_and_no_other() {
    let (_, table) = include_str!("../../docs/resume.md").split_once("| `gap` | meaning |").unwrap();
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(documented, Gap::ALL.map(Gap::label).into());
}

const AUTHENTICATION: &str = include_str!("../../docs/authentication.md");

#[test]
fn every_refusal_and_lookup_outcome_is_documented() {
    let labels = Refusal::LABELS.into_iter().chain(SessionOutcome::ALL.map(SessionOutcome::label));
    let labels = labels.chain(RedisFault::LABELS).chain(JwksFetched::LABELS);
    let missing: Vec<&str> = labels.filter(|label| !AUTHENTICATION.contains(&format!("`{label}`"))).collect();
    assert!(missing.is_empty(), "docs/authentication.md lacks {missing:?}");
}

#[test]
fn every_setting_of_authentication_is_documented_with_its_default() {
    let mut document = Document::parse("dumbwaiter.toml", "[session]\nurl = \"https://login.example\"");
    Settings::read(&mut document);
    let described = document.finish().expect("a session address is enough");
    let keys = described.iter().flat_map(|section| section.keys.iter().map(move |key| (&section.name, key)));
    for (section, key) in keys {
        let name = format!("`{section}.{}`", key.name);
        let row = AUTHENTICATION.lines().find(|line| line.starts_with("| `") && line.contains(&name));
        let row = row.unwrap_or_else(|| panic!("docs/authentication.md lacks {name}"));
        let default = key.default.as_ref().map_or_else(String::new, ToString::to_string);
        assert!(row.contains(&default), "{name} has the default {default}, not as in: {row}");
    }
}

/// What callers count is what the metric has a series for from the start.
#[test]
fn closed_labels_have_the_values_of_the_code() {
    let check = |metric, label, more: &[&'static str], values: Vec<&'static str>| {
        let expected: BTreeSet<&str> = more.iter().copied().chain(values).collect();
        let listed = closed_values(metric, label).unwrap_or_default();
        assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), expected, "{metric} {label}");
    };
    let poison = Poison::ALL.map(Poison::label).into();
    check("records_poison_total", "reason", &[], poison);
    check("connections_ended_total", "ending", &[], Ending::ALL.map(|ending| ending.row().label).into());
    check("connections", "protocol", &[], Protocol::ALL.map(Protocol::label).into());
    check("authorizations_total", "outcome", &["ok"], Refusal::LABELS.into());
    check("session_lookups_total", "outcome", &[], SessionOutcome::ALL.map(SessionOutcome::label).into());
    check("jwks_fetches_total", "outcome", &[], JwksFetched::LABELS.into());
    check("redis_requests_total", "outcome", &["ok"], RedisFault::LABELS.into());
    check("registry_requests_total", "outcome", &[], RegistryOutcome::ALL.map(RegistryOutcome::label).into());
}

const RELIABILITY: &str = include_str!("../../docs/reliability.md");
const SECURITY: &str = include_str!("../../docs/security.md");

/// A promise is as good as the test that shows it, which must not vanish by being renamed.
#[test]
fn every_test_that_these_pages_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    for folder in ["src", "tests"] {
        read_sources(&root.join(folder), &mut sources);
    }
    for (page, text) in [("reliability.md", RELIABILITY), ("security.md", SECURITY)] {
        let named: Vec<&str> = quoted(text).filter(|word| is_name_of_a_test(word)).collect();
        let missing: Vec<&&str> = named.iter().filter(|name| !is_there(root, &sources, name)).collect();
        assert!(missing.is_empty(), "docs/{page} names tests that are not there: {missing:#?}");
        assert!(named.len() > 20, "{page}: only {named:?} were taken for names of tests");
    }
}

#[test]
fn every_promise_names_its_test() {
    let promises = section(RELIABILITY, "## What is promised").lines().filter(|line| line.starts_with("| "));
    let unshown: Vec<&str> = promises.skip(1).filter(|row| !quoted(row).any(is_name_of_a_test)).collect();
    assert!(unshown.is_empty(), "{unshown:#?}");
}

fn section<'a>(page: &'a str, head: &str) -> &'a str {
    let (_, rest) = page.split_once(head).unwrap_or_else(|| panic!("no {head}"));
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

/// What stands between backticks.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2)
}

/// A file of tests, or a function whose name is a sentence; settings and metrics are shorter or begin otherwise.
fn is_name_of_a_test(word: &str) -> bool {
    let is_word = word.chars().all(|character| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || "_./".contains(character)
    });
    let is_file = word.ends_with(".rs") || (word.starts_with("test_") && word.ends_with(".py"));
    let is_function =
        !word.contains(['.', '/']) && !word.starts_with("dumbwaiter_") && word.matches('_').count() > 2;
    is_word && (is_file || is_function)
}

fn is_there(root: &Path, sources: &str, name: &str) -> bool {
    let beginnings = [format!("fn {name}("), format!("def {name}(")];
    root.join(name).is_file()
        || root.join("tests/e2e").join(name).is_file()
        || beginnings.iter().any(|beginning| sources.contains(beginning))
}

fn read_sources(folder: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
            sources.push_str(&std::fs::read_to_string(&path).expect("a text file"));
        }
    }
}

/// Every link from one document of the repository to another has its file, and its heading where it names one.
#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "clients/README.md"].map(|name| root.join(name));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<_> = pages.into_iter().chain(docs).filter(|path| is_markdown(path)).collect();
    assert!(pages.len() > 15, "where are the documents?");
    let broken = |page: &PathBuf| -> Vec<String> {
        let text = fs::read_to_string(page).unwrap();
        let leads = |link: &str| leads_somewhere(page, link);
        links(&text).filter(|link| !leads(link)).map(|link| format!("{}: {link}", page.display())).collect()
    };
    assert_eq!(pages.iter().flat_map(broken).collect::<Vec<_>>(), Vec::<String>::new());
    assert!(!leads_somewhere(&root.join("README.md"), "docs/nowhere.md"));
    assert!(!leads_somewhere(&root.join("README.md"), "docs/limits.md#nothing-of-that-name"));
}

#[test]
fn the_index_has_every_document() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index = fs::read_to_string(root.join("docs/README.md")).unwrap();
    let names = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names
        .map(|name| name.into_string().unwrap())
        .filter(|name| name != "README.md" && (name.ends_with(".md") || name.ends_with(".yaml")));
    assert_eq!(
        names.filter(|name| !index.contains(&format!("({name})"))).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// What stands in `](here)`, but addresses of other places.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

fn leads_somewhere(page: &Path, link: &str) -> bool {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
    if heading.is_empty() {
        return target.exists();
    }
    let text = fs::read_to_string(target).unwrap_or_default();
    text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading)
}

/// As forges make them of a heading: small letters, what is no word left out, hyphens between.
fn anchor(line: &str) -> String {
    let title = line.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
