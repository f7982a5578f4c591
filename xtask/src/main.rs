//! The project's own checks: one command that CI and people run alike.
//!
//! It needs nothing but a Rust toolchain to start, looks for what the tests need beyond that, and
//! never skips a test silently.

mod bench_import;
mod clients;
#[path = "../../crates/mec-store/tests/cluster/mod.rs"]
mod cluster;
mod fuzz;
mod step;
mod test;
mod tidy;
mod tool;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use self::step::Steps;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--install]  everything: tidy, format, lints and all tests;
                    --install gets what the tests need beyond Rust
  tidy              prove the absences that ARCHITECTURE.md lists
  check             format and lints only
  clients           PostgREST's clients, unchanged, against a running server over each store
  fuzz [SECONDS]    arbitrary requests at the query language (60)
  bench-import [N]  import N generated events (1000000), twice, and verify: rate and memory
";
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["test"] => test::run(root(), false),
        ["test", "--install"] => test::run(root(), true),
        ["tidy"] => only_tidy(),
        ["check"] => only_check(),
        ["bench-import"] => bench_import::run(root(), 1_000_000),
        ["bench-import", events] => match events.parse() {
            Ok(events) => bench_import::run(root(), events),
            Err(_) => {
                eprint!("{USAGE}");
                return ExitCode::from(WRONG_USAGE);
            }
        },
        ["clients"] => clients::run(root(), true),
        ["fuzz"] => fuzz::run(root(), fuzz::SECONDS),
        ["fuzz", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::run(root(), seconds),
            Err(_) => {
                eprint!("{USAGE}");
                return ExitCode::from(WRONG_USAGE);
            }
        },
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("\nxtask: {why:#}");
            ExitCode::FAILURE
        }
    }
}

fn only_tidy() -> Result<()> {
    Steps::of(1).run("tidy", || tidy::run(root()))
}

fn only_check() -> Result<()> {
    let mut steps = Steps::of(2);
    steps.run("cargo fmt", || step::format(root()))?;
    steps.run("cargo clippy", || step::lint(root()))
}

/// The workspace, wherever the command was typed.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
