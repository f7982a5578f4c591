//! Names and sizes of files.

use super::Finding;
use super::source::Source;

/// What can be held in the head.
const LINES_MAX: usize = 500;
/// Longer files of before that limit. Splitting one removes its line; no line is ever added.
const TO_SPLIT: &[&str] = &[];
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
    let is_long = lines > LINES_MAX && source.path.ends_with(".rs");
    let is_known = TO_SPLIT.contains(&source.path.as_str());
    let finding = |text| vec![source.finding(0, text)];
    match (is_long, is_known) {
        (true, false) => finding(format!(
            "{lines} lines, more than {LINES_MAX}: split it by subject"
        )),
        (false, true) => finding("it is no longer long: remove it from TO_SPLIT".to_owned()),
        _ => Vec::new(),
    }
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
        assert_eq!(check(TO_SPLIT[0], 501), 0);
        assert_eq!(check(TO_SPLIT[0], 500), 1);
    }
}
