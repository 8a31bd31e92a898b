//! `dumbwaiter tail`: a client of the service, as a browser would be, that writes down what it receives.
//!
//! It comes back when the connection drops, and ends when it is refused. Which packets the two protocols have is
//! in `plain` and `socketio`; how an event is shown, in `show`.

mod plain;
mod show;
mod socketio;

use self::show::Show;
use super::output::{Paint, say};
use super::{Outcome, service_url};
use crate::limits::{TAIL_RETRY_MAX, TAIL_SILENCE_MAX};
use crate::protocol::{ComeBack, Ending};
use crate::settings::Environment;
use crate::trust;
use clap::{ArgGroup, Args, ValueEnum};
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use rustls::ClientConfig;
use secrecy::SecretString;
use serde_json::value::RawValue;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter tail --token \"$(dumbwaiter token --config dumbwaiter.toml --role ADMIN)\"
  dumbwaiter tail --protocol socketio --token-file token.txt --url https://events.example
  dumbwaiter tail --token-file token.txt --json | jq -r .event

Exit codes: 0 after --count events, 1 refused or never connected.")]
#[command(group = ArgGroup::new("who").required(true).args(["token_file", "token"]))]
pub(super) struct TailArgs {
    /// The service: http, https, ws or wss, host and port
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = base)]
    url: Url,
    /// As which kind of client
    #[arg(long, value_enum, default_value_t = Dialect::Plain)]
    protocol: Dialect,
    /// The token that says who it is
    #[arg(long)]
    token: Option<SecretString>,
    /// File with the token, which on the command line every process can read
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The authorities that are trusted over TLS, instead of those of the system (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Ends after so many events
    #[arg(long, value_name = "EVENTS")]
    count: Option<u64>,
    /// One JSON object a line: received_at, event, data
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dialect {
    /// A ticket over HTTP, then plain WebSocket messages
    Plain,
    /// Socket.IO over WebSocket
    Socketio,
}

/// What a message of the service means to the client.
#[derive(Debug)]
enum Received {
    Event {
        name: String,
        data: Box<RawValue>,
    },
    /// The protocol wants this answer.
    Answer(String),
    Authorized,
    Refused(String),
    /// Something that belongs to the protocol and says nothing new.
    Nothing,
    /// Not what the protocol has.
    Strange,
}

/// Why a connection ended.
enum Ended {
    /// As many events as were asked for, or nobody reads them any more.
    Enough,
    Refused(String),
    /// It may be tried again.
    Dropped(String),
    /// The service is there, and takes nobody just now: it is starting, draining or full.
    NotNow(String),
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) fn run(args: &TailArgs, environment: &Environment) -> Outcome {
    let (token, tls) = match token(args).and_then(|token| Ok((token, tls(args)?))) {
        Ok(ready) => ready,
        Err(reason) => {
            say(&reason);
            return Outcome::Failed;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format_args!("cannot start: {error}"));
            return Outcome::Failed;
        }
    };
    let show = Show { json: args.json, paint: Paint::for_stdout(environment) };
    let mut tail = Tail { args, token, tls, show, seen: 0 };
    match runtime.block_on(tail.follow()) {
        Ok(()) => Outcome::Done,
        Err(reason) => {
            say(&reason);
            Outcome::Failed
        }
    }
}

fn token(args: &TailArgs) -> Result<SecretString, String> {
    let Some(file) = &args.token_file else { return Ok(args.token.clone().unwrap_or_default()) };
    let content =
        std::fs::read_to_string(file).map_err(|error| format!("{file:?} cannot be read: {error}"))?;
    Ok(SecretString::from(content.trim()))
}

fn tls(args: &TailArgs) -> Result<Option<Arc<ClientConfig>>, String> {
    let speaks_tls = args.url.scheme() == "https";
    speaks_tls.then(|| trust::client_config(args.ca.as_deref()).map(Arc::new)).transpose()
}

struct Tail<'a> {
    args: &'a TailArgs,
    token: SecretString,
    /// Whom it trusts, if it speaks TLS.
    tls: Option<Arc<ClientConfig>>,
    show: Show,
    seen: u64,
}

