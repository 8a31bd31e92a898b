//! `explain --all`: who of all that are connected gets an event, who does not, and why.
//!
//! The instances are asked for their connections at their admin address (`GET /connections`), with the event's audience:
//! so it is an instance that says which of those keys a connection holds. Connections that are alike, of the same
//! protocol and with the same keys, are one line.

use crate::cli::output::progress;
use crate::limits::{CHECK_PATIENCE, LISTED_CONNECTIONS_MAX};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The event that it is about.
pub(super) struct Asked<'a> {
    pub audience: &'a [String],
    /// The protocols whose clients it is for.
    pub clients: &'a [&'static str],
}

/// Those who are alike, and whether they get it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Identity {
    /// For sorting: who gets it comes first.
    #[serde(skip)]
    not_delivered: bool,
    #[serde(flatten)]
    pub who: Who,
    pub keys: Vec<String>,
    pub delivered: bool,
    /// The keys of the audience that they hold.
    pub by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// How many they are; of a user who was given, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Who {
    /// On the command line: `claims 1`.
    Given(String),
    /// Connected, by that protocol.
    Protocol(String),
}

#[derive(Deserialize)]
struct Page {
    connections: Vec<Connection>,
    next: Option<String>,
}

/// What is looked at of a connection.
#[derive(Deserialize)]
struct Connection {
    protocol: String,
    state: String,
    keys: Vec<String>,
    #[serde(default)]
    by: Vec<String>,
}

impl Identity {
    pub fn given(name: String, keys: Vec<String>, by: Vec<String>, because: Option<String>) -> Identity {
        let delivered = because.is_none();
        Identity {
            not_delivered: !delivered,
            who: Who::Given(name),
            keys,
            delivered,
            by,
            because,
            connections: None,
        }
    }
}

/// All connections of these instances, those that are alike together.
pub(super) async fn ask(instances: &[Url], asked: &Asked<'_>) -> Result<Vec<Identity>, String> {
    let mut alike: BTreeMap<Identity, usize> = BTreeMap::new();
    let bar = progress("{spinner} asked about {pos} connections");
    let http = crate::fetch::client(instances).no_proxy().timeout(CHECK_PATIENCE).build();
    let http = http.map_err(|error| format!("cannot ask: {error}"))?;
    for instance in instances {
        let mut from = None;
        loop {
            let page = page(&http, instance, asked, from.as_deref()).await?;
            bar.inc(page.connections.len().try_into().unwrap_or(0));
            for connection in page.connections {
                *alike.entry(judge(connection, asked)).or_default() += 1;
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    Ok(alike.into_iter().map(|(identity, count)| Identity { connections: Some(count), ..identity }).collect())
}

async fn page(
    http: &reqwest::Client,
    instance: &Url,
    asked: &Asked<'_>,
    from: Option<&str>,
) -> Result<Page, String> {
    let mut url = instance.clone();
    url.set_path("/connections");
    url.query_pairs_mut()
        .clear()
        .append_pair("limit", &LISTED_CONNECTIONS_MAX.to_string())
        .extend_pairs(asked.audience.iter().map(|key| ("audience", key)))
        .extend_pairs(from.map(|from| ("from", from)));
    let told = |error: reqwest::Error| {
        let error = anyhow::Error::from(error.without_url());
        format!(
            "no list of connections from {instance}: {error:#}\nis the instance running, and is that its web.admin_listen? name it with --instance http://HOST:PORT"
        )
    };
    let answer = http.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(told)?;
    answer.json().await.map_err(told)
}

fn judge(connection: Connection, asked: &Asked<'_>) -> Identity {
    let because = match connection.state.as_str() {
        "arriving" => Some("has not said who it is yet".to_owned()),
        "leaving" => Some("is leaving".to_owned()),
        _ if !asked.clients.contains(&connection.protocol.as_str()) => {
            Some("the event is not for its protocol".to_owned())
        }
        _ => why_not(&connection.by, asked.audience),
    };
    Identity {
        not_delivered: because.is_some(),
        who: Who::Protocol(connection.protocol),
        keys: connection.keys,
        delivered: because.is_none(),
        by: connection.by,
        because,
        connections: None,
    }
}

/// Why whoever holds these keys of the audience does not get the event; none if they do.
pub(super) fn why_not(by: &[String], audience: &[String]) -> Option<String> {
    match (by, audience) {
        (_, []) => Some("the event has no audience".to_owned()),
        ([], _) => Some("holds none of the keys".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_get_it_is_told_why() {
        let check = |protocol: &str, state: &str, by: &[&str], expected: Option<&str>| {
            let texts = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
            let (protocol, state) = (protocol.to_owned(), state.to_owned());
            let connection = Connection { protocol, state, keys: texts(&["user:u-1"]), by: texts(by) };
            let audience = texts(&["role:ADMIN", "user:u-1"]);
            let identity = judge(connection, &Asked { audience: &audience, clients: &["socketio"] });
            assert_eq!((identity.because.as_deref(), identity.delivered), (expected, expected.is_none()));
        };
        check("socketio", "live", &["user:u-1"], None);
        check("socketio", "lagging", &["user:u-1"], None);
        check("socketio", "live", &[], Some("holds none of the keys"));
        check("plain", "live", &["user:u-1"], Some("the event is not for its protocol"));
        check("socketio", "arriving", &[], Some("has not said who it is yet"));
        check("socketio", "leaving", &["user:u-1"], Some("is leaving"));
        assert_eq!(why_not(&[], &[]).as_deref(), Some("the event has no audience"));
    }
}
