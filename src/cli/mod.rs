//! The commands. Each is one file; this one holds the list, and what they have in common.

#[cfg(feature = "kafka")]
mod bench;
mod check;
mod completions;
#[cfg(feature = "kafka")]
mod demo;
#[cfg(feature = "kafka")]
mod explain;
mod key_set;
mod output;
#[cfg(feature = "kafka")]
mod produce;
#[cfg(feature = "kafka")]
mod reload;
#[cfg(feature = "kafka")]
mod replay;
#[cfg(feature = "kafka")]
mod revoke;
#[cfg(feature = "kafka")]
mod serve;
mod tail;
mod token;
#[cfg(feature = "kafka")]
mod users;
mod writers;

use self::output::{put, say};
use crate::config::{self, Config, ConfigFault};
use crate::event::{Catalog, typescript};
use crate::metrics;
use crate::settings::{Environment, Url};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
#[cfg(feature = "kafka")]
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Delivers Kafka records over WebSocket to exactly the people entitled to them.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "\
Examples:
  dumbwaiter demo
  dumbwaiter check --config dumbwaiter.toml --online
  dumbwaiter serve --config dumbwaiter.toml
  dumbwaiter tail --token-file token.txt
  dumbwaiter explain --config dumbwaiter.toml order.created-2-1041 --all

`dumbwaiter COMMAND --help` has examples of each; docs/tools.md tells more."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the service
    #[cfg(feature = "kafka")]
    Serve(serve::ServeArgs),
    /// Shows it with a simulated pizzeria: no Kafka, no registry, no configuration needed
    #[cfg(feature = "kafka")]
    Demo(demo::DemoArgs),
    /// Checks the configuration without starting anything
    Check(check::CheckArgs),
    /// Writes records to Kafka, from JSON or made up
    #[cfg(feature = "kafka")]
    Produce(produce::ProduceArgs),
    /// Connects as a client and shows what it receives
    Tail(tail::TailArgs),
    /// Tells what a record is to clients, and whether a user gets it
    #[cfg(feature = "kafka")]
    Explain(explain::ExplainArgs),
    /// Shows records of the past once more, or gives them to test clients
    #[cfg(feature = "kafka")]
    Replay(replay::ReplayArgs),
    /// Ends logins before they expire, everywhere
    #[cfg(feature = "kafka")]
    Revoke(revoke::RevokeArgs),
    /// Loads a running instance with many clients, and tells what they received
    #[cfg(feature = "kafka")]
    Bench(bench::BenchArgs),
    /// Makes a token to try things with, signed by the configured secret
    Token(token::TokenArgs),
    /// Prints the completions of a shell
    Completions(completions::CompletionsArgs),
    /// Prints what is made of the code: the references of settings and metrics, the TypeScript types of events
    #[command(after_help = "\
Examples:
  dumbwaiter reference configuration
  dumbwaiter reference types --catalog catalog.toml > events.d.ts

Exit codes: 0 printed, 2 the catalog is wrong.")]
    Reference {
        /// Which of them
        #[arg(default_value = "configuration")]
        document: Document,
        /// The catalog whose events `types` is about, if not the documented ones
        #[arg(long, value_name = "FILE")]
        catalog: Option<PathBuf>,
    },
}

/// `docs/NAME.md`, and `clients/events.d.ts`.
#[derive(Clone, Copy, ValueEnum)]
enum Document {
    Configuration,
    Metrics,
    Types,
}

/// Where settings come from; each beats the one before it: file, DUMBWAITER_SECTION__KEY variables, --set.
#[derive(Args, Clone)]
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
            Command::Serve(args) => serve::run(&args, &environment),
            #[cfg(feature = "kafka")]
            Command::Demo(args) => demo::run(&args),
            Command::Check(args) => check::run(&args, &environment),
            Command::Token(args) => token::run(&args, &environment),
            #[cfg(feature = "kafka")]
            Command::Produce(args) => produce::run(&args, &environment),
            #[cfg(feature = "kafka")]
            Command::Replay(args) => replay::run(&args, &environment),
            Command::Completions(args) => completions::run(&args),
            #[cfg(feature = "kafka")]
            Command::Revoke(args) => revoke::run(&args, &environment),
            #[cfg(feature = "kafka")]
            Command::Explain(args) => explain::run(&args, &environment),
            #[cfg(feature = "kafka")]
            Command::Bench(args) => bench::run(args, &environment),
            Command::Tail(args) => tail::run(&args, &environment),
            Command::Reference { document, catalog } => reference(document, catalog.as_deref()),
        }
    }
}

