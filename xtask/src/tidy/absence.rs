//! Words that must not stand in a room, because of what they would let in.

use super::Finding;
use super::source::{Source, word_places};

const KERNEL: &str = "crates/mec-kernel/";
const BELOW_THE_ENGINE: [&str; 3] = [KERNEL, "crates/mec-query/", STORE];
const STORE: &str = "crates/mec-store/";
/// They hold the forbidden words as data.
const THESE_CHECKS: &str = "xtask/src/tidy/";

/// Amounts are exact.
pub(crate) fn no_float_in_the_kernel(source: &Source) -> Vec<Finding> {
    if !source.is_in(KERNEL) {
        return Vec::new();
    }
    let what = "no float near an amount: use a quantity, or integers";
    let places = ["f32", "f64"]
        .into_iter()
        .flat_map(|word| source.code_places(word));
    places.map(|at| source.finding(at, what)).collect()
}

/// A setting that only the environment knows cannot be found, printed or tested.
pub(crate) fn no_environment_outside_config(source: &Source) -> Vec<Finding> {
    let file = source.path.rsplit('/').next().unwrap_or_default();
    let may = ["main.rs", "config.rs", "build.rs"].contains(&file)
        || source.path.contains("/config/")
        || source.is_in("xtask/");
    if may {
        return Vec::new();
    }
    let code = source.code();
    let is_use = |at: &usize| {
        let (before, after) = (&code[..*at], &code[at + "env".len()..]);
        !source.is_test(*at) && (before.ends_with("std::") || after.starts_with("::"))
    };
    let what = "no environment outside config: make it a setting and pass it in";
    let places = source.code_places("env").filter(is_use);
    places.map(|at| source.finding(at, what)).collect()
}

/// Time is an argument, so that a decision can be repeated.
pub(crate) fn no_clock_below_the_engine(source: &Source) -> Vec<Finding> {
    if !BELOW_THE_ENGINE.iter().any(|room| source.is_in(room)) {
        return Vec::new();
    }
    // The store measures how long a read takes, which no answer depends on.
    let is_store = source.is_in(STORE);
    let clocks = [
        "SystemTime::now",
        "Timestamp::now",
        "Zoned::now",
        "Instant::now",
    ]
    .into_iter();
    let clocks = clocks.filter(|clock| !(is_store && *clock == "Instant::now"));
    let what = "no clock below the engine: take the time as an argument";
    let places = clocks.flat_map(|clock| source.code_places(clock));
    let places = places.filter(|at| !source.is_test(*at));
    places.map(|at| source.finding(at, what)).collect()
}

/// The order of a hash map is chance, and chance is an argument too.
pub(crate) fn no_hash_order_in_the_kernel(source: &Source) -> Vec<Finding> {
    if !source.is_in(KERNEL) {
        return Vec::new();
    }
    let what = "no order by chance in the kernel: use an ordered map";
    let places = ["HashMap", "HashSet"]
        .into_iter()
        .flat_map(|word| source.code_places(word));
    let places = places.filter(|at| !source.is_test(*at));
    places.map(|at| source.finding(at, what)).collect()
}

/// What went wrong has a status where it is shown; below, it has a name.
pub(crate) fn no_status_below_the_program(source: &Source) -> Vec<Finding> {
    let rooms = [KERNEL, STORE, "crates/mec-engine/"];
    if !rooms.iter().any(|room| source.is_in(room)) {
        return Vec::new();
    }
    let what =
        "no HTTP status here: give the error a variant, and its status in problem/refusal.rs";
    let places = ["StatusCode", "QueryError::new"]
        .into_iter()
        .flat_map(|word| source.code_places(word));
    let places = places.filter(|at| !source.is_test(*at));
    places.map(|at| source.finding(at, what)).collect()
}

/// A test that sleeps is slow on a good day and wrong on a bad one.
pub(crate) fn no_sleep_in_tests(source: &Source) -> Vec<Finding> {
    let code = source.code();
    let is_sleep = |at: &usize| {
        let before = &code[..*at];
        let imported = before.rsplit(';').next().is_some_and(|statement| {
            statement.contains("thread::{") || statement.contains("time::{")
        });
        let named = before.ends_with("thread::") || before.ends_with("time::");
        source.is_test(*at) && (named || imported)
    };
    let what = "no sleep in a test: wait for what happens, or set the clock";
    let places = source.code_places("sleep").filter(is_sleep);
    places.map(|at| source.finding(at, what)).collect()
}

/// The program does not end on a surprise.
pub(crate) fn no_unwrap_outside_tests(source: &Source) -> Vec<Finding> {
    let what = "no unwrap outside tests: return the error, or `expect` with why it cannot fail";
    let places = source
        .code_places(".unwrap()")
        .filter(|at| !source.is_test(*at));
    places.map(|at| source.finding(at, what)).collect()
}

