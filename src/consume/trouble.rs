//! What can be wrong between us and Kafka: each trouble with its name in the metrics and the way out.
//!
//! The Kafka client tells one trouble in many words: the cause once, then every 50 ms that all brokers are down,
//! and that whatever was asked took too long. `Troubles` finds the cause, says it once a minute, and keeps the
//! consequences to itself while it knows the cause. Pure: time is a parameter, the context feeds it.

use crate::limits::{KAFKA_TROUBLE_INTERVAL, KAFKA_TROUBLE_REASON_MAX_CHARS};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::collections::HashMap;
use std::time::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Trouble {
    Unreachable,
    UnknownHost,
    SecurityProtocol,
    Certificate,
    ClientCertificate,
    Tls,
    Mechanism,
    Authentication,
    Token,
    Authorization,
    UnknownTopic,
    TimedOut,
    Other,
}

/// A trouble's label in metrics and logs, and what an operator can do about it.
pub(super) struct Row {
    pub code: &'static str,
    pub way_out: &'static str,
}

impl Trouble {
    /// By the client's code; by its words only where one code stands for several troubles.
    pub fn of(code: Code, words: &str) -> Trouble {
        match code {
            Code::SSL => Trouble::of_handshake(words).unwrap_or(Trouble::Tls),
            Code::Authentication if words.contains("mechanism handshake failed") => Trouble::Mechanism,
            Code::UnsupportedSASLMechanism => Trouble::Mechanism,
            Code::Authentication if words.contains("OAUTHBEARER token") => Trouble::Token,
            Code::Authentication | Code::SaslAuthenticationFailed | Code::IllegalSASLState => {
                Trouble::Authentication
            }
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed => Trouble::Authorization,
            Code::Resolve => Trouble::UnknownHost,
            Code::UnknownTopic | Code::UnknownTopicOrPartition => Trouble::UnknownTopic,
            Code::BrokerTransportFailure | Code::AllBrokersDown => Trouble::of_transport(words),
            Code::OperationTimedOut | Code::TimedOutQueue | Code::RequestTimedOut => Trouble::TimedOut,
            _ => Trouble::Other,
        }
    }

    fn of_handshake(words: &str) -> Option<Trouble> {
        words.contains("certificate verify failed").then_some(Trouble::Certificate)
    }

    /// A peer that disagrees hangs up, and only the words of the client tell at what.
    fn of_transport(words: &str) -> Trouble {
        // The client may say that all brokers are down, and of what, before it says what the handshake failed of.
        if let Some(trouble) = Trouble::of_handshake(words) {
            return trouble;
        }
        // TLS alerts 42 to 46, 48 and 116 (RFC 8446, section 6.2) are about the certificate that we showed.
        if words.contains("alert") && (words.contains("certificate") || words.contains("unknown ca")) {
            Trouble::ClientCertificate
        } else if words.contains("PLAINTEXT broker listener") || words.contains("in state APIVERSION_QUERY") {
            Trouble::SecurityProtocol
        } else {
            Trouble::Unreachable
        }
    }

    /// The one table of troubles.
    pub fn row(self) -> Row {
        let (code, way_out) = match self {
            Trouble::Unreachable => (
                "unreachable",
                "no broker answers: check that kafka.brokers are right and up, that the network lets us through, \
                 and that security.protocol is what their port speaks",
            ),
            Trouble::UnknownHost => (
                "unknown_host",
                "a broker's name has no address: check kafka.brokers, and the brokers' advertised.listeners",
            ),
            Trouble::SecurityProtocol => (
                "security_protocol",
                "the port speaks another protocol: check security.protocol in kafka.properties \
                 (plaintext, ssl, sasl_ssl), and the port in kafka.brokers",
            ),
            Trouble::Certificate => (
                "certificate",
                "the broker's certificate is not accepted: check that ssl.ca.location in kafka.properties has the \
                 authority that signed it, that it has not expired, and that kafka.brokers and the brokers' \
                 advertised.listeners use a host name it is made out to",
            ),
            Trouble::ClientCertificate => (
                "client_certificate",
                "the broker does not accept our certificate, or wants one: check ssl.certificate.location and \
                 ssl.key.location in kafka.properties",
            ),
            Trouble::Tls => (
                "tls",
                "the TLS handshake fails: check the ssl.* keys of kafka.properties against the broker's",
            ),
            Trouble::Mechanism => {
                ("mechanism", "the broker does not offer sasl.mechanism of kafka.properties: choose another")
            }
            Trouble::Authentication => (
                "authentication",
                "the broker refuses our login: check kafka.username, kafka.password_file (or kafka.password) and \
                 sasl.mechanism in kafka.properties",
            ),
            Trouble::Token => (
                "token",
                "there is no token to log in with: check sasl.oauthbearer.token.endpoint.url and \
                 sasl.oauthbearer.client.id in kafka.properties, and kafka.client_secret_file",
            ),
            Trouble::Authorization => (
                "authorization",
                "our user may not do this: it needs Describe and Read on the topics of kafka.topics, and Read on \
                 groups that start with kafka.group",
            ),
            Trouble::UnknownTopic => {
                ("unknown_topic", "a topic of kafka.topics does not exist (yet), or our user may not see it")
            }
            Trouble::TimedOut => ("timed_out", "the brokers take too long to answer"),
            Trouble::Other => ("other", "the reason is the Kafka client's own"),
        };
        Row { code, way_out }
    }

