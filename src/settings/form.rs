//! The forms in which values are written, one type each: how it is read, shown and described.
//!
//! ```text
//! duration   "15m"  "250ms"  "1h 30m"        bytes     "256MiB"  "64kB"  1048576
//! address    "127.0.0.1:8080"  "[::]:8080"   list      ["a", "b"]; bare text: a,b
//! ```
//!
//! A form here is pure: a written value in; a typed one, or what is wrong with it, out. Forms that read
//! a file are in `file`; recording faults and choosing between the layers is for `section`.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;

use super::description::{Kind, Shown};
use super::value::Value;

pub(super) trait Form {
    type Output;
    const KIND: Kind;

    /// The typed value, or the rest of the sentence "in web.listen: ...".
    fn parse(&self, value: &Value) -> Result<Self::Output, String>;

    /// The value in the form in which it can be written.
    fn show(&self, output: &Self::Output) -> String;

    /// The value as a description has it.
    fn describe(&self, output: &Self::Output) -> Shown {
        Shown::Text(self.show(output))
    }

    /// What is taken, where the kind alone does not say it.
    fn allowed(&self) -> Option<String> {
        None
    }
}

pub(super) struct Text;

impl Form for Text {
    type Output = String;
    const KIND: Kind = Kind::Text;

    fn parse(&self, value: &Value) -> Result<String, String> {
        value.as_text().map(str::to_owned).ok_or_else(|| format!("{value} is not a text"))
    }

    fn show(&self, output: &String) -> String {
        output.clone()
    }
}

pub(super) struct List;

impl Form for List {
    type Output = Vec<String>;
    const KIND: Kind = Kind::List;

    fn parse(&self, value: &Value) -> Result<Vec<String>, String> {
        let items: Option<Vec<String>> = match value {
            Value::Bare(text) => Some(text.split(',').map(|item| item.trim().to_owned()).collect()),
            Value::List(items) => items.iter().map(|item| item.value.as_text().map(str::to_owned)).collect(),
            _ => None,
        };
        let items =
            items.ok_or_else(|| format!("{value} is not a list of texts (expected [\"a\", \"b\"])"))?;
        if items.iter().any(String::is_empty) {
            return Err("has an empty item".to_owned());
        }
        Ok(items)
    }

    fn show(&self, output: &Vec<String>) -> String {
        output.join(",")
    }

    fn describe(&self, output: &Vec<String>) -> Shown {
        Shown::List(output.clone())
    }
}

pub(super) struct DurationIn(pub RangeInclusive<Duration>);

impl Form for DurationIn {
    type Output = Duration;
    const KIND: Kind = Kind::Duration;

    fn parse(&self, value: &Value) -> Result<Duration, String> {
        let duration =
            value.as_text().and_then(|text| humantime::parse_duration(text).ok()).ok_or_else(|| {
                format!("{value} is not a duration (expected a text like \"15m\" or \"250ms\")")
            })?;
        check_range(value, &duration, &self.0, |duration| self.show(duration))?;
        Ok(duration)
    }

    fn show(&self, output: &Duration) -> String {
        humantime::format_duration(*output).to_string()
    }

    fn allowed(&self) -> Option<String> {
        Some(format!("{} to {}", self.show(self.0.start()), self.show(self.0.end())))
    }
}

pub(super) struct BytesIn(pub RangeInclusive<usize>);

impl Form for BytesIn {
    type Output = usize;
    const KIND: Kind = Kind::Bytes;

    fn parse(&self, value: &Value) -> Result<usize, String> {
        let bytes = match value {
            Value::Integer(integer) => usize::try_from(*integer).ok(),
            other => other.as_text().and_then(parse_bytes),
        };
        let bytes = bytes.ok_or_else(|| {
            format!("{value} is not a number of bytes (expected a text like \"256MiB\", or an integer)")
        })?;
        check_range(value, &bytes, &self.0, |bytes| self.show(bytes))?;
        Ok(bytes)
    }

    /// The largest binary unit that gives a whole number, or plain bytes.
    fn show(&self, output: &usize) -> String {
        let mut units = UNITS.iter().filter(|(name, _)| name.ends_with("iB")).rev();
        match units.find(|(_, size)| *output > 0 && output.is_multiple_of(*size)) {
            Some((name, size)) => format!("{}{name}", output / size),
            None => output.to_string(),
        }
    }

    fn allowed(&self) -> Option<String> {
        Some(format!("{} to {}", self.show(self.0.start()), self.show(self.0.end())))
    }
}

