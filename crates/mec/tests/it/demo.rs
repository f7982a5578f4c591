//! `mec demo`: what the store is filled with, and that everybody in it stands where their part
//! says.

mod contents;
mod fill;
mod program;
mod states;

use std::path::Path;
use std::sync::{Arc, Mutex};

use mec::demo::{Contents, Filled, fill};
use mec_engine::{Caller, Clock, Mec, Now, Options};
use mec_kernel::{Check, Quantity, Standing, Time};
use mec_query::Filter;

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
