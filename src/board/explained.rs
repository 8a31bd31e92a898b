//! `GET /board/explained`: the newest events that the asker may see, each with what it is to a number of viewers.
//!
//! ```text
//! ?after=SEQUENCE&viewer=["socketio","user:4920"]&viewer=..
//!
//! {"next": 42, "skipped": 0, "now_ms": 1763812500000, "keys": ["role:ADMIN", ..], "events": [
//!   {"sequence": 41, "place": "order.created-2-1041", "timestamp_ms": ..,
//!    "frame": "42[\"order:new\",{..}]", "audience": ["role:ADMIN", ..],
//!    "verdicts": [{"by": ["user:4920"]}, {"because": "the user holds none of the keys"}]}]}
//! ```
//!
//! Waits until there is something, some seconds at most; without `after` it says at once where the journal is. What the
//! asker's own keys do not show is left out, whatever viewers are asked about: nobody sees more here than by connecting.

use super::Board;
use super::viewer::Viewer;
use crate::clock::unix_ms;
use crate::event::{Key, shared};
use crate::journal::{Entry, View};
use crate::limits::{
    BOARD_ANSWER_EVENTS_MAX, BOARD_ANSWER_MAX_BYTES, BOARD_BEHIND_MAX, BOARD_LOOK_INTERVAL, BOARD_WAIT_MAX,
};
use crate::protocol::{Protocol, frame_text};
use axum::Json;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

#[derive(Serialize, Default)]
struct Answer {
    /// Where to go on.
    next: u64,
    /// So many were passed over, because they are too many or have left the window.
    skipped: u64,
    now_ms: i64,
    /// The asker's own.
    keys: Vec<String>,
    events: Vec<Explained>,
}

#[derive(Serialize)]
struct Explained {
    sequence: u64,
    place: String,
    timestamp_ms: Option<i64>,
    /// As a client of the contracts gets it.
    frame: String,
    audience: Vec<String>,
    /// One for each viewer, in their order.
    verdicts: Vec<Verdict>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    By(Vec<String>),
    Because(String),
}

pub(super) async fn explained(
    State(board): State<Board>,
    Query(query): Query<Vec<(String, String)>>,
    request: Request,
) -> Response {
    let (request, _) = request.into_parts();
    let (outcome, response) = match board.explain(&query, &request).await {
        Ok(answer) => ("explained", ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()),
        Err(refusal) => refusal,
    };
    board.metrics.board_request(outcome);
    response
}

/// What is counted, and what is answered.
type Refusal = (&'static str, Response);

impl Board {
    async fn explain(&self, query: &[(String, String)], request: &Parts) -> Result<Answer, Refusal> {
        let keys = self.let_in(request).await?;
        let viewers = Viewer::all(query).map_err(|fault| bad_request(&fault.to_string()))?;
        let Some((_, after)) = query.iter().find(|(name, _)| name == "after") else {
            return Ok(self.finished(Answer { next: self.journal.head(), ..Answer::default() }, &keys));
        };
        let after = after.parse().map_err(|_| bad_request("after is no sequence"))?;
        let Ok(_place) = self.places.try_acquire() else {
            let text = "too many look at the board already\n";
            return Err(("busy", (StatusCode::SERVICE_UNAVAILABLE, text).into_response()));
        };
        let answer = self.follow(after, &keys, &viewers).await;
        // It may have taken long, and a login may have ended meanwhile.
        let keys = self.let_in(request).await?;
        Ok(self.finished(answer, &keys))
    }

    async fn let_in(&self, request: &Parts) -> Result<Arc<[Key]>, Refusal> {
        let keys = self.web.keys_of_sender(request).await.map_err(|response| ("refused", response))?;
        if keys.contains(&self.key) {
            return Ok(keys);
        }
        let text = "the board is for whoever holds board.key\n";
        Err(("forbidden", (StatusCode::FORBIDDEN, text).into_response()))
    }

    /// Looks until there is something that the asker may see.
    async fn follow(&self, mut after: u64, keys: &[Key], viewers: &[Viewer]) -> Answer {
        let begin = Instant::now();
        let mut skipped = 0;
        loop {
            if self.journal.head() != after {
                let answer = look(&self.journal.view(), after, keys, viewers);
                skipped += answer.skipped;
                after = answer.next;
                if !answer.events.is_empty() {
                    return Answer { skipped, ..answer };
                }
            }
            if begin.elapsed() >= BOARD_WAIT_MAX {
                return Answer { next: after, skipped, ..Answer::default() };
            }
            tokio::time::sleep(BOARD_LOOK_INTERVAL).await;
        }
    }

    fn finished(&self, answer: Answer, keys: &[Key]) -> Answer {
        Answer { now_ms: unix_ms(SystemTime::now()), keys: texts(keys), ..answer }
    }
}

/// What stands behind `after`, as far as it fits one answer. A sequence of another process may be ahead of all.
fn look(view: &View, after: u64, keys: &[Key], viewers: &[Viewer]) -> Answer {
    let head = view.head();
    let from = after.max(view.oldest()).max(head.saturating_sub(BOARD_BEHIND_MAX)).min(head);
    let mut answer = Answer { next: from, skipped: from.saturating_sub(after), ..Answer::default() };
    let mut bytes = 0;
    while answer.next < head
        && answer.events.len() < BOARD_ANSWER_EVENTS_MAX
        && bytes < BOARD_ANSWER_MAX_BYTES
    {
        let entry = view.entry(answer.next);
        answer.next += 1;
        let shown =
            entry.filter(|entry| entry.gap.is_none() && shared(&entry.audience, keys).next().is_some());
        if let Some(entry) = shown {
            let explained = Explained::of(entry, viewers);
            bytes += explained.frame.len();
            answer.events.push(explained);
        }
    }
    answer
}

impl Explained {
    fn of(entry: &Entry, viewers: &[Viewer]) -> Explained {
        let origin = &entry.origin;
        let frame = Protocol::ALL.into_iter().find_map(|protocol| entry.frames.get(protocol));
        let verdict = |viewer: &Viewer| match viewer.verdict(entry) {
            Ok(by) => Verdict::By(by.into_iter().map(|key| key.as_str().to_owned()).collect()),
            Err(withheld) => Verdict::Because(withheld.to_string()),
        };
        Explained {
            sequence: entry.sequence,
            place: format!("{}-{}-{}", origin.topic, origin.partition, origin.offset),
            timestamp_ms: entry.timestamp_ms,
            frame: frame.map(frame_text).unwrap_or_default().to_owned(),
            audience: texts(&entry.audience),
            verdicts: viewers.iter().map(verdict).collect(),
        }
    }
}

fn bad_request(text: &str) -> Refusal {
    ("bad_request", (StatusCode::BAD_REQUEST, format!("{text}\n")).into_response())
}

fn texts(keys: &[Key]) -> Vec<String> {
    keys.iter().map(|key| key.as_str().to_owned()).collect()
}
