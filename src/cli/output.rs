//! What the commands write: results to standard output, words for the person at the terminal to standard error.
//!
//! A reader that has seen enough (`dumbwaiter tail | head`) closes its end: that is the end of the command and no
//! fault of it. Colour is for terminals only, and never where NO_COLOR is set.

use crate::settings::Environment;
#[cfg(feature = "kafka")]
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use std::fmt;
use std::io::{self, IsTerminal, Write};

/// A line of a result. Fails when nobody reads any more.
pub(super) fn put(line: &dyn fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// To the person at the terminal. If standard error is closed, nobody listens.
pub(super) fn say(message: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// How far a long work is, by a template of the library: on standard error, only on a terminal, and gone when the work is done.
#[cfg(feature = "kafka")]
pub(super) fn progress(template: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Standard output, as far as colour goes.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    colours: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
    Grey = 90,
}

impl Paint {
    #[cfg(test)]
    pub const PLAIN: Paint = Paint { colours: false };

    pub fn for_stdout(environment: &Environment) -> Paint {
        let refused = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
        Paint { colours: io::stdout().is_terminal() && !refused }
    }

    /// `text` in a colour, by the sequences of ECMA-48 (SGR).
    pub fn paint(self, colour: Colour, text: &dyn fmt::Display) -> String {
        if self.colours { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_string() }
    }
}
