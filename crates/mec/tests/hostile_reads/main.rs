//! Whoever reads, however dearly, takes memory within the budget, and next to nothing of what
//! checks and writes wait for.

mod attacks;
mod client;
#[path = "../../../mec-store/tests/home/mod.rs"]
mod home;
#[path = "../power_cut/process.rs"]
#[allow(dead_code, reason = "every test binary uses a part of it")]
mod process;
mod world;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use attacks::{Attack, Manner};
use client::{Connection, Outcome, Request};
use home::Home;
use world::{ANSWER_MEGABYTES, World};

const READERS: usize = 8;
/// Times that every attack has to strike.
const STRIKES: usize = 3;
/// Checks and writes that are timed.
const TIMED: usize = 1_000;
/// What reads can take: two that are fetched and written, four answers on their way, and two calls
/// that are read and answered, of the largest size; and four JSON documents of as many values as a
/// request can have.
const READS_MEGABYTES_MAX: u64 = (2 * 2 + 4 + 2) * ANSWER_MEGABYTES + 4 * 100;
/// A thread that becomes ready waits for the next tick of the scheduler, 4 ms apart, until the one
/// that runs is ended; a check and its answer make three ready: the server's, the database's, and
/// the caller's.
const TURNS: Duration = Duration::from_millis(12);
/// The percentiles that are judged. The slowest of a hundred tells more of what else the machine
/// does than of the server, so a run of all tests looks at the middle; a measurement on a machine
/// that does nothing else, `cargo test --release -p mec --test hostile_reads`, at both.
const JUDGED: &[usize] = if cfg!(debug_assertions) {
    &[50]
} else {
    &[50, 99]
};
/// The longest that attacks go on.
const ATTACKED_MAX: Duration = Duration::from_secs(240);

/// One test has the machine to itself.
static ALONE: Mutex<()> = Mutex::new(());

/// How long checks and writes took, in order of their length.
struct Times {
    checks: Vec<Duration>,
    writes: Vec<Duration>,
}

impl Times {
    fn add(&mut self, others: Self) {
        for (times, others) in [
            (&mut self.checks, others.checks),
            (&mut self.writes, others.writes),
        ] {
            times.extend(others);
            times.sort_unstable();
        }
    }
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

/// Asks again and again until enough was timed and `has_ended`.
fn timed(
    address: SocketAddr,
    request: impl Fn(usize) -> Request,
    goes_on: impl Fn(usize) -> bool,
) -> Vec<Duration> {
    let mut connection = Connection::to(address).expect("it accepts");
    let mut times = Vec::new();
    while goes_on(times.len()) {
        let request = request(times.len());
        let began = Instant::now();
        let (status, body) = connection.ask(&request).expect("it answers");
        times.push(began.elapsed());
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }
    times.sort_unstable();
    times
}

/// Times both beside each other.
fn time(world: &World, name: &str, goes_on: impl Fn(usize) -> bool + Sync) -> Times {
    let check = json!({"p_account_id": world.account, "p_resource_type": "benchmark_runs", "p_requested_qty": 1});
    let write = |at| {
        json!({"p_idempotency_key": format!("{name}-{at}"), "p_account_id": world.account,
            "p_resource_type": "benchmark_runs", "p_quantity": 1})
    };
    thread::scope(|scope| {
        let checks = scope.spawn(|| {
            timed(
                world.address,
                |_| Request::post("/api/rpc/check_entitlement", &check),
                &goes_on,
            )
        });
        let writes = timed(
            world.address,
            |at| Request::post("/api/rpc/meter_consumption", &write(at)),
            &goes_on,
        );
        Times {
            checks: checks.join().unwrap(),
            writes,
        }
    })
}

/// What became of attacks, by their places.
struct Struck {
    times: Vec<AtomicUsize>,
    outcomes: Mutex<BTreeMap<(&'static str, Outcome), usize>>,
    has_ended: AtomicBool,
}

impl Struck {
    fn all(&self) -> bool {
        self.times
            .iter()
            .all(|times| times.load(Ordering::Relaxed) >= STRIKES)
    }

