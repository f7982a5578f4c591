//! Names and sizes of files.

use super::Finding;
use super::source::Source;

/// What can be held in the head.
const LINES_MAX: usize = 500;
const CATCH_ALL: [&str; 7] = [
    "utils", "util", "common", "helpers", "helper", "types", "misc",
];

/// A name that fits everything says nothing about what is inside.
pub(crate) fn no_catch_all_name(source: &Source) -> Vec<Finding> {
    let mut parts = source
        .path
        .split('/')
        .map(|part| part.trim_end_matches(".rs"));
    let name = parts.rfind(|part| CATCH_ALL.contains(part));
    let finding = |name: &str| {
        source.finding(
            0,
            format!("{name:?} says nothing: name the file after what it holds"),
        )
    };
    name.map(finding).into_iter().collect()
}

/// A file that can be held in the head.
pub(crate) fn no_long_file(source: &Source) -> Vec<Finding> {
    let lines = source.lines();
    if lines <= LINES_MAX || !source.path.ends_with(".rs") {
        return Vec::new();
    }
    let what = format!("{lines} lines, more than {LINES_MAX}: split it by subject");
    vec![source.finding(0, what)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_nothing_are_found() {
        let rows = [
            ("crates/mec/src/utils.rs", 1),
            ("crates/mec/src/helpers/time.rs", 1),
            ("crates/mec/tests/common/mod.rs", 1),
            ("crates/mec-kernel/src/types.rs", 1),
            ("crates/mec-kernel/src/window_types.rs", 0),
            ("crates/mec/src/check.rs", 0),
        ];
        for (path, findings) in rows {
            let source = Source::read(path, String::new());
            assert_eq!(no_catch_all_name(&source).len(), findings, "{path}");
        }
    }

    #[test]
    fn a_file_of_more_than_500_lines_is_found() {
        let check = |path, lines| no_long_file(&Source::read(path, "a\n".repeat(lines))).len();
        assert_eq!(check("crates/mec/src/a.rs", 500), 0);
        assert_eq!(check("crates/mec/src/a.rs", 501), 1);
        assert_eq!(check("crates/mec-store/src/a.sql", 501), 0);
    }
}
