//! `cargo xtask test`: everything that must hold, in the order in which it is quickest to fail.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

use crate::step::{self, Steps};
use crate::tidy;
use crate::tool::{self, Tool};
use crate::{clients, fuzz};

/// Beside a checkout in CI, and no part of it.
const ORIGINAL_GUIDE: &str = "../shared/guide.md";

/// Names a Citus coordinator of the caller's own.
const CITUS_URL: &str = "MEC_TEST_CITUS_URL";

/// What a test uses if it happens to be there.
#[derive(Clone, Copy)]
struct Beside {
    has_original_guide: bool,
    has_citus: bool,
}

/// Runs all checks and tests. What a missing tool makes impossible is skipped and named at the end;
/// with `CI=true` it is an error instead, unless the machine itself cannot have it.
pub(crate) fn run(root: &Path, install: bool) -> Result<()> {
    let mut steps = Steps::of(7);
    let missing = steps.run("tools", || tools(install))?;
    let skipped = |program: &str| missing.iter().any(|tool| tool.program == program);

    steps.run("tidy", || tidy::run(root))?;
    let (no_fmt, no_clippy) = (skipped("cargo-fmt"), skipped("cargo-clippy"));
    steps.run("cargo fmt", || unless(no_fmt, || step::format(root)))?;
    steps.run("cargo clippy", || unless(no_clippy, || step::lint(root)))?;
    steps.run("cargo test", || step::cargo(root, &test_command(&missing)))?;
    let no_clients = clients::PROGRAMS.iter().any(|program| skipped(program));
    let has_postgres = !skipped("postgres");
    steps.run("clients", || {
        unless(no_clients, || clients::run(root, has_postgres))
    })?;
    let no_compiler = skipped("c++");
    steps.run("fuzz", || {
        unless(no_compiler, || fuzz::run(root, fuzz::SECONDS))
    })?;

    steps.finish("xtask test");
    let beside = Beside {
        has_original_guide: root.join(ORIGINAL_GUIDE).exists(),
        has_citus: std::env::var_os(CITUS_URL).is_some(),
    };
    for line in skips(&missing, beside) {
        eprintln!("{line}");
    }
    Ok(())
}

fn tools(install: bool) -> Result<Vec<&'static Tool>> {
    let mut missing = tool::missing();
    if install && !missing.is_empty() {
        tool::install(&missing)?;
        missing = tool::missing();
    }
    if missing.is_empty() {
        return Ok(missing);
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.program).collect();
    let (names, advice) = (names.join(", "), tool::advice(&missing).join("\n  "));
    if is_ci() && !missing.iter().all(|tool| tool.is_of_machine()) {
        bail!("missing: {names}; CI skips nothing. To get it:\n  {advice}");
    }
    eprintln!("missing: {names}. To get it:\n  {advice}");
    Ok(missing)
}

fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}

fn unless(skipped: bool, step: impl FnOnce() -> Result<()>) -> Result<()> {
    if skipped {
        eprintln!("skipped");
        return Ok(());
    }
    step()
}

fn test_command(missing: &[&Tool]) -> Vec<&'static str> {
    let mut command = vec!["test", "--workspace", "--locked"];
    let tests = missing.iter().flat_map(|tool| tool.tests);
    let tests: BTreeSet<&str> = tests.copied().collect();
    if !tests.is_empty() {
        command.push("--");
    }
    for test in tests {
        command.extend(["--skip", test]);
    }
    command
}

/// What was not done and why, one line each.
fn skips(missing: &[&Tool], beside: Beside) -> Vec<String> {
    let because = |tool: &&Tool| format!("SKIPPED {}: {} is missing", tool.skipped, tool.program);
    let mut lines: Vec<String> = missing.iter().map(because).collect();
    lines.extend(
        tool::advice(missing)
            .iter()
            .map(|get| format!("  get it: {get}")),
    );
    if !beside.has_original_guide {
        lines.push(format!(
            "SKIPPED the guide this product started from: {ORIGINAL_GUIDE} is not there"
        ));
    }
    if !beside.has_citus {
        lines.push(format!(
            "SKIPPED the tests on a distributed database: {CITUS_URL} names no Citus coordinator"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Beside = Beside {
        has_original_guide: true,
        has_citus: true,
    };

    fn without(program: &str) -> Vec<&'static Tool> {
        let tools = tool::TOOLS.iter();
        tools.filter(|tool| tool.program == program).collect()
    }

    #[test]
    fn with_every_tool_every_test_runs() {
        assert_eq!(test_command(&[]), ["test", "--workspace", "--locked"]);
        assert_eq!(skips(&[], ALL), Vec::<String>::new());
    }

    #[test]
    fn a_missing_tool_skips_its_tests_and_says_so() {
        let missing = without("jq");
        assert_eq!(
            test_command(&missing)[3..],
            ["--", "--skip", "guide_runs_as_written"]
        );
        assert_eq!(
            skips(&missing, ALL),
            [
                "SKIPPED the commands of the guides: jq is missing",
                "  get it: sudo apt-get update && sudo apt-get install --yes jq",
            ]
        );
    }

    #[test]
    fn what_is_not_beside_the_checkout_is_said_too() {
        let lines = skips(
            &[],
            Beside {
                has_original_guide: false,
                has_citus: false,
            },
        );
        assert_eq!(lines.len(), 2);
        assert!(
            lines.iter().all(|line| line.starts_with("SKIPPED")),
            "{lines:?}"
        );
    }
}
