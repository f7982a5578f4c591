//! A million and a half random commands, each answered by the kernel and by a naive oracle that
//! sums everything again from lists: no answer may differ, and after every command every counter
//! must be the sum of the ledger.
//!
//! `MEC_ORACLE_COMMANDS` sets how many commands, `MEC_ORACLE_FIRST_SEED` where the seeds of the
//! sequences begin, and `MEC_ORACLE_SEED` runs one sequence alone.

#[path = "../../mec-store/tests/chance/mod.rs"]
mod chance;
#[path = "oracle/driver.rs"]
mod driver;
#[path = "oracle/kept.rs"]
mod kept;
#[path = "oracle/story.rs"]
mod story;
#[path = "oracle/translate.rs"]
mod translate;
#[path = "it/written.rs"]
#[allow(dead_code, reason = "only its memory is used here")]
mod written;
#[path = "oracle/wrong.rs"]
mod wrong;

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use mec_kernel::Catalog;
use mec_oracle::{Answer, Covered, Generator, Oracle, Step, shrink};

use crate::driver::Driver;

/// Commands of a sequence: the oracle takes time in their square.
const STEPS: usize = 300;
/// Commands of a test run.
const COMMANDS: u64 = 1_500_000;
/// What a full run must have been answered at least once: every reason of a check, and what
/// commands can come to.
const EXPECTED: &[&str] = &[
    "MEC_ACCOUNT_CLOSED",
    "MEC_ACCOUNT_NOT_FOUND",
    "MEC_ADDON_NO_POOL",
    "MEC_BAD_CORRECTION",
    "MEC_BAD_IDEMPOTENCY_KEY",
    "MEC_BAD_QUANTITY",
    "MEC_BAD_TTL",
    "MEC_BAD_VALUE",
    "MEC_BELOW_ZERO",
    "MEC_ENTITLEMENT_EXPIRED",
    "MEC_EVENT_NOT_FOUND",
    "MEC_IDEMPOTENCY_CONFLICT",
    "MEC_OCCURRED_IN_FUTURE",
    "MEC_OCCURRED_TOO_LATE",
    "MEC_PARENT_NOT_FOUND",
    "MEC_PLAN_INACTIVE",
    "MEC_PLAN_NOT_FOUND",
    "MEC_QUANTITY_NOT_POSITIVE",
    "MEC_RESERVATION_CLOSED",
    "MEC_RESERVATION_NOT_FOUND",
    "MEC_RESOURCE_NOT_FOUND",
    "MEC_TOO_DEEP",
    "MEC_TRIAL_USED",
    "MEC_UNIT_NOT_ALLOWED",
    "MEC_UNIT_NOT_FOUND",
    "MEC_WRONG_LIMIT_KIND",
    "check allow access_valid",
    "check allow released",
    "check allow unlimited",
    "check allow within",
    "check block grace_exhausted",
    "check block limit_reached",
    "check block overage_exhausted",
    "check deny access_expired",
    "check deny account_closed",
    "check deny account_suspended",
    "check deny condition_not_met",
    "check deny entitlement_expired",
    "check deny entitlement_not_started",
    "check deny entitlement_suspended",
    "check deny no_entitlement",
    "check deny no_entitlement_for_scope",
    "check grace in_grace",
    "check overage overage",
    "check warn access_valid",
    "check warn near_limit",
    "check warn over_limit",
    "consume allow released",
    "consume overage overage",
    "consume replayed",
    "lease block grace_exhausted",
    "lease block limit_reached",
    "lease deny lease_over",
    "recorded, replayed true",
    "reserve overage overage",
    "reserve replayed",
    "settled, event false, replayed false",
    "settled, event true, replayed true",
    "truth false",
    "truth true",
];

/// How often each rule that is easily forgotten must have decided in a full run.
const TIMES_MIN: u64 = 100;

/// How often what was answered: kinds of answers, reasons, codes of refusals.
type Seen = BTreeMap<String, u64>;

/// A sequence of the seed, as far as both agree; where they do not, the difference.
fn run(seed: u64, catalog: &Catalog, seen: &mut Seen) -> Result<(), (Vec<Step>, String)> {
    let (mut generator, mut oracle) = (Generator::new(seed).with_standstills(), Oracle::new());
    let mut driver = Driver::new(catalog, seed.is_multiple_of(4));
    let mut steps = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let step = generator.next(&oracle);
        steps.push(step.clone());
        let compared = panic::catch_unwind(AssertUnwindSafe(|| {
            compare(&step, &mut oracle, &mut driver)
        }));
        match compared {
            Ok(Ok(answer)) => note(&answer, seen),
            Ok(Err(difference)) => return Err((steps, difference)),
            Err(_) => return Err((steps, "a panic".to_owned())),
        }
    }
    for (rule, times) in oracle.coverage() {
        *seen.entry(decided(rule)).or_default() += times;
    }
    Ok(())
}

fn decided(rule: Covered) -> String {
    format!("rule {rule:?}")
}

