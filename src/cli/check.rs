//! `dumbwaiter check`: is this configuration good? Starts nothing and opens no port.

use super::{Outcome, say};
use crate::config::Config;
use crate::event::Catalog;

pub(super) fn run(config: Config) -> Outcome {
    match config.catalog.as_deref().map(Catalog::read) {
        Some(Err(fault)) => {
            say(&format_args!("catalog.file: {fault}"));
            Outcome::WrongSettings
        }
        Some(Ok(_)) | None => Outcome::Done,
    }
}
