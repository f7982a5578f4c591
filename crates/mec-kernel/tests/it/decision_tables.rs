//! The decision tables of `docs/decisions`, run row by row: the documents are the tests (design
//! 1.3).
//!
//! Every row is told to the kernel twice, once with everything loaded and once with everything
//! forgotten before each command, and everything its outcome columns say is compared. Nothing is
//! skipped: a word, a column or a table that is not understood fails with its line.

mod document;
mod givens;
mod story;
mod values;
mod vocabulary;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use mec_kernel::*;

use self::document::{NOTHING, Row, Table, tables};
use self::story::{GIVENS, Outcome, Story, Told, tell};
use self::vocabulary::LEVELS;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/decisions");
/// Lists every reason for people.
const REASONS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/concepts/decisions.md"
);
/// Lists the words and is no table of decisions itself.
const VOCABULARY: &str = "README.md";
/// Explains a row to its reader.
const REMARK: &str = "why";

#[test]
fn the_kernel_decides_as_the_documents_say() {
    let mut wrong = Vec::new();
    let mut rows = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        let tables = tables(&text).unwrap_or_else(|why| panic!("docs/decisions/{name}:{why}"));
        assert!(!tables.is_empty(), "docs/decisions/{name} has no table");
        for table in &tables {
            let run = run(table, &mut |line, why| {
                wrong.push(format!(
                    "docs/decisions/{name}:{line} {}: {why}",
                    table.title
                ))
            });
            assert!(
                run > 0,
                "docs/decisions/{name}:{}: no row was run",
                table.line
            );
            rows += run;
        }
    }
    assert!(
        wrong.is_empty(),
        "{} mistakes in {rows} rows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(rows >= 480, "only {rows} rows");
}

fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(PAGES).unwrap_or_else(|why| panic!("{PAGES}: {why}"));
    let mut pages: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_page(path))
        .collect();
    pages.sort();
    pages
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md") && !path.ends_with(VOCABULARY)
}

/// Runs every row of a table and tells how many that were.
fn run(table: &Table, wrong: &mut dyn FnMut(usize, String)) -> usize {
    let is_known = |name: &str| {
        GIVENS.contains(&name)
            || LEVELS.contains(&name)
            || name == REMARK
            || OUTCOMES.contains(&name)
    };
    let unknown = table
        .rows
        .iter()
        .flat_map(|row| &row.cells)
        .find(|(name, _)| !is_known(name));
    if let Some((name, _)) = unknown {
        wrong(table.line, format!("no column is called {name:?}"));
        return table.rows.len();
    }
    if !table
        .columns
        .iter()
        .any(|name| ["decision", "error"].contains(&name.as_str()))
    {
        wrong(
            table.line,
            "a table says `decision`, `error` or both".to_owned(),
        );
    }
    for row in &table.rows {
        for is_cold in [false, true] {
            let told = catch_unwind(AssertUnwindSafe(|| judge(row, is_cold)));
            match told {
                Ok(Ok(())) => {}
                Ok(Err(why)) => wrong(row.line, why),
                Err(_) => wrong(
                    row.line,
                    "the kernel or the world panicked, see above".to_owned(),
                ),
            }
        }
    }
    table.rows.len()
}

fn judge(row: &Row, is_cold: bool) -> Result<(), String> {
    let (mut story, outcome) = tell(row, is_cold)?;
    let outcomes = row
        .cells
        .iter()
        .filter(|(name, _)| OUTCOMES.contains(&name.as_str()));
    let mut differ = Vec::new();
    for (name, expected) in outcomes {
        let got = shown(&story, &outcome, name);
        if got != *expected {
            differ.push(format!("{name} is {got:?}, not {expected:?}"));
        }
    }
    if !differ.is_empty() {
        return Err(differ.join("; "));
    }
    let Outcome::Told(told) = outcome else {
        return Ok(());
    };
    binds_the_worst(&told)?;
    story.consume_agrees(row, &told)
}

/// Every pool must let a request through; the worst of their decisions is the answer.
fn binds_the_worst(told: &Told) -> Result<(), String> {
    let limits = told
        .standing
        .iter()
        .flat_map(|standing| &standing.trace.limits);
    let worst = limits.map(|limit| limit.decision).max();
    match worst.filter(|worst| *worst != told.decision && told.reason != Reason::Released) {
        Some(worst) => Err(format!(
            "a limit says {worst} and the answer {}",
            told.decision
        )),
        None => Ok(()),
    }
}

