//! Grants: verified claims → the keys that a connection holds.
//!
//! `role:{role}`, `user:{sub}`, `store:{store_id}` (the default) give one key each; a claim that is a list
//! gives one key per element. It fails closed: a claim that is absent, null, an object or a fraction gives no key,
//! and of a long list what is over the bound gives none.

use super::{Key, Template};
use crate::auth::{Claims, Login};
use crate::limits::KEYS_PER_CONNECTION_MAX;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

/// Who a connection is to the delivery: its keys, and what ends them: time, a revocation of its login, or other grants.
#[derive(Debug, Clone)]
pub struct Identity {
    pub keys: Arc<[Key]>,
    /// What the claims would give beyond the bound on a connection's keys.
    pub keys_left_out: usize,
    /// Which gave the keys.
    pub grants: Grants,
    pub expires_at: SystemTime,
    pub login: Login,
}

/// The templates by which claims become keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    templates: Arc<[Template]>,
}

/// What grants gave and those that follow them do not give in the same way.
#[derive(Debug)]
pub struct Withdrawn {
    templates: Vec<Template>,
}

impl Grants {
    pub fn new(templates: Vec<Template>) -> Grants {
        Grants { templates: templates.into() }
    }

    pub fn withdrawn_by(&self, next: &Grants) -> Withdrawn {
        let mut templates = self.templates.to_vec();
        templates.retain(|template| !next.templates.contains(template));
        Withdrawn { templates }
    }

    pub fn identity(&self, claims: &Claims, login: Login) -> Identity {
        let (keys, keys_left_out) = self.keys(|name| claims.get(name));
        Identity { keys, keys_left_out, grants: self.clone(), expires_at: claims.expires_at(), login }
    }

    pub fn keys_of(&self, claims: &Claims) -> Arc<[Key]> {
        self.keys(|name| claims.get(name)).0
    }

    fn keys<'a>(&self, claim: impl Fn(&str) -> Option<&'a Value>) -> (Arc<[Key]>, usize) {
        let (mut plain, mut listed) = (Vec::new(), Vec::new());
        for template in &*self.templates {
            match template.field().map(&claim) {
                None => plain.extend(template.fixed().cloned()),
                Some(Some(Value::Array(elements))) => {
                    listed.extend(elements.iter().filter_map(|element| scalar_key(template, element)));
                }
                Some(value) => plain.extend(value.and_then(|value| scalar_key(template, value))),
            }
        }
        // Lists come last, so that a long one costs nobody the key of who they are.
        let (mut keys, mut left_out) = (BTreeSet::new(), BTreeSet::new());
        for key in plain.into_iter().chain(listed) {
            let has_room = keys.len() < KEYS_PER_CONNECTION_MAX || keys.contains(&key);
            if has_room {
                keys.insert(key)
            } else {
                left_out.insert(key)
            };
        }
        (keys.into_iter().collect(), left_out.len())
    }
}

impl Withdrawn {
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// Whether one of these keys may not be given any more. The claims are not there to ask, so it may be one that
    /// another template would still give.
    pub fn concerns(&self, keys: &[Key]) -> bool {
        self.templates.iter().any(|template| keys.iter().any(|key| template.gives(key)))
    }
}

fn scalar_key(template: &Template, value: &Value) -> Option<Key> {
    match value {
        Value::String(text) => template.key(text),
        Value::Number(number) if number.is_i64() || number.is_u64() => template.key(&number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn grants(templates: &[&str]) -> Grants {
        Grants::new(templates.iter().map(|text| Template::parse(text).unwrap()).collect())
    }

    #[test]
    fn keys_that_other_grants_may_not_give_are_withdrawn() {
        let check = |next: &[&str], key: &str, expected: bool| {
            let withdrawn = grants(&["role:{role}", "user:{sub}", "role:GUEST"]).withdrawn_by(&grants(next));
            assert_eq!(withdrawn.concerns(&[Key::new("user:7"), Key::new(key)]), expected, "{next:?} {key}");
            assert_eq!(withdrawn.is_empty(), next.len() == 4, "{next:?}");
        };
        let more = ["role:{role}", "user:{sub}", "role:GUEST", "store:{store_id}"];
        check(&more, "role:ADMIN", false);
        check(&["role:{role}", "user:{sub}"], "role:ADMIN", false);
        check(&["role:{role}", "user:{sub}"], "role:GUEST", true);
        check(&["role:{roles}", "user:{sub}", "role:GUEST"], "role:ADMIN", true);
        check(&["role:{roles}", "user:{sub}", "role:GUEST"], "roles:ADMIN", false);
    }

    fn check(claims: Value, expected: &[&str]) {
        let grants = grants(&["role:{role}", "user:{sub}", "store:{store_id}"]);
        let (keys, left_out) = grants.keys(|name| claims.get(name));
        assert_eq!(left_out, 0, "{claims}");
        let texts: Vec<_> = keys.iter().map(Key::as_str).collect();
        assert_eq!(texts, expected, "{claims}");
    }

    #[test]
    fn claims_become_keys() {
        check(json!({"role": "ADMIN", "sub": "u1", "store_id": 7}), &["role:ADMIN", "store:7", "user:u1"]);
        check(
            json!({"role": ["ADMIN", "WATCHER", "ADMIN"], "sub": "u1"}),
            &["role:ADMIN", "role:WATCHER", "user:u1"],
        );
        check(json!({"store_id": [7, "8"]}), &["store:7", "store:8"]);
        check(json!({"store_id": [-7, u64::MAX]}), &["store:-7", "store:18446744073709551615"]);
    }

    #[test]
    fn what_is_not_a_plain_value_gives_no_key() {
        for odd in
            [json!(null), json!(""), json!(1.5), json!(true), json!({"a": 1}), json!([["ADMIN"]]), json!([])]
        {
            check(json!({"role": odd, "sub": "u1"}), &["user:u1"]);
        }
    }

    #[test]
    fn a_long_list_costs_nobody_the_key_of_who_they_are() {
        let check = |stores: usize, left: usize| {
            let claims = json!({"sub": "u1", "role": "MANAGER", "store_id": (0..stores).collect::<Vec<_>>()});
            let (keys, left_out) = grants(&["store:{store_id}", "role:{role}", "user:{sub}", "user:{sub}"])
                .keys(|name| claims.get(name));
            assert_eq!((keys.len(), left_out), (2 + stores - left, left));
            assert!(["user:u1", "role:MANAGER", "store:0"].iter().all(|key| keys.contains(&Key::new(key))));
        };
        check(KEYS_PER_CONNECTION_MAX - 2, 0);
        check(KEYS_PER_CONNECTION_MAX - 1, 1);
        check(1_000, 1_000 + 2 - KEYS_PER_CONNECTION_MAX);
    }
}
