//! `dumbwaiter demo`: the whole service with nothing around it but this process.
//!
//! ```text
//! pizzeria ─> producer ─> embedded broker ─> the service, as in production ─> board
//!     ^           └──────> registry <───────────────┘                           │
//!     └───────────────────────────────── buttons, people (tokens) <─────────────┘
//! ```
//!
//! Simulated: the pizzeria and its people. Real: the Kafka protocol, the records, the registry's API, and all of
//! the service, which does not know that it is in a demo. This folder imports everything; of it, only the
//! pizzeria is used elsewhere (`produce --orders`).

mod buttons;
mod forms;
mod kitchen;
mod menu;
mod people;
mod pizzeria;
mod producer;
mod registry;

pub use self::forms::Form;
pub use self::pizzeria::{Occurrence, Pizzeria};

use self::buttons::Buttons;
use self::kitchen::Kitchen;
use self::people::{Desk, Issuer};
use self::producer::{CONTROL_TOPIC, Producer, ProducerFault, TOPICS};
use crate::app::{App, AppFault, Parts};
use crate::auth::{self, KeyFault, Rules, Verifier};
use crate::board::{self, Scene};
use crate::consume::{ClientFault, ControlSource, ControlTopic, EmbeddedBroker, KafkaSource, Source};
use crate::dead_letter::DeadLetters;
use crate::decode::{Registry, RegistryFault, RegistryOutcome, RegistrySettings, Writers};
use crate::event::{Catalog, Event, OrderSettings};
use crate::limits::{DEMO_CONNECTIONS_MAX, DEMO_PARTITIONS, DEMO_WINDOW_BYTES};
use crate::metrics::Metrics;
use crate::settings::Document;
use crate::shutdown::{self, Stop};
use crate::web::{self, Listener};
use crate::{backfill, consume, journal, shard};
use rdkafka::error::KafkaError;
use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// What one may choose of a demo.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the page and `/ws` are.
    pub listen: SocketAddr,
    /// Events a second, on average.
    pub rate: f64,
    /// Which story is told.
    pub seed: u64,
    /// The events, whose topics are read: those of the pizzeria, and others that somebody writes.
    pub catalog: Arc<Catalog>,
}

