//! Proves the absences that `ARCHITECTURE.md` lists, by reading the sources.
//!
//! It reads text, not types: enough to catch an accident, no protection against intent. Each check
//! is one function with its own test, and each finding says where and what to do instead.

mod absence;
mod floors;
mod layout;
mod manifest;
mod paths;
mod source;
mod sql;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use self::manifest::Manifest;
use self::source::Source;

/// One place that breaks a rule.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    /// Relative to the workspace, with `/`.
    path: String,
    /// From 1.
    line: usize,
    /// What is wrong and what to do.
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

type SourceCheck = fn(&Source) -> Vec<Finding>;
type ManifestCheck = fn(&Manifest) -> Vec<Finding>;

const SOURCE_CHECKS: [SourceCheck; 12] = [
    sql::no_statement_outside_the_store,
    sql::no_change_to_the_ledger,
    absence::no_float_in_the_kernel,
    absence::no_environment_outside_config,
    absence::no_clock_below_the_engine,
    absence::no_hash_order_in_the_kernel,
    absence::no_status_below_the_program,
    absence::no_sleep_in_tests,
    absence::no_unwrap_outside_tests,
    absence::nothing_unfinished,
    layout::no_catch_all_name,
    layout::no_long_file,
];

const MANIFEST_CHECKS: [ManifestCheck; 2] = [
    manifest::the_kernel_depends_on_little,
    manifest::arrows_point_down,
];

/// Reads the whole workspace and reports every finding at once.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut paths = Vec::new();
    collect(root, &mut paths)?;
    paths.sort();
    let (mut findings, mut files) = (Vec::new(), 0);
    let mut sources = Vec::new();
    for path in paths {
        let name = name(root, &path);
        let read = || fs::read_to_string(&path).with_context(|| format!("cannot read {name}"));
        if name.ends_with("/Cargo.toml") {
            let manifest = Manifest::read(&name, &read()?);
            findings.extend(MANIFEST_CHECKS.iter().flat_map(|check| check(&manifest)));
        } else if name.ends_with(".rs") || name.ends_with(".sql") {
            let source = Source::read(&name, read()?);
            findings.extend(SOURCE_CHECKS.iter().flat_map(|check| check(&source)));
            sources.push(source);
        } else {
            continue;
        }
        files += 1;
    }
    findings.extend(floors::check(&sources));
    if files == 0 {
        bail!("found nothing to read in {}", root.display());
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} places to tidy in {files} files", findings.len());
    }
    eprintln!("{files} files are tidy");
    Ok(())
}

/// All files below a directory but those that are built, fetched or hidden.
fn collect(directory: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory);
    for entry in entries.with_context(|| format!("cannot list {}", directory.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), paths)?;
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}

fn name(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let parts = relative.iter().map(|part| part.to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}