    /// A higher one explains a lower one: whoever may not log in finds all brokers down, and then waits in vain.
    fn rank(self) -> u8 {
        match self {
            Trouble::TimedOut | Trouble::UnknownTopic | Trouble::Other => 0,
            Trouble::Unreachable => 1,
            _ => 2,
        }
    }

    /// A connection to all brokers proves that it is over.
    fn ends_with_connection(self) -> bool {
        !matches!(self, Trouble::Authorization | Trouble::UnknownTopic)
    }

    /// A topic that is not there yet is nothing to worry about: it is read as soon as it is.
    fn keeps_from_reading(self) -> bool {
        self != Trouble::UnknownTopic
    }
}

/// The troubles of one client over time.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    seen: HashMap<Trouble, Seen>,
    unsaid: u64,
}

#[derive(Debug)]
struct Seen {
    at: Instant,
    said_at: Option<Instant>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Lasts,
    /// It lasts, and the log says so.
    LastsAndSaid,
    Over,
}

impl Troubles {
    /// Takes note; gives how many went unsaid if this one is to be said now.
    pub fn note(&mut self, trouble: Trouble, now: Instant) -> Option<u64> {
        let is_new = self.seen.get(&trouble).is_none_or(|seen| !is_recent(seen.at, now));
        let is_explained = self.current(now).is_some_and(|current| current.rank() > trouble.rank());
        let seen = self.seen.entry(trouble).or_insert(Seen { at: now, said_at: None, state: State::Lasts });
        seen.at = now;
        if seen.state == State::Over {
            seen.state = State::Lasts;
        }
        let is_said = seen.said_at.is_some_and(|at| is_recent(at, now));
        // One answer that is late says little, and what it is late for is often told right after it.
        let says_little = trouble == Trouble::TimedOut && is_new;
        if is_explained || is_said || says_little {
            self.unsaid += 1;
            return None;
        }
        seen.said_at = Some(now);
        seen.state = State::LastsAndSaid;
        Some(std::mem::take(&mut self.unsaid))
    }

    /// What keeps us from reading.
    pub fn obstacle(&self, now: Instant) -> Option<Trouble> {
        self.current(now).filter(|trouble| trouble.keeps_from_reading())
    }

    /// The trouble of late that explains the others; among equals the newest.
    fn current(&self, now: Instant) -> Option<Trouble> {
        let lasts = |seen: &Seen| seen.state != State::Over && is_recent(seen.at, now);
        let recent = self.seen.iter().filter(|(_, seen)| lasts(seen));
        recent.max_by_key(|(trouble, seen)| (trouble.rank(), seen.at)).map(|(trouble, _)| *trouble)
    }

