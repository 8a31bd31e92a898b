//! The board: a page for staff that shows live what each of several connections gets, and why it does not get the rest.
//!
//! ```text
//! GET /                    the page: files without a secret in them, the same for everybody
//! GET /board/explained     what it shows beside its own connections: for whoever holds `board.key`
//! ```
//!
//! The page is an ordinary client: with the token of whoever uses it, it opens connections as the contracts say. What
//! it cannot know, why an event does not reach somebody, it asks for here; nothing in the browser decides it. Off
//! unless `board.enabled`; the demo adds people and buttons of its own.

mod explained;
mod page;
mod settings;
mod viewer;

pub use settings::Settings;

use crate::event::Key;
use crate::journal::Journal;
use crate::limits::BOARD_FOLLOWERS_MAX;
use crate::metrics::Metrics;
use crate::web::Web;
use axum::Router;
use axum::routing::get;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What the handlers need; cheap to clone.
#[derive(Clone)]
struct Board {
    web: Web,
    journal: Journal,
    metrics: Metrics,
    key: Key,
    /// A place for each request that waits for events.
    places: Arc<Semaphore>,
}

/// Who stands on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Whoever brings a token that the board is for.
    Staff,
    /// The people of the demo, who are given theirs, with buttons for what happens to them.
    Demo,
}

/// The routes of the page; none if it is switched off.
pub fn router(settings: &Settings, web: &Web, journal: &Journal, metrics: &Metrics) -> Router {
    if !settings.enabled {
        return Router::new();
    }
    let board = Board {
        web: web.clone(),
        journal: journal.clone(),
        metrics: metrics.clone(),
        key: settings.key.clone(),
        places: Arc::new(Semaphore::new(BOARD_FOLLOWERS_MAX)),
    };
    let explained = Router::new().route("/board/explained", get(explained::explained)).with_state(board);
    page::router(settings.scene).merge(explained)
}
