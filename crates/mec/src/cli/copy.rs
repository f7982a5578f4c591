//! `mec copy`: an installation moved from a file to a database, row by row, and compared before
//! anybody may use it.

use std::path::Path;
use std::time::{Duration, Instant};

use mec_engine::Clock;
use mec_store::copy::{self, Copied, CopiedRows, CopyOptions, CopyProgress, CopyStage};
use serde_json::{Value, json};

use super::verify::{report_json, report_table};
use crate::config::{Config, Kept, masked};
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{self, Print};
use crate::terminal::progress::{Progress, per_second};

/// What is to be done with a whole copy.
const NEXT: &str = "\
next: `mec migrate --app-role NAME` gives the role that serves what it needs; start every server with the new store
(MEC_STORE) and none with the old file, because what that records from now on is in no copy";
/// The table whose quantities are added up.
const LEDGER: &str = "consumption_ledger";

/// What is copied.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file must not be in use and is not changed. The database must be empty, and the role in its URL owns what is made there.
A copy that broke off goes on where it stopped when it is run again; until it has ended, nothing opens the database as a
store. Other users of this machine see the flags of running commands: a URL with a password belongs in MEC_STORE.")]
pub(super) struct Args {
    /// The store that is copied: sqlite:PATH
    #[arg(long, value_name = "URL")]
    from: String,
    /// An empty database: postgres://USER@HOST/DATABASE [env: MEC_STORE]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
}

impl Args {
    /// The store that is filled, where it is named here.
    pub(super) fn to(&self) -> Option<String> {
        self.to.clone()
    }

    pub(super) fn run(self, config: &Config, print: Print) -> Result<(), Failure> {
        let from = match Kept::of(&self.from) {
            Some(Kept::File(path)) => path,
            _ => {
                return Err(wrong(
                    "--from",
                    &self.from,
                    "the file that is copied: --from sqlite:mec.db",
                ));
            }
        };
        if config.kept()? != Kept::Database {
            let hint =
                "the database that is filled: --to postgres://USER@HOST/DATABASE, or MEC_STORE";
            return Err(wrong("--to", &config.settings.store, hint));
        }
        if !from.exists() {
            return Err(
                Failure::new(Exit::NoInput, format!("{} does not exist", from.display()))
                    .with_hint("name the store that is copied with --from sqlite:PATH"),
            );
        }
        let began = Instant::now();
        let copied = copy(from, &config.settings.store)?;
        let (to, took) = (masked(&config.settings.store), began.elapsed());
        match print {
            Print::Json => output::json(&of_json(&copied, &self.from, &to, took))?,
            Print::Table => show(&copied, &self.from, &to, took)?,
        }
        if copied.is_whole() {
            Ok(())
        } else {
            Err(Failure::Quiet(Exit::No))
        }
    }
}

fn wrong(flag: &str, url: &str, hint: &str) -> Failure {
    Failure::new(Exit::Config, format!("{flag} is \"{}\"", masked(url)))
        .with_hint(format!("name {hint}"))
}

fn copy(from: &Path, to: &str) -> Result<Copied, Failure> {
    let options = CopyOptions::at(Clock::machine().now(), "mec copy");
    let mut shown: Option<(CopyStage, Progress)> = None;
    let copied = copy::copy(from, to, &options, &mut |at| {
        let started = shown.take().filter(|(stage, progress)| {
            if *stage != at.stage {
                progress.finish();
            }
            *stage == at.stage
        });
        let (_, progress) =
            shown
                .insert(started.unwrap_or_else(|| {
                    (at.stage, Progress::start(Some(at.total), what(at.stage)))
                }));
        tell(at, progress);
        Ok(())
    });
    if let Some((_, progress)) = shown {
        progress.finish();
    }
    Ok(copied?)
}

fn what(stage: CopyStage) -> &'static str {
    match stage {
        CopyStage::Copying => "rows copied",
        CopyStage::Comparing => "rows compared",
        CopyStage::Verifying => "events verified",
    }
}

