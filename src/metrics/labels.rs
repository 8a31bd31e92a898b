//! The labels whose values are a closed set, and those values.
//!
//! Every series of such a metric is there from the start, at 0: Prometheus sees no growth in a counter whose first
//! sample is already 1, so an alert would miss the first time that something happens. The other labels (topics,
//! partitions, events) come from the configuration. `docs/metrics.md` lists both.

use crate::protocol::{Ending, Protocol};

/// The values of one label of one metric.
type Row = (&'static str, &'static str, &'static [&'static str]);

const PROTOCOLS: &[&str] = &{
    let mut labels = [""; Protocol::ALL.len()];
    let mut place = 0;
    while place < labels.len() {
        labels[place] = Protocol::ALL[place].label();
        place += 1;
    }
    labels
};

const ENDINGS: &[&str] = &{
    let mut labels = [""; Ending::ALL.len()];
    let mut place = 0;
    while place < labels.len() {
        labels[place] = Ending::ALL[place].row().label;
        place += 1;
    }
    labels
};

/// Metric (without its prefix), label, values.
const CLOSED: &[Row] = &[
    (
        "records_poison_total",
        "reason",
        &[
            "too_short",
            "wrong_magic",
            "unknown_schema",
            "bad_schema",
            "incompatible_schema",
            "truncated",
            "trailing_bytes",
            "bad_utf8",
            "bad_index",
            "overflow",
            "not_finite",
            "bad_decimal",
            "date_out_of_range",
            "too_large",
            "too_deep",
            "panic",
        ],
    ),
    ("traceparents_total", "outcome", &["valid", "invalid"]),
    ("dead_letters_total", "outcome", &["written", "failed", "refused"]),
    ("partitions_waiting", "reason", &["registry", "order"]),
    ("partitions_lost_total", "reason", &["recreated", "overtaken"]),
    ("order_waits_total", "outcome", &["found", "unknown", "given_up"]),
    ("deliveries_total", "protocol", PROTOCOLS),
    ("connections", "protocol", PROTOCOLS),
    ("connections_ended_total", "protocol", PROTOCOLS),
    ("connections_ended_total", "ending", ENDINGS),
    (
        "connections_refused_total",
        "reason",
        &[
            "not_ready",
            "full",
            "address_full",
            "user_full",
            "handshake_rate",
            "ticket_rate",
            "bad_key_rate",
            "handshakes",
            "descriptors",
            "accept_error",
            "bad_request",
            "origin",
            "not_by_proxy",
        ],
    ),
    ("connection_lists_total", "outcome", &["listed", "bad_request", "late"]),
    ("tls_handshakes_total", "outcome", &["full", "resumed", "failed", "late"]),
    ("tls_certificates_read_total", "outcome", &["taken", "refused"]),
    (
        "backfills_total",
        "outcome",
        &[
            "found",
            "too_old",
            "recreated",
            "too_much",
            "timeout",
            "unavailable",
            "owner_unknown",
            "abandoned",
        ],
    ),
    ("backfill_records_total", "outcome", &["event", "passed"]),
    ("cursor_checks_total", "outcome", &["found", "recreated", "too_old", "unavailable"]),
    ("authorizations_total", "protocol", PROTOCOLS),
    (
        "authorizations_total",
        "outcome",
        &[
            "ok",
            "missing",
            "too_large",
            "malformed",
            "unknown_key",
            "unsupported_algorithm",
            "unsupported_extension",
            "bad_signature",
            "expired",
            "not_yet_valid",
            "too_long_lived",
            "wrong_issuer",
            "wrong_audience",
            "missing_claim",
            "bad_claim",
            "unknown_session",
            "foreign_origin",
            "lookup_failed",
            "keys_awaited",
            "revoked",
        ],
    ),
    ("session_lookups_total", "outcome", &["known", "unknown", "refused", "failed"]),
    ("jwks_fetches_total", "outcome", &["fetched", "no_answer", "unusable"]),
    ("jwks_keys", "state", &["used", "passed_over"]),
    ("board_requests_total", "outcome", &["explained", "refused", "forbidden", "bad_request", "busy"]),
    (
        "tickets_total",
        "outcome",
        &[
            "issued",
            "not_stored",
            "user_full",
            "full",
            "redeemed",
            "empty",
            "wrong",
            "revoked",
            "not_looked_up",
        ],
    ),
    ("redis_requests_total", "command", &["set", "getdel"]),
    (
        "redis_requests_total",
        "outcome",
        &["ok", "unreachable", "late", "unauthorized", "not_permitted", "too_old", "refused", "unreadable"],
    ),
    ("revocation_records_total", "outcome", &["revoked", "lifted", "past", "bad", "evicted"]),
    (
        "kafka_errors_total",
        "code",
        &[
            "unreachable",
            "unknown_host",
            "security_protocol",
            "certificate",
            "client_certificate",
            "tls",
            "mechanism",
            "authentication",
            "token",
            "authorization",
            "unknown_topic",
            "timed_out",
            "other",
        ],
    ),
    (
        "registry_requests_total",
        "outcome",
        &["found", "missing", "too_large", "refused", "throttled", "failed"],
    ),
    ("reloads_total", "outcome", &["taken", "refused"]),
];

/// All values of a label, or none where they come from the configuration.
pub fn closed_values(metric: &str, label: &str) -> Option<&'static [&'static str]> {
    CLOSED.iter().find(|row| (row.0, row.1) == (metric, label)).map(|row| row.2)
}

/// Every combination of label values of a metric; none if one of the labels is open.
pub(super) fn combinations(metric: &str, labels: &[&str]) -> Vec<Vec<&'static str>> {
    let values: Option<Vec<_>> = labels.iter().map(|label| closed_values(metric, label)).collect();
    let extend = |combinations: Vec<Vec<&'static str>>, values: &[&'static str]| {
        let each =
            combinations.iter().flat_map(|head| values.iter().map(|value| [&head[..], &[*value]].concat()));
        each.collect()
    };
    values.map_or_else(Vec::new, |values| values.into_iter().fold(vec![Vec::new()], extend))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn combinations_are_all_there_are() {
        let labels = ["command", "outcome"];
        let combinations = combinations("redis_requests_total", &labels);
        assert_eq!(combinations.len(), 16);
        assert_eq!(combinations[9], ["getdel", "unreachable"]);
        assert!(super::combinations("consumer_lag_records", &["topic", "partition"]).is_empty());
    }

    #[test]
    fn each_label_has_one_row() {
        let names: HashSet<_> = CLOSED.iter().map(|row| (row.0, row.1)).collect();
        assert_eq!(names.len(), CLOSED.len());
    }
}
