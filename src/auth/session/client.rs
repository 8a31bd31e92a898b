//! One question to the login, and what its answer means.
//!
//! When in doubt nobody knows: "no such session" sends a client away for good, so it counts only as 401 or
//! 404. An answer is read up to a bound. Redirects are not followed and no proxy is asked, since either
//! would hand the session to somebody else.

use std::time::Duration;

use reqwest::header::{ACCEPT, COOKIE, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use serde_json::{Map, Value};

use super::super::Refusal;
use super::SessionValue;
use crate::{causes, fetch, limits};

/// How a lookup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Known,
    Unknown,
    /// There is such a session, and its claims are not what is required.
    Refused,
    /// No answer, or none that says anything.
    Failed,
}

impl Outcome {
    pub const ALL: [Outcome; 4] = [Outcome::Known, Outcome::Unknown, Outcome::Refused, Outcome::Failed];

    /// The outcome as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Known => "known",
            Outcome::Unknown => "unknown",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }
}

/// Why there are no claims.
#[derive(Debug)]
pub(super) enum NoClaims {
    Unknown,
    Refused(Refusal),
    Failed(String),
}

impl NoClaims {
    pub fn late(timeout: Duration) -> NoClaims {
        NoClaims::Failed(format!("no answer within {}", humantime::format_duration(timeout)))
    }
}

/// Claims that cannot be read, or do not say until when they hold, are a fault of the login's and not of
/// the client's, who would be sent away for good by a refusal.
impl From<Refusal> for NoClaims {
    fn from(refusal: Refusal) -> NoClaims {
        match &refusal {
            Refusal::BadClaim(_) => NoClaims::Failed(format!("answer is no use: {refusal}")),
            Refusal::MissingClaim(name) if name == "exp" => {
                NoClaims::Failed("answer has no exp, and session.lifetime is not set".to_owned())
            }
            _ => NoClaims::Refused(refusal),
        }
    }
}

pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    cookie: String,
}

impl Client {
    pub fn new(url: Url, cookie: String) -> reqwest::Result<Client> {
        Ok(Client { http: fetch::client([&url]).no_proxy().build()?, url, cookie })
    }

    pub async fn fetch(&self, session: &SessionValue) -> Result<Map<String, Value>, NoClaims> {
        let cookie = format!("{}={}", self.cookie, session.as_str());
        let mut cookie = HeaderValue::try_from(cookie).expect("both are made of visible ASCII");
        cookie.set_sensitive(true);
        let request =
            self.http.get(self.url.clone()).header(ACCEPT, "application/json").header(COOKIE, cookie);
        let response = request.send().await.map_err(no_answer)?;
        match response.status() {
            StatusCode::OK => read_claims(response).await,
            StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => Err(NoClaims::Unknown),
            status => Err(NoClaims::Failed(format!("status {status}"))),
        }
    }
}

async fn read_claims(response: Response) -> Result<Map<String, Value>, NoClaims> {
    let most = limits::SESSION_ANSWER_MAX_BYTES;
    let Some(body) = fetch::body(response, most).await.map_err(no_answer)? else {
        return Err(NoClaims::Failed(format!("answer is longer than {most} bytes")));
    };
    // The parser's own words could quote the answer, which is about a person.
    serde_json::from_slice(&body).map_err(|_| NoClaims::Failed("status 200 without a JSON object".to_owned()))
}

/// Without the URL, which the operator knows.
fn no_answer(error: reqwest::Error) -> NoClaims {
    NoClaims::Failed(causes::on_one_line(&error.without_url()))
}
