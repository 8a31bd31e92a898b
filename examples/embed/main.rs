//! Dumbwaiter inside another program: records from the program itself instead of Kafka, and an event of its own.
//!
//!     cargo run --example embed
//!     dumbwaiter token --secret-file FILE --sub baker --store-id 7    # the file has SECRET below
//!     curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/api/v1/ws/ticket
//!
//! `tests/it/embed.rs` runs it.

use dumbwaiter::produce::Encoder;
use dumbwaiter::{Config, Listeners, OwnedRecord, RunFault, Source, memory, run};
use std::future::Future;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

/// What tokens are signed with (HS256). A real program reads it from where secrets are.
pub const SECRET: &str = "an-example-secret-of-32-characters";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listeners = Listeners {
        clients: TcpListener::bind("127.0.0.1:8080")?,
        operators: TcpListener::bind("127.0.0.1:9100")?,
    };
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    Ok(watch_ovens(listeners, Duration::from_secs(1), interrupted).await?)
}

/// Measures every `pause`, and shows each shop its own ovens, until `shutdown`.
pub async fn watch_ovens(
    listeners: Listeners,
    pause: Duration,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunFault> {
    let (records, source) = memory();
    let measuring = tokio::spawn(async move {
        let ovens = Encoder::parse(include_str!("reading.avsc"), &[]).expect("the schema is good");
        for offset in 0.. {
            let degrees = 300.0 + f64::from(u8::try_from(offset % 50).expect("below 50"));
            let reading = serde_json::json!({"oven": "stone", "store_id": 7, "degrees": degrees});
            let record = OwnedRecord {
                topic: "oven.readings".to_owned(),
                offset,
                value: Some(ovens.encode(&reading).expect("it has all fields")),
                ..OwnedRecord::default()
            };
            if records.send(record).is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    });
    let ended = run(config(), Source::Memory(source), listeners, shutdown).await;
    measuring.abort();
    ended
}

/// The same settings as in a file; what is left out has its default.
fn config() -> Config {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/embed/catalog.toml");
    let settings = [
        format!("catalog.file={}", catalog.display()),
        "shutdown.grace=0s".to_owned(),
        "shutdown.drain=1s".to_owned(),
    ];
    let secret = [("DUMBWAITER_AUTH__SECRET".to_owned(), SECRET.to_owned())].into();
    Config::load(None, &secret, &settings).unwrap_or_else(|faults| panic!("{faults}"))
}
