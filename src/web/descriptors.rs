//! How many sockets of clients the process has file descriptors for.
//!
//! ```text
//! 0 ........................ connections_max ........ sockets_max ........ RLIMIT_NOFILE
//!   WebSockets, as configured      │ requests, answered 503 │ Kafka, registry, operators, files
//! ```
//!
//! Clients never get the last ones: metrics and health still answer, and what the service itself opens succeeds.

use crate::limits::DESCRIPTORS_RESERVED;
use rustix::process::{Resource, getrlimit};

/// Sockets of clients, in whatever state; above it a new one is dropped.
pub fn sockets_max() -> usize {
    limit().saturating_sub(DESCRIPTORS_RESERVED / 2)
}

/// WebSocket connections: as many as are wanted, if there are descriptors for them.
pub(super) fn connections_max(wanted: usize) -> usize {
    let limit = limit();
    let possible = limit.saturating_sub(DESCRIPTORS_RESERVED).max(1);
    if possible < wanted {
        tracing::warn!(
            wanted,
            possible,
            limit,
            "fewer connections than web.connections_max are possible: raise the limit of open files (ulimit -n)"
        );
    }
    wanted.min(possible)
}

/// The soft limit, which is what counts.
fn limit() -> usize {
    getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}
