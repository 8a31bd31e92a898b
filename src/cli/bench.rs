//! `dumbwaiter bench`: a load test of a running instance, from the settings that the instance runs with.
//!
//! Here are the command line, the clients' tokens, and the refusal to load somebody else's machine by mistake.
//! What is done stands in `bench`.

use super::output::{put, say};
use super::{ConfigArgs, Outcome, here, service_url, token};
use crate::bench::{
    self, Audience, BenchFault, Dialect, Pace, Plan, Process, Producer, Producing, Progress, RunId, Stage,
    Tls, Wanted, customer_id,
};
use crate::config::Config;
use crate::decode::RegistryQuestions;
use crate::limits::{BENCH_DELIVERIES_MAX, BENCH_EVENTS_MAX, BENCH_RATE, BENCH_TOKEN_SPARE};
use crate::settings::{Environment, Url};
use crate::trust;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use rustls::pki_types::ServerName;
use secrecy::SecretString;
use serde_json::Value;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter bench --config dumbwaiter.toml --clients 1000 --produce --rate 50 --hold 10s
  dumbwaiter bench --config dumbwaiter.toml --clients 5000 --staff 5 --produce --burst 30000
  dumbwaiter bench --config dumbwaiter.toml --protocol plain --clients 2000 --connect-rate 500 --hold 1m

The first --staff clients get every event, the others the events that they own. Tokens are signed by the configured
secret. Without --produce it only listens: then nothing is known of what should have come.

Exit codes: 0 all were let in and stayed, and every event reached whom it should, once; 1 not; 2 wrong settings.")]
pub(super) struct BenchArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// File of the shared secret, instead of auth.secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The service; by default where the configured instance listens
    #[arg(long, value_parser = service_url)]
    url: Option<Url>,
    /// The authorities that are trusted over TLS, instead of those of the system (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// As which kind of client
    #[arg(long, value_enum, default_value_t = Protocol::Socketio)]
    protocol: Protocol,
    /// Clients in all
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    clients: usize,
    /// How many of them are staff (role ADMIN or WATCHER in turn); by default all
    #[arg(long, value_name = "NUMBER")]
    staff: Option<usize>,
    /// A claim that every token has; may be given several times
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = token::claim)]
    claims: Vec<(String, Value)>,
    /// New connections a second; by default as fast as they are let in
    #[arg(long, value_name = "RATE", value_parser = rate)]
    connect_rate: Option<f64>,
    /// How long clients listen; with --rate, also how long events are produced
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    hold: Duration,
    /// Writes events to Kafka: made-up orders, or pizzas for plain clients. For clusters of one's own only
    #[arg(long)]
    produce: bool,
    /// Events a second
    #[arg(long, requires = "produce", default_value = "10", value_parser = rate)]
    rate: f64,
    /// So many events at once instead
    #[arg(long, value_name = "EVENTS", requires = "produce")]
    burst: Option<usize>,
    /// Topic to write to; by default that of the documented event
    #[arg(long, requires = "produce")]
    topic: Option<String>,
    /// Process of the service on this machine: tells what it cost
    #[arg(long)]
    pid: Option<u32>,
    /// The report as one JSON object
    #[arg(long)]
    json: bool,
    /// Loads a service, or writes to brokers, that are not on this machine
    #[arg(long)]
    allow_remote: bool,
    /// Somebody else produces: when all are connected this is run, and --events events are awaited that bear the
    /// mark of --run (docs/bench.md)
    #[arg(long, value_name = "COMMAND", hide = true, requires = "events", conflicts_with = "produce")]
    on_ready: Option<String>,
    #[arg(long, hide = true, requires = "on_ready")]
    events: Option<usize>,
    #[arg(long, hide = true)]
    run: Option<RunId>,
    /// So many handshakes are begun before the clients come, never ended, and dropped when all are in
    #[arg(long, hide = true, default_value_t = 0)]
    half_open: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    /// A ticket over HTTP, then plain WebSocket messages
    Plain,
    /// Socket.IO over WebSocket
    Socketio,
    /// No token at all: for servers to compare with
    #[value(hide = true)]
    Websocket,
}

pub(super) fn run(args: BenchArgs, environment: &Environment) -> Outcome {
    let config = match args.config.with_secret_file(args.secret_file.as_deref()).load_or_say(environment) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    let bar = ProgressBar::new_spinner();
    let report = plan(&args, config).and_then(|plan| {
        let address = plan.address;
        let report = bench::run(plan, &mut |progress| show(&bar, progress));
        report.map_err(|fault| told(&fault, address))
    });
    bar.finish_and_clear();
    let report = match report {
        Ok(report) => report,
        Err(reason) => {
            say(&reason);
            return Outcome::Failed;
        }
    };
    let _ = if args.json { put(&report.json()) } else { put(&report) };
    if report.is_good() { Outcome::Done } else { Outcome::Failed }
}

