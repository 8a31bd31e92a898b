//! The `[web]` section: where clients and operators connect.

use super::certificate::Certificate;
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
    /// Clients may ask for the traces of events.
    pub traceparent: bool,
    /// A proxy does TLS: nobody but proxies connects.
    pub tls_in_front: bool,
    /// Clients speak TLS, and this is what they are shown.
    pub certificate: Option<Certificate>,
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
        let mut settings = Settings {
            origins,
            proxies: read_proxies(&mut section),
            rates: read_rates(&mut section),
            listen: section
                .key("listen", "Address for clients: the ticket endpoint and /ws.")
                .address(([127, 0, 0, 1], 8080)),
            admin_listen: section
                .key("admin_listen", "Address for operators: /metrics, /livez, /readyz, /connections.")
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
            traceparent: section
                .key(
                    "traceparent",
                    "Clients that ask with traceparent=1 get the trace of each event's record.",
                )
                .flag(false),
            tls_in_front: section
                .key("tls_in_front", "The trusted proxies do TLS: connections of anybody else are dropped.")
                .flag(false),
            certificate: None,
        };
        if settings.tls_in_front && !section.is_written("trusted_proxies") {
            section.fault("tls_in_front", "is true, and web.trusted_proxies names no proxy");
        }
        if settings.listen == settings.admin_listen && settings.listen.port() != 0 {
            section.fault("admin_listen", "is the address of web.listen: give operators a port of their own");
        }
        settings.certificate = Certificate::read(&mut section);
        if settings.tls_in_front && settings.certificate.is_some() {
            section.fault(
                "tls_in_front",
                "is true, and with web.tls_certificate_file clients speak TLS with the service itself",
            );
        }
        settings.origins = settings.origins.over_tls(settings.tls_in_front || settings.certificate.is_some());
        settings
    }

    /// Whether clients of other machines are heard without anybody having said that this is safe.
    pub fn is_in_the_clear(&self) -> bool {
        self.certificate.is_none() && !self.tls_in_front && !self.listen.ip().is_loopback()
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
        check("tls_in_front = true", "in web.tls_in_front: is true, and web.trusted_proxies names no proxy");
        let folder = "tests/fixtures/test-only-keys";
        check(
            &format!(
                "tls_in_front = true\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
                 tls_certificate_file = \"{folder}/certificate.pem\"\ntls_key_file = \"{folder}/p256-private.pem\""
            ),
            "in web.tls_in_front: is true, and with web.tls_certificate_file clients speak TLS",
        );
    }

    #[test]
    fn who_is_heard_by_other_machines_without_tls_is_told() {
        let check = |lines: &str, expected: bool| {
            let mut document = Document::parse("d.toml", &format!("[web]\n{lines}"));
            let settings = Settings::read(&mut document);
            assert!(document.finish().is_ok(), "{lines}");
            assert_eq!(settings.is_in_the_clear(), expected, "{lines}");
        };
        let folder = "tests/fixtures/test-only-keys";
        check("", false);
        check("listen = \"[::1]:80\"", false);
        check("listen = \"0.0.0.0:80\"", true);
        check("listen = \"192.0.2.1:80\"\ntrusted_proxies = [\"10.0.0.0/8\"]", true);
        check("listen = \"192.0.2.1:80\"\ntls_in_front = true\ntrusted_proxies = [\"10.0.0.0/8\"]", false);
        check(
            &format!(
                "listen = \"0.0.0.0:80\"\ntls_certificate_file = \"{folder}/certificate.pem\"\n\
                 tls_key_file = \"{folder}/p256-private.pem\""
            ),
            false,
        );
    }
}
