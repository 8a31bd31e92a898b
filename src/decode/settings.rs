//! The settings of section `[decode]`: schemas of writers that no registry has.

use std::path::PathBuf;

use crate::settings::Document;

/// Where writers' schemas are, beside the registry and the catalog.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A folder of `.avsc` files, whose records come in single-object encoding.
    pub schemas: Option<PathBuf>,
}

impl Settings {
    pub fn read(document: &mut Document) -> Settings {
        let mut section = document.section("decode", "How records are read.");
        Settings {
            schemas: section
                .key("schemas", "Folder of .avsc files with schemas of single-object records.")
                .path_if_set(),
        }
    }
}
