//! An error and all that caused it, on one line, for logs and faults: outer errors seldom say what went wrong.

use std::error::Error;

pub fn on_one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
