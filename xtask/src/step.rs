//! One thing after the other, with a line before and after each that says which, and how long it
//! took.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// A fixed number of steps, of which the first that fails ends the run.
pub(crate) struct Steps {
    total: usize,
    begun: usize,
    since: Instant,
}

impl Steps {
    pub(crate) fn of(total: usize) -> Steps {
        Steps {
            total,
            begun: 0,
            since: Instant::now(),
        }
    }

    /// Runs the next step.
    pub(crate) fn run<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        self.begun += 1;
        let place = format!("[{}/{}]", self.begun, self.total);
        eprintln!("{place} {name} …");
        let since = Instant::now();
        let result = step();
        let word = if result.is_ok() { "done" } else { "FAILED" };
        eprintln!("{place} {name}: {word} in {:.1?}", since.elapsed());
        result.with_context(|| format!("{name} failed"))
    }

    /// The closing line of a run that came through.
    pub(crate) fn finish(self, name: &str) {
        let (steps, elapsed) = (self.begun, self.since.elapsed());
        eprintln!("\n{name}: all {steps} steps passed in {elapsed:.1?}");
    }
}

/// Refuses a file that `cargo fmt` would change.
pub(crate) fn format(root: &Path) -> Result<()> {
    cargo(root, &["fmt", "--all", "--check"]).context("`cargo fmt --all` puts it right")
}

/// Refuses what the compiler or clippy warns of.
pub(crate) fn lint(root: &Path) -> Result<()> {
    let scope = ["clippy", "--workspace", "--all-targets", "--locked"];
    cargo(root, &[&scope[..], &["--", "-D", "warnings"]].concat())
}

/// Runs cargo in the workspace, its output going where ours goes.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    run(Command::new(cargo_program())
        .args(arguments)
        .current_dir(root))
}

/// The cargo that runs this.
pub(crate) fn cargo_program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))
}

/// Runs a program to its end; any status but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command
        .status()
        .with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}