/// Columns that say what the kernel tells, by the names of the API where it has one.
const OUTCOMES: [&str; 22] = [
    "error",
    "decision",
    "reason",
    "reason_code",
    "allowed",
    "quantity_allowed",
    "quantity_used",
    "quantity_reserved",
    "quantity_remaining",
    "percent_used",
    "overage_quantity",
    "overage_cost",
    "billed",
    "window_type",
    "window_start",
    "window_end",
    "binds",
    "entitlement",
    "enforced by",
    "limits",
    "success",
    "retry_after_seconds",
];

/// What the kernel told, as a cell of the column shows it.
fn shown(story: &Story, outcome: &Outcome, column: &str) -> String {
    let told = match outcome {
        Outcome::Refused(refusal) => {
            return if column == "error" {
                refusal.code()
            } else {
                NOTHING
            }
            .to_owned();
        }
        Outcome::Told(told) => told,
    };
    let standing = told.standing.as_ref();
    let figures = standing.and_then(|standing| standing.figures.as_ref());
    let overage = standing.and_then(|standing| standing.overage);
    let flag = |flag: bool| Some(if flag { "yes" } else { "no" }.to_owned());
    let cell = match column {
        "error" => None,
        "decision" => Some(told.decision.code().to_owned()),
        "reason" => Some(told.reason.to_string()),
        "reason_code" => Some(told.reason.code().to_owned()),
        "allowed" | "success" => flag(told.allowed),
        "quantity_allowed" => match figures {
            Some(Figures {
                allowed: None,
                used: Some(_),
                ..
            }) => Some("unlimited".to_owned()),
            _ => figures
                .and_then(|figures| figures.allowed)
                .map(|total| total.to_string()),
        },
        "quantity_used" => figures
            .and_then(|figures| figures.used)
            .map(|total| total.to_string()),
        "quantity_reserved" => figures
            .and_then(|figures| figures.reserved)
            .map(|total| total.to_string()),
        "quantity_remaining" => figures
            .and_then(|figures| figures.remaining)
            .map(|total| total.to_string()),
        "percent_used" => figures
            .and_then(|figures| figures.percent)
            .map(|percent| percent.total().to_string()),
        "overage_quantity" => overage.map(|(quantity, _)| quantity.to_string()),
        "overage_cost" => overage
            .and_then(|(_, cost)| cost)
            .map(|cost| cost.to_string()),
        "billed" => story.billed().map(|total| total.to_string()),
        "window_type" => figures
            .and_then(|figures| figures.window_kind)
            .map(|kind| kind.code().to_owned()),
        "window_start" => figures
            .and_then(|figures| figures.window.0)
            .map(|at| at.to_string()),
        "window_end" => figures
            .and_then(|figures| figures.window.1)
            .map(|at| at.to_string()),
        "binds" => standing
            .and_then(|standing| standing.account)
            .map(|account| story.name_of(account).to_owned()),
        "entitlement" => standing
            .and_then(|standing| standing.entitlement)
            .map(|id| {
                let row = story.rows.iter().find(|(row, _)| *row == id);
                row.map_or("?".to_owned(), |(_, name)| name.clone())
            }),
        "enforced by" => Some(standing.and_then(|standing| standing.rule).map_or(
            "default".to_owned(),
            |id| {
                let place = story.rules.iter().position(|rule| *rule == id);
                place.map_or("?".to_owned(), |place| format!("rule {}", place + 1))
            },
        )),
        "limits" => standing.map(limits).filter(|limits| !limits.is_empty()),
        "retry_after_seconds" => told.retry_after_seconds.map(|seconds| seconds.to_string()),
        other => Some(format!("no outcome is called {other}")),
    };
    cell.unwrap_or(NOTHING.to_owned())
}

/// What every limit that was considered allows, the smallest first.
fn limits(standing: &Standing) -> String {
    let mut limits: Vec<_> = standing
        .trace
        .limits
        .iter()
        .map(|limit| limit.figures.allowed)
        .collect();
    limits.sort_by_key(|allowed| allowed.map_or(i128::MAX, |total| total.0));
    let shown: Vec<_> = limits
        .iter()
        .map(|total| total.map_or("unlimited".to_owned(), |total| total.to_string()))
        .collect();
    shown.join(", ")
}

#[test]
fn every_reason_is_told_in_a_table_and_listed_for_people() {
    let mut told = BTreeSet::new();
    for page in pages() {
        for table in tables(&fs::read_to_string(page).unwrap()).unwrap() {
            told.extend(
                table
                    .rows
                    .iter()
                    .filter_map(|row| row.given("reason_code"))
                    .map(str::to_owned),
            );
        }
    }
    let missing: Vec<_> = every_reason()
        .iter()
        .map(Reason::code)
        .filter(|code| !told.contains(*code))
        .collect();
    assert!(missing.is_empty(), "no table tells of {missing:?}");
    let list = fs::read_to_string(REASONS).unwrap();
    let unlisted: Vec<_> = every_reason()
        .iter()
        .map(Reason::code)
        .filter(|code| !list.contains(&format!("| `{code}` | ")))
        .collect();
    assert!(
        unlisted.is_empty(),
        "docs/concepts/decisions.md does not list {unlisted:?}"
    );
}