impl Tail<'_> {
    /// Until enough was seen. Who was connected once is worth waiting for; who never was has a wrong address.
    async fn follow(&mut self) -> Result<(), String> {
        let mut connected = false;
        let mut wait = Duration::from_secs(1);
        loop {
            let reason = match self.connect().await {
                Ok(socket) => {
                    connected = true;
                    wait = Duration::from_secs(1);
                    match self.receive(socket).await {
                        Ended::Enough => return Ok(()),
                        Ended::Refused(reason) => return Err(reason),
                        Ended::Dropped(reason) | Ended::NotNow(reason) => reason,
                    }
                }
                Err(Ended::NotNow(reason)) => reason,
                Err(Ended::Dropped(reason)) if connected => reason,
                Err(Ended::Dropped(reason)) => {
                    return Err(format!("{reason}; where the service is, --url says"));
                }
                Err(Ended::Refused(reason)) => return Err(reason),
                Err(Ended::Enough) => return Ok(()),
            };
            say(&format_args!("{reason}; trying again in {} s", wait.as_secs()));
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(TAIL_RETRY_MAX);
        }
    }

    async fn connect(&self) -> Result<Socket, Ended> {
        let url = match self.args.protocol {
            Dialect::Plain => plain::address(&self.args.url, &self.token, self.tls.as_deref()).await?,
            Dialect::Socketio => socketio::address(&self.args.url),
        };
        let connector = self.tls.clone().map_or(Connector::Plain, Connector::Rustls);
        let connected = connect_async_tls_with_config(url.as_str(), None, false, Some(connector)).await;
        let (socket, _) = connected.map_err(|error| self.cannot_connect(&error))?;
        if self.args.protocol == Dialect::Plain {
            say(&format_args!("connected to {}", self.args.url));
        }
        Ok(socket)
    }

    /// The address as it was given: the one connected to has a ticket in it.
    fn cannot_connect(&self, error: &tungstenite::Error) -> Ended {
        match error {
            tungstenite::Error::Http(response) => answered(&self.args.url, "/ws", response.status().as_u16()),
            error => {
                let reason = trust::objection(error).unwrap_or_else(|| error.to_string());
                Ended::Dropped(format!("cannot connect to {}: {reason}", self.args.url))
            }
        }
    }

    async fn receive(&mut self, mut socket: Socket) -> Ended {
        loop {
            let Ok(message) = tokio::time::timeout(TAIL_SILENCE_MAX, socket.next()).await else {
                return Ended::Dropped("the service is silent, its pings included".to_owned());
            };
            let text = match message {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(frame))) => {
                    return closed(frame.map(|frame| (frame.code.into(), frame.reason.to_string())));
                }
                // Pings are answered by the library.
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Ended::Dropped(format!("the connection broke: {error}")),
                None => return Ended::Dropped("the connection was dropped".to_owned()),
            };
            match self.understand(&text) {
                Received::Event { name, data } => {
                    if self.show.event(&name, &data).is_err() || self.is_enough() {
                        let _ = socket.close(None).await;
                        return Ended::Enough;
                    }
                }
                Received::Answer(answer) => {
                    if let Err(error) = socket.send(Message::text(answer)).await {
                        return Ended::Dropped(format!("the connection broke: {error}"));
                    }
                }
                Received::Authorized => say(&format_args!("connected to {}, authorized", self.args.url)),
                Received::Refused(reason) => return Ended::Refused(reason),
                Received::Nothing => {}
                Received::Strange => say(&"a message that this protocol does not have was passed over"),
            }
        }
    }

    fn understand(&self, text: &str) -> Received {
        match self.args.protocol {
            Dialect::Plain => plain::understand(text),
            Dialect::Socketio => socketio::understand(text, &self.token),
        }
    }

    fn is_enough(&mut self) -> bool {
        self.seen += 1;
        self.args.count.is_some_and(|count| self.seen >= count)
    }
}

/// What a refusal means, and the way out, whichever protocol it comes by.
const TOKEN_NOT_TAKEN: &str = "the service does not take this token: signed with another key, expired, revoked, or for \
    another issuer or audience; `dumbwaiter token` with the service's settings makes one that it takes";

/// What a status means that lets nobody in.
fn answered(url: &Url, path: &str, status: u16) -> Ended {
    match status {
        401 => Ended::Refused(format!("refused: {TOKEN_NOT_TAKEN}")),
        503 => Ended::NotNow(format!("{url} takes nobody just now (503): it is starting, draining or full")),
        status => Ended::Dropped(format!("{url} answers {status} to {path}")),
    }
}

/// What a close code means, by the service's own table.
fn closed(frame: Option<(u16, String)>) -> Ended {
    let Some((code, reason)) = frame else { return Ended::Dropped("closed without a code".to_owned()) };
    let row = Ending::ALL.map(Ending::row).into_iter().find(|row| row.code == Some(code));
    let meaning = row.map(|row| format!(" ({})", row.meaning)).unwrap_or_default();
    let told = format!("closed with {code} {reason:?}{meaning}");
    match row.map(|row| row.come_back) {
        Some(ComeBack::No | ComeBack::WithNewToken) => Ended::Refused(told),
        Some(ComeBack::AtOnce | ComeBack::Later) | None => Ended::Dropped(told),
    }
}

fn base(text: &str) -> Result<Url, String> {
    let mut url = service_url(text)?;
    let scheme = if matches!(url.scheme(), "https" | "wss") { "https" } else { "http" };
    url.set_scheme(scheme).map_err(|()| "is not an address of a web server".to_owned())?;
    url.set_path("");
    url.set_query(None);
    Ok(url)
}

/// The address of `/ws` at the service.
fn ws_address(base: &Url, path: &str, query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    let scheme = if base.scheme() == "https" { "wss" } else { "ws" };
    // Between schemes of the web this cannot fail.
    let _ = url.set_scheme(scheme);
    url.set_path(path);
    url.query_pairs_mut().extend_pairs(query);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_may_be_named_by_any_of_its_schemes() {
        let check = |text: &str, expected: &str| assert_eq!(base(text).unwrap().as_str(), expected);
        check("http://127.0.0.1:8080", "http://127.0.0.1:8080/");
        check("ws://127.0.0.1:8080/ws?key=x", "http://127.0.0.1:8080/");
        check("wss://events.example", "https://events.example/");
        for wrong in ["kafka://x", "127.0.0.1:8080", "localhost:8080", "http://", ""] {
            assert_eq!(
                base(wrong),
                Err("expected http://HOST:PORT or https://HOST:PORT".to_owned()),
                "{wrong}"
            );
        }
        let url = ws_address(&base("https://events.example").unwrap(), "/ws", &[("key", "a&b")]);
        assert_eq!(url.as_str(), "wss://events.example/ws?key=a%26b");
    }

    #[test]
    fn a_close_code_tells_whether_to_come_back() {
        let comes_back = |code| matches!(closed(Some((code, String::new()))), Ended::Dropped(_));
        assert!(comes_back(1012) && comes_back(4004) && comes_back(1006));
        assert!(!comes_back(4002) && !comes_back(1002));
    }
}
