//! `--print-config`: every key with the value in use and where that comes from, as TOML.
//!
//! ```text
//! # Where clients connect.
//! [web]
//! listen = "127.0.0.1:9000"  # dumbwaiter.toml:3:10
//! # tls_key: not set
//! ```
//!
//! What is printed can be used as a settings file. Secrets are not in it, only where they come from.

use crate::settings::{DescribedKey, DescribedSection, Kind, Shown};
use std::fmt::Write;

/// The settings in use. Sections and keys stand in the order in which they were read.
pub fn effective(sections: &[DescribedSection]) -> String {
    let mut text = String::new();
    for section in sections {
        let blank = if text.is_empty() { "" } else { "\n" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{blank}# {}\n{}", section.doc, section.heading());
        for line in section.keys.iter().flat_map(lines) {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

fn lines(key: &DescribedKey) -> Vec<String> {
    let DescribedKey { name, origin, .. } = key;
    match &key.value {
        // Each table of an array is printed as a section of its own.
        None if key.kind == Kind::Tables => Vec::new(),
        None => vec![format!("# {name}: not set")],
        Some(Shown::Hidden) => vec![format!("# {name}: hidden  # {origin}")],
        Some(Shown::Table(entries)) => entries
            .iter()
            .map(|(entry, value)| match value {
                Some(value) => format!("{name}.{} = {}  # {origin}", quoted(entry), quoted(value)),
                None => format!("# {name}.{}: hidden  # {origin}", quoted(entry)),
            })
            .collect(),
        Some(Shown::Text(text)) => vec![format!("{name} = {}  # {origin}", quoted(text))],
        Some(Shown::Bare(text)) => vec![format!("{name} = {text}  # {origin}")],
        Some(Shown::List(items)) => {
            let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
            vec![format!("{name} = [{}]  # {origin}", items.join(", "))]
        }
    }
}

/// A TOML string, with whatever it needs escaped.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, effective};
    use crate::settings::{Document, Environment};

    const FILE: &str = r#"
[kafka]
brokers = ["a:1", "b:2"]
topics = ['^order\..{1,20}$']
properties = { "ssl.ca.location" = "/ca", "ssl.key.location" = "hunter2" }
[registry]
urls = ["https://registry.shop.example/"]
[auth]
secret = "hunter2 hunter2 hunter2 hunter2!"
max_lifetime = "1h"
[[auth.keys]]
kid = "a"
algorithm = "RS256"
public_key_file = "tests/fixtures/test-only-keys/rsa-public.pem"
[[auth.keys]]
kid = "b"
algorithm = "EdDSA"
public_key_file = "tests/fixtures/test-only-keys/ed25519-public.pem"
"#;

    fn load(text: &str) -> Config {
        let environment: Environment = [("DUMBWAITER_LOG__FORMAT".to_owned(), "json".to_owned())].into();
        let document = Document::parse("dumbwaiter.toml", text).with_environment(&environment);
        Config::from_document(document.with_overrides(&["shard.threads=3"])).unwrap()
    }

    #[test]
    fn every_value_is_shown_with_where_it_comes_from() {
        let printed = effective(&load(FILE).described);
        for line in [
            r#"brokers = ["a:1", "b:2"]  # dumbwaiter.toml:3:11"#,
            r#"group = "dumbwaiter"  # default"#,
            r#"properties."ssl.ca.location" = "/ca"  # dumbwaiter.toml:5:14"#,
            r#"# properties."ssl.key.location": hidden  # dumbwaiter.toml:5:14"#,
            "# secret: hidden  # dumbwaiter.toml:9:10",
            "# issuer: not set",
            r#"kid = "a"  # dumbwaiter.toml:12:7"#,
            r#"algorithm = "EdDSA"  # dumbwaiter.toml:17:13"#,
            r#"max_lifetime = "1h"  # dumbwaiter.toml:10:16"#,
            "threads = 3  # command line",
            r#"format = "json"  # environment variable DUMBWAITER_LOG__FORMAT"#,
        ] {
            assert!(printed.lines().any(|printed| printed == line), "{line:?} is not in\n{printed}");
        }
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn what_is_printed_is_a_settings_file() {
        let values = |text: &str| {
            let printed = effective(&load(text).described);
            let lines = printed.lines().map(|line| line.split("  # ").next().unwrap_or_default().to_owned());
            (printed.clone(), lines.collect::<Vec<_>>())
        };
        let (printed, expected) = values(FILE);
        let secret = "[auth]\nsecret = \"hunter2 hunter2 hunter2 hunter2!\"";
        let with_secrets = printed.replace("[auth]", secret).replace(
            "properties.\"ssl.ca",
            "properties.\"ssl.key.location\" = \"hunter2\"\nproperties.\"ssl.ca",
        );
        assert_eq!(values(&with_secrets).1, expected);
    }
}
