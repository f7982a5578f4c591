//! `mec demo`: what the store is filled with, and that everybody in it stands where their part
//! says.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use mec::demo::{Contents, Filled, fill};
use mec_engine::{Caller, Clock, Mec, NewAccount, Now, Options, catalog_file};
use mec_kernel::{
    Check, Code, Consume, Decision, LedgerEvent, LimitAction, Provision, Quantity, Standing, Time,
    Zone,
};
use mec_query::Filter;
use mec_store::{EventFilter, OpenOptions, Store};

use crate::server::{Server, ask_to_stop};

/// A Tuesday in the last third of a month.
const TUESDAY: &str = "2026-11-24T10:30:00Z";
/// Enough for charts, few enough for a quick start.
const EVENTS_MAX: usize = 30_000;

const DAY: i64 = 86_400;

/// A clock that stands still until it is set.
#[derive(Debug)]
struct SetClock(Mutex<Time>);

impl Now for SetClock {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }
}

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn url(directory: &Path) -> String {
    format!("sqlite:{}", directory.join("mec.db").display())
}

async fn open(directory: &Path, now: &str) -> Mec {
    let clock = Clock::ruling(Arc::new(SetClock(Mutex::new(at(now)))));
    Mec::open(
        &url(directory),
        Options {
            clock,
            ..Options::default()
        },
    )
    .await
    .unwrap()
}

async fn filled(directory: &Path, now: &str) -> (Mec, Filled) {
    let mec = open(directory, now).await;
    let Contents::Filled(filled) = fill(&mec).await.unwrap() else {
        panic!("an empty store is filled")
    };
    (mec, filled)
}

fn caller() -> Caller {
    Caller::new("test", "api")
}

async fn check(mec: &Mec, external_id: &str, resource: &str) -> Standing {
    let account = mec.account_of(external_id).await.unwrap();
    let quantity = (resource != "platform_access").then_some(Quantity::whole(1));
    mec.check(Check::of(account, resource, quantity), &caller())
        .await
        .unwrap()
}

async fn rows(mec: &Mec, table: &str) -> u64 {
    let table = mec_store::tables::tables()
        .into_iter()
        .find(|known| known.name == table)
        .unwrap();
    mec.count(Arc::new(table), Filter::All(vec![]))
        .await
        .unwrap()
}

/// Rows that an operation writes; the decision log is not among them, because asking is no
/// operation.
async fn written(mec: &Mec) -> Vec<u64> {
    let mut counts = vec![];
    for table in [
        "accounts",
        "entitlements",
        "entitlements_audit",
        "control_rules",
        "consumption_ledger",
        "concurrency_leases",
    ] {
        counts.push(rows(mec, table).await);
    }
    counts
}

/// Everybody's state: who, what is asked for, the answer, and what it says.
const STATES: &[(&str, &str, Decision, &str)] = &[
    (
        "demo_alder",
        "benchmark_runs",
        Decision::Allow,
        "Within entitlement",
    ),
    (
        "demo_birch",
        "benchmark_runs",
        Decision::Warn,
        "Usage at 87.0% of limit",
    ),
    (
        "demo_cedar",
        "benchmark_runs",
        Decision::Block,
        "Limit reached",
    ),
    (
        "demo_cedar",
        "concurrent_users",
        Decision::Block,
        "Limit reached",
    ),
    (
        "demo_dogwood",
        "benchmark_runs",
        Decision::Grace,
        "In grace: 13 of 25 used",
    ),
    (
        "demo_elm",
        "benchmark_runs",
        Decision::Overage,
        "Over limit by 41, will be billed",
    ),
    (
        "demo_fir",
        "benchmark_runs",
        Decision::Allow,
        "Within entitlement",
    ),
    (
        "demo_ginkgo",
        "benchmark_runs",
        Decision::Deny,
        "Entitlement expired",
    ),
    (
        "demo_ginkgo",
        "platform_access",
        Decision::Deny,
        "Access expired",
    ),
    (
        "demo_hazel",
        "benchmark_runs",
        Decision::Deny,
        "Account suspended",
    ),
    (
        "demo_juniper",
        "benchmark_runs",
        Decision::Allow,
        "Unlimited",
    ),
    (
        "demo_ivy",
        "benchmark_runs",
        Decision::Allow,
        "Within entitlement",
    ),
    (
        "demo_ivy_research",
        "benchmark_runs",
        Decision::Warn,
        "Usage at 90.0% of limit",
    ),
    (
        "demo_ivy_ada",
        "benchmark_runs",
        Decision::Warn,
        "Usage at 90.0% of limit",
    ),
    (
        "demo_ivy_chen",
        "benchmark_runs",
        Decision::Allow,
        "Within entitlement",
    ),
    (
        "demo_ivy_ada",
        "concurrent_users",
        Decision::Allow,
        "Within entitlement",
    ),
    (
        "demo_ivy_teaching",
        "concurrent_users",
        Decision::Block,
        "Limit reached",
    ),
    (
        "demo_ivy_eve",
        "concurrent_users",
        Decision::Block,
        "Limit reached",
    ),
];

