//! The commands. Each is one file; this one holds the list, and what they have in common.

mod check;
#[cfg(feature = "kafka")]
mod demo;
#[cfg(feature = "kafka")]
mod serve;

use crate::config::Config;
use crate::settings::Environment;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

/// Delivers Kafka records over WebSocket to exactly the people entitled to them.
#[derive(Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the service
    #[cfg(feature = "kafka")]
    Serve(ConfigArgs),
    /// Shows it with a simulated pizzeria: no Kafka, no registry, no configuration needed
    #[cfg(feature = "kafka")]
    Demo(demo::DemoArgs),
    /// Checks the configuration without starting anything
    Check(ConfigArgs),
}

/// Where settings come from; each beats the one before it: file, DUMBWAITER_SECTION__KEY variables, --set.
#[derive(Args)]
struct ConfigArgs {
    /// Settings file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting, such as web.listen=127.0.0.1:9000; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    overrides: Vec<String>,
}

/// How a command ended.
pub enum Outcome {
    Done,
    Failed,
    WrongSettings,
}

impl Cli {
    pub fn run(self, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Outcome {
        let environment = utf8(environment);
        match self.command {
            #[cfg(feature = "kafka")]
            Command::Serve(args) => with_config(&args, &environment, serve::run),
            #[cfg(feature = "kafka")]
            Command::Demo(args) => demo::run(&args),
            Command::Check(args) => with_config(&args, &environment, check::run),
        }
    }
}

/// Loads the configuration and goes on, or says all that is wrong with it.
fn with_config(args: &ConfigArgs, environment: &Environment, go_on: fn(Config) -> Outcome) -> Outcome {
    match Config::load(args.config.as_deref(), environment, &args.overrides) {
        Ok(config) => go_on(config),
        Err(faults) => {
            say(&faults);
            Outcome::WrongSettings
        }
    }
}

/// To the person at the terminal. If standard error is closed, nobody listens.
fn say(message: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// Variables that are no UTF-8 cannot be ours.
fn utf8(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
    let pairs = environment.into_iter();
    pairs.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}
