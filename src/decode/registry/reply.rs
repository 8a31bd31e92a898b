//! Sorts what comes back from a registry by what it means for the record.
//!
//! ```text
//! 200 {"schema": "...", "schemaType": "AVRO", "references": [...]}   found
//! 404 {"error_code": 40403, "message": "..."}                        missing
//! 404, in other words                                                missing, if it is a registry at all
//! 200, longer than a schema may be; another schema type              cannot be used
//! anything else                                                      no answer
//! ```
//!
//! When in doubt it was no answer, since waiting loses nothing and a record given up is lost. Bodies are
//! read up to a bound; keys that are not named above are ignored.

use std::time::Duration;

use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::Poison;
use crate::{causes, fetch, limits};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Found,
    Missing,
    /// Longer than any schema may be.
    TooLarge,
    /// 401 or 403: the credentials are not good.
    Refused,
    /// 429: too many requests.
    Throttled,
    /// Anything else: no connection, no answer in time, a server's error, not a registry's answer.
    Failed,
}

impl Outcome {
    pub const ALL: [Outcome; 6] = [
        Outcome::Found,
        Outcome::Missing,
        Outcome::TooLarge,
        Outcome::Refused,
        Outcome::Throttled,
        Outcome::Failed,
    ];

    /// The outcome as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Found => "found",
            Outcome::Missing => "missing",
            Outcome::TooLarge => "too_large",
            Outcome::Refused => "refused",
            Outcome::Throttled => "throttled",
            Outcome::Failed => "failed",
        }
    }
}

/// Why there is no schema.
#[derive(Debug)]
pub(super) enum Fault {
    Missing,
    Unusable { poison: Poison, reason: String },
    Outage { outcome: Outcome, reason: String, retry_after: Option<Duration> },
}

/// What a registry says.
pub(super) enum Reply<T> {
    Content(T),
    /// There is no such thing, in the registry's own words.
    Missing,
    /// 404 in other words: the address is wrong, or the registry does not know this kind of question.
    UnknownPath,
}

/// A reply that says something, or why there is none.
pub(super) async fn read<T: DeserializeOwned>(response: Response) -> Result<Reply<T>, Fault> {
    match response.status() {
        StatusCode::OK => read_content(response).await.map(Reply::Content),
        StatusCode::NOT_FOUND => read_missing(response).await,
        status => Err(outage_of(status, response.headers().get(RETRY_AFTER))),
    }
}

/// An answer with a schema, by the names of the API.
#[derive(Deserialize)]
pub(super) struct Found {
    pub schema: String,
    #[serde(rename = "schemaType")]
    pub schema_type: Option<String>,
    #[serde(default)]
    pub references: Vec<Reference>,
}

#[derive(Deserialize)]
pub(super) struct Reference {
    pub subject: String,
    pub version: u32,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error_code: i64,
    #[serde(default)]
    message: String,
}

async fn read_content<T: DeserializeOwned>(response: Response) -> Result<T, Fault> {
    let Some(body) = read_bounded(response).await? else {
        return Err(unusable(format!("answer is longer than {} bytes", limits::REGISTRY_ANSWER_MAX_BYTES)));
    };
    // A proxy's page with status 200 is no reason to give up a record.
    serde_json::from_slice(&body)
        .map_err(|_| failed("status 200 without what was asked for: is this a registry?".to_owned()))
}

/// "Not found" counts at once only in the registry's own words: a web server that knows no such path says it as
/// well.
async fn read_missing<T>(response: Response) -> Result<Reply<T>, Fault> {
    let body = read_bounded(response).await?.unwrap_or_default();
    Ok(match serde_json::from_slice::<ErrorAnswer>(&body) {
        Ok(answer) if answer.error_code != 404 || answer.message != UNKNOWN_PATH => Reply::Missing,
        _ => Reply::UnknownPath,
    })
}

/// What Confluent's server says, with error code 404, of a path that it does not serve.
const UNKNOWN_PATH: &str = "HTTP 404 Not Found";

async fn read_bounded(response: Response) -> Result<Option<Vec<u8>>, Fault> {
    fetch::body(response, limits::REGISTRY_ANSWER_MAX_BYTES).await.map_err(no_answer)
}

fn outage_of(status: StatusCode, retry_after: Option<&HeaderValue>) -> Fault {
    let outcome = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Outcome::Refused,
        StatusCode::TOO_MANY_REQUESTS => Outcome::Throttled,
        _ => Outcome::Failed,
    };
    Fault::Outage { outcome, reason: format!("status {status}"), retry_after: retry_after.and_then(seconds) }
}

/// RFC 9110, section 10.2.3, as far as it is a number of seconds; servers of dates get our own backoff.
fn seconds(retry_after: &HeaderValue) -> Option<Duration> {
    let seconds = retry_after.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(limits::REGISTRY_RETRY_AFTER_MAX))
}

/// Without the URL: the log has the address beside it.
pub(super) fn no_answer(error: reqwest::Error) -> Fault {
    failed(causes::on_one_line(&error.without_url()))
}

pub(super) fn failed(reason: String) -> Fault {
    Fault::Outage { outcome: Outcome::Failed, reason, retry_after: None }
}

pub(super) fn unusable(reason: String) -> Fault {
    Fault::Unusable { poison: Poison::BadSchema, reason }
}