/// Everybody's state, at `now`, whose trial began nine days before `told_at`.
async fn assert_states(mec: &Mec, now: &str, told_at: &str) {
    for (external_id, resource, decision, reason) in STATES {
        let standing = check(mec, external_id, resource).await;
        let said = (standing.decision, standing.reason.to_string());
        assert_eq!(
            said,
            (*decision, (*reason).to_owned()),
            "{now}: {external_id}, {resource}"
        );
    }
    let access = check(mec, "demo_fir", "platform_access").await;
    let until = at(told_at).plus_seconds(5 * DAY).date();
    assert_eq!(
        (access.decision, access.reason.to_string()),
        (Decision::Allow, format!("Access valid until {until}")),
        "{now}"
    );
}

#[tokio::test]
async fn everybody_stands_where_their_part_says_whenever_the_demo_begins() {
    // Also in a month's first and last instants, and around a leap year's 29 February.
    let times = [
        TUESDAY,
        "2026-12-01T00:00:00Z",
        "2027-01-01T00:00:07Z",
        "2028-02-29T23:59:59Z",
        "2028-03-01T03:00:00Z",
    ];
    for now in times {
        let directory = tempfile::tempdir().unwrap();
        let (mec, filled) = filled(directory.path(), now).await;
        assert!(
            filled.recorded <= EVENTS_MAX && filled.recorded > EVENTS_MAX / 5,
            "{now}: {filled:?}"
        );
        assert_eq!((filled.replayed, filled.too_old), (0, 0), "{now}");
        assert_states(&mec, now, now).await;
        mec.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_filled_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let (mec, filled) = filled(directory.path(), TUESDAY).await;
    let catalog = mec.catalog();
    mec.close().await.unwrap();
    drop(mec);
    let (store, _writer) = Store::open(&url(directory.path()), &OpenOptions::default()).unwrap();
    let report = store.verify(&catalog, at(TUESDAY), &mut |_| {}).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!(report.events, filled.recorded as u64);
}

#[tokio::test]
async fn filling_it_again_records_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mec, _) = filled(directory.path(), TUESDAY).await;
    let before = written(&mec).await;
    assert_eq!(fill(&mec).await.unwrap(), Contents::Demo);
    assert_eq!(written(&mec).await, before);
    mec.close().await.unwrap();
    drop(mec);

    let mec = open(directory.path(), "2027-02-01T00:00:00Z").await;
    assert_eq!(fill(&mec).await.unwrap(), Contents::Demo);
    assert_eq!(written(&mec).await, before);
}

#[tokio::test]
async fn a_fill_that_was_cut_off_is_completed_by_the_next_one() {
    let whole = tempfile::tempdir().unwrap();
    let (mec, filled) = filled(whole.path(), TUESDAY).await;
    let expected = written(&mec).await;

    let directory = tempfile::tempdir().unwrap();
    let mec = open(directory.path(), TUESDAY).await;
    let some_are_there = async {
        while rows(&mec, "consumption_ledger").await < 3_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        contents = fill(&mec) => panic!("it was not cut off: {contents:?}"),
        () = some_are_there => {}
    }
    mec.close().await.unwrap();
    drop(mec);

    let later = "2026-11-24T23:00:00Z";
    let mec = open(directory.path(), later).await;
    let Contents::Filled(completed) = fill(&mec).await.unwrap() else {
        panic!("it is completed")
    };
    assert!(completed.replayed >= 3_000, "{completed:?}");
    assert_eq!(
        (completed.replayed + completed.recorded, completed.too_old),
        (filled.recorded, 0)
    );
    assert_eq!(written(&mec).await, expected);
    assert_states(&mec, later, TUESDAY).await;
}

#[tokio::test]
async fn what_has_become_too_old_since_the_fill_was_cut_off_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let mec = open(directory.path(), TUESDAY).await;
    let some_are_there = async {
        while rows(&mec, "accounts").await < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        contents = fill(&mec) => panic!("it was not cut off: {contents:?}"),
        () = some_are_there => {}
    }
    mec.close().await.unwrap();
    drop(mec);

    let later = "2026-11-26T10:30:00Z";
    let mec = open(directory.path(), later).await;
    let Contents::Filled(completed) = fill(&mec).await.unwrap() else {
        panic!("it is completed")
    };
    assert!(
        completed.too_old > 0 && completed.too_old < completed.recorded / 10,
        "{completed:?}"
    );
    assert_eq!(
        rows(&mec, "consumption_ledger").await,
        (completed.recorded + completed.replayed) as u64
    );
    assert_states(&mec, later, TUESDAY).await;
}

