//! The whole configuration: composes each part's own settings, nothing more.
//!
//! A TOML file, overridden by `DUMBWAITER_SECTION__KEY` variables, overridden by `--set section.key=value`. All
//! faults are reported at once; nobody below imports this folder.

mod print;
mod reference;

pub use print::effective;
pub use reference::reference;

use crate::auth::{Authenticator, Judge};
use crate::consume::OrderTopics;
use crate::decode::{Registry, Writers, WritersFault};
use crate::event::{Catalog, CatalogFault, OrderSettings};
use crate::logs;
use crate::settings::{DescribedSection, Document, Environment, Faults};
use crate::{auth, backfill, board, consume, dead_letter, decode, journal, shard, shutdown, web};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Checked and ready.
pub struct Config {
    pub kafka: consume::Settings,
    pub dead_letter: dead_letter::Settings,
    pub registry: decode::RegistrySettings,
    pub decode: decode::Settings,
    pub catalog: Arc<Catalog>,
    pub orders: OrderSettings,
    pub auth: auth::Settings,
    pub journal: journal::Settings,
    pub backfill: backfill::Settings,
    pub shard: shard::Settings,
    pub web: web::Settings,
    pub board: board::Settings,
    pub shutdown: shutdown::Settings,
    pub log: logs::Settings,
    /// Every key with its value and where that comes from.
    pub described: Vec<DescribedSection>,
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
        Ok(Config::from_document(gather(file, environment, overrides)?)?)
    }

    /// The same for a program that has the service inside and judges tokens itself: no key is asked for.
    pub fn load_with(
        authenticator: Arc<dyn Authenticator>,
        file: Option<&Path>,
        environment: &Environment,
        overrides: &[String],
    ) -> Result<Config, ConfigFault> {
        Ok(Config::finish(gather(file, environment, overrides)?, Judge::Program(authenticator))?)
    }

    /// The same for a command that lets nobody in: keys may be there or not.
    pub fn load_without_keys(
        file: Option<&Path>,
        environment: &Environment,
        overrides: &[String],
    ) -> Result<Config, ConfigFault> {
        Ok(Config::finish(gather(file, environment, overrides)?, Judge::Nobody)?)
    }

    /// The same, from what has been put together already.
    pub fn from_document(document: Document) -> Result<Config, Faults> {
        Config::finish(document, Judge::Keys)
    }

    fn finish(mut document: Document, judge: Judge) -> Result<Config, Faults> {
        let config = Config::read(&mut document, judge);
        let described = document.finish()?;
        Ok(Config { described, ..config })
    }

    /// Whoever knows writers' schemas: the folder's, the catalog's, and the registry if it is handed over.
    pub fn writers(&self, registry: Option<Registry>) -> Result<Writers, WritersFault> {
        let named = self.catalog.events().iter().map(|event| Arc::clone(&event.writer));
        Writers::open(&self.decode, named, registry)
    }

    /// Every part's section; faults are the document's.
    fn read(document: &mut Document, judge: Judge) -> Config {
        let mut kafka = consume::Settings::read(document);
        let dead_letter = dead_letter::Settings::read(document, |topic| kafka.subscribes_to(topic));
        let registry = decode::RegistrySettings::read(document);
        let decode = decode::Settings::read(document);
        let catalog = read_catalog(document);
        let auth = auth::Settings::read_with(document, judge);
        let journal = journal::Settings::read(document);
        let orders = OrderSettings { window: journal.max_age, ..OrderSettings::read(document) };
        kafka.window = journal.max_age;
        kafka.orders = order_topics(&catalog, &orders);
        Config {
            kafka,
            dead_letter,
            registry,
            decode,
            catalog: Arc::new(catalog),
            orders,
            auth,
            journal,
            backfill: backfill::Settings::read(document),
            shard: shard::Settings::read(document),
            web: web::Settings::read(document),
            board: board::Settings::read(document),
            shutdown: shutdown::Settings::read(document),
            log: logs::Settings::read(document),
            described: Vec::new(),
        }
    }
}

/// Which topics tell of orders, for those who know topics and no events.
fn order_topics(catalog: &Catalog, orders: &OrderSettings) -> OrderTopics {
    let Some(rules) = catalog.order_rules() else { return OrderTopics::default() };
    let topics = |name: &str| {
        let events = catalog.events().iter().filter(|event| *event.name == *name);
        events.map(|event| event.topic_pattern().to_owned()).collect()
    };
    OrderTopics {
        opening: topics(&rules.opened_by),
        changing: topics(&rules.changed_by),
        look_back: orders.look_back,
    }
}

/// Events that no record can become, because the topic they name is not subscribed to. Each comes with its
/// topic. What a pattern would match shows only on a broker.
pub fn unsubscribed(config: &Config) -> impl Iterator<Item = (&str, &str)> {
    let events = config.catalog.events().iter();
    let named = events.filter_map(|event| Some((&*event.name, event.topic_name()?)));
    named.filter(|(_, topic)| !config.kafka.subscribes_to(topic))
}

/// Read with the settings, so that its faults are told together with theirs.
fn read_catalog(document: &mut Document) -> Catalog {
    let mut section = document.section("catalog", "Which events there are, and who gets them.");
    let file = section.key("file", "A catalog of one's own instead of the built-in one.").path_if_set();
    let fault = match file.as_deref().map(Catalog::read) {
        None => return Catalog::built_in(),
        Some(Ok(catalog)) => return catalog,
        Some(Err(fault)) => fault,
    };
    match fault {
        CatalogFault::Read { .. } => section.fault("file", fault.to_string()),
        CatalogFault::Content(faults) => document.add_faults(faults),
    }
    Catalog::built_in()
}

/// The layers, each of which beats the one before it.
fn gather(
    file: Option<&Path>,
    environment: &Environment,
    overrides: &[String],
) -> Result<Document, ConfigFault> {
    let document = file.map_or_else(|| Ok(Document::empty()), read)?;
    Ok(document.with_environment(environment).with_overrides(overrides))
}

fn read(path: &Path) -> Result<Document, ConfigFault> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigFault::Read { path: path.to_owned(), source })?;
    Ok(Document::parse(&path.display().to_string(), &text))
}
