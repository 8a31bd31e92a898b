//! The whole configuration: composes each part's own settings, nothing more.
//!
//! A TOML file, overridden by `DUMBWAITER_SECTION__KEY` variables, overridden by `--set section.key=value`. All
//! faults are reported at once; nobody below imports this folder.

use crate::logs;
use crate::settings::{Document, Environment, Faults};
use crate::{auth, consume, decode, journal, shard, web};
use std::io;
use std::path::{Path, PathBuf};

/// Checked and ready.
pub struct Config {
    pub kafka: consume::Settings,
    pub registry: decode::RegistrySettings,
    /// None is the built-in catalog.
    pub catalog: Option<PathBuf>,
    pub auth: auth::Settings,
    pub journal: journal::Settings,
    pub shard: shard::Settings,
    pub web: web::Settings,
    pub log: logs::Settings,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFault {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Settings(#[from] Faults),
}

impl Config {
    /// Without a file, defaults and variables are all there is.
    pub fn load(
        file: Option<&Path>,
        environment: &Environment,
        overrides: &[String],
    ) -> Result<Config, ConfigFault> {
        let document = file.map_or_else(|| Ok(Document::empty()), read)?;
        let mut document = document.with_environment(environment).with_overrides(overrides);
        let journal = journal::Settings::read(&mut document);
        let config = Config {
            kafka: consume::Settings { window: journal.max_age, ..consume::Settings::read(&mut document) },
            registry: decode::RegistrySettings::read(&mut document),
            catalog: document
                .section("catalog", "Which events there are, and who gets them.")
                .key("file", "A catalog of one's own instead of the built-in one.")
                .path_if_set(),
            auth: auth::Settings::read(&mut document),
            journal,
            shard: shard::Settings::read(&mut document),
            web: web::Settings::read(&mut document),
            log: logs::Settings::read(&mut document),
        };
        document.finish()?;
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Document, ConfigFault> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigFault::Read { path: path.to_owned(), source })?;
    Ok(Document::parse(&path.display().to_string(), &text))
}