    /// All brokers are connected. Tells whether that ends a trouble that the log speaks of.
    pub fn connected(&mut self) -> bool {
        let mut is_news = false;
        for (_, seen) in self.seen.iter_mut().filter(|(trouble, _)| trouble.ends_with_connection()) {
            is_news |= seen.state == State::LastsAndSaid;
            seen.state = State::Over;
        }
        is_news
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.duration_since(at) < KAFKA_TROUBLE_INTERVAL
}

/// The client's words for a log line, without an end that a broker could make as long as it likes.
pub(super) fn shortened(reason: &str) -> &str {
    reason.char_indices().nth(KAFKA_TROUBLE_REASON_MAX_CHARS).map_or(reason, |(end, _)| &reason[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn check(code: Code, words: &str, expected: Trouble) {
        assert_eq!(Trouble::of(code, words), expected, "{words}");
    }

    #[test]
    fn the_words_of_the_client_name_the_trouble() {
        check(
            Code::SSL,
            "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could \
             not be verified",
            Trouble::Certificate,
        );
        check(
            Code::AllBrokersDown,
            "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could \
             not be verified (after 42ms in state SSL_HANDSHAKE, 1 identical error(s) suppressed)",
            Trouble::Certificate,
        );
        check(
            Code::SSL,
            "SSL handshake failed: error:0A00010B:SSL routines::wrong version number",
            Trouble::Tls,
        );
        check(
            Code::Authentication,
            "SASL authentication error: Authentication failed: Invalid username or password (after 302ms in state \
             AUTH_REQ)",
            Trouble::Authentication,
        );
        check(
            Code::Authentication,
            "SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported \
             mechanisms: PLAIN",
            Trouble::Mechanism,
        );
        check(
            Code::Authentication,
            "Failed to acquire SASL OAUTHBEARER token: Failed to retrieve OIDC token",
            Trouble::Token,
        );
        check(
            Code::BrokerTransportFailure,
            "Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42 (after \
             0ms in state APIVERSION_QUERY)",
            Trouble::ClientCertificate,
        );
        check(
            Code::BrokerTransportFailure,
            "SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT broker \
             listener? (after 4ms in state SSL_HANDSHAKE)",
            Trouble::SecurityProtocol,
        );
        check(
            Code::AllBrokersDown,
            "Disconnected: connection closed by peer (after 1ms in state APIVERSION_QUERY)",
            Trouble::SecurityProtocol,
        );
        check(Code::AllBrokersDown, "1/1 brokers are down", Trouble::Unreachable);
    }

    fn seconds(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_trouble_is_said_once_a_minute_and_the_rest_is_counted() {
        let mut troubles = Troubles::default();
        let start = Instant::now();
        assert_eq!(troubles.note(Trouble::Unreachable, start), Some(0));
        for second in 1..60 {
            assert_eq!(troubles.note(Trouble::Unreachable, seconds(start, second)), None);
        }
        assert_eq!(troubles.note(Trouble::Unreachable, seconds(start, 60)), Some(59));
    }

    #[test]
    fn a_consequence_is_not_said_while_its_cause_is_known() {
        let mut troubles = Troubles::default();
        let start = Instant::now();
        assert_eq!(troubles.note(Trouble::Authentication, start), Some(0));
        assert_eq!(troubles.note(Trouble::Unreachable, seconds(start, 1)), None);
        assert_eq!(troubles.note(Trouble::TimedOut, seconds(start, 2)), None);
        assert_eq!(troubles.obstacle(seconds(start, 3)), Some(Trouble::Authentication));
        assert_eq!(troubles.note(Trouble::Certificate, seconds(start, 4)), Some(2));
        assert_eq!(troubles.note(Trouble::Unreachable, seconds(start, 90)), Some(0));
    }

    #[test]
    fn one_late_answer_is_not_said_and_a_second_one_is() {
        let mut troubles = Troubles::default();
        let start = Instant::now();
        assert_eq!(troubles.note(Trouble::TimedOut, start), None);
        assert_eq!(troubles.note(Trouble::TimedOut, seconds(start, 2)), Some(1));
        assert_eq!(troubles.note(Trouble::TimedOut, seconds(start, 200)), None);
    }

    #[test]
    fn a_connection_ends_what_kept_us_from_connecting_and_nothing_else() {
        let mut troubles = Troubles::default();
        let now = Instant::now();
        assert!(!troubles.connected());
        troubles.note(Trouble::Authentication, now);
        troubles.note(Trouble::Authorization, now);
        assert!(troubles.connected());
        assert_eq!(troubles.obstacle(now), Some(Trouble::Authorization));
        assert_eq!(troubles.obstacle(seconds(now, 60)), None);
    }

    #[test]
    fn a_connection_that_comes_and_goes_is_said_once_a_minute_all_the_same() {
        let mut troubles = Troubles::default();
        let start = Instant::now();
        assert_eq!(troubles.note(Trouble::Unreachable, start), Some(0));
        assert!(troubles.connected());
        assert_eq!(troubles.obstacle(start), None);
        assert_eq!(troubles.note(Trouble::Unreachable, seconds(start, 10)), None);
        assert_eq!(troubles.obstacle(seconds(start, 10)), Some(Trouble::Unreachable));
        assert!(!troubles.connected());
        assert_eq!(troubles.note(Trouble::Unreachable, seconds(start, 60)), Some(1));
    }

    #[test]
    fn a_topic_that_is_not_there_yet_is_told_and_is_no_obstacle() {
        let mut troubles = Troubles::default();
        let now = Instant::now();
        assert_eq!(troubles.note(Trouble::UnknownTopic, now), Some(0));
        assert_eq!(troubles.obstacle(now), None);
        assert_eq!(troubles.note(Trouble::Unreachable, now), Some(0));
        assert_eq!(troubles.obstacle(now), Some(Trouble::Unreachable));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"é".repeat(1_000)).chars().count(), KAFKA_TROUBLE_REASON_MAX_CHARS);
    }
}
