//! `dumbwaiter demo`: a simulated pizzeria, and a page that shows who receives what. Needs nothing but this program.

use super::Outcome;
use super::output::say;
use super::serve::stop_signal;
use crate::app::AppFault;
use crate::demo::{Demo, DemoFault, Settings};
use crate::event::Catalog;
use crate::limits::DEMO_RATE;
use crate::logs;
use clap::Args;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter demo
  dumbwaiter demo --rate 20
  dumbwaiter demo --listen 127.0.0.1:0
  dumbwaiter demo --catalog examples/kitchen-ticket/catalog.toml

Exit codes: 0 ended by Ctrl-C, 1 failed, 2 the catalog is wrong, or the address is not on this machine.")]
pub(super) struct DemoArgs {
    /// Where the page and /ws are; loopback only. Port 0: any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Events a second, on average
    #[arg(long, value_name = "EVENTS", default_value = "1", value_parser = rate)]
    rate: f64,
    /// Events of one's own, beside the pizzeria's: a catalog, whose topics are made
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
}

/// The story that every start tells: this one has something for everybody within half a minute.
const SEED: u64 = 59;

pub(super) fn run(args: &DemoArgs) -> Outcome {
    let settings = logs::Settings { format: logs::Format::Text, level: "warn", events: false };
    // A person reads it, or it is gone with Ctrl-C; nobody counts.
    let _log = match logs::start(&settings, Arc::new(|| {})) {
        Ok(log) => log,
        Err(error) => {
            say(&format_args!("cannot start: {error}"));
            return Outcome::Failed;
        }
    };
    let catalog = match args.catalog.as_deref().map_or_else(|| Ok(Catalog::built_in()), Catalog::read) {
        Ok(catalog) => Arc::new(catalog),
        Err(fault) => {
            say(&fault);
            return Outcome::WrongSettings;
        }
    };
    let settings = Settings { listen: args.listen, rate: args.rate, seed: SEED, catalog };
    let outcome = match Runtime::new() {
        Ok(runtime) => runtime.block_on(demo(settings)),
        Err(error) => {
            say(&format_args!("cannot start: {error}"));
            return Outcome::Failed;
        }
    };
    match outcome {
        Ok(()) => Outcome::Done,
        Err(fault) => {
            say(&fault);
            way_out(&fault).inspect(|hint| say(hint));
            if matches!(fault, DemoFault::NotLoopback(_)) { Outcome::WrongSettings } else { Outcome::Failed }
        }
    }
}

async fn demo(settings: Settings) -> Result<(), DemoFault> {
    let demo = Demo::bind(settings)?;
    introduce(&demo);
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    tokio::spawn(async move {
        stop_signal().await;
        signalled.cancel();
    });
    demo.run(stop).await
}

fn introduce(demo: &Demo) {
    let (page, broker) = (demo.address(), demo.broker_address());
    let (registry, admin) = (demo.registry_address(), demo.admin_address());
    say(&format_args!(
        "dumbwaiter demo: open http://{page}/\n\
         \n\
         simulated  a pizzeria, its customers and its staff\n\
         real       Kafka protocol and Avro records, schema registry API, tokens, tickets, WebSocket, Socket.IO\n\
         \n\
         clients    ws://{page}/ws (plain, with a ticket; Socket.IO with a token)\n\
         tokens     http://{page}/demo/people, one of them /demo/token?of=store\n\
         kafka      {broker}\n\
         registry   http://{registry}\n\
         operators  http://{admin}/metrics, /readyz\n\
         \n\
         A record of your own, for `--catalog FILE` or the events that are there:\n\
         \x20 dumbwaiter produce --set kafka.brokers={broker} --set registry.urls=http://{registry} \
         --topic TOPIC --schema FILE.avsc FILE.json\n\
         \n\
         All of it is on this machine only and gone with Ctrl-C."
    ));
}

fn way_out(fault: &DemoFault) -> Option<&'static str> {
    match fault {
        DemoFault::App(AppFault::Listen { source, .. }) if source.kind() == ErrorKind::AddrInUse => Some(
            "another program has this port: try `dumbwaiter demo --listen 127.0.0.1:0`, which takes a free one",
        ),
        _ => None,
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let fits = DEMO_RATE.contains(&rate);
    fits.then_some(rate).ok_or_else(|| format!("expected {} to {}", DEMO_RATE.start(), DEMO_RATE.end()))
}
