//! `mec verify`: everything that follows from the ledger, recomputed and compared.

use mec_engine::Clock;
use mec_store::Report;
use serde_json::{Value, json};

use crate::client::store::read_only;
use crate::config::Config;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::{self, Print};
use crate::terminal::progress::Progress;

pub(super) fn run(config: &Config, print: Print) -> Result<(), Failure> {
    let (store, catalog) = read_only(config)?;
    let mut shown = None;
    let report = store.verify(&catalog, Clock::machine().now(), &mut |at| {
        let progress =
            shown.get_or_insert_with(|| Progress::start(Some(at.events_total), "events"));
        progress.update(at.events, at.events, "");
    })?;
    if let Some(progress) = shown {
        progress.finish();
    }
    show(&report, print)?;
    if report.is_clean() {
        Ok(())
    } else {
        Err(Failure::Quiet(Exit::No))
    }
}

fn show(report: &Report, print: Print) -> Result<(), Failure> {
    match print {
        Print::Json => output::json(&report_json(report)),
        Print::Table => report_table(report),
    }
}

/// A report for programs.
pub(super) fn report_json(report: &Report) -> Value {
    let Report {
        trees,
        events,
        counters,
        windows,
        findings,
        findings_more,
    } = report;
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| json!({ "table": finding.table, "key": finding.key, "problem": finding.problem }))
        .collect();
    json!({
        "is_clean": report.is_clean(),
        "trees": trees,
        "events": events,
        "counters": counters,
        "windows": windows,
        "findings": findings,
        "findings_more": findings_more,
    })
}

/// And for people.
pub(super) fn report_table(report: &Report) -> Result<(), Failure> {
    let Report {
        trees,
        events,
        counters,
        windows,
        findings,
        findings_more,
    } = report;
    if !report.is_clean() {
        let rows = findings.iter().map(|finding| {
            vec![
                finding.table.to_owned(),
                finding.key.clone(),
                finding.problem.clone(),
            ]
        });
        output::table(&["TABLE", "ROW", "PROBLEM"], rows)?;
        if *findings_more > 0 {
            output::line(format_args!("… and {findings_more} more"))?;
        }
    }
    let verdict = if report.is_clean() {
        "everything agrees"
    } else {
        "not everything agrees"
    };
    output::line(format_args!(
        "{verdict}: {events} events in {trees} trees, {counters} counters, {windows} of them open windows"
    ))
}
