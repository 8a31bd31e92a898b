//! Imports run one way. The table in ARCHITECTURE.md says which part of `src/` may import which; this test
//! reads the `crate::` paths of the code and fails on one that the table does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Table = BTreeMap<String, BTreeSet<String>>;

#[test]
fn imports_run_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let allowed = table(&fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap());
    assert!(allowed.len() > 10, "the table of imports was not found in ARCHITECTURE.md");
    assert_eq!(cycle(&allowed), None, "the table itself has a circle");
    let mut wrong = Vec::new();
    for file in rust_files(&root.join("src")) {
        let part = part_of(file.strip_prefix(root.join("src")).unwrap());
        // The library's list of modules and the program's two lines are above all parts.
        if part == "lib" || part == "main" {
            continue;
        }
        let Some(may_import) = allowed.get(&part) else {
            wrong.push(format!("{part} is not in the table"));
            continue;
        };
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            if import != part && !may_import.contains(&import) {
                wrong.push(format!("{} imports {import}", file.strip_prefix(root).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "not allowed by the table in ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

/// Rows such as "| `shard` | `journal`, `event` |".
fn table(text: &str) -> Table {
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        let part = cells.next()?.trim().trim_end_matches('`');
        let imports = names(cells.next()?);
        Some((part.to_owned(), imports))
    });
    rows.collect()
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn cycle(table: &Table) -> Option<String> {
    let mut left: Table = table.clone();
    while let Some(part) = left.iter().find(|(_, imports)| imports.iter().all(|i| !left.contains_key(i))) {
        let part = part.0.clone();
        left.remove(&part);
    }
    left.into_keys().next()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The folder, or the file directly in `src/`.
fn part_of(path: &Path) -> String {
    let first = path.iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The parts named by `crate::` paths, in `use` lines and elsewhere. Tests may look at whatever they need.
fn imports(code: &str) -> BTreeSet<String> {
    let code = without_tests(code);
    let mut parts = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => parts.extend(group_heads(group)),
            None => parts.extend(head(rest)),
        }
    }
    parts
}

/// The code without what stands under `#[cfg(test)]`, which ends with the first line of the same indentation that is
/// a brace or ends with a semicolon.
fn without_tests(code: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let Some(indentation) = line.strip_suffix("#[cfg(test)]") else {
            kept.push(line);
            continue;
        };
        let ends = |line: &str| {
            let rest = line.strip_prefix(indentation).filter(|rest| !rest.starts_with(' '));
            rest.is_some_and(|rest| rest == "}" || rest.ends_with(';'))
        };
        lines.by_ref().find(|line| ends(line));
    }
    kept.join("\n")
}

fn group_heads(group: &str) -> Vec<String> {
    let group = group.split('}').next().unwrap();
    group.split(',').filter_map(|item| head(item.trim())).collect()
}

fn head(path: &str) -> Option<String> {
    let name: String = path.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn back_edges_are_seen() {
    let code = "use crate::shard::Shards;\nuse crate::{auth, journal::View};\nfn f() { crate::web::g() }";
    let expected: BTreeSet<String> = ["shard", "auth", "journal", "web"].map(str::to_owned).into();
    assert_eq!(imports(code), expected);
    let tested = "use crate::a;\n#[cfg(test)]\nmod tests {\n    use crate::b;\n}\nfn f() {\n    #[cfg(test)]\n    crate::c::g();\n    crate::d::h();\n}";
    assert_eq!(imports(tested), ["a", "d"].map(str::to_owned).into());
    let circle = table("| `a` | `b` |\n| `b` | `a` |\n| `c` | |");
    assert!(cycle(&circle).is_some());
}
