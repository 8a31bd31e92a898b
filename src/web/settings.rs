//! The `[web]` section: where clients and operators connect.

use super::Origins;
use crate::limits::CONNECTIONS_MAX;
use crate::settings::Document;
use std::net::SocketAddr;

#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub connections_max: usize,
    pub origins: Origins,
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
            listen: section
                .key("listen", "Address for clients: the ticket endpoint and /ws.")
                .address(([127, 0, 0, 1], 8080)),
            admin_listen: section
                .key("admin_listen", "Address for operators: /metrics, /livez, /readyz.")
                .address(([127, 0, 0, 1], 9100)),
            connections_max: section
                .key("connections_max", "Open connections; at it a new one is answered 503.")
                .integer(CONNECTIONS_MAX, 1..=CONNECTIONS_MAX),
        };
        if settings.listen == settings.admin_listen && settings.listen.port() != 0 {
            section.fault("admin_listen", "is the address of web.listen: give operators a port of their own");
        }
        settings
    }
}
