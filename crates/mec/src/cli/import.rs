//! `mec import`: usage events from a file, each recorded exactly once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::TargetArgs;
use crate::client::target::Target;
use crate::config::Config;
use crate::import::{Format, Import, Report};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{self, Print};
use crate::terminal::progress::per_second;

/// What is imported.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A line holds one event: idempotency_key, account_id or external_id,
resource_type, quantity, and if wanted unit_code, resource_scope, occurred_at,
details. What `mec export` writes is read too.

A line that is no event, or that MEC refuses, is rejected and told with its
reason; the others are recorded. The same file may be imported again at any
time: a key that is known records nothing. Exit code 1: lines were rejected.")]
pub(super) struct Args {
    /// A CSV file with a header, or one JSON object a line; - for stdin
    file: PathBuf,
    /// What is in it, if its name does not end in .csv or .ndjson
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write every rejected line to this file, as JSON: line, code, reason, text
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
}

impl Args {
    pub(super) fn target(&self) -> &TargetArgs {
        &self.target
    }

    pub(super) async fn run(self, config: &Config, print: Print) -> Result<(), Failure> {
        let target = Arc::new(Target::open(config, "mec import", false).await?);
        let import = Import {
            path: self.file,
            format: self.format,
            rejects: self.rejects,
        };
        let imported = import.run(target.clone()).await;
        target.close().await?;
        let report = imported?;
        show(&report, print)?;
        if report.rejected > 0 {
            Err(Failure::Quiet(Exit::No))
        } else {
            Ok(())
        }
    }
}

fn show(report: &Report, print: Print) -> Result<(), Failure> {
    let Report {
        lines,
        recorded,
        replayed,
        rejected,
        millis,
    } = *report;
    let rate = per_second(lines, Duration::from_millis(millis));
    match print {
        Print::Json => output::json(&json!({
            "lines": lines,
            "recorded": recorded,
            "replayed": replayed,
            "rejected": rejected,
            "millis": millis,
            "lines_per_second": rate,
        })),
        Print::Table => output::line(format_args!(
            "{lines} lines: {recorded} recorded, {replayed} replayed, {rejected} rejected in {}.{} s ({rate}/s)",
            millis / 1_000,
            millis % 1_000 / 100,
        )),
    }
}
