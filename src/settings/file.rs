//! Settings that name a file instead of holding the value: secrets, keys and certificates.
//!
//! The file is read when the setting is read, so that a missing one is a fault beside the others before
//! a port opens, and a reload of the settings takes the new content. Reading is bounded; a fault names
//! the path and never shows content.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::description::Kind;
use super::form::{FilePath, Form};
use super::value::Value;
use crate::limits;

/// A secret's file: its content without the white space around it.
pub(super) fn read_secret(value: &Value) -> Result<SecretString, String> {
    let (path, content) = SmallFile.parse(value)?;
    match content.trim() {
        "" => Err(format!("{path:?} is empty")),
        secret => Ok(SecretString::from(secret)),
    }
}

/// A path, and the text that stands in the file.
pub(super) struct SmallFile;

impl Form for SmallFile {
    type Output = (PathBuf, String);
    const KIND: Kind = Kind::Path;

    fn parse(&self, value: &Value) -> Result<(PathBuf, String), String> {
        let path = FilePath.parse(value)?;
        read_small_file(&path).map(|content| (path, content))
    }

    fn show(&self, (path, _): &(PathBuf, String)) -> String {
        path.display().to_string()
    }
}

/// The text of a file that a setting names.
pub fn read_small_file(path: &Path) -> Result<String, String> {
    read_bounded(path).map_err(|error| format!("{path:?} cannot be read: {error}"))
}

/// A path that leads to something huge or endless is an error, not a hang.
fn read_bounded(path: &Path) -> io::Result<String> {
    let mut content = String::new();
    let most = limits::SETTINGS_SIDE_FILE_MAX_BYTES;
    let length = File::open(path)?.take(most + 1).read_to_string(&mut content)?;
    if u64::try_from(length).is_ok_and(|length| length <= most) {
        return Ok(content);
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {most} bytes")))
}
