//! Who somebody is: the claims about them that were verified, and until when they hold.
//!
//! Every method of identification ends in these; the catalog's grants turn them into keys. The values
//! are about a person, so `Debug` does not show them.

use std::fmt;
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::rules::date;

/// Verified claims. Having them is the proof that somebody checked.
#[derive(Clone, PartialEq)]
pub struct Claims {
    values: Map<String, Value>,
    expires_at: SystemTime,
}

impl Claims {
    /// For the methods of identification only, after they have checked what they stand for.
    pub fn new(values: Map<String, Value>, expires_at: SystemTime) -> Claims {
        Claims { values, expires_at }
    }

    /// One claim, as the issuer wrote it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// All of them, for keeping.
    pub(super) fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// Who it is to the issuer (`sub`); none where tokens without a subject are accepted.
    pub fn subject(&self) -> Option<&str> {
        self.get("sub")?.as_str()
    }

    /// When they were issued (`iat`), if they say so.
    pub fn issued_at(&self) -> Option<SystemTime> {
        date(&self.values, "iat").ok().flatten()
    }

    /// When they end to hold, and a connection that stands on them with them; leeway included.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.values.keys().collect();
        formatter.debug_struct("Claims").field("names", &names).finish_non_exhaustive()
    }
}