#[tokio::test]
async fn a_store_of_something_else_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let mec = open(directory.path(), TUESDAY).await;
    let units = catalog_file::parse("[account_types]\norganization = \"\"").unwrap();
    mec.change_catalog(&caller(), move |current| units.changes(current, false))
        .await
        .unwrap();
    mec.create_account(NewAccount::named("Acme Corp"), &caller())
        .await
        .unwrap();
    let before = written(&mec).await;
    assert_eq!(fill(&mec).await.unwrap(), Contents::Other);
    assert_eq!(written(&mec).await, before);
    assert!(mec.catalog().plans.is_empty());
}

#[tokio::test]
async fn the_same_instant_gives_the_same_use() {
    let mut told = vec![];
    for _ in 0..2 {
        let directory = tempfile::tempdir().unwrap();
        told.push(ledger(directory.path()).await);
    }
    assert!(told[0] == told[1]);
}

/// What the ledger of a demo says, without the ids, which are drawn.
async fn ledger(
    directory: &Path,
) -> BTreeSet<(String, Quantity, Option<Code>, Code, Time, Option<String>)> {
    let (mec, _) = filled(directory, TUESDAY).await;
    let catalog = mec.catalog();
    mec.close().await.unwrap();
    drop(mec);
    let (store, _writer) = Store::open(&url(directory), &OpenOptions::default()).unwrap();
    let mut events = BTreeSet::new();
    let mut each = |event: &LedgerEvent| {
        assert_eq!((&*event.source, &*event.recorded_by), ("demo", "demo"));
        let details = event.details.as_deref().map(str::to_owned);
        let (key, scope, unit) = (
            event.key.to_string(),
            event.scope.clone(),
            event.unit.clone(),
        );
        assert!(events.insert((key, event.quantity, scope, unit, event.occurred_at, details)));
        Ok(())
    };
    store
        .each_event(&EventFilter::default(), &catalog, &mut each)
        .unwrap();
    events
}

#[tokio::test]
async fn use_is_on_weekdays_in_business_hours_and_grows() {
    let directory = tempfile::tempdir().unwrap();
    let events = ledger(directory.path()).await;
    let runs: Vec<Time> = events
        .iter()
        .filter(|(key, ..)| key.starts_with("demo_juniper/benchmark_runs/"))
        .map(|(.., at, _)| *at)
        .collect();
    let share =
        |of: &dyn Fn(&Time) -> bool| runs.iter().filter(|at| of(at)).count() * 100 / runs.len();

    let oldest = *runs.iter().min().unwrap();
    assert!(
        (at(TUESDAY).plus_seconds(-89 * DAY)..at(TUESDAY).plus_seconds(-86 * DAY))
            .contains(&oldest),
        "{oldest}"
    );
    assert!(*runs.iter().max().unwrap() <= at(TUESDAY));
    let weekend = share(&|at| Zone::UTC.weekday(*at) >= 6);
    assert!(
        (2..12).contains(&weekend),
        "{weekend} % at the weekend, where evenly it were 28"
    );
    let business = share(&|at| (8 * 3_600..18 * 3_600).contains(&Zone::UTC.second_of_day(*at)));
    assert!(
        (65..90).contains(&business),
        "{business} % from 8 to 18, where evenly it were 41"
    );
    let in_month = |month: &str| {
        runs.iter()
            .filter(|at| at.to_string().starts_with(month))
            .count()
    };
    assert!(
        in_month("2026-09") < in_month("2026-10"),
        "{} {}",
        in_month("2026-09"),
        in_month("2026-10")
    );
}

