//! The settings of sections `[tickets]` and `[redis]`: where live tickets are kept.

use std::time::Duration;

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, TlsCertificates,
};
use secrecy::{ExposeSecret, SecretString};

use crate::limits;
use crate::settings::{Document, Section, Url};

/// Where live tickets are kept.
#[derive(Clone, Default)]
pub enum TicketSettings {
    #[default]
    Memory,
    /// Boxed, since it is many times larger.
    Redis(Box<RedisSettings>),
}

/// How Redis is asked. The client is not connected; it holds the password, so there is no `Debug`.
#[derive(Clone)]
pub struct RedisSettings {
    pub(super) client: Client,
    pub(super) key_prefix: String,
    pub(super) timeout: Duration,
    url: Url,
}

const KEY_PREFIX: &str = "dumbwaiter:ticket:";
const DEFAULT_PORT: u16 = 6379;
const NO_CERTIFICATE: &str = "holds no certificate in PEM";

impl TicketSettings {
    /// Reads both sections; faults are the document's.
    pub fn read(document: &mut Document) -> TicketSettings {
        let shared = document
            .section("tickets", "One-off tickets of plain WebSocket clients.")
            .key(
                "store",
                "Where live tickets are kept; in redis they are good at every instance that uses it.",
            )
            .choice(&[("memory", false), ("redis", true)], false);
        let redis = RedisSettings::read(document, shared);
        redis.map_or(TicketSettings::Memory, |redis| TicketSettings::Redis(Box::new(redis)))
    }
}

impl RedisSettings {
    /// Where it is asked; there is no credential in it.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// None where Redis is not used, or a fault was found.
    fn read(document: &mut Document, is_used: bool) -> Option<RedisSettings> {
        let mut section = document.section("redis", "The Redis that instances share tickets by.");
        let url = section
            .key("url", "Its address: redis://host:6379, rediss:// over TLS, /N for a database other than 0.")
            .redis_url_if_set();
        let username = section.key("username", "The user; not set: Redis' default user.").text_if_set();
        let password = section.key("password", "The user's password.").secret();
        let ca = section
            .key("ca_file", "Who signed its certificate (PEM); not set: those whom the system trusts.")
            .file_content_if_set();
        let key_prefix = section.key("key_prefix", "What the keys in Redis begin with.").text(KEY_PREFIX);
        let timeout = section
            .key("timeout", "How long one request may take, connecting included; the client waits meanwhile.")
            .duration(limits::REDIS_TIMEOUT, Duration::from_millis(10)..=limits::REDIS_TIMEOUT_MAX);
        if key_prefix.len() > limits::REDIS_KEY_PREFIX_MAX_BYTES {
            let most = limits::REDIS_KEY_PREFIX_MAX_BYTES;
            section.fault("key_prefix", format!("has {} bytes, {most} at most", key_prefix.len()));
        }
        check_use(&mut section, is_used);
        let url = url.filter(|_| is_used)?;
        let database = database(&url).map_err(|text| section.fault("url", text)).ok()?;
        let mut info = RedisConnectionInfo::default().set_db(database);
        if let Some(username) = username {
            info = info.set_username(username);
        }
        if let Some(password) = password.as_ref().map(SecretString::expose_secret) {
            info = info.set_password(password);
        }
        let client = client(&url, info, ca).map_err(|text| section.fault("ca_file", text)).ok()?;
        Some(RedisSettings { client, key_prefix, timeout, url })
    }
}

fn check_use(section: &mut Section<'_>, is_used: bool) {
    if is_used && !section.is_written("url") {
        section.fault("url", "is not set, and tickets.store = \"redis\" needs it");
    }
    if !is_used && section.is_written("url") {
        section.fault("url", "is written, but tickets.store is \"memory\"");
    }
    if section.is_written("username") && !section.is_written("password") {
        section.fault("username", "is written without redis.password");
    }
}

/// The database that the path names.
fn database(url: &Url) -> Result<i64, &'static str> {
    let path = url.path().trim_start_matches('/');
    match path.parse::<u16>() {
        _ if url.query().is_some() || url.fragment().is_some() => Err("has more after the database's number"),
        Ok(number) => Ok(number.into()),
        Err(_) if path.is_empty() => Ok(0),
        Err(_) => Err("has a path that is no database's number"),
    }
}

