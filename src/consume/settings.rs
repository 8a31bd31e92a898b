//! The `[kafka]` section: brokers, topics, group, and every property of librdkafka but the few that we own.

use super::Credentials;
use crate::limits::{METADATA_REFRESH, WINDOW_MAX_AGE};
use crate::settings::{Document, regex_fault};
use regex::Regex;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Settings {
    pub brokers: Vec<String>,
    /// Names, and regular expressions that start with `^`.
    pub topics: Vec<String>,
    pub group: String,
    pub instance: String,
    pub metadata_refresh: Duration,
    pub start: Start,
    pub group_protocol: GroupProtocol,
    pub fetch: Fetch,
    /// Without secrets, which are `credentials`.
    pub properties: Vec<(String, String)>,
    pub credentials: Credentials,
    /// How far back the window reaches (`journal.max_age`).
    pub window: Duration,
    pub orders: OrderTopics,
}

/// The topics that tell of orders, as `Settings::topics` names topics (from the catalog).
#[derive(Debug, Clone, Default)]
pub struct OrderTopics {
    /// Those with orders that are opened.
    pub opening: Vec<String>,
    /// Those with what becomes of them.
    pub changing: Vec<String>,
    /// How far back they are read at the start, if that is farther than the window (`orders.look_back`).
    pub look_back: Duration,
}

/// Where the partitions that exist at the start are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From the window's beginning.
    Window,
    /// All that the broker has.
    Earliest,
}

/// What fetches of events are tuned for. A property that is set by its own name goes before the profile's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// Brokers answer when there is a record: librdkafka's defaults.
    Latency,
    /// Brokers answer when there is a good deal of them, or after a few milliseconds.
    Throughput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupProtocol {
    Classic,
    /// KIP-848.
    Consumer,
}

/// Properties that the service sets itself, each with the reason or the way to go instead.
const OWNED: [(&str, &str); 12] = [
    ("bootstrap.servers", "set kafka.brokers"),
    ("metadata.broker.list", "set kafka.brokers"),
    ("group.id", "it is made of kafka.group and kafka.instance, since every instance reads every partition"),
    ("group.instance.id", "set kafka.instance"),
    ("group.protocol", "set kafka.group_protocol"),
    ("partition.assignment.strategy", "it must be cooperative, so that a new topic does not stop the others"),
    ("enable.auto.commit", "commits serve lag tools only and follow what has reached the journal"),
    ("enable.auto.offset.store", "commits serve lag tools only and follow what has reached the journal"),
    ("auto.offset.reset", "the service decides itself where to read from"),
    ("isolation.level", "records of aborted transactions must not reach a screen"),
    ("statistics.interval.ms", "readiness and consumer lag are read from the statistics"),
    ("topic.metadata.refresh.interval.ms", "set kafka.metadata_refresh"),
];