fn told(fault: &BenchFault, address: SocketAddr) -> String {
    match fault {
        BenchFault::NobodyIn(_) => format!("{fault}, at {address}; where the service is, --url says"),
        fault => fault.to_string(),
    }
}

fn plan(args: &BenchArgs, config: Config) -> Result<Plan, String> {
    let dialect = args.protocol.dialect();
    let run = args.run.unwrap_or_else(RunId::random);
    let audience = args.audience()?;
    bench::raise_file_limit(audience.clients.saturating_add(args.half_open))
        .map_err(|fault| fault.to_string())?;
    let (host, address, speaks_tls) = service(args, &config)?;
    let tls = speaks_tls.then(|| tls(&host, args.ca.as_deref())).transpose()?;
    if tls.is_some() && args.half_open > 0 {
        return Err("half-open handshakes are begun in the clear: expected http://HOST:PORT".to_owned());
    }
    let tokens = tokens(args, &config, run, &audience)?;
    let producer: Option<Producer> = if args.produce {
        if !args.allow_remote {
            config.kafka.brokers.iter().try_for_each(|broker| resolve(broker).and_then(on_this_machine))?;
        }
        let pace = if args.burst.is_some() { Pace::AtOnce } else { Pace::Rate(args.rate) };
        let producing = prepare(config, Wanted { dialect, run, audience, pace, topic: args.topic.clone() })?;
        Some(Box::new(|| producing.run()))
    } else {
        args.on_ready.clone().map(|command| -> Producer { Box::new(move || call(&command)) })
    };
    Ok(Plan {
        address,
        host,
        dialect,
        tls,
        tokens,
        audience,
        run,
        connect_rate: args.connect_rate,
        hold: args.hold,
        half_open: args.half_open,
        producer,
        server: args.pid.map(Process),
    })
}

impl BenchArgs {
    fn audience(&self) -> Result<Audience, String> {
        let (clients, staff) = (self.clients, self.staff.unwrap_or(self.clients));
        if clients == 0 || staff > clients {
            return Err(format!(
                "{staff} staff of {clients} clients: expected one client at least, and no more staff"
            ));
        }
        let audience = Audience { clients, staff, events: self.expected_events() };
        if audience.events > BENCH_EVENTS_MAX || audience.deliveries() > BENCH_DELIVERIES_MAX {
            return Err(format!(
                "{} events are {} deliveries, more than a run keeps books of ({BENCH_DELIVERIES_MAX}): take fewer",
                audience.events,
                audience.deliveries()
            ));
        }
        Ok(audience)
    }

    fn expected_events(&self) -> usize {
        match (self.produce, self.burst) {
            (true, Some(burst)) => burst,
            // A rate is bounded, and so is what a float turns into: too many are refused by number.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            (true, None) => (self.rate * self.hold.as_secs_f64()).ceil() as usize,
            (false, _) => self.events.unwrap_or(0),
        }
    }
}

impl Protocol {
    fn dialect(self) -> Dialect {
        match self {
            Protocol::Plain => Dialect::Plain,
            Protocol::Socketio => Dialect::SocketIo,
            Protocol::Websocket => Dialect::WebSocket,
        }
    }
}

/// The service's name, for the header, its address, and whether it speaks TLS.
fn service(args: &BenchArgs, config: &Config) -> Result<(String, SocketAddr, bool), String> {
    let (host, speaks_tls) = match &args.url {
        None => (here(config.web.listen).to_string(), config.web.certificate.is_some()),
        Some(url) => {
            let port = url.port_or_known_default().unwrap_or_default();
            let host = format!("{}:{port}", url.host_str().unwrap_or_default());
            (host, matches!(url.scheme(), "https" | "wss"))
        }
    };
    let address = resolve(&host)?;
    if !args.allow_remote {
        on_this_machine(address)?;
    }
    Ok((host, address, speaks_tls))
}

fn tls(host: &str, ca: Option<&Path>) -> Result<Tls, String> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    let name = ServerName::try_from(name.to_owned()).map_err(|_| format!("{name} is no name of a server"))?;
    Ok(Tls::new(trust::client_config(ca)?, name))
}

fn resolve(host: &str) -> Result<SocketAddr, String> {
    let mut addresses = host.to_socket_addrs().map_err(|error| format!("{host} cannot be found: {error}"))?;
    addresses.next().ok_or_else(|| format!("{host} has no address"))
}

fn on_this_machine(address: SocketAddr) -> Result<(), String> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(format!(
        "{address} is not on this machine, and a load test can take down what it loads; if that is meant, say so \
         with --allow-remote"
    ))
}

