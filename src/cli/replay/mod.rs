//! `dumbwaiter replay`: records that are in Kafka already, once more: as JSON lines, or to test clients.
//!
//! ```text
//! times or offsets ──> reading: slices in time order ──at a speed──┬─> lines: what clients, or one user, would get
//!                                                                  └─> instance: the service itself, for test clients
//! ```
//!
//! It only reads: no group is joined, nothing is committed or written, and a running instance does not notice.

mod instance;
mod lines;
mod pace;
mod range;
mod reading;

use self::pace::Speed;
use self::range::{Range, Span};
use self::reading::Reading;
use super::output::{progress, say};
use super::users::UserArgs;
use super::{ConfigArgs, Outcome};
use crate::clock::unix_ms;
use crate::config::Config;
use crate::settings::Environment;
use clap::{ArgGroup, Args};
use indicatif::ProgressBar;
use std::net::SocketAddr;
use std::time::SystemTime;

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter replay --config dumbwaiter.toml --since 15m
  dumbwaiter replay --config dumbwaiter.toml --since 2026-11-22T12:00:00Z --until 2026-11-22T12:05:00Z order.created
  dumbwaiter replay --config dumbwaiter.toml --offsets order.created-2:1000-1041 --claims '{\"sub\": \"u-1\"}'
  dumbwaiter replay --config dumbwaiter.toml --since 1h --speed 10 --serve 127.0.0.1:8090

A line is one JSON object: topic, partition, offset, timestamp, event, data, audience; with a user, only what that user
gets, and by which keys. With --serve it is an instance of the service with the past as its records: it begins
when the first client is live, and ends when all is delivered. Nothing is written or committed.

Exit codes: 0 all was read, 1 not, 2 wrong settings.")]
#[command(group = ArgGroup::new("which").required(true).args(["since", "offsets"]))]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Which topics; by default all of kafka.topics
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
    /// From when on: a time (RFC 3339), or how long ago, such as 15m
    #[arg(long, value_name = "TIME", value_parser = range::moment)]
    since: Option<SystemTime>,
    /// Until when; by default now
    #[arg(long, value_name = "TIME", value_parser = range::moment)]
    until: Option<SystemTime>,
    /// Offsets of a partition instead, both included; without the second, to its end. May be given several times
    #[arg(long, value_name = "TOPIC-PARTITION:FROM[-TO]", value_parser = range::span, conflicts_with_all = ["topics", "until"])]
    offsets: Vec<Span>,
    /// 1 is as fast as it was, 10 ten times that, max as fast as can be; by default max, and 1 with --serve
    #[arg(long, value_parser = pace::speed)]
    speed: Option<Speed>,
    #[command(flatten)]
    users: UserArgs,
    /// Serves clients at this address instead, each with a token of its own
    #[arg(long, value_name = "ADDRESS")]
    serve: Option<SocketAddr>,
}

pub(super) fn run(args: &ReplayArgs, environment: &Environment) -> Outcome {
    let config = match args.config.load_or_say(environment) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    match replay(args, config) {
        Ok(summary) => {
            say(&summary);
            Outcome::Done
        }
        Err(reason) => {
            say(&reason);
            Outcome::Failed
        }
    }
}

fn replay(args: &ReplayArgs, config: Config) -> Result<String, String> {
    let mut users = args.users.users(&config)?;
    let user = users.pop().map(|(_, user)| user.keys()).transpose()?;
    if !users.is_empty() || (user.is_some() && args.serve.is_some()) {
        return Err("one user at a time, and with --serve none: clients bring tokens of their own".to_owned());
    }
    let reading = Reading::open(&config, &args.range(), SystemTime::now())?;
    let bar = progress("{spinner} {wide_bar} {pos} of {len} offsets, {per_sec}");
    bar.set_length(reading.left());
    match args.serve {
        Some(address) => {
            let speed = args.speed.unwrap_or(Speed::Times(1.0));
            instance::run(config, address, reading, speed, &bar)
        }
        None => lines::run(&config, user, reading, args.speed.unwrap_or(Speed::Max), &bar),
    }
}

impl ReplayArgs {
    fn range(&self) -> Range {
        match self.since {
            Some(since) => Range::Times {
                topics: self.topics.clone(),
                since_ms: unix_ms(since),
                until_ms: self.until.map(unix_ms),
            },
            None => Range::Offsets(self.offsets.clone()),
        }
    }
}

/// So many offsets are done with; holes among them count.
fn note_progress(bar: &ProgressBar, reading: &Reading) {
    bar.set_position(bar.length().unwrap_or(0).saturating_sub(reading.left()));
}
