//! The plain client: a ticket for the token, a WebSocket with the ticket, and messages that are events.
//!
//! ```text
//! GET /api/v1/ws/ticket   Authorization: Bearer <token>     {"success":true,"token":"<ticket>",...}
//! GET /ws?key=<ticket>    Upgrade: websocket
//! <  {"event_name":"CREATE_PIZZA","data":{...}}
//! ```

use super::{Ended, Received, answered, ws_address};
use crate::trust;
use reqwest::{StatusCode, Url};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;

const TICKET: &str = "/api/v1/ws/ticket";

/// Where to connect: every connection has a ticket of its own.
pub(super) async fn address(
    base: &Url,
    token: &SecretString,
    tls: Option<&ClientConfig>,
) -> Result<Url, Ended> {
    let ticket = ticket(base, token, tls).await?;
    Ok(ws_address(base, "/ws", &[("key", &ticket)]))
}

async fn ticket(base: &Url, token: &SecretString, tls: Option<&ClientConfig>) -> Result<String, Ended> {
    #[derive(Deserialize)]
    struct Granted {
        token: String,
    }
    let dropped = |error: reqwest::Error| {
        let reason = trust::objection(&error)
            .unwrap_or_else(|| format!("{:#}", anyhow::Error::from(error.without_url())));
        Ended::Dropped(format!("no ticket from {base}: {reason}"))
    };
    let mut url = base.clone();
    url.set_path(TICKET);
    // The WebSocket goes straight to the service, so the ticket does too.
    let http = reqwest::Client::builder().no_proxy();
    let http = match tls {
        Some(config) => http.tls_backend_preconfigured(config.clone()),
        // Nobody is asked for a certificate, so the system's authorities need not be read.
        None => http.tls_certs_only([]),
    };
    let http = http.build().map_err(dropped)?;
    let response = http.get(url).bearer_auth(token.expose_secret()).send().await.map_err(dropped)?;
    match response.status() {
        StatusCode::OK => Ok(response.json::<Granted>().await.map_err(dropped)?.token),
        status => Err(answered(base, TICKET, status.as_u16())),
    }
}

pub(super) fn understand(text: &str) -> Received {
    #[derive(Deserialize)]
    struct Event {
        event_name: String,
        data: Box<RawValue>,
    }
    match serde_json::from_str(text) {
        Ok(Event { event_name, data }) => Received::Event { name: event_name, data },
        Err(_) => Received::Strange,
    }
}
