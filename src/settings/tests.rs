//! What an operator writes, and what comes out of it: values, or all faults at once.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Document, Environment, Faults, Origin, Section, Shown};

const FILE: &str = "dumbwaiter.toml";

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What `read` makes of such a file, or its faults as they are told.
pub fn read_text<T>(text: &str, read: impl FnOnce(&mut Document) -> T) -> Result<T, String> {
    read_document(Document::parse(FILE, text), read)
}

fn read_document<T>(mut document: Document, read: impl FnOnce(&mut Document) -> T) -> Result<T, String> {
    let value = read(&mut document);
    document.finish().map(|_| value).map_err(|faults| faults.to_string())
}

/// One key of `[web]`, from a file with just that line.
fn read<T>(line: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> Result<T, String> {
    read_text(&format!("[web]\n{line}"), |document| read(&mut document.section("web", "")))
}

/// The same key from a variable.
fn read_variable<T>(name: &str, text: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> Result<T, String> {
    let document = Document::empty().with_environment(&environment(&[(name, text)]));
    read_document(document, |document| read(&mut document.section("web", "")))
}

fn check_fault<T: std::fmt::Debug>(outcome: Result<T, String>, expected: &str) {
    assert_eq!(outcome.unwrap_err(), expected);
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Text,
    Json,
}

const FORMATS: [(&str, Format); 2] = [("text", Format::Text), ("json", Format::Json)];

fn format(section: &mut Section<'_>) -> Format {
    section.key("format", "").choice(&FORMATS, Format::Text)
}

fn listen(section: &mut Section<'_>) -> String {
    section.key("listen", "").address(([127, 0, 0, 1], 80)).to_string()
}

fn window(section: &mut Section<'_>) -> Duration {
    section
        .key("window", "")
        .duration(Duration::from_secs(60), Duration::from_secs(1)..=Duration::from_secs(3600))
}

fn max_bytes(section: &mut Section<'_>) -> usize {
    section.key("max_bytes", "").bytes(1024, 1024..=1 << 30)
}

fn port(section: &mut Section<'_>) -> u16 {
    section.key("port", "").integer(80_u16, 1..=u16::MAX)
}

fn topics(section: &mut Section<'_>) -> Vec<String> {
    section.key("topics", "").list(&["a", "b"])
}

fn urls(section: &mut Section<'_>) -> Vec<String> {
    section.key("urls", "").urls().iter().map(ToString::to_string).collect()
}

#[test]
fn a_key_that_is_not_written_has_its_default() {
    assert_eq!(read("", listen).unwrap(), "127.0.0.1:80");
    assert_eq!(read("", window).unwrap(), Duration::from_secs(60));
    assert_eq!(read("", max_bytes).unwrap(), 1024);
    assert_eq!(read("", topics).unwrap(), ["a", "b"]);
    assert_eq!(read("", format).unwrap(), Format::Text);
    assert_eq!(read("", |web| web.key("name", "").text_if_set()).unwrap(), None);
    assert!(read("", urls).unwrap().is_empty());
}

#[test]
fn each_form_is_read_from_the_file() {
    assert_eq!(read("listen = \"[::]:9000\"", listen).unwrap(), "[::]:9000");
    assert_eq!(read("window = \"1m 30s\"", window).unwrap(), Duration::from_secs(90));
    assert_eq!(read("max_bytes = \"256MiB\"", max_bytes).unwrap(), 256 << 20);
    assert_eq!(read("max_bytes = \"64 kB\"", max_bytes).unwrap(), 64_000);
    assert_eq!(read("max_bytes = 4_096", max_bytes).unwrap(), 4096);
    assert_eq!(read("port = 0x1F90", port).unwrap(), 8080);
    assert_eq!(read("topics = [\"x\"]", topics).unwrap(), ["x"]);
    assert_eq!(read("topics = []", topics).unwrap(), [""; 0]);
    assert_eq!(read("format = \"json\"", format).unwrap(), Format::Json);
    assert!(read("on = true", |web| web.key("on", "").flag(false)).unwrap());
    assert_eq!(read("urls = [\"https://registry:8081/x\"]", urls).unwrap(), ["https://registry:8081/x"]);
}

#[test]
fn each_form_is_read_from_a_variable() {
    assert_eq!(read_variable("DUMBWAITER_WEB__LISTEN", "[::1]:9", listen).unwrap(), "[::1]:9");
    assert_eq!(read_variable("DUMBWAITER_WEB__MAX_BYTES", "4096", max_bytes).unwrap(), 4096);
    assert_eq!(read_variable("DUMBWAITER_WEB__PORT", "8080", port).unwrap(), 8080);
    assert_eq!(read_variable("DUMBWAITER_WEB__TOPICS", "x, y", topics).unwrap(), ["x", "y"]);
    assert_eq!(read_variable("DUMBWAITER_WEB__TOPICS", "", topics).unwrap(), ["a", "b"]);
    assert!(read_variable("DUMBWAITER_WEB__ON", "true", |web| web.key("on", "").flag(false)).unwrap());
}

#[test]
fn a_bad_value_is_shown_with_its_place_and_what_is_expected() {
    check_fault(
        read("listen = \"127.0.0.1:99999\"", listen),
        "dumbwaiter.toml:2:10: in web.listen: \"127.0.0.1:99999\" is not an address \
         (expected IP address and port, like 127.0.0.1:8080 or [::]:8080)",
    );
    check_fault(
        read("window = 15", window),
        "dumbwaiter.toml:2:10: in web.window: 15 is not a duration (expected a text like \"15m\" or \"250ms\")",
    );
    check_fault(
        read("window = \"2h\"", window),
        "dumbwaiter.toml:2:10: in web.window: \"2h\" is out of range (expected 1s to 1h)",
    );
    check_fault(
        read("max_bytes = \"2GiB\"", max_bytes),
        "dumbwaiter.toml:2:13: in web.max_bytes: \"2GiB\" is out of range (expected 1KiB to 1GiB)",
    );
    check_fault(
        read("max_bytes = \"99999999999GiB\"", max_bytes),
        "dumbwaiter.toml:2:13: in web.max_bytes: \"99999999999GiB\" is not a number of bytes \
         (expected a text like \"256MiB\", or an integer)",
    );
    check_fault(
        read("port = 70000", port),
        "dumbwaiter.toml:2:8: in web.port: 70000 is out of range (expected 1 to 65535)",
    );
    check_fault(read("port = 1.5", port), "dumbwaiter.toml:2:8: in web.port: a float is not an integer");
    check_fault(
        read("format = \"xml\"", format),
        "dumbwaiter.toml:2:10: in web.format: \"xml\" is not one of text, json",
    );
    check_fault(
        read("topics = [\"a\", \"\"]", topics),
        "dumbwaiter.toml:2:10: in web.topics: has an empty item",
    );
    check_fault(
        read_variable("DUMBWAITER_WEB__PORT", "http", port),
        "environment variable DUMBWAITER_WEB__PORT: in web.port: \"http\" is not an integer",
    );
}

#[test]
fn a_url_with_credentials_is_refused_and_not_shown() {
    let refused =
        "dumbwaiter.toml:2:8: in web.urls: has a user or password in it; credentials have keys of their own";
    check_fault(read("urls = [\"http://ann:hunter2@registry\"]", urls), refused);
    check_fault(
        read("urls = [\"ann:hunter2@registry\"]", urls),
        "dumbwaiter.toml:2:8: in web.urls: is not a URL (expected http:// or https:// and a host)",
    );
}

#[test]
fn the_command_line_beats_the_environment_and_that_beats_the_file() {
    let read = |overrides: &[&str], variables: &[(&str, &str)]| {
        let document = Document::parse(FILE, "[web]\nport = 1");
        let mut document = document.with_environment(&environment(variables)).with_overrides(overrides);
        let port = port(&mut document.section("web", ""));
        let origin = document.finish().unwrap()[0].keys[0].origin.to_string();
        (port, origin)
    };
    let variables = [("DUMBWAITER_WEB__PORT", "2"), ("PATH", "/bin")];
    assert_eq!(read(&[], &[]), (1, "dumbwaiter.toml:2:8".to_owned()));
    assert_eq!(read(&[], &variables), (2, "environment variable DUMBWAITER_WEB__PORT".to_owned()));
    assert_eq!(read(&["web.port=3", "web.port=4"], &variables), (4, "command line".to_owned()));
}

/// Reads a document that knows `[web] listen, port` and `[kafka] group, secret, properties`.
fn faults_of(document: Document) -> Vec<String> {
    let mut document = document;
    let mut web = document.section("web", "");
    listen(&mut web);
    port(&mut web);
    let mut kafka = document.section("kafka", "");
    kafka.key("group", "").text("group");
    kafka.key("secret", "").secret();
    kafka.key("properties", "").table();
    document.finish().map_or_else(|faults| faults.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

#[test]
fn an_unknown_name_is_a_fault_with_a_suggestion() {
    let check = |text: &str, expected: &[&str]| assert_eq!(faults_of(Document::parse(FILE, text)), expected);
    check(
        "[web]\nlistn = \"x\"",
        &[
            "dumbwaiter.toml:2:9: in web.listn: unknown key; did you mean listen? (keys of [web]: listen, port)",
        ],
    );
    check(
        "[web]\ngroup = \"x\"",
        &[
            "dumbwaiter.toml:2:9: in web.group: unknown key; group is a key of [kafka] (keys of [web]: listen, port)",
        ],
    );
    check(
        "[wbe]",
        &["dumbwaiter.toml:1:2: in wbe: unknown section; did you mean web? (sections: kafka, web)"],
    );
    check("[zoo]\nx = 1", &["dumbwaiter.toml:1:2: in zoo: unknown section (sections: kafka, web)"]);
    check(
        "listen = 1",
        &[
            "dumbwaiter.toml:1:1: in listen: stands outside of any section (expected a section like [web] and keys below it)",
        ],
    );
    check(
        "[web]\nport = 1\n[kafka]\nsecret_file = \"/nowhere/else\"",
        &["dumbwaiter.toml:4:15: in kafka.secret: secret_file \"/nowhere/else\" cannot be read: \
         No such file or directory (os error 2)"],
    );
}

#[test]
fn an_unknown_variable_or_override_is_a_fault() {
    let check = |name: &str, expected: &[&str]| {
        assert_eq!(faults_of(Document::empty().with_environment(&environment(&[(name, "1")]))), expected);
    };
    check("DUMBWAITER_WEB__PORT", &[]);
    check("DUMBWAITER_SERVICE_HOST", &[]);
    check("DUMBWAITER_PORT_8080_TCP_ADDR", &[]);
    check(
        "DUMBWAITER_WEB__PROT",
        &[
            "environment variable DUMBWAITER_WEB__PROT: in web.prot: unknown key; did you mean port? (keys of [web]: listen, port)",
        ],
    );
    check(
        "DUMBWAITER_WEB_PORT",
        &["environment variable DUMBWAITER_WEB_PORT: names no setting; did you mean DUMBWAITER_WEB__PORT? \
         (expected DUMBWAITER_SECTION__KEY)"],
    );
    let overrides = faults_of(Document::empty().with_overrides(&["web.prot=1", "hunter2"]));
    assert_eq!(
        overrides,
        [
            "command line: override number 2 is not of the form section.key=value",
            "command line: in web.prot: unknown key; did you mean port? (keys of [web]: listen, port)",
        ]
    );
}

#[test]
fn all_faults_come_at_once_in_the_order_of_the_file() {
    let text = "[web]\nport = 0\nlisten = 3\n[kafka]\ngroup = true\n";
    let document = Document::parse(FILE, text).with_overrides(&["web.hello=1"]);
    let faults = faults_of(document);
    let places: Vec<&str> = faults.iter().filter_map(|fault| fault.split(": in").next()).collect();
    assert_eq!(
        places,
        ["dumbwaiter.toml:2:8", "dumbwaiter.toml:3:10", "dumbwaiter.toml:5:9", "command line"]
    );
}

#[test]
fn what_is_not_toml_is_reported_alone_and_without_the_line() {
    let faults = faults_of(Document::parse(FILE, "[kafka]\nsecret = \"hunter2\nunknown = 1\n"));
    assert!(faults[0].starts_with("dumbwaiter.toml:2:"), "{faults:?}");
    assert!(
        !faults.iter().any(|fault| fault.contains("hunter2") || fault.contains("unknown key")),
        "{faults:?}"
    );
}

fn secret_of(document: Document) -> Result<Option<String>, Faults> {
    let mut document = document;
    let secret = document.section("auth", "").key("secret", "").secret();
    document.finish().map(|_| secret.map(|secret| secret.expose_secret().to_owned()))
}

#[test]
fn a_secret_comes_as_text_or_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, "\n from a file \n").unwrap();
    let by_file = format!("[auth]\nsecret_file = {:?}", path.display().to_string());
    assert_eq!(secret_of(Document::parse(FILE, &by_file)).unwrap().as_deref(), Some("from a file"));
    assert_eq!(secret_of(Document::parse(FILE, "[auth]\nsecret = \"s\"")).unwrap().as_deref(), Some("s"));
    assert_eq!(secret_of(Document::empty()).unwrap(), None);
    let variables = environment(&[("DUMBWAITER_AUTH__SECRET", "from a variable")]);
    let over = Document::parse(FILE, &by_file).with_environment(&variables);
    assert_eq!(secret_of(over).unwrap().as_deref(), Some("from a variable"));
    let by_variable = environment(&[("DUMBWAITER_AUTH__SECRET_FILE", path.to_str().unwrap())]);
    let document = Document::parse(FILE, "[auth]\nsecret = \"s\"").with_environment(&by_variable);
    assert_eq!(secret_of(document).unwrap().as_deref(), Some("from a file"));
}

#[test]
fn a_bad_secret_is_a_fault_that_does_not_show_it() {
    let check = |document: Document, expected: &str| {
        let faults = secret_of(document).unwrap_err().to_string();
        assert!(faults.contains(expected), "{faults}");
        assert!(!faults.contains("hunter2") && !faults.contains("31337"), "{faults}");
    };
    check(
        Document::parse(FILE, "[auth]\nsecret = 31337"),
        "dumbwaiter.toml:2:10: in auth.secret: is not a text",
    );
    check(Document::parse(FILE, "[auth]\nsecret = \"\""), "is empty");
    check(Document::parse(FILE, "[auth]\nsecret = \"hunter2\"\nsecret_file = \"x\""), "keep one of the two");
    check(Document::parse(FILE, "[auth]\nsecret_file = \"/dev/zero\""), "longer than 65536 bytes");
    check(Document::empty().with_overrides(&["auth.secret=hunter2"]), "use secret_file");
    check(Document::parse(FILE, "[auth]\nsecrt = \"hunter2\""), "did you mean secret?");
}

#[test]
fn a_table_takes_dotted_names_and_overrides() {
    let text = "[kafka.properties]\n\"ssl.ca.location\" = \"/ca\"\nacks = 1\nfetch.min.bytes = 2\n";
    let overrides = ["kafka.properties.sasl.password=hunter2", "kafka.properties.acks=all"];
    let mut document = Document::parse(FILE, text).with_overrides(&overrides);
    let table = document.section("kafka", "").key("properties", "").table();
    let expected =
        [("acks", "all"), ("fetch.min.bytes", "2"), ("sasl.password", "hunter2"), ("ssl.ca.location", "/ca")];
    assert_eq!(table, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let described = document.finish().unwrap();
    let shown = described[0].keys[0].value.as_ref().map(Shown::to_string);
    assert_eq!(
        shown.as_deref(),
        Some("acks=all,fetch.min.bytes=2,sasl.password=(hidden),ssl.ca.location=/ca")
    );
}

#[test]
fn a_table_from_where_none_is_taken_is_a_fault() {
    let check = |document: Document, expected: &str| {
        let table = |document: &mut Document| document.section("kafka", "").key("properties", "").table();
        check_fault(read_document(document, table), expected);
    };
    let only = "in kafka.properties: is taken from the file only, where it is written as [kafka.properties], \
                and from the command line, as --set kafka.properties.NAME=VALUE";
    for variable in ["DUMBWAITER_KAFKA__PROPERTIES", "DUMBWAITER_KAFKA__PROPERTIES.ACKS"] {
        check(
            Document::parse(FILE, "[kafka.properties]\nacks = 1")
                .with_environment(&environment(&[(variable, "acks=1")])),
            &format!("environment variable {variable}: {only}"),
        );
    }
    check(Document::empty().with_overrides(&["kafka.properties=acks=1"]), &format!("command line: {only}"));
}

/// Reads `[[auth.keys]]` tables of `kid` and `secret`, each of which must have a kid.
fn tables_of(document: Document) -> Result<Vec<(String, bool)>, String> {
    let mut document = document;
    let mut auth = document.section("auth", "");
    let tables = auth.key("keys", "Keys.").tables(|table| {
        let kid = table.key("kid", "").text_if_set();
        let has_secret = table.key("secret", "").secret().is_some();
        if kid.is_none() {
            table.fault("kid", "is not set");
        }
        (kid.unwrap_or_default(), has_secret)
    });
    auth.key("issuer", "").text_if_set();
    document.finish().map(|_| tables).map_err(|faults| faults.to_string())
}

#[test]
fn an_array_of_tables_is_read_like_sections() {
    let table = |kid: &str, has_secret| (kid.to_owned(), has_secret);
    let text =
        "[auth]\nissuer = \"i\"\n[[auth.keys]]\nkid = \"a\"\n[[auth.keys]]\nkid = \"b\"\nsecret = \"s\"\n";
    assert_eq!(tables_of(Document::parse(FILE, text)).unwrap(), [table("a", false), table("b", true)]);
    let inline = "[auth]\nkeys = [{kid = \"a\"}]";
    assert_eq!(tables_of(Document::parse(FILE, inline)).unwrap(), [table("a", false)]);
    assert_eq!(tables_of(Document::parse(FILE, "[auth]\nkeys = []")).unwrap(), []);
    assert_eq!(tables_of(Document::empty()).unwrap(), []);
}

#[test]
fn a_fault_in_a_table_of_an_array_is_at_its_own_place() {
    let check = |text: &str, expected: &str| check_fault(tables_of(Document::parse(FILE, text)), expected);
    check(
        "[auth]\n[[auth.keys]]\nkid = \"a\"\n[[auth.keys]]\nkid = 7\nsecrt = \"hunter2\"\n[[auth.keys]]\n",
        "dumbwaiter.toml:5:7: in auth.keys[1].kid: 7 is not a text\n\
         dumbwaiter.toml:5:7: in auth.keys[1].kid: is not set\n\
         dumbwaiter.toml:6:9: in auth.keys[1].secrt: unknown key; did you mean secret? (keys of [[auth.keys]]: kid, secret)\n\
         dumbwaiter.toml:7:1: in auth.keys[2].kid: is not set",
    );
    check(
        "[auth]\nissur = \"i\"\n[[auth.keys]]\nkid = \"a\"\nissuer = \"i\"\n[auht]",
        "dumbwaiter.toml:2:9: in auth.issur: unknown key; did you mean issuer? (keys of [auth]: issuer, keys)\n\
         dumbwaiter.toml:5:10: in auth.keys[0].issuer: unknown key; issuer is a key of [auth] (keys of [[auth.keys]]: kid, secret)\n\
         dumbwaiter.toml:6:2: in auht: unknown section; did you mean auth? (sections: auth)",
    );
    check(
        "[auth.keys]\nkid = \"a\"",
        "dumbwaiter.toml:1:1: in auth.keys: a table is not a list of tables (expected tables, each under [[auth.keys]])",
    );
    check(
        "[auth]\nkeys = [{kid = \"a\"}, \"b\"]",
        "dumbwaiter.toml:2:22: in auth.keys[1]: \"b\" is not a table",
    );
    let variable = Document::empty().with_environment(&environment(&[("DUMBWAITER_AUTH__KEYS", "a")]));
    check_fault(
        tables_of(variable),
        "environment variable DUMBWAITER_AUTH__KEYS: in auth.keys: is taken from the file only, \
         where it is written as [[auth.keys]]",
    );
}

#[test]
fn tables_of_an_array_are_described_as_sections() {
    let mut document = Document::parse(FILE, "[[auth.keys]]\nkid = \"a\"\n[[auth.keys]]\nkid = \"b\"");
    let mut auth = document.section("auth", "");
    auth.key("keys", "Keys.").tables(|table| table.key("kid", "").text_if_set());
    auth.key("issuer", "").text_if_set();
    let described = document.finish().unwrap();
    let rows = described.iter().map(|section| {
        let keys = section
            .keys
            .iter()
            .map(|key| (key.name, key.value.as_ref().map_or_else(String::new, ToString::to_string)));
        (section.heading(), keys.collect::<Vec<_>>())
    });
    let row = |heading: &str, keys: &[(&'static str, &str)]| {
        (heading.to_owned(), keys.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    };
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [
            row("[auth]", &[("keys", ""), ("issuer", "")]),
            row("[[auth.keys]]", &[("kid", "a")]),
            row("[[auth.keys]]", &[("kid", "b")]),
        ]
    );
}

#[test]
fn a_part_adds_its_own_fault_at_the_place_of_the_key() {
    let mut document = Document::parse(FILE, "[web]\nport = 81\n");
    let mut web = document.section("web", "");
    port(&mut web);
    web.fault("port", "must be even");
    document.fault("web", "name", "is not set");
    let faults = document.finish().unwrap_err().to_string();
    assert_eq!(faults, "dumbwaiter.toml:2:8: in web.port: must be even\nin web.name: is not set");
}

#[test]
fn what_was_read_is_described() {
    let mut document = Document::parse(FILE, "[web]\nwindow = \"90s\"\nsecret = \"hunter2\"\n");
    let mut web = document.section("web", "Where clients connect.");
    window(&mut web);
    max_bytes(&mut web);
    format(&mut web);
    web.key("secret", "Signs.").secret();
    let described = document.finish().unwrap();
    assert_eq!((&*described[0].name, described[0].doc), ("web", "Where clients connect."));
    let rows: Vec<_> = described[0]
        .keys
        .iter()
        .map(|key| {
            let text = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            (
                key.name,
                key.kind.label(),
                text(key.allowed.clone()),
                text(key.default.as_ref().map(Shown::to_string)),
                text(key.value.as_ref().map(Shown::to_string)),
                key.origin.to_string(),
            )
        })
        .collect();
    let row = |name, kind, allowed: &str, default: &str, value: &str, origin: &str| {
        (name, kind, allowed.to_owned(), default.to_owned(), value.to_owned(), origin.to_owned())
    };
    assert_eq!(
        rows,
        [
            row("window", "duration", "1s to 1h", "1m", "1m 30s", "dumbwaiter.toml:2:10"),
            row("max_bytes", "bytes", "1KiB to 1GiB", "1KiB", "1KiB", "default"),
            row("format", "choice", "text, json", "text", "text", "default"),
            row("secret", "secret", "-", "-", "(hidden)", "dumbwaiter.toml:3:10"),
        ]
    );
    assert!(matches!(described[0].keys[0].origin, Origin::File { line: 2, column: 10, .. }));
}