fn note(answer: &Answer, seen: &mut Seen) {
    let mut put = |what: String| *seen.entry(what).or_default() += 1;
    match answer {
        Answer::Refused(codes) => codes.iter().for_each(|code| put(code.clone())),
        Answer::Standing(standing) => put(format!(
            "check {} {}",
            standing.decision, standing.reason_code
        )),
        Answer::Consumed {
            standing,
            event,
            replayed,
            ..
        } => {
            let what = format!("consume {} {}", standing.decision, standing.reason_code);
            put(if *replayed {
                "consume replayed".to_owned()
            } else {
                what
            });
            put(format!("consumed {}", event.is_some()));
        }
        Answer::Reserved {
            standing, replayed, ..
        } => {
            let what = format!("reserve {} {}", standing.decision, standing.reason_code);
            put(if *replayed {
                "reserve replayed".to_owned()
            } else {
                what
            });
        }
        Answer::Leased {
            decision,
            reason_code,
            ..
        } => put(format!("lease {decision} {reason_code}")),
        Answer::Recorded { replayed, .. } => put(format!("recorded, replayed {replayed}")),
        Answer::Settled { event, replayed } => put(format!(
            "settled, event {}, replayed {replayed}",
            event.is_some()
        )),
        Answer::Truth(truth) => put(format!("truth {truth}")),
        Answer::Number(number) => put(format!("number {}", number.min(&9))),
        Answer::Each(answers) => {
            put("batch".to_owned());
            answers.iter().for_each(|answer| note(answer, seen));
        }
        Answer::Standings(_) | Answer::Usage(_) => {}
        Answer::Done => put("done".to_owned()),
    }
}

/// What differs at the first step at which something does.
fn replay(steps: &[Step], catalog: &Catalog, is_cold: bool) -> Option<String> {
    let (mut oracle, mut driver) = (Oracle::new(), Driver::new(catalog, is_cold));
    steps
        .iter()
        .find_map(|step| difference(step, &mut oracle, &mut driver))
}

/// Whether the last step is the first to differ.
fn differs_last(steps: &[Step], catalog: &Catalog, is_cold: bool) -> bool {
    let Some((last, before)) = steps.split_last() else {
        return false;
    };
    let (mut oracle, mut driver) = (Oracle::new(), Driver::new(catalog, is_cold));
    before
        .iter()
        .all(|step| difference(step, &mut oracle, &mut driver).is_none())
        && difference(last, &mut oracle, &mut driver).is_some()
}

fn difference(step: &Step, oracle: &mut Oracle, driver: &mut Driver) -> Option<String> {
    match panic::catch_unwind(AssertUnwindSafe(|| compare(step, oracle, driver))) {
        Ok(compared) => compared.err(),
        Err(_) => Some(format!("{step}\n  panics")),
    }
}

/// What both answer, or the difference.
fn compare(step: &Step, oracle: &mut Oracle, driver: &mut Driver) -> Result<Answer, String> {
    let expected = oracle.run(step);
    let found = driver.run(step, oracle);
    if !expected.accepts(&found) {
        return Err(format!("{step}\n  oracle {expected:?}\n  kernel {found:?}"));
    }
    let wrong = driver
        .wrong_counter(oracle)
        .or_else(|| driver.wrong_overage(oracle))
        .or_else(|| driver.wrong_row(oracle));
    let wrong = wrong
        .or_else(|| driver.wrong_effect(oracle))
        .or_else(|| driver.wrong_audit(oracle));
    wrong.map_or(Ok(found), |counter| {
        Err(format!("{step}\n  counter {counter}"))
    })
}

/// The shortest sequence that differs, as text.
fn report(seed: u64, steps: &[Step], difference: &str, catalog: &Catalog) -> String {
    let is_cold = seed.is_multiple_of(4);
    let last = steps.last().map(|step| step.serial);
    let short = shrink(steps, |steps| {
        steps.last().map(|step| step.serial) == last && differs_last(steps, catalog, is_cold)
    });
    let difference = replay(&short, catalog, is_cold).unwrap_or_else(|| difference.to_owned());
    let steps: Vec<String> = short.iter().map(ToString::to_string).collect();
    format!(
        "seed {seed} differs:\n{}\n=> {difference}\n",
        steps.join("\n")
    )
}

#[test]
fn random_commands_are_answered_as_the_oracle_answers() {
    let catalog = driver::catalog();
    if let Some(seed) = chance::number("MEC_ORACLE_SEED") {
        if let Err((steps, difference)) = run(seed, &catalog, &mut Seen::new()) {
            panic!("{}", report(seed, &steps, &difference, &catalog));
        }
        return;
    }
    let commands = chance::number("MEC_ORACLE_COMMANDS").unwrap_or(COMMANDS);
    let sequences = commands.div_ceil(u64::try_from(STEPS).expect("a length"));
    let first = chance::seed("MEC_ORACLE_FIRST_SEED");
    let (next, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let all_seen = Mutex::new(Seen::new());
    let work = || {
        let (mut reports, mut seen) = (Vec::new(), Seen::new());
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= sequences || failed.load(Ordering::Relaxed) > 3 {
                let mut all = all_seen.lock().expect("no thread panics");
                seen.into_iter()
                    .for_each(|(what, times)| *all.entry(what).or_default() += times);
                return reports;
            }
            let seed = first.wrapping_add(place);
            if let Err((steps, difference)) = run(seed, &catalog, &mut seen) {
                failed.fetch_add(1, Ordering::Relaxed);
                reports.push(report(seed, &steps, &difference, &catalog));
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let reports: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a sequence ended with a panic"))
            .collect()
    });
    let seen = all_seen.into_inner().expect("no thread panics");
    println!("{sequences} sequences");
    seen.iter()
        .for_each(|(what, times)| println!("{times:>9} {what}"));
    assert!(reports.is_empty(), "{}", reports.join("\n"));
    if commands >= COMMANDS {
        let unseen: Vec<_> = EXPECTED
            .iter()
            .filter(|what| !seen.contains_key(**what))
            .collect();
        assert!(unseen.is_empty(), "never answered: {unseen:?}");
        let times = |rule: &Covered| seen.get(&decided(*rule)).copied().unwrap_or(0);
        let rare: Vec<_> = Covered::ALL
            .into_iter()
            .filter(|rule| times(rule) < TIMES_MIN)
            .collect();
        assert!(rare.is_empty(), "hardly ever decided: {rare:?}");
    }
}
