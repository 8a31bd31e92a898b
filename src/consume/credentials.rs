//! Who we are to the brokers: user name, password and the other secrets of a Kafka client.
//!
//! How to connect stands in `[kafka.properties]` under librdkafka's own names. Its secrets do not: each has a key
//! of its own, so that it can come from a file or a variable and is never among what is shown. Judged here is
//! also what librdkafka would say late or in other words: a mechanism that is missing, a user name nobody asks for.

use crate::settings::Section;
use secrecy::{ExposeSecret, SecretString};

/// Properties of librdkafka that come from keys of their own.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    username: Option<String>,
    secrets: Vec<(&'static str, SecretString)>,
}

/// The secrets of a Kafka client: our key, librdkafka's property, and the key's line in the reference.
const SECRETS: [(&str, &str, &str); 5] = [
    ("password", "sasl.password", "Password of kafka.username, for SASL PLAIN and SCRAM."),
    ("key_password", "ssl.key.password", "Password of the private key at ssl.key.location."),
    ("keystore_password", "ssl.keystore.password", "Password of the PKCS#12 store at ssl.keystore.location."),
    (
        "client_secret",
        "sasl.oauthbearer.client.secret",
        "Client secret for the token endpoint (OAUTHBEARER by OIDC).",
    ),
    (
        "assertion_password",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "Password of the private key that signs assertions (OAUTHBEARER by OIDC).",
    ),
];

/// Other properties that hold a secret or belong to another client, and the way to go instead.
const REFUSED: [(&str, &str); 6] = [
    ("sasl.username", "set kafka.username"),
    ("ssl.key.pem", "set ssl.key.location: a private key stands in a file of its own"),
    (
        "sasl.oauthbearer.assertion.private.key.pem",
        "set sasl.oauthbearer.assertion.private.key.file: a private key stands in a file of its own",
    ),
    ("sasl.jaas.config", "it is Java's; set kafka.username, kafka.password_file and sasl.mechanism"),
    (
        "enable.sasl.oauthbearer.unsecure.jwt",
        "unsigned tokens protect nothing; set sasl.oauthbearer.method = \"oidc\"",
    ),
    ("sasl.oauthbearer.config", "only unsigned tokens use it; set sasl.oauthbearer.method = \"oidc\""),
];

impl Credentials {
    /// Reads the keys, and judges them together with the properties; faults are the document's.
    pub(super) fn read(section: &mut Section<'_>, properties: &[(String, String)]) -> Credentials {
        let username = section.key("username", "User name for SASL PLAIN and SCRAM.").text_if_set();
        let mut secrets = Vec::new();
        for (key, property, doc) in SECRETS {
            if let Some(secret) = section.key(key, doc).secret() {
                secrets.push((property, secret));
            }
        }
        refuse_secrets(section, properties);
        judge_login(section, properties);
        Credentials { username, secrets }
    }

    /// Property and value, for the Kafka client alone.
    pub fn expose(&self) -> impl Iterator<Item = (&str, &str)> {
        let username = self.username.as_deref().map(|username| ("sasl.username", username));
        let secrets = self.secrets.iter().map(|(property, secret)| (*property, secret.expose_secret()));
        username.into_iter().chain(secrets)
    }
}

fn refuse_secrets(section: &mut Section<'_>, properties: &[(String, String)]) {
    for (key, property, _) in SECRETS {
        if properties.iter().any(|(name, _)| name == property) {
            let way_out = format!("cannot be set: set kafka.{key}_file, or kafka.{key}");
            section.fault(&format!("properties.{property}"), way_out);
        }
    }
    for (property, way_out) in REFUSED {
        if properties.iter().any(|(name, _)| name == property) {
            section.fault(&format!("properties.{property}"), format!("cannot be set: {way_out}"));
        }
    }
}

