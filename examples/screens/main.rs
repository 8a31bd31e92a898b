//! Dumbwaiter inside a program that knows its users itself: no JWTs, but screens with a code each, which can be taken away.
//!
//!     cargo run --example screens
//!     curl -H "Authorization: Bearer $CODE" http://127.0.0.1:8080/api/v1/ws/ticket    # the code is printed at the start
//!
//! Records and event are those of `examples/embed`. `tests/it/embed.rs` runs it.

#[path = "../embed/ovens.rs"]
mod ovens;

use dumbwaiter::{Authenticator, Claims, Config, Listeners, Refusal, RunFault, run};
use std::collections::HashMap;
use std::future::Future;
use std::net::TcpListener;
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// How long a screen stays before it has to show its code again: its library does so by itself.
const VISIT: Duration = Duration::from_secs(3_600);

#[tokio::main]
#[expect(clippy::print_stderr, reason = "somebody has to type it in")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listeners = Listeners {
        clients: TcpListener::bind("127.0.0.1:8080")?,
        operators: TcpListener::bind("127.0.0.1:9100")?,
    };
    let screens = Arc::new(Screens::default());
    eprintln!("the code of a screen in shop 7: {}", screens.pair("wall", 7));
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    Ok(show_ovens(screens, listeners, Duration::from_secs(1), interrupted).await?)
}

/// The screens that are paired: code -> name and shop. A real program would keep no more than a hash of each code.
#[derive(Default)]
pub struct Screens(RwLock<HashMap<String, (String, i64)>>);

impl Screens {
    /// Gives the code of a new screen.
    pub fn pair(&self, name: &str, store_id: i64) -> String {
        let code = Uuid::new_v4().simple().to_string();
        self.0.write().expect("nobody panics here").insert(code.clone(), (name.to_owned(), store_id));
        code
    }

    /// From now on it gets in no more.
    pub fn unpair(&self, code: &str) {
        self.0.write().expect("nobody panics here").remove(code);
    }
}

impl Authenticator for Screens {
    /// A look into memory: whoever writes to clients asks, and must not wait.
    fn authenticate(&self, token: &str, now: SystemTime) -> Result<Claims, Refusal> {
        let screens = self.0.read().expect("nobody panics here");
        let (name, store_id) = screens.get(token).ok_or(Refusal::UnknownKey)?;
        let claims = [("sub".to_owned(), name.as_str().into()), ("store_id".to_owned(), (*store_id).into())];
        Ok(Claims::new(claims.into_iter().collect(), now + VISIT))
    }
}

/// Measures every `pause`, and shows each paired screen the ovens of its shop, until `shutdown`.
pub async fn show_ovens(
    screens: Arc<Screens>,
    listeners: Listeners,
    pause: Duration,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunFault> {
    let (measuring, source) = ovens::measure(pause);
    let config = Config::load_with(screens, None, &[].into(), &ovens::settings());
    let config = config.unwrap_or_else(|faults| panic!("{faults}"));
    let ended = run(config, source, listeners, shutdown).await;
    measuring.abort();
    ended
}