fn reference(document: Document, catalog: Option<&Path>) -> Outcome {
    let text = match document {
        Document::Configuration => config::reference(),
        Document::Metrics => metrics::reference(),
        Document::Types => match catalog.map_or_else(|| Ok(Catalog::built_in()), Catalog::read) {
            Ok(catalog) => typescript(&catalog),
            Err(fault) => {
                say(&fault);
                return Outcome::WrongSettings;
            }
        },
    };
    let _ = put(&text.trim_end());
    Outcome::Done
}

impl ConfigArgs {
    /// These, with the shared secret taken from a file of its own.
    fn with_secret_file(&self, file: Option<&Path>) -> ConfigArgs {
        let mut args = self.clone();
        args.overrides.extend(file.map(|file| format!("auth.secret_file={}", file.display())));
        args
    }

    fn load(&self, environment: &Environment) -> Result<Config, ConfigFault> {
        Config::load(self.config.as_deref(), environment, &self.overrides)
    }

    /// The configuration, or the end of the command, after saying all that is wrong with it.
    fn load_or_say(&self, environment: &Environment) -> Result<Config, Outcome> {
        self.load(environment).map_err(wrong)
    }

    /// The same for commands that only write to Kafka: no key is asked for.
    #[cfg(feature = "kafka")]
    fn load_to_write(&self, environment: &Environment) -> Result<Config, Outcome> {
        Config::load_without_keys(self.config.as_deref(), environment, &self.overrides).map_err(wrong)
    }
}

fn wrong(faults: ConfigFault) -> Outcome {
    say(&faults);
    Outcome::WrongSettings
}

/// Where to find one that listens everywhere.
#[cfg(feature = "kafka")]
fn here(mut listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        listen.set_ip(if listen.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    listen
}

/// The address of a service for clients.
fn service_url(text: &str) -> Result<Url, String> {
    url_of(&["http", "https", "ws", "wss"], text)
}

/// The address of an instance for operators.
#[cfg(feature = "kafka")]
fn instance_url(text: &str) -> Result<Url, String> {
    url_of(&["http", "https"], text)
}

/// Without the words of a URL's parser, which reads `localhost:8080` as a scheme and a path.
fn url_of(schemes: &[&str], text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
    url.ok_or_else(|| "expected http://HOST:PORT or https://HOST:PORT".to_owned())
}

/// Variables that are no UTF-8 cannot be ours.
fn utf8(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
    let pairs = environment.into_iter();
    pairs.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_says_what_it_does_and_shows_how() {
        let program = Cli::command();
        program.clone().debug_assert();
        let shown = program.get_subcommands().filter(|command| !command.is_hide_set());
        for command in shown.chain([&program]) {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:\n  "), "{name} has no examples");
            assert!(help.contains("  dumbwaiter "), "{name}");
            assert!(command.get_about().is_some(), "{name}");
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                assert!(argument.get_help().is_some(), "{name} {}", argument.get_id());
            }
        }
    }

    #[test]
    fn an_address_is_a_scheme_and_a_host() {
        let check = |parse: fn(&str) -> Result<Url, String>, text: &str, expected: bool| {
            let fault = "expected http://HOST:PORT or https://HOST:PORT".to_owned();
            assert_eq!(parse(text).map(|_| ()), if expected { Ok(()) } else { Err(fault) }, "{text}");
        };
        check(service_url, "wss://events.example", true);
        for wrong in ["127.0.0.1:1", "localhost:8080", "http://", "kafka://x:1", ""] {
            check(service_url, wrong, false);
            #[cfg(feature = "kafka")]
            check(instance_url, wrong, false);
        }
        #[cfg(feature = "kafka")]
        {
            check(instance_url, "http://10.0.0.7:9100", true);
            check(instance_url, "ws://10.0.0.7:9100", false);
        }
    }

    /// Whoever follows the error to the letter must not be led to the widest or the least safe of several ways.
    #[test]
    fn a_command_without_its_object_names_every_way_to_say_it() {
        let check = |arguments: &[&str], ways: &[&str]| {
            let parsed = Cli::try_parse_from(["dumbwaiter"].iter().chain(arguments));
            let told = parsed.err().map(|error| error.to_string()).unwrap_or_default();
            let (told, _) = told.split_once("Usage:").unwrap_or_default();
            assert!(ways.iter().all(|way| told.contains(way)), "{arguments:?}: {told}");
        };
        check(&["tail"], &["--token-file <FILE>", "--token <TOKEN>"]);
        #[cfg(feature = "kafka")]
        {
            let whose = ["--user <ID>", "--token <JTI>", "--issued-before <TIME>", "--everybody"];
            check(&["revoke"], &whose);
            check(&["revoke", "--lift"], &whose);
            check(&["replay"], &["--since <TIME>", "--offsets <TOPIC-PARTITION:FROM[-TO]>"]);
            check(&["produce"], &["--topic <TOPIC>", "--orders <RATE>"]);
            check(&["explain"], &["TOPIC-PARTITION-OFFSET", "--file <FILE>"]);
        }
    }
}