/// One for every client: staff, then customers, whose `sub` owns events.
fn tokens(
    args: &BenchArgs,
    config: &Config,
    run: RunId,
    audience: &Audience,
) -> Result<Vec<SecretString>, String> {
    if matches!(args.protocol, Protocol::Websocket) {
        return Ok(Vec::new());
    }
    let now = SystemTime::now();
    let mut claims = token::common_claims(&config.auth, args.hold + BENCH_TOKEN_SPARE, now);
    claims.extend(args.claims.iter().cloned());
    let tokens = (0..audience.clients).map(|client| {
        let role = match client % 2 {
            _ if !audience.is_staff(client) => "CUSTOMER",
            0 => "ADMIN",
            _ => "WATCHER",
        };
        claims.insert("sub".to_owned(), customer_id(run, client).into());
        claims.insert("role".to_owned(), role.into());
        token::sign(&claims, &config.auth, now).map(SecretString::from)
    });
    tokens.collect()
}

fn prepare(config: Config, wanted: Wanted) -> Result<Producing, String> {
    if config.registry.urls.is_empty() {
        return Err("registry.urls is not set: the events' schema has to be registered somewhere".to_owned());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(async {
        let questions = RegistryQuestions::new(config.registry)
            .map_err(|fault| format!("registry: {:#}", anyhow::Error::from(fault)))?;
        Producing::prepare(&config.kafka, &questions, wanted).await
    })
}

/// Its output goes where words for people go: the report stands alone.
fn call(command: &str) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{command:?}: {error}");
    let mut child = std::process::Command::new("sh");
    let status = child.args(["-c", command]).stdout(std::io::stderr()).status().map_err(told)?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// On standard error, and only on a terminal.
fn show(bar: &ProgressBar, progress: Progress) {
    let template = match progress.stage {
        Stage::Connecting => "{spinner} connected {wide_bar} {pos} of {len}",
        Stage::Resting => "{spinner} all connected, at rest",
        Stage::Receiving if progress.of.is_some() => {
            "{spinner} received {wide_bar} {pos} of {len}, {per_sec}"
        }
        Stage::Receiving => "{spinner} received {pos}, {per_sec}",
    };
    if bar.message() != template {
        bar.set_message(template);
        bar.reset_elapsed();
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
    }
    progress.of.iter().for_each(|of| bar.set_length(*of));
    bar.set_position(progress.done);
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let fits = BENCH_RATE.contains(&rate);
    fits.then_some(rate).ok_or_else(|| format!("expected {} to {}", BENCH_RATE.start(), BENCH_RATE.end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: BenchArgs,
    }

    fn check_audience(arguments: &str, expected: Result<(usize, usize, usize), &str>) {
        let command = Command::parse_from(["bench"].into_iter().chain(arguments.split_whitespace()));
        let audience = command.args.audience();
        match (audience, expected) {
            (Ok(audience), expected) => {
                assert_eq!(Ok((audience.clients, audience.staff, audience.events)), expected, "{arguments}");
            }
            (Err(reason), Err(expected)) => assert!(reason.contains(expected), "{reason}"),
            (Err(reason), Ok(_)) => panic!("{arguments}: {reason}"),
        }
    }

    #[test]
    fn events_follow_from_rate_and_time() {
        check_audience("", Ok((100, 100, 0)));
        check_audience("--clients 7 --staff 2 --produce --rate 50 --hold 2s", Ok((7, 2, 100)));
        check_audience("--produce --rate 0.01 --hold 1s", Ok((100, 100, 1)));
        check_audience("--clients 7 --produce --burst 30000", Ok((7, 7, 30_000)));
        check_audience("--clients 0", Err("expected one client"));
        check_audience("--clients 5 --staff 6", Err("6 staff of 5 clients"));
        check_audience("--clients 20000 --produce --rate 1000000 --hold 1h", Err("take fewer"));
        check_audience("--clients 2 --staff 1 --produce --burst 10000000000", Err("take fewer"));
    }

    #[test]
    fn where_nobody_was_let_in_is_told_with_the_way_out() {
        let told = told(&BenchFault::NobodyIn("dropped".to_owned()), ([127, 0, 0, 1], 9).into());
        assert_eq!(told, "no client was let in: dropped, at 127.0.0.1:9; where the service is, --url says");
    }

    #[test]
    fn only_this_machine_is_loaded_unless_that_is_meant() {
        let check = |host: &str, expected: bool| {
            assert_eq!(resolve(host).and_then(on_this_machine).is_ok(), expected, "{host}");
        };
        check("127.0.0.1:8080", true);
        check("127.8.0.1:8080", true);
        check("[::1]:8080", true);
        check("192.0.2.1:8080", false);
        check("0.0.0.0:8080", false);
        assert_eq!(here(([0, 0, 0, 0], 9).into()), ([127, 0, 0, 1], 9).into());
    }
}