fn tell(at: CopyProgress, progress: &mut Progress) {
    match at.stage {
        CopyStage::Copying if at.of_earlier > 0 => {
            let more = format!(" after {} of an earlier run", at.of_earlier);
            progress.update(at.done, at.done.saturating_sub(at.of_earlier), &more);
        }
        _ => progress.update(at.done, at.done, ""),
    }
}

fn of_json(copied: &Copied, from: &str, to: &str, took: Duration) -> Value {
    let rows = |rows: &CopiedRows| json!({ "rows": rows.count, "used": amount(rows.used) });
    let tables: Vec<Value> = copied
        .tables
        .iter()
        .map(|table| json!({ "table": table.name, "from": rows(&table.from), "to": rows(&table.to), "is_same": table.is_same() }))
        .collect();
    json!({
        "from": from,
        "to": to,
        "is_whole": copied.is_whole(),
        "rows": rows_now(copied),
        "rows_of_an_earlier_run": copied.of_earlier,
        "millis": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "tables": tables,
        "verify": report_json(&copied.report),
    })
}

fn show(copied: &Copied, from: &str, to: &str, took: Duration) -> Result<(), Failure> {
    let verdict = |is_same: bool| if is_same { "same" } else { "DIFFERENT" }.to_owned();
    let mut rows: Vec<Vec<String>> = vec![];
    for table in copied
        .tables
        .iter()
        .filter(|table| !table.is_same() || table.from.count > 0)
    {
        let counts = [table.from.count.to_string(), table.to.count.to_string()];
        rows.push(
            [
                vec![table.name.clone()],
                counts.to_vec(),
                vec![verdict(table.is_same())],
            ]
            .concat(),
        );
        if table.name == LEDGER {
            let sums = [amount(table.from.used), amount(table.to.used)];
            let is_same = verdict(sums[0] == sums[1]);
            rows.push(
                [
                    vec!["  all quantities".to_owned()],
                    sums.to_vec(),
                    vec![is_same],
                ]
                .concat(),
            );
        }
    }
    output::table(&["TABLE", "ROWS THERE", "ROWS HERE", "BYTE BY BYTE"], rows)?;
    report_table(&copied.report)?;
    let (now, millis) = (rows_now(copied), took.as_millis());
    let earlier = match copied.of_earlier {
        0 => String::new(),
        rows => format!(" after {rows} of an earlier run"),
    };
    output::line(format_args!(
        "{now} rows copied{earlier}, compared and verified in {}.{} s ({}/s)",
        millis / 1_000,
        millis % 1_000 / 100,
        per_second(now, took)
    ))?;
    if copied.is_whole() {
        output::line(format_args!("{to} is a store now and holds all of {from}"))?;
        return output::line(NEXT);
    }
    if copied.is_same() {
        output::line(
            "both hold the same, so what is wrong was wrong before: `mec verify` says it of the file, too",
        )?;
    }
    output::line(format_args!(
        "{to} stays closed: nothing opens it as a store; find out why, and copy into a new, empty database"
    ))
}

/// Rows that this run has sent.
fn rows_now(copied: &Copied) -> u64 {
    let all: u64 = copied.tables.iter().map(|table| table.from.count).sum();
    all.saturating_sub(copied.of_earlier)
}

/// Millionths as a decimal number.
fn amount(millionths: i128) -> String {
    let sign = if millionths < 0 { "-" } else { "" };
    let (whole, rest) = (
        millionths.unsigned_abs() / 1_000_000,
        millionths.unsigned_abs() % 1_000_000,
    );
    let text = format!("{sign}{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_shown_exactly() {
        for (millionths, text) in [
            (0, "0"),
            (1, "0.000001"),
            (-1_500_000, "-1.5"),
            (100_000_000, "100"),
            (i128::MAX, "170141183460469231731687303715884.105727"),
        ] {
            assert_eq!(amount(millionths), text);
        }
    }
}
