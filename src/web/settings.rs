//! The `[web]` section: where clients and operators connect.

use crate::limits::CONNECTIONS_MAX;
use crate::settings::Document;
use std::net::SocketAddr;

#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub connections_max: usize,
}

impl Settings {
    pub fn read(document: &mut Document) -> Settings {
        let mut section = document.section("web", "Where clients and operators connect.");
        let settings = Settings {
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