    fn tell(&self, at: usize, attack: &Attack, outcome: Outcome) {
        if attack.strikes.contains(&(outcome.0, outcome.1.as_str())) {
            self.times[at].fetch_add(1, Ordering::Relaxed);
        }
        *self
            .outcomes
            .lock()
            .unwrap()
            .entry((attack.name, outcome))
            .or_default() += 1;
    }
}

/// One attacker, who begins with the attack at `first`.
fn attack(address: SocketAddr, first: usize, attacks: &[Attack], struck: &Struck) {
    // Attackers are on machines of their own, and do not take the server's processors.
    rustix::process::nice(10).expect("a thread can step back");
    let mut unread = Vec::new();
    for at in (0..attacks.len()).cycle().skip(first) {
        if struck.has_ended.load(Ordering::Relaxed) {
            return;
        }
        let attack = &attacks[at];
        let mut connection = Connection::to(address).expect("it accepts");
        let outcome = match attack.manner {
            Manner::Reads => connection.outcome(&attack.request),
            Manner::Leaves => connection
                .send(&attack.request)
                .map(|()| (200, String::new())),
            Manner::NeverReads => connection.send(&attack.request).and_then(|()| {
                let (status, length) = connection.head()?;
                Ok((
                    status,
                    if length > 1 << 20 {
                        String::new()
                    } else {
                        "small".to_owned()
                    },
                ))
            }),
        };
        let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}", attack.name));
        struck.tell(at, attack, outcome);
        if attack.manner == Manner::NeverReads {
            unread.push(connection);
        }
    }
}

fn readers_take_no_more_than_is_theirs(home: Home) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let world = World::make(home);
    let mut quiet = time(&world, "before", |times| times < TIMED);
    let quiet_bytes = world.peak_bytes();

    let attacks = attacks::all(&world);
    let struck = Struck {
        times: attacks.iter().map(|_| AtomicUsize::new(0)).collect(),
        outcomes: Mutex::default(),
        has_ended: AtomicBool::new(false),
    };
    let began = Instant::now();
    let attacked = thread::scope(|scope| {
        for reader in 0..READERS {
            let (attacks, struck) = (&attacks, &struck);
            scope.spawn(move || {
                attack(
                    world.address,
                    reader * attacks.len() / READERS,
                    attacks,
                    struck,
                )
            });
        }
        let times = time(&world, "attacked", |times| {
            (times < TIMED || !struck.all()) && began.elapsed() < ATTACKED_MAX
        });
        struck.has_ended.store(true, Ordering::Relaxed);
        times
    });
    let peak = world.peak_bytes();
    // Before and after: what else this machine does changes meanwhile.
    quiet.add(time(&world, "after", |times| times < TIMED));
    for ((name, (status, code)), times) in &*struck.outcomes.lock().unwrap() {
        println!("{times:4} x {name}: {status} {code}");
    }
    for (what, quiet, attacked) in [
        ("check", &quiet.checks, &attacked.checks),
        ("write", &quiet.writes, &attacked.writes),
    ] {
        let of = |times: &[Duration]| {
            format!(
                "{} times, p50 {:?}, p99 {:?}, most {:?}",
                times.len(),
                percentile(times, 50),
                percentile(times, 99),
                percentile(times, 100)
            )
        };
        println!("{what}: quiet {}; attacked {}", of(quiet), of(attacked));
    }
    println!(
        "memory: quiet {} MB, attacked {} MB, took {:?}",
        quiet_bytes >> 20,
        peak >> 20,
        began.elapsed()
    );
    assert!(struck.all(), "not every attack has struck");
    assert!(
        peak <= quiet_bytes + (READS_MEGABYTES_MAX << 20),
        "reads took {} MB",
        (peak - quiet_bytes) >> 20
    );
    for at in JUDGED {
        let of = |times: &Times| {
            (
                percentile(&times.checks, *at),
                percentile(&times.writes, *at),
            )
        };
        let ((check, write), (quiet_check, quiet_write)) = (of(&attacked), of(&quiet));
        assert!(
            check <= (5 * quiet_check).max(TURNS),
            "checks wait for reads"
        );
        assert!(
            write <= (10 * quiet_write).max(TURNS),
            "writes wait for reads"
        );
    }
}

#[test]
fn readers_take_no_more_than_is_theirs_on_sqlite() {
    readers_take_no_more_than_is_theirs(Home::sqlite());
}

#[test]
fn readers_take_no_more_than_is_theirs_on_postgres() {
    readers_take_no_more_than_is_theirs(Home::postgres());
}
