//! The random commands that judge the kernel, sent through an installation on a real store that is
//! closed and opened again on the way, so that everything is read back from rows: no answer may
//! differ from the oracle's, and in the end every stored sum is what the ledger says. The same
//! commands on both databases.
//!
//! `MEC_ORACLE_STORED` sets how many commands, `MEC_ORACLE_FIRST_SEED` where the seeds of the
//! sequences begin, and `MEC_ORACLE_SEED` runs one sequence alone.

#[path = "oracle/audit.rs"]
mod audit;
#[path = "../../mec-store/tests/chance/mod.rs"]
mod chance;
#[path = "oracle/driver.rs"]
mod driver;
#[path = "place/mod.rs"]
mod place;
#[path = "../../mec-kernel/tests/oracle/translate.rs"]
#[allow(dead_code, reason = "the kernel's test compares counters too")]
mod translate;

use std::sync::atomic::{AtomicU64, Ordering};

use mec_oracle::{Answer, Bucket, Generator, Oracle, Step, shrink};

use crate::driver::Driver;
use crate::place::{Database, Place};

/// Makes a place for a new store.
type Places = fn() -> Box<dyn Place>;

/// Commands of a sequence.
const STEPS: u64 = 300;
/// Commands of a test run.
const COMMANDS: u64 = 50_000;
/// Sequences in flight: each waits for the disk most of the time.
const THREADS: u64 = 6;
/// The store is closed and opened again after so many commands.
const REOPENED_EVERY: u64 = 60;

/// A sequence of the seed, to its end or to the first difference.
async fn run(places: Places, seed: u64) -> Result<(), (Vec<Step>, String)> {
    let (mut generator, mut oracle) = (Generator::new(seed).of_an_installation(), Oracle::new());
    let mut driver = Driver::open(places()).await;
    let mut steps = Vec::new();
    for place in 0..STEPS {
        let step = generator.next(&oracle);
        steps.push(step.clone());
        match compare(&step, place, &mut oracle, driver).await {
            Ok(same) => driver = same,
            Err(difference) => return Err((steps, difference)),
        }
    }
    driver
        .verify(&oracle)
        .await
        .map_err(|findings| (steps, format!("the store is not right: {findings}")))
}

/// One step, after the store was opened again where it is time.
async fn compare(
    step: &Step,
    place: u64,
    oracle: &mut Oracle,
    mut driver: Driver,
) -> Result<Driver, String> {
    if place % REOPENED_EVERY == REOPENED_EVERY - 1 {
        driver = driver.reopen().await;
    }
    let expected = oracle.run(step);
    SEEN.count(&expected);
    let found = driver.run(step, oracle).await;
    if expected.accepts(&found) {
        Ok(driver)
    } else {
        Err(format!("{step}\n  oracle {expected:?}\n  engine {found:?}"))
    }
}

/// Answers that are about something.
struct Seen {
    /// Use of seats that were held.
    seats: AtomicU64,
    /// Inventory that is owned though nothing changed.
    owned: AtomicU64,
    /// Standings of scopes.
    scopes: AtomicU64,
}

static SEEN: Seen = Seen {
    seats: AtomicU64::new(0),
    owned: AtomicU64::new(0),
    scopes: AtomicU64::new(0),
};

/// So many of each are expected of a whole run.
const SEEN_MIN: u64 = 30;

impl Seen {
    fn count(&self, answer: &Answer) {
        let add = |counter: &AtomicU64, is_seen: bool| {
            counter.fetch_add(u64::from(is_seen), Ordering::Relaxed)
        };
        match answer {
            Answer::Usage(buckets) => {
                add(
                    &self.seats,
                    buckets
                        .iter()
                        .any(|of| of.lease_hours.as_deref().is_some_and(|hours| hours != "0")),
                );
                let is_owned =
                    |of: &Bucket| of.lease_hours.is_none() && of.events == 0 && of.quantity != "0";
                add(&self.owned, buckets.iter().any(is_owned));
            }
            Answer::Standings(rows) => {
                add(
                    &self.scopes,
                    rows.iter().any(|(_, scope, _)| scope.is_some()),
                );
            }
            _ => {}
        }
    }

    fn each(&self) -> [u64; 3] {
        [&self.seats, &self.owned, &self.scopes].map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// What differs in these steps, where anything does.
async fn replay(places: Places, steps: &[Step]) -> Option<String> {
    let (mut oracle, mut driver) = (Oracle::new(), Driver::open(places()).await);
    for (place, step) in (0..).zip(steps) {
        match compare(step, place, &mut oracle, driver).await {
            Ok(same) => driver = same,
            Err(difference) => return Some(difference),
        }
    }
    driver.verify(&oracle).await.err()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// The shortest sequence that differs, as text.
fn report(places: Places, seed: u64, steps: &[Step], difference: &str) -> String {
    let short = shrink(steps, |steps| wait(replay(places, steps)).is_some());
    let difference = wait(replay(places, &short)).unwrap_or_else(|| difference.to_owned());
    let steps: Vec<String> = short.iter().map(ToString::to_string).collect();
    format!(
        "seed {seed} differs:\n{}\n=> {difference}\n",
        steps.join("\n")
    )
}

mod on_sqlite {
    #[test]
    fn commands_on_a_store_are_answered_as_the_oracle_answers() {
        super::commands_are_answered_as_the_oracle_answers(|| {
            Box::new(tempfile::tempdir().expect("a directory"))
        });
    }
}

mod on_postgres {
    #[test]
    fn commands_on_a_store_are_answered_as_the_oracle_answers() {
        super::commands_are_answered_as_the_oracle_answers(|| Box::new(super::Database::new()));
    }
}

fn commands_are_answered_as_the_oracle_answers(places: Places) {
    if let Some(seed) = chance::number("MEC_ORACLE_SEED") {
        if let Err((steps, difference)) = wait(run(places, seed)) {
            panic!("{}", report(places, seed, &steps, &difference));
        }
        return;
    }
    let sequences = chance::number("MEC_ORACLE_STORED")
        .unwrap_or(COMMANDS)
        .div_ceil(STEPS);
    let first = chance::seed("MEC_ORACLE_FIRST_SEED");
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        let mut reports = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= sequences || failed.load(Ordering::Relaxed) > 1 {
                return reports;
            }
            let seed = first.wrapping_add(place);
            if let Err((steps, difference)) = wait(run(places, seed)) {
                failed.fetch_add(1, Ordering::Relaxed);
                reports.push(report(places, seed, &steps, &difference));
            }
        }
    };
    let reports: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a sequence ended with a panic"))
            .collect()
    });
    assert!(reports.is_empty(), "{}", reports.join("\n"));
    if sequences >= COMMANDS.div_ceil(STEPS) {
        let seen = SEEN.each();
        println!("use of seats, owned inventory, scopes: {seen:?}");
        assert!(seen.iter().all(|seen| *seen >= SEEN_MIN), "{seen:?}");
    }
}