/// Binary units as IEC 80000-13 names them, decimal ones as SI does; the plain `B` last, as it ends all.
const UNITS: [(&str, usize); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

fn parse_bytes(text: &str) -> Option<usize> {
    let text = text.trim();
    let unit = UNITS.iter().find_map(|(name, size)| Some((text.strip_suffix(name)?, *size)));
    let (number, size) = unit.unwrap_or((text, 1));
    number.trim_end().parse::<usize>().ok()?.checked_mul(size)
}

pub(super) struct IntegerIn<T>(pub RangeInclusive<T>);

impl<T: TryFrom<i64> + PartialOrd + fmt::Display> Form for IntegerIn<T> {
    type Output = T;
    const KIND: Kind = Kind::Integer;

    fn parse(&self, value: &Value) -> Result<T, String> {
        let integer = match value {
            Value::Integer(integer) => Some(*integer),
            Value::Bare(text) => text.trim().parse().ok(),
            _ => None,
        };
        let integer = integer.ok_or_else(|| format!("{value} is not an integer"))?;
        // What the type cannot hold is outside of a range of that type, and told the same way.
        let outside = || out_of_range(value, self.0.start(), self.0.end());
        let integer = T::try_from(integer).map_err(|_| outside())?;
        if self.0.contains(&integer) { Ok(integer) } else { Err(outside()) }
    }

    fn show(&self, output: &T) -> String {
        output.to_string()
    }

    fn describe(&self, output: &T) -> Shown {
        Shown::Bare(self.show(output))
    }

    fn allowed(&self) -> Option<String> {
        Some(format!("{} to {}", self.0.start(), self.0.end()))
    }
}

pub(super) struct Flag;

impl Form for Flag {
    type Output = bool;
    const KIND: Kind = Kind::Flag;

    fn parse(&self, value: &Value) -> Result<bool, String> {
        match value {
            Value::Flag(flag) => Ok(*flag),
            Value::Bare(text) if text == "true" => Ok(true),
            Value::Bare(text) if text == "false" => Ok(false),
            _ => Err(format!("{value} is not true or false")),
        }
    }

    fn show(&self, output: &bool) -> String {
        output.to_string()
    }

    fn describe(&self, output: &bool) -> Shown {
        Shown::Bare(self.show(output))
    }
}

pub(super) struct Address;

impl Form for Address {
    type Output = SocketAddr;
    const KIND: Kind = Kind::Address;

    fn parse(&self, value: &Value) -> Result<SocketAddr, String> {
        value.as_text().and_then(|text| text.parse().ok()).ok_or_else(|| {
            format!(
                "{value} is not an address (expected IP address and port, like 127.0.0.1:8080 or [::]:8080)"
            )
        })
    }

    fn show(&self, output: &SocketAddr) -> String {
        output.to_string()
    }
}

pub(super) struct FilePath;

impl Form for FilePath {
    type Output = PathBuf;
    const KIND: Kind = Kind::Path;

    fn parse(&self, value: &Value) -> Result<PathBuf, String> {
        match value.as_text() {
            Some("") => Err("is an empty path".to_owned()),
            Some(path) => Ok(Path::new(path).to_owned()),
            None => Err(format!("{value} is not a path")),
        }
    }

    fn show(&self, output: &PathBuf) -> String {
        output.display().to_string()
    }
}

/// A URL of one of two schemes, in the clear and over TLS.
pub(super) struct UrlOf(pub [&'static str; 2]);

pub(super) const HTTP: UrlOf = UrlOf(["http", "https"]);
pub(super) const REDIS: UrlOf = UrlOf(["redis", "rediss"]);

impl UrlOf {
    /// A URL that may be shown: one with a user or password in it is refused, so that no later log line,
    /// error or printed setting has to remember to take them out.
    fn parse_text(&self, text: &str) -> Result<Url, String> {
        let [clear, tls] = self.0;
        let expected = format!("(expected {clear}:// or {tls}:// and a host)");
        match Url::parse(text) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Err("has a user or password in it; credentials have keys of their own".to_owned())
            }
            Ok(url) if self.0.contains(&url.scheme()) && url.has_host() => Ok(url),
            _ if text.contains('@') => Err(format!("is not a URL {expected}")),
            _ => Err(format!("{text:?} is not a URL {expected}")),
        }
    }
}

impl Form for UrlOf {
    type Output = Url;
    const KIND: Kind = Kind::Url;

    fn parse(&self, value: &Value) -> Result<Url, String> {
        let text = value.as_text().ok_or_else(|| format!("{value} is not a URL"))?;
        self.parse_text(text)
    }

    fn show(&self, output: &Url) -> String {
        output.to_string()
    }
}

pub(super) struct HttpUrls;

impl Form for HttpUrls {
    type Output = Vec<Url>;
    const KIND: Kind = Kind::Urls;

    fn parse(&self, value: &Value) -> Result<Vec<Url>, String> {
        List.parse(value)?.iter().map(|text| HTTP.parse_text(text)).collect()
    }

    fn show(&self, output: &Vec<Url>) -> String {
        output.iter().map(Url::to_string).collect::<Vec<_>>().join(",")
    }

    fn describe(&self, output: &Vec<Url>) -> Shown {
        Shown::List(output.iter().map(Url::to_string).collect())
    }
}

pub(super) struct Choice<'a, T>(pub &'a [(&'static str, T)]);

impl<T: Copy + PartialEq> Form for Choice<'_, T> {
    type Output = T;
    const KIND: Kind = Kind::Choice;

    fn parse(&self, value: &Value) -> Result<T, String> {
        let chosen = value.as_text().and_then(|text| self.0.iter().find(|(name, _)| *name == text));
        chosen.map(|(_, choice)| *choice).ok_or_else(|| format!("{value} is not one of {}", self.names()))
    }

    fn show(&self, output: &T) -> String {
        let name = self.0.iter().find(|(_, choice)| choice == output).map(|(name, _)| *name);
        name.unwrap_or_default().to_owned()
    }

    fn allowed(&self) -> Option<String> {
        Some(self.names())
    }
}

impl<T> Choice<'_, T> {
    fn names(&self) -> String {
        self.0.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}

fn check_range<T: PartialOrd>(
    value: &Value,
    output: &T,
    range: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<(), String> {
    if range.contains(output) {
        return Ok(());
    }
    Err(out_of_range(value, &show(range.start()), &show(range.end())))
}

fn out_of_range<T: fmt::Display + ?Sized>(value: &Value, least: &T, most: &T) -> String {
    format!("{value} is out of range (expected {least} to {most})")
}
