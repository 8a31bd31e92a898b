//! Who is asked for writers' schemas, by the settings: for `serve`, `check` and `explain` alike.

use crate::config::Config;
#[cfg(feature = "kafka")]
use crate::decode::RegistryOutcome;
use crate::decode::{Registry, Writers};
use crate::event::Encoding;
#[cfg(feature = "kafka")]
use tokio::runtime::Handle;

/// Whether there is a registry, or has to be one: only a schema that is somewhere else makes it dispensable.
pub(super) fn asks_registry(config: &Config) -> bool {
    let is_raw = || config.catalog.events().iter().any(|event| event.encoding == Encoding::Raw);
    !config.registry.urls.is_empty() || !(config.decode.schemas.is_some() || is_raw())
}

/// Those of the folder and the catalog, and the registry if it is handed over.
pub(super) fn open(config: &Config, registry: Option<Registry>) -> Result<Writers, String> {
    config.writers(registry).map_err(|fault| format!("decode.schemas: {fault}"))
}

/// The registry's client, if the registry is asked at all.
#[cfg(feature = "kafka")]
pub(super) fn registry(
    config: &Config,
    runtime: Handle,
    observer: impl Fn(RegistryOutcome) + Send + Sync + 'static,
) -> Result<Option<Registry>, String> {
    if !asks_registry(config) {
        return Ok(None);
    }
    let registry = Registry::new(config.registry.clone(), runtime, Box::new(observer));
    registry.map(Some).map_err(|fault| format!("registry: {:#}", anyhow::Error::from(fault)))
}
