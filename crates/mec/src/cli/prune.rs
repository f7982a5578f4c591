//! `mec prune`: old decisions leave the log, in small commits; the ledger is never touched.

use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use mec_engine::Clock;
use serde_json::{Value, json};

use super::TargetArgs;
use crate::client::target::Target;
use crate::config::Config;
use crate::terminal::failure::Failure;
use crate::terminal::output::{self, Print};
use crate::terminal::progress::Progress;

/// What is removed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The server does this by itself, by whole UTC days, with what is older than decisions_kept_days. Only control_decisions_log
is pruned: the ledger, the audit and everything else stay.")]
pub(super) struct Args {
    /// Remove what was decided longer ago than this: 30d, 12h, 90m [default: decisions_kept_days of
    /// the server, or here]
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
    /// Only count
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    target: TargetArgs,
}

impl Args {
    pub(super) fn target(&self) -> &TargetArgs {
        &self.target
    }

    pub(super) async fn run(self, config: &Config, print: Print) -> Result<(), Failure> {
        let before = self.older_than.map(|age| {
            let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            Clock::machine()
                .now()
                .plus_seconds(seconds.saturating_neg())
                .to_string()
        });
        let target = Target::open(config, "mec prune", false).await?;
        let pruned = prune(&target, before, self.dry_run).await;
        target.close().await?;
        let (before, rows) = pruned?;
        match print {
            Print::Json => {
                output::json(&json!({ "applied": !self.dry_run, "before": before, "rows": rows }))
            }
            Print::Table => {
                let verb = if self.dry_run {
                    "would remove"
                } else {
                    "removed"
                };
                output::line(format_args!("{verb} {rows} decisions made before {before}"))
            }
        }
    }
}

async fn prune(
    target: &Target,
    mut before: Option<String>,
    dry_run: bool,
) -> Result<(String, u64), Failure> {
    let progress = Progress::start(None, "decisions removed");
    let mut progress = progress;
    let mut rows: u64 = 0;
    loop {
        let query = before
            .as_ref()
            .map_or_else(String::new, |before| format!("&before={before}"));
        let path = format!("/admin/prune?dry_run={dry_run}{query}");
        let answer = target
            .call(Method::POST, &path, "application/json", Bytes::new())
            .await?
            .json()?;
        rows = rows.saturating_add(answer["rows"].as_u64().unwrap_or_default());
        let told = output::cell(&answer["before"]);
        progress.update(rows, rows, "");
        if answer["has_more"] != Value::Bool(true) {
            progress.finish();
            return Ok((told, rows));
        }
        // The same instant in every part, however long it takes.
        before = Some(told);
    }
}

fn age(text: &str) -> Result<Duration, String> {
    let wrong =
        || "write a number of days, hours, minutes or seconds: 30d, 12h, 90m, 45s".to_owned();
    let (digits, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return Err(wrong()),
    };
    let number: u32 = digits.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_and_a_unit() {
        let cases = [
            ("30d", Some(2_592_000)),
            ("12h", Some(43_200)),
            ("90m", Some(5_400)),
            ("0s", Some(0)),
        ];
        for (text, seconds) in cases {
            assert_eq!(age(text).ok().map(|age| age.as_secs()), seconds, "{text}");
        }
        for text in ["", "d", "30", "-1d", "1.5d", "1w", "30 d", "ä"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
