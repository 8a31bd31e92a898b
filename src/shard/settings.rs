//! The `[shard]` section: how many threads own connections.

use crate::limits::SHARDS_MAX;
use crate::settings::Document;

#[derive(Debug, Clone)]
pub struct Settings {
    pub threads: usize,
}

impl Settings {
    pub fn read(document: &mut Document) -> Settings {
        // One core stays with consuming and decoding: a staff event wakes every shard, and shards that compete
        // with the pipeline cost a quarter more.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let default = cores.saturating_sub(1).clamp(1, SHARDS_MAX);
        let mut section = document.section("shard", "The threads that own connections.");
        Settings {
            threads: section
                .key("threads", "Threads that own connections.")
                .computed("cores - 1, at least 1")
                .integer(default, 1..=SHARDS_MAX),
        }
    }
}