impl Settings {
    pub fn read(document: &mut Document) -> Settings {
        let mut section = document.section("kafka", "Where records come from.");
        let properties =
            section.key("properties", "Any other property of librdkafka, under its own name.").table();
        let settings = Settings {
            brokers: section.key("brokers", "Addresses of brokers, host:port.").list(&["127.0.0.1:9092"]),
            topics: section
                .key("topics", "Topics to read; a name that starts with ^ is a regular expression.")
                .list(&["pizza.created", "^order\\..*"]),
            group: section.key("group", "First part of the consumer group's name.").text("dumbwaiter"),
            instance: section
                .key("instance", "Name of this instance, unique among those of a group.")
                .computed("the host's name")
                .text(&host_name()),
            metadata_refresh: section
                .key("metadata_refresh", "How often new topics and partitions are looked for.")
                .duration(METADATA_REFRESH, Duration::from_millis(100)..=Duration::from_secs(3_600)),
            start: section
                .key("start", "Where reading starts: the window's beginning, or all that the brokers have.")
                .choice(&[("window", Start::Window), ("earliest", Start::Earliest)], Start::Window),
            group_protocol: section
                .key("group_protocol", "Group protocol: classic, or consumer (KIP-848).")
                .choice(
                    &[("classic", GroupProtocol::Classic), ("consumer", GroupProtocol::Consumer)],
                    GroupProtocol::Classic,
                ),
            fetch: section
                .key("fetch", "What fetches are tuned for (docs/kafka.md): latency, or throughput.")
                .choice(&[("latency", Fetch::Latency), ("throughput", Fetch::Throughput)], Fetch::Latency),
            credentials: Credentials::read(&mut section, &properties),
            properties,
            window: WINDOW_MAX_AGE,
            orders: OrderTopics::default(),
        };
        for (name, reason) in OWNED {
            if settings.properties.iter().any(|(property, _)| property == name) {
                section.fault(&format!("properties.{name}"), format!("cannot be set: {reason}"));
            }
        }
        for topic in settings.topics.iter().filter(|topic| topic.starts_with('^')) {
            if let Err(error) = Regex::new(topic) {
                section.fault("topics", regex_fault(topic, &error));
            }
        }
        if settings.brokers.is_empty() {
            section.fault("brokers", "is empty: name at least one broker, host:port");
        }
        for broker in settings.brokers.iter().filter(|broker| !is_broker(broker)) {
            section.fault("brokers", format!("{broker:?} is not a broker (expected host:port)"));
        }
        if settings.group.is_empty() {
            section.fault("group", "is empty: the consumer group's name is made of it");
        }
        if settings.instance.is_empty() {
            section.fault("instance", "is empty: name this instance, unlike the others of the group");
        }
        settings
    }

    pub fn topic_names(&self) -> Vec<&str> {
        self.topics.iter().map(String::as_str).collect()
    }

    pub fn subscribes_to(&self, topic: &str) -> bool {
        names(&self.topics, topic)
    }

    /// Whether orders are opened in `topic`.
    pub fn opens_orders(&self, topic: &str) -> bool {
        names(&self.orders.opening, topic)
    }

    /// Whether `topic` tells of orders.
    pub fn tells_of_orders(&self, topic: &str) -> bool {
        self.opens_orders(topic) || names(&self.orders.changing, topic)
    }

    pub fn group_id(&self) -> String {
        format!("{}-{}", self.group, self.instance)
    }
}

fn names(topics: &[String], topic: &str) -> bool {
    topics.iter().any(|wanted| match wanted.strip_prefix('^') {
        None => wanted == topic,
        Some(_) => Regex::new(wanted).is_ok_and(|regex| regex.is_match(topic)),
    })
}

/// What librdkafka passes over, with a line in the log, would leave the service waiting for brokers for ever. It takes
/// a security protocol in front, and a port that is not said is Kafka's own.
fn is_broker(text: &str) -> bool {
    const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
    let address = match text.split_once("://") {
        None => text,
        Some((protocol, address)) if PROTOCOLS.iter().any(|known| known.eq_ignore_ascii_case(protocol)) => {
            address
        }
        Some(_) => return false,
    };
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(0)),
        _ => (address, 9092_u16),
    };
    port != 0 && !host.is_empty() && !host.contains(|letter: char| letter == '/' || letter.is_whitespace())
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_text;

    fn check(text: &str, expected: Option<&str>) {
        let faults = read_text(&format!("[kafka]\n{text}"), Settings::read).err();
        assert_eq!(faults.as_deref(), expected, "{text}");
    }

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        for broker in ["b:9092", "b", "127.0.0.1:9092", "[::1]:9092", "SASL_SSL://b:9093"] {
            check(&format!("brokers = [\"{broker}\"]"), None);
        }
        for wrong in ["http://b:9092", "b:9092/", "b:port", "b:0", "b:99999", ":9092", "b :9092", "ssl://"] {
            let fault = format!(
                "dumbwaiter.toml:2:11: in kafka.brokers: {wrong:?} is not a broker (expected host:port)"
            );
            check(&format!("brokers = [\"{wrong}\"]"), Some(&fault));
        }
    }

    #[test]
    fn group_and_instance_have_names() {
        check(
            "group = \"\"\ninstance = \"\"",
            Some(
                "dumbwaiter.toml:2:9: in kafka.group: is empty: the consumer group's name is made of it\n\
                 dumbwaiter.toml:3:12: in kafka.instance: is empty: name this instance, unlike the others of the group",
            ),
        );
    }
}