/// What is not done is in an issue, not in the sources.
pub(crate) fn nothing_unfinished(source: &Source) -> Vec<Finding> {
    if source.is_in(THESE_CHECKS) {
        return Vec::new();
    }
    let what = |word: &str| format!("{word:?}: finish it, or open an issue and say what holds");
    let mut findings = Vec::new();
    for word in ["todo!", "unimplemented!", "TODO", "FIXME"] {
        let places = source.code_places(word);
        findings.extend(places.map(|at| source.finding(at, what(word))));
    }
    // In code, `for now in …` is a loop.
    for piece in source.comments().chain(source.literals()) {
        let text = piece.text.to_ascii_lowercase();
        let mut find = |text: &str, word: &str| {
            let places = word_places(text, word).map(|at| piece.at + at);
            findings.extend(places.map(|at| source.finding(at, what(word))));
        };
        find(&text, "for now");
        find(piece.text, "TODO");
        find(piece.text, "FIXME");
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a text as if it stood in a file, and compares the lines found.
    fn finds(check: fn(&Source) -> Vec<Finding>, path: &str, text: &str, lines: &[usize]) {
        let findings = check(&Source::read(path, text.to_owned()));
        let found: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{path}: {text}");
    }

    #[test]
    fn floats_are_found_in_the_kernel_only() {
        let text = "// f64\nlet a: f64 = 1;\nlet f64x = \"f64\";\nx as f32";
        let check = no_float_in_the_kernel;
        finds(check, "crates/mec-kernel/src/a.rs", text, &[4, 2]);
        finds(check, "crates/mec/src/a.rs", text, &[]);
    }

    #[test]
    fn the_environment_is_read_in_config_main_and_tests_only() {
        let text = "use std::env;\nenv::var(\"A\");\nstd::env::var(\"B\");\nenv!(\"C\");\n#[cfg(test)]\nmod tests { use std::env; }";
        let check = no_environment_outside_config;
        finds(check, "crates/mec/src/http.rs", text, &[1, 2, 3]);
        finds(
            check,
            "crates/mec/src/http.rs",
            "use std::{env, fs};\nenv::var(x)",
            &[2],
        );
        finds(check, "crates/mec/src/main.rs", text, &[]);
        finds(check, "crates/mec/src/config.rs", text, &[]);
        finds(check, "crates/mec/src/config/file.rs", text, &[]);
        finds(check, "crates/mec/tests/it/a.rs", text, &[]);
        finds(check, "xtask/src/a.rs", text, &[]);
    }

    #[test]
    fn clocks_are_found_below_the_engine() {
        let text = "Instant::now();\n// Instant::now()\njiff::Timestamp::now();\nstd::time::SystemTime::now();\nInstant::nowhere()";
        let check = no_clock_below_the_engine;
        for (room, lines) in [
            ("mec-kernel", &[4, 3, 1][..]),
            ("mec-query", &[4, 3, 1]),
            ("mec-store", &[4, 3]),
        ] {
            finds(check, &format!("crates/{room}/src/a.rs"), text, lines);
            finds(check, &format!("crates/{room}/tests/a.rs"), text, &[]);
        }
        finds(check, "crates/mec-engine/src/a.rs", text, &[]);
    }

    #[test]
    fn statuses_are_found_below_the_program() {
        let text = "use http::StatusCode;\nQueryError::new(400, \"a\", b);\nQueryError::missing()";
        let check = no_status_below_the_program;
        finds(check, "crates/mec-engine/src/a.rs", text, &[1, 2]);
        finds(check, "crates/mec-store/src/a.rs", text, &[1, 2]);
        finds(check, "crates/mec-engine/tests/a.rs", text, &[]);
        finds(check, "crates/mec-query/src/a.rs", text, &[]);
        finds(check, "crates/mec/src/a.rs", text, &[]);
    }

    #[test]
    fn hash_order_is_found_in_the_kernel() {
        let text = "use std::collections::HashMap;\nuse std::collections::BTreeMap;";
        let check = no_hash_order_in_the_kernel;
        finds(check, "crates/mec-kernel/src/a.rs", text, &[1]);
        finds(check, "crates/mec/src/a.rs", text, &[]);
    }

    #[test]
    fn sleeping_is_found_in_tests() {
        let text = "std::thread::sleep(a);\ntokio::time::sleep(b).await;\nuse tokio::time::{sleep, Duration};\nx.sleep();\nuse std::time::Duration;";
        let check = no_sleep_in_tests;
        finds(check, "crates/mec/tests/it/a.rs", text, &[1, 2, 3]);
        finds(check, "crates/mec/src/a.rs", text, &[]);
        let text = "thread::sleep(a);\n#[test]\nfn b() { thread::sleep(a) }";
        finds(check, "crates/mec/src/a.rs", text, &[3]);
    }

    #[test]
    fn unwrap_is_found_outside_tests() {
        let text = "a.unwrap();\n// b.unwrap()\nc.unwrap_or(d);\n\"e.unwrap()\";\nf\n  .unwrap();\n#[test]\nfn g() { h.unwrap() }";
        let check = no_unwrap_outside_tests;
        finds(check, "crates/mec/src/a.rs", text, &[1, 6]);
        finds(check, "crates/mec/tests/a.rs", text, &[]);
    }

    #[test]
    fn unfinished_work_is_found_everywhere() {
        let check = nothing_unfinished;
        let rows: [(&str, &[usize]); 7] = [
            ("todo!()", &[1]),
            ("a;\nunimplemented!(\"b\")", &[2]),
            ("// TODO: c", &[1]),
            ("/* a\n FIXME */", &[2]),
            ("// Good enough for now.", &[1]),
            ("\"not for now\"", &[1]),
            ("for now in times { todos() } // for nowhere", &[]),
        ];
        for (text, lines) in rows {
            finds(check, "crates/mec/src/a.rs", text, lines);
            finds(check, "crates/mec/tests/a.rs", text, lines);
        }
        finds(check, "xtask/src/tidy/a.rs", "// TODO", &[]);
    }
}
