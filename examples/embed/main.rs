//! Dumbwaiter inside another program: records from the program itself instead of Kafka, and an event of its own.
//!
//!     cargo run --example embed
//!     dumbwaiter token --secret-file FILE --sub baker --store-id 7    # the file has SECRET below
//!     curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/api/v1/ws/ticket
//!
//! `tests/it/embed.rs` runs it.

mod ovens;

use dumbwaiter::{Config, Listeners, RunFault, run};
use std::future::Future;
use std::net::TcpListener;
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
    let (measuring, source) = ovens::measure(pause);
    let ended = run(config(), source, listeners, shutdown).await;
    measuring.abort();
    ended
}

fn config() -> Config {
    let secret = [("DUMBWAITER_AUTH__SECRET".to_owned(), SECRET.to_owned())].into();
    Config::load(None, &secret, &ovens::settings()).unwrap_or_else(|faults| panic!("{faults}"))
}