/// What SASL is asked for, and whether what it needs is there.
fn judge_login(section: &mut Section<'_>, properties: &[(String, String)]) {
    let property = |names: &[&str]| {
        let found = properties.iter().find(|(name, _)| names.contains(&name.as_str()));
        found.map(|(_, value)| value.to_ascii_uppercase())
    };
    let protocol = property(&["security.protocol"]);
    let is_sasl = protocol.is_some_and(|protocol| protocol.starts_with("SASL_"));
    let mechanism = property(&["sasl.mechanism", "sasl.mechanisms"]);
    match (is_sasl, mechanism.as_deref()) {
        (false, _) => judge_unasked(section),
        (true, Some("PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512")) => judge_password(section),
        (true, Some("OAUTHBEARER")) => {
            if property(&["sasl.oauthbearer.method"]).as_deref() != Some("OIDC") {
                let way_out = "is OAUTHBEARER, which needs sasl.oauthbearer.method = \"oidc\"";
                section.fault("properties.sasl.mechanism", way_out);
            }
        }
        (true, other) => {
            let found =
                other.map_or_else(|| "is not set".to_owned(), |other| format!("{other:?} cannot be used"));
            let way_out = "one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER is needed";
            section.fault("properties.sasl.mechanism", format!("{found}: {way_out}"));
        }
    }
}

/// Without SASL nobody asks for a name: to go on would look like a login and be none.
fn judge_unasked(section: &mut Section<'_>) {
    for key in ["username", "password", "client_secret"] {
        if section.is_written(key) {
            let way_out = "is written, but no login is asked for: set security.protocol = \"sasl_ssl\" \
                           and sasl.mechanism in kafka.properties";
            section.fault(key, way_out);
        }
    }
}

fn judge_password(section: &mut Section<'_>) {
    for (key, way_out) in
        [("username", "kafka.username"), ("password", "kafka.password_file, or kafka.password")]
    {
        if !section.is_written(key) {
            section.fault(key, format!("is not set, but sasl.mechanism needs it: set {way_out}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::consume::Settings;
    use crate::settings::read_text;

    fn read(text: &str) -> Result<Settings, String> {
        read_text(&format!("[kafka]\n{text}"), Settings::read)
    }

    fn check_fault(text: &str, expected: &str) {
        let faults = read(text).unwrap_err();
        assert!(faults.contains(expected), "{faults}");
    }

    const SCRAM: &str =
        "properties = { security.protocol = \"sasl_ssl\", sasl.mechanism = \"SCRAM-SHA-512\" }";

    #[test]
    fn a_password_is_for_the_client_and_for_nobody_else() {
        let text = format!("username = \"ann\"\npassword = \"hunter2\"\nkey_password = \"hunter3\"\n{SCRAM}");
        let settings = read(&text).unwrap();
        assert_eq!(
            settings.credentials.expose().collect::<Vec<_>>(),
            [("sasl.username", "ann"), ("sasl.password", "hunter2"), ("ssl.key.password", "hunter3")]
        );
        assert!(!format!("{settings:?}").contains("hunter"));
    }

    #[test]
    fn secrets_do_not_stand_among_the_properties() {
        for (property, expected) in [
            ("sasl.password", "cannot be set: set kafka.password_file, or kafka.password"),
            ("ssl.key.password", "kafka.key_password_file"),
            ("sasl.oauthbearer.client.secret", "kafka.client_secret_file"),
            ("sasl.username", "cannot be set: set kafka.username"),
            ("ssl.key.pem", "set ssl.key.location"),
            ("sasl.jaas.config", "it is Java's"),
        ] {
            let text = format!("properties = {{ {property} = \"hunter2\" }}");
            check_fault(&text, expected);
            assert!(!read(&text).unwrap_err().contains("hunter2"));
        }
    }

    #[test]
    fn a_login_has_all_that_its_mechanism_needs() {
        check_fault(SCRAM, "in kafka.username: is not set, but sasl.mechanism needs it");
        check_fault(SCRAM, "in kafka.password: is not set");
        check_fault("properties = { security.protocol = \"SASL_SSL\" }", "is not set: one of PLAIN, SCRAM");
        check_fault(
            "properties = { security.protocol = \"sasl_ssl\", sasl.mechanisms = \"GSSAPI\" }",
            "\"GSSAPI\" cannot be used: one of PLAIN",
        );
        check_fault(
            "properties = { security.protocol = \"sasl_ssl\", sasl.mechanism = \"OAUTHBEARER\" }",
            "sasl.oauthbearer.method = \"oidc\"",
        );
    }

    #[test]
    fn a_login_that_nobody_asks_for_is_a_fault() {
        check_fault("username = \"ann\"", "in kafka.username: is written, but no login is asked for");
        check_fault(
            "password = \"hunter2\"\nproperties = { security.protocol = \"ssl\" }",
            "in kafka.password: is written",
        );
        assert!(read("key_password = \"hunter2\"\nproperties = { security.protocol = \"ssl\" }").is_ok());
    }
}
