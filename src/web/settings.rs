//! The `[web]` section: where clients and operators connect.

use super::{ForwardedBy, Origins, Proxies, RateSettings};
use crate::limits::{
    BAD_KEYS_PER_ADDRESS, CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS, CONNECTIONS_PER_USER,
    HANDSHAKES_PER_ADDRESS, RATE_MAX,
};
use crate::settings::{Document, Section};
use std::net::SocketAddr;

#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub connections_max: usize,
    pub origins: Origins,
    pub proxies: Proxies,
    pub rates: RateSettings,
    pub connections_per_address: usize,
    pub connections_per_user: usize,
}

/// What is said of a text that no browser would send.
const NO_ORIGIN: &str = "is not an origin (expected scheme://host in small letters, without a path, and with a port only \
                         if it is not the scheme's own)";

impl Settings {
    pub fn read(document: &mut Document) -> Settings {
        let mut section = document.section("web", "Where clients and operators connect.");
        let origins = section
            .key(
                "origins",
                "Pages of other hosts that may connect, like https://shop.example; others get 403.",
            )
            .list(&[]);
        let origins = Origins::new(origins).unwrap_or_else(|wrong| {
            section.fault("origins", format!("{wrong:?} {NO_ORIGIN}"));
            Origins::default()
        });
        let settings = Settings {
            origins,
            proxies: read_proxies(&mut section),
            rates: read_rates(&mut section),
            listen: section
                .key("listen", "Address for clients: the ticket endpoint and /ws.")
                .address(([127, 0, 0, 1], 8080)),
            admin_listen: section
                .key("admin_listen", "Address for operators: /metrics, /livez, /readyz.")
                .address(([127, 0, 0, 1], 9100)),
            connections_max: section
                .key("connections_max", "Open connections; at it a new one is answered 503.")
                .integer(CONNECTIONS_MAX, 1..=CONNECTIONS_MAX),
            connections_per_address: section
                .key(
                    "connections_per_address",
                    "Open connections of one address; at it 503. Not for this machine.",
                )
                .integer(CONNECTIONS_PER_ADDRESS, 1..=CONNECTIONS_MAX),
            connections_per_user: section
                .key(
                    "connections_per_user",
                    "Open connections of one user (sub); at it the client is to come back.",
                )
                .integer(CONNECTIONS_PER_USER, 1..=CONNECTIONS_MAX),
        };
        if settings.listen == settings.admin_listen && settings.listen.port() != 0 {
            section.fault("admin_listen", "is the address of web.listen: give operators a port of their own");
        }
        settings
    }
}

fn read_proxies(section: &mut Section<'_>) -> Proxies {
    let trusted = section
        .key(
            "trusted_proxies",
            "Proxies in front, as networks like 10.0.0.0/8: whom they forward for counts.",
        )
        .list(&[]);
    let header = section
        .key("forwarded_header", "The header in which the trusted proxies say whom they forward for.")
        .choice(&FORWARDED_HEADERS, ForwardedBy::XForwardedFor);
    Proxies::new(&trusted, header).unwrap_or_else(|wrong| {
        let text =
            format!("{wrong:?} is not a network (expected an IP address, like 10.0.0.0/8 or 192.0.2.7)");
        section.fault("trusted_proxies", text);
        Proxies::default()
    })
}

const FORWARDED_HEADERS: [(&str, ForwardedBy); 2] =
    [("x-forwarded-for", ForwardedBy::XForwardedFor), ("forwarded", ForwardedBy::Forwarded)];

fn read_rates(section: &mut Section<'_>) -> RateSettings {
    RateSettings {
        handshakes: section
            .key("handshakes_per_address", "Requests to /ws of one address a second; 100 s of it at once.")
            .integer(HANDSHAKES_PER_ADDRESS, 1..=RATE_MAX),
        tickets: section
            .key("tickets_per_address", "Requests for tickets of one address a second; 100 s of it at once.")
            .integer(HANDSHAKES_PER_ADDRESS, 1..=RATE_MAX),
        bad_keys: section
            .key(
                "bad_keys_per_address",
                "Bad keys and refused tickets of one address a second; 100 s of it at once.",
            )
            .integer(BAD_KEYS_PER_ADDRESS, 1..=RATE_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_and_networks_are_checked_where_they_are_written() {
        let check = |line: &str, expected: &str| {
            let mut document = Document::parse("dumbwaiter.toml", &format!("[web]\n{line}"));
            Settings::read(&mut document);
            let fault = document.finish().map(drop).map_err(|faults| faults.to_string()).unwrap_err();
            assert!(fault.contains(expected), "{fault}");
        };
        check(
            "origins = [\"https://a.example/\"]",
            "in web.origins: \"https://a.example/\" is not an origin",
        );
        check("origins = [\"*\"]", "in web.origins: \"*\" is not an origin");
        check(
            "trusted_proxies = [\"10.0.0.0/64\"]",
            "in web.trusted_proxies: \"10.0.0.0/64\" is not a network",
        );
        check("forwarded_header = \"via\"", "in web.forwarded_header: \"via\" is not one of");
    }
}
