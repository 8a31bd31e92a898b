//! A template turns a value into a key: `user:{clientId}` and `"4920…6e"` give `user:4920…6e`.
//!
//! ```text
//! template = kind ":" ( text | "{" name "}" )
//! ```
//!
//! One placeholder at most: with two, the values `a:b`, `c` and `a`, `b:c` would give the same key. Empty and
//! oversized values give no key, so that a missing owner never becomes somebody.

use super::Key;
use crate::limits::KEY_VALUE_MAX_BYTES;
use std::fmt;

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    kind: Box<str>,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Fixed(Key),
    Field(Box<str>),
}

/// Why a text is no template.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{template:?} is not a key template (expected `kind:text` or `kind:{{field}}`)")]
pub struct TemplateFault {
    template: String,
}

impl Template {
    pub fn parse(text: &str) -> Result<Template, TemplateFault> {
        Template::try_parse(text).ok_or_else(|| TemplateFault { template: text.to_owned() })
    }

    fn try_parse(text: &str) -> Option<Template> {
        let (kind, value) = text.split_once(':')?;
        if !is_name(kind) {
            return None;
        }
        let value = match value.strip_prefix('{').map(|rest| rest.strip_suffix('}')) {
            Some(field) => Value::Field(field.filter(|name| is_name(name))?.into()),
            None if value.is_empty() || value.contains(['{', '}']) => return None,
            None => Value::Fixed(Key::new(text)),
        };
        Some(Template { kind: kind.into(), value })
    }

    /// The field that the template asks for, if it is not a fixed key.
    pub fn field(&self) -> Option<&str> {
        match &self.value {
            Value::Fixed(_) => None,
            Value::Field(name) => Some(name),
        }
    }

    /// The fixed key, if the template asks for no field.
    pub fn fixed(&self) -> Option<&Key> {
        match &self.value {
            Value::Fixed(key) => Some(key),
            Value::Field(_) => None,
        }
    }

    /// Whether `key` is one that the template may give for some value.
    pub fn may_give(&self, key: &Key) -> bool {
        key.as_str().strip_prefix(&*self.kind).is_some_and(|value| value.starts_with(':'))
    }

    /// Whether `key` is one that the template gives, for some value if it asks for one.
    pub fn gives(&self, key: &Key) -> bool {
        self.fixed().map_or_else(|| self.may_give(key), |fixed| fixed == key)
    }

    /// The key for a value of the template's field.
    pub fn key(&self, value: &str) -> Option<Key> {
        let usable = !value.is_empty() && value.len() <= KEY_VALUE_MAX_BYTES;
        usable.then(|| Key::new(&format!("{}:{value}", self.kind)))
    }
}

/// As a catalog has it.
impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Fixed(key) => formatter.write_str(key.as_str()),
            Value::Field(name) => write!(formatter, "{}:{{{name}}}", self.kind),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_and_field_templates_give_keys() {
        assert_eq!(Template::parse("role:ADMIN").unwrap().fixed(), Some(&Key::new("role:ADMIN")));
        let template = Template::parse("user:{clientId}").unwrap();
        assert_eq!(template.field(), Some("clientId"));
        assert_eq!(template.key("42"), Some(Key::new("user:42")));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "role", "role:", ":x", "user:{}", "user:{a}{b}", "user:x{a}", "us er:x", "user:{a b}"]
        {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn empty_and_oversized_values_give_no_key() {
        let template = Template::parse("user:{id}").unwrap();
        assert_eq!(template.key(""), None);
        assert_eq!(template.key(&"x".repeat(KEY_VALUE_MAX_BYTES + 1)), None);
        assert!(template.key(&"x".repeat(KEY_VALUE_MAX_BYTES)).is_some());
    }
}
