//! The program: reads the command line and the settings, starts the log, runs, and turns the outcome into an
//! exit code (0 done, 1 failed while running, 2 wrong settings).

use clap::Parser;
use dumbwaiter::cli::{Cli, Outcome};
use std::process::ExitCode;

/// Chosen by what is left of a burst of connections (ARCHITECTURE.md).
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match Cli::parse().run(std::env::vars_os()) {
        Outcome::Done => ExitCode::SUCCESS,
        Outcome::Failed => ExitCode::from(1),
        Outcome::WrongSettings => ExitCode::from(2),
    }
}
