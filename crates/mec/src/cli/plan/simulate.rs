//! `mec plan simulate`: the ledger, replayed under the present catalog and under a changed one,
//! read beside whoever owns the store. Nothing is written.

mod show;

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mec_engine::simulate::{Outcome, Simulation, Tally, changed_catalog};
use mec_engine::{Clock, catalog_file};
use mec_kernel::{AccountId, Catalog, Code, LedgerEvent, Time};
use mec_store::{EventCursor, EventFilter, Store, StoreError};

use crate::cli::StoreArgs;
use crate::client::store::{account_of, read_only};
use crate::config::Config;
use crate::problem::refusal::of_refusal;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::output::Print;
use crate::terminal::progress::Progress;

/// What is replayed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every event of the ledger is asked for again at the instant it happened, in the order it was recorded, and then counts as
used whatever the answer was: it did happen. So a limit that is reached refuses all that follows in its window. Two answers
are compared: PRESENT, by entitlements and rules as they are, and CHANGED, by the file's rules and with the rows of every
plan and add-on that the file changes made anew from its templates, each as long as the row it replaces.

Not simulated, because the ledger does not tell it:
  leases and reservations (what was settled is in the ledger); resources of kind concurrency and time_access
  attributes of requests: conditions on them count as met (those on time of day and weekday are judged)
  since when an account or an entitlement has been suspended or closed: all count as active while they are valid
  earlier values of rows that were changed in place: they count as they are now; a provider's earlier periods: they were
  as long as the present one
  what customers would have done, had they been refused")]
pub(in crate::cli) struct Args {
    /// The changed catalog: a file as for `mec catalog apply`, or - for stdin; what it does not
    /// name stays as it is
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Only tell of what happened at this time or later (2026-01-30T12:00:00Z, or 2026-01-30 in
    /// UTC)
    #[arg(long, value_name = "TIME", value_parser = crate::cli::instant)]
    since: Option<Time>,
    /// Only tell of this account's own requests: its id, or its external id
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Also list accounts that were always simply allowed
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// What came of it.
#[derive(Debug, Default)]
struct Found {
    /// Events replayed.
    events: u64,
    /// With the account's external id, in whose order they are.
    outcomes: Vec<(Outcome, Option<String>)>,
    /// In the order of resources.
    totals: Vec<TotalOf>,
}

/// All accounts together.
#[derive(Debug)]
struct TotalOf {
    resource: Code,
    present: Tally,
    changed: Tally,
    /// Accounts that were told anything but a plain allow.
    accounts_present: u64,
    accounts_changed: u64,
}

impl Args {
    pub(in crate::cli) fn store(&self) -> StoreArgs {
        self.store.clone()
    }

    pub(in crate::cli) fn run(self, config: &Config, print: Print) -> Result<(), Failure> {
        let (store, present) = read_only(config)?;
        let account = self
            .account
            .as_deref()
            .map(|text| account_of(&store, text))
            .transpose()?;
        let changed = changed(&store, &present, &read(&self.plan)?)?;
        let present = Arc::new(present);
        let mut simulation = Simulation::new(present.clone(), Arc::new(changed.clone()));
        if let Some(since) = self.since {
            simulation = simulation.since(since);
        }
        if let Some(account) = account {
            simulation = simulation.only(account);
        }
        let found = replay(&store, &present, simulation, account, self.all)?;
        let units = |resource: &Code| {
            present
                .resources
                .get(resource)
                .map_or_else(String::new, |found| found.unit.to_string())
        };
        show::show(&found, self.since, &units, print)
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Failure::io("stdin", &error))?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(|error| Failure::io(path.display(), &error))
}

/// The catalog as the file would make it; what applying it would refuse is refused here.
fn changed(store: &Store, present: &Catalog, text: &str) -> Result<Catalog, Failure> {
    let file = catalog_file::parse(text).map_err(|error| {
        Failure::new(
            Exit::BadInput,
            format!("line {}, {}: {}", error.line, error.place, error.problem),
        )
        .with_hint(error.hint)
    })?;
    let changes = file.changes(present, false);
    if changes.is_empty() {
        eprintln!("note: the catalog is as the file says, so both answers will be the same");
    }
    let now = Clock::machine().now();
    changed_catalog(present, &changes, &store.in_use()?, now)
        .map_err(|refusal| of_refusal(&refusal, Some(present)).into())
}

fn replay(
    store: &Store,
    catalog: &Catalog,
    mut simulation: Simulation,
    account: Option<AccountId>,
    all: bool,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    // The external ids of the tree's accounts.
    let mut names: HashMap<AccountId, Option<String>> = HashMap::new();
    let only = account.map(|account| account.tree());
    let after = only.map(|tree| EventCursor { tree, tree_seq: 0 });
    let mut progress = Progress::start(None, "events");
    let mut is_through = false;
    let scanned = store.each_event(
        &EventFilter {
            after,
            ..EventFilter::default()
        },
        catalog,
        &mut |event: &LedgerEvent| {
            if only.is_some_and(|tree| event.account.tree() != tree) {
                is_through = true;
                return Err(StoreError::Stopped("the tree is through".to_owned()));
            }
            let mut loaded = vec![];
            simulation.replay(event, &mut |id| {
                let node = store.account(id)?;
                loaded.extend(node.as_ref().map(|node| {
                    (
                        id,
                        node.account.external_id.as_ref().map(ToString::to_string),
                    )
                }));
                Ok::<_, StoreError>(node)
            })?;
            for outcome in simulation.take_finished() {
                found.add(outcome, &names, all);
            }
            if !loaded.is_empty() {
                // Names of a tree that is through are not needed any more.
                names.retain(|known, _| known.tree() == event.account.tree());
                names.extend(loaded);
            }
            found.events += 1;
            if found.events.is_multiple_of(4_096) {
                progress.update(found.events, found.events, "");
            }
            Ok(())
        },
    );
    progress.finish();
    if !is_through {
        scanned?;
    }
    for outcome in simulation.finish() {
        found.add(outcome, &names, all);
    }
    found
        .totals
        .sort_by(|one, other| one.resource.cmp(&other.resource));
    found.outcomes.sort_by(|(one, name), (other, other_name)| {
        (name, one.account, &one.resource).cmp(&(other_name, other.account, &other.resource))
    });
    Ok(found)
}

impl Found {
    fn add(&mut self, outcome: Outcome, names: &HashMap<AccountId, Option<String>>, all: bool) {
        let place = self
            .totals
            .iter()
            .position(|total| total.resource == outcome.resource)
            .unwrap_or_else(|| {
                let (present, changed) = (Tally::default(), Tally::default());
                let resource = outcome.resource.clone();
                self.totals.push(TotalOf {
                    resource,
                    present,
                    changed,
                    accounts_present: 0,
                    accounts_changed: 0,
                });
                self.totals.len() - 1
            });
        let total = &mut self.totals[place];
        total.present.merge(&outcome.present);
        total.changed.merge(&outcome.changed);
        total.accounts_present += u64::from(outcome.present.is_notable());
        total.accounts_changed += u64::from(outcome.changed.is_notable());
        if all || outcome.is_notable() {
            let name = names.get(&outcome.account).cloned().flatten();
            self.outcomes.push((outcome, name));
        }
    }
}