fn client(url: &Url, info: RedisConnectionInfo, ca: Option<String>) -> Result<Client, &'static str> {
    // The brackets of an IPv6 address belong to the URL.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port().unwrap_or(DEFAULT_PORT);
    let connection = |address: ConnectionAddr| -> ConnectionInfo {
        let address = address.into_connection_info().expect("an address is one");
        address.set_redis_settings(info)
    };
    if url.scheme() == "redis" {
        return match ca {
            Some(_) => Err("is for rediss://, and redis.url is redis://"),
            None => Ok(Client::open(connection(ConnectionAddr::Tcp(host, port))).expect("it is complete")),
        };
    }
    // The library takes a file without any certificate for a list of none.
    if ca.as_ref().is_some_and(|pem| !pem.contains("-----BEGIN CERTIFICATE-----")) {
        return Err(NO_CERTIFICATE);
    }
    let address = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
    let certificates = TlsCertificates { client_tls: None, root_cert: ca.map(String::into_bytes) };
    Client::build_with_tls(connection(address), certificates).map_err(|_| NO_CERTIFICATE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_text;

    fn check(text: &str, expected: Result<Option<&str>, &str>) {
        let outcome = read_text(text, TicketSettings::read).map(|settings| match settings {
            TicketSettings::Memory => None,
            TicketSettings::Redis(settings) => {
                let info = settings.client.get_connection_info();
                Some(format!("{} {}", info.addr(), info.redis_settings().db()))
            }
        });
        assert_eq!(outcome, expected.map(|text| text.map(str::to_owned)).map_err(str::to_owned), "{text}");
    }

    fn with_redis(lines: &str) -> String {
        format!("[tickets]\nstore = \"redis\"\n[redis]\n{lines}")
    }

    #[test]
    fn tickets_are_kept_in_memory_unless_redis_is_asked_for() {
        check("", Ok(None));
        check(&with_redis("url = \"redis://cache\""), Ok(Some("cache:6379 0")));
        check(&with_redis("url = \"rediss://[::1]:7000/3\""), Ok(Some("::1:7000 3")));
        check(&with_redis(""), Err("in redis.url: is not set, and tickets.store = \"redis\" needs it"));
        check(
            "[redis]\nurl = \"redis://cache\"",
            Err("dumbwaiter.toml:2:7: in redis.url: is written, but tickets.store is \"memory\""),
        );
    }

    #[test]
    fn an_address_says_no_more_than_where() {
        let fault = |url: &str, text: &str| {
            check(
                &with_redis(&format!("url = {url:?}")),
                Err(&format!("dumbwaiter.toml:4:7: in redis.url: {text}")),
            );
        };
        fault("redis://:pa55@cache", "has a user or password in it; credentials have keys of their own");
        fault("http://cache", "\"http://cache\" is not a URL (expected redis:// or rediss:// and a host)");
        fault("redis://cache/zero", "has a path that is no database's number");
        fault("redis://cache/0?protocol=3", "has more after the database's number");
    }

    #[test]
    fn credentials_and_certificates_fit_the_rest() {
        check(
            &with_redis("url = \"redis://cache\"\nusername = \"me\""),
            Err("dumbwaiter.toml:5:12: in redis.username: is written without redis.password"),
        );
        let file = "ca_file = \"Cargo.toml\"";
        check(
            &with_redis(&format!("url = \"rediss://cache\"\n{file}")),
            Err("dumbwaiter.toml:5:11: in redis.ca_file: holds no certificate in PEM"),
        );
        check(
            &with_redis(&format!("url = \"redis://cache\"\n{file}")),
            Err("dumbwaiter.toml:5:11: in redis.ca_file: is for rediss://, and redis.url is redis://"),
        );
        let prefix = "x".repeat(limits::REDIS_KEY_PREFIX_MAX_BYTES);
        check(
            &with_redis(&format!("url = \"redis://cache\"\nkey_prefix = \"{prefix}\"")),
            Ok(Some("cache:6379 0")),
        );
        check(
            &with_redis(&format!("url = \"redis://cache\"\nkey_prefix = \"{prefix}x\"")),
            Err("dumbwaiter.toml:5:14: in redis.key_prefix: has 129 bytes, 128 at most"),
        );
    }
}
