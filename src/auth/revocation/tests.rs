use std::mem::size_of;

use serde_json::json;

use super::*;
use crate::settings::Document;

/// Seconds since 1970, at which the tests take place.
const NOW: u64 = 1_790_000_000;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn claims(claims: Value) -> Claims {
    let Value::Object(values) = claims else { panic!("claims are an object") };
    Claims::new(values, at(NOW + 60))
}

fn login(of: Value) -> Login {
    Login::of(&claims(of), "sub", at(NOW))
}

fn change(key: &str, value: Value) -> Change {
    let value = (!value.is_null()).then(|| value.to_string());
    let timestamp_ms = i64::try_from(NOW * 1_000).unwrap();
    Change::parse(Some(key.as_bytes()), value.as_deref().map(str::as_bytes), Some(timestamp_ms)).unwrap()
}

/// Whether the records, in their order, revoke a login with these claims; by the rules and by the batch.
fn check(records: &[(&str, Value)], claims: Value, expected: bool) {
    let revocations = Revocations::new(&Settings::default());
    let changes: Vec<Change> = records.iter().map(|(key, value)| change(key, value.clone())).collect();
    let batch = revocations.apply(&changes, at(NOW), |_| {});
    let login = revocations.login(&self::claims(claims.clone()), at(NOW));
    assert_eq!(revocations.revoke(&login), expected, "{records:?} {claims}");
    assert_eq!(batch.revokes(&login), expected, "{records:?} {claims}");
}

#[test]
fn a_user_is_revoked_by_issue_time() {
    let record = [("user:u1", json!({"issued_before": 1_000}))];
    check(&record, json!({"sub": "u1", "iat": 999}), true);
    check(&record, json!({"sub": "u1", "iat": 999.999}), true);
    check(&record, json!({"sub": "u1", "iat": 1_000}), false);
    check(&record, json!({"sub": "u2", "iat": 999}), false);
    check(&record, json!({"iat": 999}), false);
    check(&[("user:7", json!({"issued_before": 1_000}))], json!({"sub": 7, "iat": 999}), true);
}

#[test]
fn what_does_not_say_when_it_was_issued_is_revoked() {
    check(&[("user:u1", json!({"issued_before": 1}))], json!({"sub": "u1"}), true);
    check(&[("everybody", json!({"issued_before": 1}))], json!({"sub": "u1"}), true);
    check(&[("user:u1", json!({"issued_before": 1}))], json!({"sub": "u1", "iat": "yesterday"}), true);
}

#[test]
fn an_issue_time_ahead_counts_as_now() {
    let records = [("user:u1", json!({"issued_before": NOW + 1}))];
    check(&records, json!({"sub": "u1", "iat": NOW + 1_000_000}), true);
}

#[test]
fn one_token_or_everybody_is_revoked() {
    check(&[("token:t1", json!({}))], json!({"jti": "t1", "iat": NOW}), true);
    check(&[("token:t1", json!({}))], json!({"jti": "t1"}), true);
    check(&[("token:t1", json!({}))], json!({"jti": "t2"}), false);
    check(&[("token:u1", json!({}))], json!({"sub": "u1"}), false);
    let everybody = [("everybody", json!({"issued_before": 1_000}))];
    check(&everybody, json!({"sub": "u1", "iat": 999}), true);
    check(&everybody, json!({"sub": "u1", "iat": 1_000}), false);
}

#[test]
fn the_newest_record_of_a_key_counts_and_a_tombstone_lifts_it() {
    let claims = json!({"sub": "u1", "iat": 1_500});
    let record = |before: u64| ("user:u1", json!({"issued_before": before}));
    check(&[record(1_000), record(2_000)], claims.clone(), true);
    check(&[record(2_000), record(1_000)], claims.clone(), false);
    check(&[record(2_000), ("user:u1", Value::Null)], claims.clone(), false);
    check(&[record(2_000), ("user:u2", Value::Null)], claims, true);
}

#[test]
fn a_batch_without_a_rule_in_force_is_empty() {
    let is_empty = |changes: &[Change]| {
        Revocations::new(&Settings::default()).apply(changes, at(NOW), |_| {}).is_empty()
    };
    let revoke = change("user:u1", json!({"issued_before": NOW}));
    let lift = change("user:u1", Value::Null);
    let past = change("token:t1", json!({"until": NOW}));
    assert_eq!([&[revoke][..], &[lift, revoke]].map(is_empty), [false, false]);
    assert_eq!([&[][..], &[lift], &[revoke, lift], &[past]].map(is_empty), [true; 4]);
}

#[test]
fn the_claim_that_names_the_user_is_a_setting() {
    let mut settings = Settings::default();
    settings.revocation.user_claim = "uid".to_owned();
    let revocations = Revocations::new(&settings);
    revocations.apply(&[change("user:u1", json!({"issued_before": NOW}))], at(NOW), |_| {});
    let is_revoked = |of: Value| revocations.revoke(&revocations.login(&claims(of), at(NOW)));
    assert!(is_revoked(json!({"uid": "u1", "sub": "u2", "iat": 1})));
    assert!(!is_revoked(json!({"uid": "u2", "sub": "u1", "iat": 1})));
}

