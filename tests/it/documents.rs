//! Documents that repeat what the code says are compared with it.

use dumbwaiter::protocol::Ending;
use dumbwaiter::protocol::close::ComeBack;

#[test]
fn the_documented_close_codes_are_those_of_the_code() {
    let documented = include_str!("../../docs/close-codes.md");
    let rows: Vec<String> = Ending::ALL.into_iter().map(close_row).collect();
    let missing: Vec<&String> =
        rows.iter().filter(|row| !documented.lines().any(|line| line == *row)).collect();
    assert!(missing.is_empty(), "docs/close-codes.md lacks these rows:\n{missing:#?}");
    let documented_rows = documented.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(documented_rows, rows.len(), "docs/close-codes.md has a row that the code has not");
}

fn close_row(ending: Ending) -> String {
    let row = ending.row();
    let code = row.code.map_or_else(|| "–".to_owned(), |code| code.to_string());
    let come_back = match row.come_back {
        ComeBack::No => "no",
        ComeBack::AtOnce => "yes",
        ComeBack::Later => "yes, after some seconds",
        ComeBack::WithNewToken => "with a new token",
    };
    format!("| `{}` | {code} | {} | {} | {come_back} |", row.label, row.reason, row.meaning)
}
