//! The writers' schemas: those that are here, found by fingerprint, and those that the registry has.
//!
//! ```text
//! lookup(reference) ──> the folder of `decode.schemas` ─> the catalog's own schemas ─> the registry
//! ```
//!
//! What is here needs nobody, so it is looked at first. Without a registry a record that names its schema by an
//! id is poison, and the log says which setting is missing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use thiserror::Error;

use super::{Fingerprint, Lookup, Registry, SchemaFault, SchemaReference, Settings, WriterSchema};
use crate::limits::{NO_REGISTRY_WARN_INTERVAL, SCHEMA_FOLDER_FILES_MAX, SCHEMA_TEXT_MAX_BYTES};
use crate::throttle::Throttle;

type Known = HashMap<Fingerprint, Arc<WriterSchema>>;

/// All who can be asked for a writer's schema. Clones share what they know.
#[derive(Clone)]
pub struct Writers {
    folder: Arc<Known>,
    catalog: Arc<ArcSwap<Known>>,
    registry: Option<Registry>,
    no_registry: Arc<Throttle>,
}

/// Why the folder of schemas cannot be used.
#[derive(Debug, Error)]
pub enum WritersFault {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Schema { path: PathBuf, source: SchemaFault },
    #[error("{path} has more than {SCHEMA_FOLDER_FILES_MAX} schemas")]
    TooMany { path: PathBuf },
    #[error("{path} has no .avsc file")]
    Empty { path: PathBuf },
}

impl Writers {
    /// `catalog` are the schemas that the catalog names, of payloads and of raw records.
    pub fn open(
        settings: &Settings,
        catalog: impl IntoIterator<Item = Arc<WriterSchema>>,
        registry: Option<Registry>,
    ) -> Result<Writers, WritersFault> {
        let folder = match &settings.schemas {
            Some(folder) => read_folder(folder)?,
            None => HashMap::new(),
        };
        let writers = Writers::new(folder, registry);
        writers.replace_catalog(catalog);
        Ok(writers)
    }

    /// Other schemas of the catalog, for all clones.
    pub fn replace_catalog(&self, catalog: impl IntoIterator<Item = Arc<WriterSchema>>) {
        let mut known = Known::new();
        for schema in catalog {
            known.entry(schema.fingerprint()).or_insert(schema);
        }
        self.catalog.store(Arc::new(known));
    }

    /// Nobody but the registry is asked.
    pub fn of_registry(registry: Registry) -> Writers {
        Writers::new(HashMap::new(), Some(registry))
    }

    fn new(folder: Known, registry: Option<Registry>) -> Writers {
        let no_registry = Arc::new(Throttle::new(1, NO_REGISTRY_WARN_INTERVAL));
        Writers { folder: Arc::new(folder), catalog: Arc::default(), registry, no_registry }
    }

    /// What is known of a schema. If the registry is to be asked, this begins to ask.
    pub fn lookup(&self, schema: &SchemaReference) -> Lookup {
        if let SchemaReference::Fingerprint { fingerprint, .. } = schema
            && let Some(found) = self.find_here(*fingerprint)
        {
            return Lookup::Known(found);
        }
        match &self.registry {
            Some(registry) => registry.lookup(schema),
            None => {
                self.note_no_registry(schema);
                Lookup::Unknown
            }
        }
    }

    fn find_here(&self, fingerprint: Fingerprint) -> Option<Arc<WriterSchema>> {
        let of_catalog = || self.catalog.load().get(&fingerprint).cloned();
        self.folder.get(&fingerprint).cloned().or_else(of_catalog)
    }

    /// Resolves when a lookup that waited may have its answer, as [`Registry::answered`] does. Without a registry
    /// none waits.
    pub async fn answered(&mut self) {
        if let Some(registry) = &mut self.registry {
            registry.answered().await;
        }
    }

    fn note_no_registry(&self, schema: &SchemaReference) {
        if let Some(unsaid) = self.no_registry.admit() {
            tracing::warn!(
                kind = schema.kind(),
                %schema,
                unsaid,
                "a record's schema is not known here and there is no registry to ask: set registry.urls"
            );
        }
    }
}