/// What ends a demo that was not asked to stop.
#[derive(Debug, thiserror::Error)]
pub enum DemoFault {
    #[error(
        "{0} is not a loopback address: a demo hands out tokens to whoever asks, so it stays on this machine"
    )]
    NotLoopback(SocketAddr),
    #[error("the embedded broker: {0}")]
    Broker(#[from] KafkaError),
    #[error("its reader: {0}")]
    Reader(#[from] ClientFault),
    #[error("the registry: cannot listen: {0}")]
    RegistryListen(io::Error),
    #[error("the registry: {0}")]
    Registry(#[from] RegistryFault),
    #[error("the tokens' key {0}")]
    Key(#[from] KeyFault),
    #[error(transparent)]
    App(#[from] AppFault),
    #[error("the pizzeria {0}")]
    Pizzeria(#[from] ProducerFault),
}

/// A demo whose ports are bound.
pub struct Demo {
    app: App,
    broker: Arc<EmbeddedBroker>,
    kitchen: Arc<OnceLock<Kitchen>>,
    registry: Listener,
    metrics: Metrics,
    settings: Settings,
}

impl Demo {
    /// Starts the broker and binds the ports. Runs inside a tokio runtime, on which schemas are fetched.
    pub fn bind(settings: Settings) -> Result<Demo, DemoFault> {
        if !settings.listen.ip().is_loopback() {
            return Err(DemoFault::NotLoopback(settings.listen));
        }
        let broker = Arc::new(EmbeddedBroker::start(topics(&settings.catalog), DEMO_PARTITIONS)?);
        let registry = Listener::bind(loopback()).map_err(DemoFault::RegistryListen)?;
        let metrics = Metrics::new();
        let kitchen = Arc::default();
        let app = App::bind(parts(&settings, &broker, &kitchen, registry.address, &metrics)?)?;
        Ok(Demo { app, broker, kitchen, registry, metrics, settings })
    }

    /// Where the page is.
    pub fn address(&self) -> SocketAddr {
        self.app.address()
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.app.admin_address()
    }

    /// The broker's host:port.
    pub fn broker_address(&self) -> &str {
        self.broker.address()
    }

    pub fn registry_address(&self) -> SocketAddr {
        self.registry.address
    }

    /// Runs until `stop`, or until a part of it gives up.
    pub async fn run(self, stop: CancellationToken) -> Result<(), DemoFault> {
        let Demo { app, broker, kitchen, registry, metrics, settings } = self;
        // Ours, so that the half that ends first can take the other with it.
        let stop = stop.child_token();
        let address = registry.address;
        let registry =
            tokio::spawn(web::serve(registry, registry::router(), metrics, usize::MAX, stop.clone()));
        let service = async {
            let _other_half = stop.clone().drop_guard();
            app.run(Stop::by(stop.clone())).await
        };
        let pizzeria = async {
            let _other_half = stop.clone().drop_guard();
            let pizzeria = run_pizzeria(&kitchen, broker.address(), address, &settings);
            stop.run_until_cancelled(pizzeria).await.unwrap_or(Ok(()))
        };
        let (service, pizzeria) = tokio::join!(service, pizzeria);
        let _ = registry.await;
        service?;
        pizzeria.map_err(DemoFault::from)
    }
}

/// The parts of an instance as `serve` makes them, with what is simulated put in the place of what is not there.
fn parts(
    settings: &Settings,
    broker: &Arc<EmbeddedBroker>,
    kitchen: &Arc<OnceLock<Kitchen>>,
    registry: SocketAddr,
    metrics: &Metrics,
) -> Result<Parts, DemoFault> {
    let (issuer, verifying_key) = Issuer::new()?;
    let auth = auth::Settings {
        keys: vec![verifying_key],
        rules: Rules {
            required_claims: vec!["sub".to_owned()],
            max_lifetime: Some(people::TOKEN_LIFETIME),
            ..Rules::default()
        },
        ..auth::Settings::default()
    };
    let catalog = Arc::clone(&settings.catalog);
    let topics = catalog.events().iter().map(|event| event.topic_pattern().to_owned()).collect();
    let kafka = consume::Settings { topics, ..broker.settings() };
    let desk = Desk::new(issuer, Verifier::new(&auth), Arc::clone(&catalog));
    let buttons =
        Buttons { desk, broker: Arc::clone(broker), kitchen: Arc::clone(kitchen), is_away: Arc::default() };
    let control = ControlTopic::new(&broker.settings(), CONTROL_TOPIC.to_owned(), metrics.clone())?;
    let counted = metrics.clone();
    let observer = Box::new(move |outcome: RegistryOutcome| counted.registry_request(outcome.label()));
    let registry_urls = format!("registry.urls=http://{registry}");
    let mut defaults = Document::empty().with_overrides(&[registry_urls]);
    let registry = Registry::new(RegistrySettings::read(&mut defaults), Handle::current(), observer)?;
    Ok(Parts {
        source: Source::Kafka(Box::new(KafkaSource::new(kafka, metrics.clone())?)),
        control: ControlSource::topic(control),
        // The embedded broker does not know which record is of which time.
        past: None,
        dead_letters: DeadLetters::Off,
        writers: Writers::of_registry(registry),
        catalog,
        orders: OrderSettings::read(&mut defaults),
        auth,
        journal: journal::Settings { max_bytes: DEMO_WINDOW_BYTES, ..journal::Settings::read(&mut defaults) },
        backfill: backfill::Settings::read(&mut defaults),
        shard: shard::Settings::read(&mut defaults),
        web: web::Settings {
            listen: settings.listen,
            admin_listen: loopback(),
            connections_max: DEMO_CONNECTIONS_MAX,
            ..web::Settings::read(&mut defaults)
        },
        board: board::Settings { enabled: true, scene: Scene::Demo, ..board::Settings::read(&mut defaults) },
        shutdown: shutdown::Settings::default(),
        pages: buttons::router(buttons),
        metrics: metrics.clone(),
    })
}

/// What the broker has: the pizzeria's topics, and those that the catalog names.
fn topics(catalog: &Catalog) -> BTreeSet<&str> {
    let named = catalog.events().iter().filter_map(Event::topic_name);
    TOPICS.into_iter().chain(named).collect()
}

async fn run_pizzeria(
    kitchen: &OnceLock<Kitchen>,
    broker: &str,
    registry: SocketAddr,
    settings: &Settings,
) -> Result<(), ProducerFault> {
    let producer = Producer::start(broker, registry).await?;
    let kitchen = kitchen.get_or_init(|| Kitchen::new(Pizzeria::new(settings.seed), producer));
    kitchen.run(settings.rate).await
}

/// A port that the system chooses.
fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