/// One reason of every kind that the kernel tells. A new one does not compile until it has its
/// place here.
fn every_reason() -> Vec<Reason> {
    use Reason::*;
    let (zero, now) = (Total(0), Time::BEGINNING);
    let reasons = vec![
        AccountSuspended,
        AccountClosed,
        EntitlementSuspended,
        ConditionNotMet,
        EntitlementStarts(now),
        EntitlementExpired,
        AccessExpired,
        NoEntitlementForScope,
        NoEntitlement,
        Released,
        Unlimited,
        Within,
        NearLimit(Percent::HUNDRED),
        LimitReached,
        OverLimit(Percent::HUNDRED),
        InGrace(zero, None),
        GraceExhausted,
        Overage(zero),
        OverageExhausted,
        AccessValid(None),
        LeaseOver,
    ];
    for (place, reason) in reasons.iter().enumerate() {
        let expected = match reason {
            AccountSuspended => 0,
            AccountClosed => 1,
            EntitlementSuspended => 2,
            ConditionNotMet => 3,
            EntitlementStarts(_) => 4,
            EntitlementExpired => 5,
            AccessExpired => 6,
            NoEntitlementForScope => 7,
            NoEntitlement => 8,
            Released => 9,
            Unlimited => 10,
            Within => 11,
            NearLimit(_) => 12,
            LimitReached => 13,
            OverLimit(_) => 14,
            InGrace(..) => 15,
            GraceExhausted => 16,
            Overage(_) => 17,
            OverageExhausted => 18,
            AccessValid(_) => 19,
            LeaseOver => 20,
            // Of a repeated request: told by the program, in
            // `docs/concepts/ledger-and-corrections.md`.
            Recorded => 21,
            // Of a level in an explained answer, never of a decision.
            AddonAlone => 22,
        };
        assert_eq!(place, expected, "{reason:?}");
    }
    reasons
}

#[test]
fn every_word_of_the_vocabulary_is_understood() {
    let text = fs::read_to_string(Path::new(PAGES).join(VOCABULARY)).unwrap();
    let mut words = 0;
    for table in tables(&text).unwrap_or_else(|why| panic!("docs/decisions/{VOCABULARY}:{why}")) {
        if table.columns != ["in the column", "write", "it means"] {
            continue;
        }
        for row in &table.rows {
            let cell = row.cell("write").unwrap();
            let read = match row.cell("in the column").unwrap() {
                "has" => vocabulary::items(cell).map(|_| ()),
                "rule" => vocabulary::rules(cell).map(|_| ()),
                "used" => vocabulary::uses(cell).map(|_| ()),
                "then" => vocabulary::steps(cell).map(|_| ()),
                "asks" => vocabulary::question(cell).map(|_| ()),
                other => Err(format!("no column is called {other:?}")),
            };
            read.unwrap_or_else(|why| panic!("docs/decisions/{VOCABULARY}:{}: {why}", row.line));
            words += 1;
        }
    }
    assert!(words >= 30, "only {words} words");
}

#[test]
fn a_row_that_is_not_understood_fails_with_its_line() {
    let head = "Given: asks `1`\n\n| has | → decision |\n|---|---|\n";
    for (cell, decision, why) in [
        ("10 a fortnight", "block", "no window"),
        ("ten", "block", "no quantity"),
        ("10 (sometimes)", "block", "says nothing"),
        ("10 in all", "block", "decision is \"allow\""),
        ("10 in all", "—", "decision is \"allow\""),
    ] {
        let table = tables(&format!("{head}| {cell} | {decision} |\n"))
            .unwrap()
            .remove(0);
        let mut wrong = Vec::new();
        assert_eq!(run(&table, &mut |line, why| wrong.push((line, why))), 1);
        assert!(
            wrong
                .iter()
                .any(|(line, said)| *line == 5 && said.contains(why)),
            "{cell}: {wrong:?}"
        );
    }
    let table = tables("| has | asks | → verdict |\n|---|---|---|\n| 1 | 1 | no |\n")
        .unwrap()
        .remove(0);
    let mut wrong = Vec::new();
    run(&table, &mut |_, why| wrong.push(why));
    assert!(wrong[0].contains("verdict"), "{wrong:?}");
}