/// Each file by itself, in the order of their names.
fn read_folder(folder: &Path) -> Result<Known, WritersFault> {
    let mut schemas = Known::new();
    let mut texts = HashMap::new();
    for path in schema_files(folder)? {
        let text = read_text(&path)?;
        let schema = WriterSchema::parse(&text, &[])
            .map_err(|source| WritersFault::Schema { path: path.clone(), source })?;
        match schemas.entry(schema.fingerprint()) {
            Entry::Vacant(place) => {
                texts.insert(schema.fingerprint(), text);
                place.insert(Arc::new(schema));
            }
            Entry::Occupied(_) if texts[&schema.fingerprint()] == text => {}
            Entry::Occupied(_) => tracing::warn!(
                path = %path.display(),
                "another schema of decode.schemas has the same fingerprint, and the first by file name is used: \
                 they differ in logical types or defaults only, which records cannot tell"
            ),
        }
    }
    Ok(schemas)
}

fn schema_files(folder: &Path) -> Result<Vec<PathBuf>, WritersFault> {
    let read = |source| WritersFault::Read { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension().is_some_and(|extension| extension == "avsc") {
            files.push(path);
        }
        if files.len() > SCHEMA_FOLDER_FILES_MAX {
            return Err(WritersFault::TooMany { path: folder.to_owned() });
        }
    }
    if files.is_empty() {
        return Err(WritersFault::Empty { path: folder.to_owned() });
    }
    files.sort();
    Ok(files)
}

/// The length is asked before the content, so that a path to something else by mistake costs nothing.
fn read_text(path: &Path) -> Result<String, WritersFault> {
    let read = |source| WritersFault::Read { path: path.to_owned(), source };
    let length = usize::try_from(fs::metadata(path).map_err(read)?.len()).unwrap_or(usize::MAX);
    if length > SCHEMA_TEXT_MAX_BYTES {
        let source = SchemaFault::TooLong { length };
        return Err(WritersFault::Schema { path: path.to_owned(), source });
    }
    fs::read_to_string(path).map_err(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIZZA: &str = r#"{"type": "record", "name": "Pizza", "fields": [{"name": "a", "type": "long"}]}"#;
    const TIMED: &str = r#"{"type": "record", "name": "Pizza", "fields": [{"name": "a", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}"#;

    fn open(files: &[(&str, &str)], catalog: &[&str]) -> Result<Writers, WritersFault> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let settings = Settings { schemas: Some(folder.path().to_owned()) };
        let catalog = catalog.iter().map(|text| Arc::new(WriterSchema::parse(text, &[]).unwrap()));
        Writers::open(&settings, catalog, None)
    }

    fn fingerprint(text: &str) -> SchemaReference {
        let fingerprint = WriterSchema::parse(text, &[]).unwrap().fingerprint();
        SchemaReference::Fingerprint { fingerprint, topic: "t".into() }
    }

    fn found(writers: &Writers, text: &str) -> Option<String> {
        match writers.lookup(&fingerprint(text)) {
            Lookup::Known(schema) => Some(format!("{schema:?}")),
            _ => None,
        }
    }

    #[test]
    fn schemas_of_the_folder_and_of_the_catalog_are_known_by_fingerprint() {
        let other = PIZZA.replace("Pizza", "Order");
        let writers = open(&[("pizza.avsc", PIZZA), ("README.md", "no schema")], &[&other]).unwrap();
        assert!(found(&writers, PIZZA).is_some() && found(&writers, &other).is_some());
        assert!(found(&writers, &PIZZA.replace("Pizza", "Pasta")).is_none());
        let by_id = writers.lookup(&crate::decode::SchemaId(7).into());
        assert!(matches!(by_id, Lookup::Unknown), "there is no registry");
    }

    #[test]
    fn of_schemas_with_one_fingerprint_the_folder_s_first_counts() {
        assert_eq!(fingerprint(PIZZA), fingerprint(TIMED));
        let timed = found(&open(&[("1.avsc", TIMED), ("2.avsc", PIZZA)], &[PIZZA]).unwrap(), PIZZA).unwrap();
        assert!(timed.contains("Timestamp"), "{timed}");
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_told_with_its_path() {
        let fault = |files: &[(&str, &str)]| open(files, &[]).err().unwrap().to_string();
        assert!(fault(&[]).contains("has no .avsc file"));
        let invalid = fault(&[("bad.avsc", "{")]);
        assert!(invalid.contains("bad.avsc: schema is not valid avro"), "{invalid}");
        assert!(fault(&[("long.avsc", &" ".repeat(SCHEMA_TEXT_MAX_BYTES + 1))]).contains("above the bound"));
    }
}
