//! `cargo xtask fuzz`: arbitrary requests at the query language for a while, driven by what they
//! reach.
//!
//! libFuzzer is linked into a program of its own (`fuzz/`), built with coverage counters by flags a
//! stable compiler takes. No sanitizer: the code under test has no `unsafe`, so what could go wrong
//! is a panic, an overflow or a hang.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step;

/// How long it runs as a part of everything.
pub(crate) const SECONDS: u64 = 60;

/// Counters at every edge, and what is compared with what.
const COVERAGE: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Builds the target and runs it for `seconds`. An input that fails is left in `fuzz/artifacts`.
pub(crate) fn run(root: &Path, seconds: u64) -> Result<()> {
    let fuzz = root.join("fuzz");
    let host = host()?;
    let mut build = Command::new(step::cargo_program());
    build
        .args(["build", "--release", "--locked", "--target", &host])
        .current_dir(&fuzz)
        .env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}"))
        .env_remove("CARGO_TARGET_DIR");
    step::run(&mut build)?;

    let (found, artifacts) = (fuzz.join("target/corpus"), fuzz.join("artifacts"));
    for directory in [&found, &artifacts] {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let mut grammar = Command::new(fuzz.join("target").join(host).join("release/grammar"));
    grammar
        .args([
            "-max_len=4096",
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            "-verbosity=0",
            "-dict=grammar.dict",
        ])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        // What is found goes into the first; the seeds are only read.
        .args([found.as_path(), Path::new("corpus/grammar")])
        .current_dir(&fuzz);
    step::run(&mut grammar).context(
        "`fuzz/artifacts` has the input; the fuzz target given it as its argument shows why",
    )
}

/// The target of this machine. It is named in the build, so that build scripts are built without
/// counters.
fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => Ok(host.to_owned()),
        None => bail!("rustc -vV does not name its host"),
    }
}
