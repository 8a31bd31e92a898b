//! `GET /connections`, for operators: who is connected, page by page.
//!
//! ```text
//! GET /connections?key=user:u-1&protocol=plain&state=lagging&limit=100&from=0-4096&audience=role:ADMIN
//! {"connections": [{"id": "0-17-203", "protocol": "plain", ..}, ..], "next": "0-4113"}
//! ```
//!
//! Each shard answers by its mailbox, between two turns; the next shard is asked when one has no more. `next` is where
//! the next page begins, null at the end. Connections that come and go meanwhile may or may not be on it.

use super::Web;
use super::upgrade::{Pairs, value};
use crate::limits::{LIST_TIMEOUT, LISTED_CONNECTIONS, LISTED_CONNECTIONS_MAX, LISTED_KEYS_MAX};
use crate::protocol::Protocol;
use crate::shard::{ListedConnection, Listing, Shards, State as Standing};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

#[derive(Serialize)]
struct Page {
    connections: Vec<ListedConnection>,
    next: Option<String>,
}

/// A question that makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum BadQuestion {
    #[error("{0} is not a parameter: expected key, audience, protocol, state, limit or from")]
    Parameter(String),
    #[error("{name}={text:?} is not one of {expected}")]
    Choice { name: &'static str, text: String, expected: String },
    #[error("limit={0:?} is not a number from 1 to {LISTED_CONNECTIONS_MAX}")]
    Limit(String),
    #[error("from={0:?} is not the `next` of a page, such as 0-4096")]
    From(String),
    #[error("more than {LISTED_KEYS_MAX} keys")]
    Keys,
}

pub(super) async fn list(State(web): State<Web>, Query(pairs): Query<Pairs>) -> Response {
    let (shard, listing) = match read(&pairs) {
        Ok(question) => question,
        Err(fault) => {
            web.metrics.connections_listed("bad_request");
            return (StatusCode::BAD_REQUEST, format!("{fault}\n")).into_response();
        }
    };
    let Ok(page) = tokio::time::timeout(LIST_TIMEOUT, page(&web.shards, shard, listing)).await else {
        web.metrics.connections_listed("late");
        let text = format!("a shard has not answered within {} s\n", LIST_TIMEOUT.as_secs());
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    web.metrics.connections_listed("listed");
    Json(page).into_response()
}

/// Shard by shard, look by look, until the page is full.
async fn page(shards: &Shards, mut shard: usize, mut listing: Listing) -> Page {
    let mut connections = Vec::new();
    let most = listing.most;
    while let Some(answer) = shards.list(shard, listing.clone()) {
        // A shard that has ended has no connections.
        let listed = answer.await.unwrap_or_default();
        connections.extend(listed.connections);
        match listed.next {
            Some(slot) => listing.slot = slot,
            None => (shard, listing.slot) = (shard + 1, 0),
        }
        listing.most = most - connections.len();
        if listing.most == 0 {
            let next = shards.has(shard).then(|| format!("{shard}-{}", listing.slot));
            return Page { connections, next };
        }
    }
    Page { connections, next: None }
}

/// The first shard to be asked, and what.
fn read(pairs: &Pairs) -> Result<(usize, Listing), BadQuestion> {
    const NAMES: [&str; 6] = ["key", "audience", "protocol", "state", "limit", "from"];
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !NAMES.contains(&name.as_str())) {
        return Err(BadQuestion::Parameter(quoted(name)));
    }
    let (shard, slot) = value(pairs, "from").map_or(Ok((0, 0)), place)?;
    let protocols = Protocol::ALL.map(|protocol| (protocol.label(), protocol));
    let states = Standing::ALL.map(|state| (state.label(), state));
    let listing = Listing {
        keys: keys(pairs, "key")?,
        audience: keys(pairs, "audience")?,
        protocol: choice(pairs, "protocol", &protocols)?,
        state: choice(pairs, "state", &states)?,
        slot,
        most: value(pairs, "limit").map_or(Ok(LISTED_CONNECTIONS), limit)?,
    };
    Ok((shard, listing))
}

fn keys(pairs: &Pairs, name: &str) -> Result<Vec<String>, BadQuestion> {
    let keys: Vec<String> = pairs.iter().filter(|pair| pair.0 == name).map(|pair| pair.1.clone()).collect();
    if keys.len() > LISTED_KEYS_MAX { Err(BadQuestion::Keys) } else { Ok(keys) }
}

fn choice<T: Copy>(
    pairs: &Pairs,
    name: &'static str,
    choices: &[(&str, T)],
) -> Result<Option<T>, BadQuestion> {
    let Some(text) = value(pairs, name) else { return Ok(None) };
    let chosen = choices.iter().find(|(label, _)| *label == text).map(|(_, chosen)| *chosen);
    let expected = || choices.iter().map(|(label, _)| *label).collect::<Vec<_>>().join(", ");
    let wrong = || BadQuestion::Choice { name, text: quoted(text), expected: expected() };
    chosen.map(Some).ok_or_else(wrong)
}

fn limit(text: &str) -> Result<usize, BadQuestion> {
    let limit = text.parse().ok().filter(|limit| (1..=LISTED_CONNECTIONS_MAX).contains(limit));
    limit.ok_or_else(|| BadQuestion::Limit(quoted(text)))
}

fn place(text: &str) -> Result<(usize, usize), BadQuestion> {
    let parts =
        text.split_once('-').and_then(|(shard, slot)| Some((shard.parse().ok()?, slot.parse().ok()?)));
    parts.ok_or_else(|| BadQuestion::From(quoted(text)))
}

/// Enough to recognize it by.
fn quoted(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: Result<(usize, usize, usize), &str>) {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let read = read(&pairs).map(|(shard, listing)| (shard, listing.slot, listing.most));
        match (read, expected) {
            (Err(fault), Err(text)) => assert!(fault.to_string().contains(text), "{query}: {fault}"),
            (read, expected) => {
                assert_eq!(read.map_err(|fault| fault.to_string()), expected.map_err(str::to_owned));
            }
        }
    }

    #[test]
    fn a_question_is_read_or_says_what_is_wrong() {
        check("", Ok((0, 0, LISTED_CONNECTIONS)));
        check("from=1-4096&limit=1000&key=a&key=b&protocol=plain&state=lagging", Ok((1, 4_096, 1_000)));
        check("limit=0", Err("from 1 to 1000"));
        check("limit=1001", Err("from 1 to 1000"));
        check("from=4096", Err("`next` of a page"));
        check("protocol=http", Err("protocol=\"http\" is not one of plain, socketio"));
        check("state=asleep", Err("arriving, preparing, live, lagging, leaving"));
        check("user=u-1", Err("user is not a parameter"));
        let keys = vec!["key=a"; LISTED_KEYS_MAX].join("&");
        check(&keys, Ok((0, 0, LISTED_CONNECTIONS)));
        check(&format!("{keys}&key=a"), Err("more than 64 keys"));
    }
}