#[tokio::test]
async fn plans_come_in_the_guides_order_and_a_visitors_account_meets_the_guides_rules() {
    let directory = tempfile::tempdir().unwrap();
    let (mec, _) = filled(directory.path(), TUESDAY).await;
    let catalog = mec.catalog();
    let mut plans: Vec<_> = catalog
        .plans
        .values()
        .map(|plan| (plan.sort_order, plan.id.to_string()))
        .collect();
    plans.sort();
    let plans: Vec<&str> = plans.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(plans, ["trial-14d", "starter", "pro", "enterprise"]);
    assert!(
        catalog
            .rules
            .iter()
            .all(|rule| rule.account.is_none() && rule.action == LimitAction::Block)
    );

    let acme = mec
        .create_account(NewAccount::named("Acme Corp"), &caller())
        .await
        .unwrap()
        .id;
    assert_eq!(
        mec.provision(Provision::new(acme, "starter"), &caller())
            .await
            .unwrap(),
        5
    );
    let one = || Check::of(acme, "benchmark_runs", Some(Quantity::whole(1)));
    assert_eq!(
        mec.check(one(), &caller())
            .await
            .unwrap()
            .reason
            .to_string(),
        "Within entitlement"
    );
    let run = Check::of(acme, "benchmark_runs", Some(Quantity::whole(100)));
    mec.consume(
        Consume {
            check: run,
            key: "bulk_usage_demo".into(),
            details: None,
        },
        &caller(),
    )
    .await
    .unwrap();
    let standing = mec
        .check(Check::of(acme, "benchmark_runs", None), &caller())
        .await
        .unwrap();
    assert_eq!(
        (standing.decision, standing.reason.to_string()),
        (Decision::Warn, "Usage at 100.0% of limit".to_owned())
    );
    let refused = mec.check(one(), &caller()).await.unwrap();
    assert_eq!(
        (refused.decision, refused.reason.to_string()),
        (Decision::Block, "Limit reached".to_owned())
    );
}

#[test]
fn a_named_directory_is_filled_once_and_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let accounts = "/api/accounts?select=account_id,external_id&order=account_id";
    let server = Server::demo(directory.path());
    assert_eq!(
        server.get("/health"),
        (200, r#"{"status": "healthy"}"#.to_owned())
    );
    let (status, before) = server.get(accounts);
    assert_eq!(
        (status, before.matches("\"demo_").count()),
        (200, 17),
        "{before}"
    );
    assert!(server.stop().success());

    let server = Server::demo(directory.path());
    assert_eq!(server.get("/health").0, 200);
    assert_eq!(server.get(accounts), (200, before));
}

#[test]
fn a_temporary_directory_is_there_while_it_runs_and_gone_afterwards() {
    let parent = tempfile::tempdir().unwrap();
    let (demo, said) = Demo::start(&["--listen", "127.0.0.1:0"], parent.path());
    assert!(
        said.lines().next().unwrap().contains("http://127.0.0.1:"),
        "{said}"
    );
    for (external_id, decision) in [
        ("demo_birch", "warn"),
        ("demo_cedar", "block"),
        ("demo_ginkgo", "deny"),
        ("demo_elm", "overage"),
    ] {
        let row = said
            .lines()
            .find(|line| line.contains(external_id))
            .unwrap_or_else(|| panic!("{external_id} in {said}"));
        assert!(row.contains(decision), "{row}");
    }
    assert_eq!(
        said.lines()
            .filter(|line| line.starts_with("  curl "))
            .count(),
        3,
        "{said}"
    );
    assert!(!said.contains("OPEN"), "{said}");
    assert_eq!(entries(parent.path()), 1);
    assert!(demo.stop().success());
    assert_eq!(entries(parent.path()), 0);
}

#[test]
fn an_address_that_others_reach_needs_open_and_says_so() {
    let parent = tempfile::tempdir().unwrap();
    let mut command = Demo::command(&["--listen", "0.0.0.0:0"], parent.path());
    let refused = command.output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("--open") && refused.stdout.is_empty(),
        "{said}"
    );
    assert_eq!(entries(parent.path()), 0);

    let (demo, said) = Demo::start(&["--listen", "0.0.0.0:0", "--open"], parent.path());
    assert!(
        said.contains("http://127.0.0.1:") && said.contains("OPEN"),
        "{said}"
    );
    assert!(demo.stop().success());
}

/// `mec demo` without a directory of its own.
struct Demo(Child);

impl Demo {
    fn command(arguments: &[&str], temporary: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mec"));
        command
            .arg("demo")
            .args(arguments)
            .env("TMPDIR", temporary)
            .env_remove("MEC_LISTEN")
            .env_remove("MEC_CONFIG");
        command.current_dir(temporary).stdin(Stdio::null());
        command
    }

    /// Starts it and reads all it says before it waits.
    fn start(arguments: &[&str], temporary: &Path) -> (Self, String) {
        let mut command = Self::command(arguments, temporary);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let demo = Self(child);
        let mut said = String::new();
        for line in lines {
            let line = line.unwrap();
            said.push_str(&line);
            said.push('\n');
            if line.starts_with("Ctrl-C") {
                return (demo, said);
            }
        }
        panic!("it ended; it said:\n{said}");
    }

    fn stop(mut self) -> ExitStatus {
        ask_to_stop(&self.0);
        self.0.wait().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended unless a test failed.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn entries(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}