#[test]
fn what_is_no_revocation_is_told() {
    let check = |key: Option<&str>, value: &str, expected: RecordFault| {
        let parsed = Change::parse(key.map(str::as_bytes), Some(value.as_bytes()), None);
        assert_eq!(parsed, Err(expected), "{key:?} {value}");
    };
    check(None, "{}", RecordFault::Key);
    for key in ["", "u1", "user:", "token:", "User:u1", "everybody:x", "role:ADMIN"] {
        check(Some(key), r#"{"issued_before":1}"#, RecordFault::Key);
    }
    for value in ["", "null", "[]", "1", "{", "\"x\""] {
        check(Some("user:u1"), value, RecordFault::Value);
    }
    for value in ["{}", r#"{"issued_before":null}"#, r#"{"issued_before":"2026"}"#, r#"{"issued_before":-1}"#]
    {
        check(Some("user:u1"), value, RecordFault::IssuedBefore);
        check(Some("everybody"), value, RecordFault::IssuedBefore);
    }
    check(Some("token:t"), r#"{"until":"tomorrow"}"#, RecordFault::Until);
    let parsed = Change::parse(Some(b"user:\xff"), None, None);
    assert_eq!(parsed, Err(RecordFault::Key));
}

#[test]
fn keys_and_values_are_bounded() {
    let key = |bytes: usize| format!("user:{}", "x".repeat(bytes - "user:".len())).into_bytes();
    let value = |bytes: usize| {
        let start = r#"{"issued_before":1"#;
        format!("{start}{}}}", " ".repeat(bytes - start.len() - 1)).into_bytes()
    };
    let check = |key: &[u8], value: &[u8], fits: bool| {
        let parsed = Change::parse(Some(key), Some(value), None);
        assert_eq!(parsed.err(), (!fits).then_some(RecordFault::TooLarge));
    };
    check(&key(REVOCATION_KEY_MAX_BYTES), &value(REVOCATION_VALUE_MAX_BYTES), true);
    check(&key(REVOCATION_KEY_MAX_BYTES + 1), &value(100), false);
    check(&key(10), &value(REVOCATION_VALUE_MAX_BYTES + 1), false);
}

fn rules(retention_seconds: Option<u64>, most: usize) -> Rules {
    Rules::new(retention_seconds.map(Duration::from_secs), most)
}

#[test]
fn rules_are_forgotten_when_nothing_can_be_left_that_they_revoke() {
    let mut rules = rules(Some(60), 100);
    assert_eq!(rules.apply(change("user:u1", json!({"issued_before": NOW})), at(NOW)), Applied::Revoked);
    assert_eq!(rules.apply(change("token:t1", json!({})), at(NOW)), Applied::Revoked);
    let sooner = change("token:t2", json!({"until": NOW + 10}));
    assert_eq!(rules.apply(sooner, at(NOW)), Applied::Revoked);
    for (after, left) in [(9, 3), (10, 2), (59, 2), (60, 0)] {
        rules.forget(at(NOW + after));
        assert_eq!((rules.by_mark.len(), rules.by_end.len()), (left, left), "after {after} s");
    }
    let old = change("user:u1", json!({"issued_before": NOW - 60}));
    assert_eq!(rules.apply(old, at(NOW)), Applied::Past);
}

#[test]
fn without_a_longest_lifetime_rules_stay() {
    let mut rules = rules(None, 100);
    rules.apply(change("user:u1", json!({"issued_before": 1})), at(NOW));
    rules.forget(at(NOW * 2));
    assert_eq!(rules.by_mark.len(), 1);
}

#[test]
fn at_the_bound_the_rule_goes_that_would_be_forgotten_first() {
    let mut rules = rules(None, 2);
    for (user, before) in [("user:new", 3_000), ("user:old", 1_000), ("user:middle", 2_000)] {
        rules.apply(change(user, json!({"issued_before": before})), at(NOW));
    }
    assert_eq!(rules.evict(), 1);
    let is_revoked = |sub: &str| rules.revoke(&login(json!({"sub": sub})));
    assert_eq!(["new", "old", "middle"].map(is_revoked), [true, false, true]);
    assert_eq!((rules.by_mark.len(), rules.by_end.len()), (2, 2));
}

#[test]
fn tidying_tells_how_many_rules_are_left() {
    let revocations = Revocations::new(&Settings::default());
    let users = ["user:a", "user:b"].map(|user| change(user, json!({"issued_before": NOW})));
    revocations.apply(&[users[0], users[1], change("token:t", json!({"until": NOW + 10}))], at(NOW), |_| {});
    assert_eq!(revocations.tidy(at(NOW)), (3, 0));
    assert_eq!(revocations.tidy(at(NOW + 10)), (2, 0));
}

#[test]
fn how_long_rules_are_kept_follows_the_longest_lifetime_of_tokens() {
    let check = |text: &str, expected: Option<u64>| {
        let secret = format!("[auth]\nsecret = \"{}\"\n{text}", "s".repeat(32));
        let settings = Settings::read(&mut Document::parse("dumbwaiter.toml", &secret));
        assert_eq!(retention(&settings), expected.map(Duration::from_secs), "{text}");
    };
    check("", None);
    check("max_lifetime = \"1h\"\nleeway = \"5s\"", Some(3_605));
    check("max_lifetime = \"1h\"\n[session]\nurl = \"https://login.example/session\"", None);
}

#[test]
fn a_connection_remembers_24_bytes() {
    assert_eq!(size_of::<Login>(), 24);
}
