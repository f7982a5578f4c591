//! Thousands of races, each of a few tasks over the last units there are: never one unit too many,
//! at any level, and none left that somebody was refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::installation::*;
use mec_engine::{Mec, Options};
use mec_kernel::*;
use tokio::task::JoinSet;

const ROUNDS: u64 = 1_000;
const RUNS: &str = "benchmark_runs";
const SEATS: &str = "concurrent_users";

/// Chance of a race: a seed names its rounds, not their order of events.
struct Dice(u64);

impl Dice {
    fn fresh() -> Self {
        Self(crate::chance::seed("MEC_ROUNDS_SEED"))
    }

    /// One of `0 … sides - 1`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn upto(&mut self, most: u64) -> i64 {
        i64::try_from(self.roll(most + 1)).unwrap()
    }
}

/// A limit that is lifted from round to round.
#[derive(Clone, Copy)]
struct Lifted {
    account: AccountId,
    entitlement: EntitlementId,
}

impl Lifted {
    async fn of(mec: &Mec, account: AccountId) -> Self {
        Self {
            account,
            entitlement: allow(mec, account, RUNS, 1).await,
        }
    }

    async fn to(self, mec: &Mec, limit: i64) {
        let quantity = Some(Some(Quantity::whole(i32::try_from(limit).unwrap())));
        let patch = EntitlementPatch {
            quantity,
            ..EntitlementPatch::default()
        };
        mec.patch_entitlement(self.account, self.entitlement, patch, &caller())
            .await
            .unwrap();
    }
}

async fn open_at_noon(dir: &tempfile::TempDir) -> (Arc<Mec>, Hands) {
    let hands = Hands::at("2026-03-01T12:00:00Z");
    (
        open_with(
            dir,
            Options {
                clock: hands.clock(),
                ..Options::default()
            },
        )
        .await,
        hands,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_units_at_three_levels_of_a_tree() {
    let dir = tempfile::tempdir().unwrap();
    let (mec, _) = open_at_noon(&dir).await;
    let org = mec
        .create_account(mec_engine::NewAccount::named("Org"), &caller())
        .await
        .unwrap()
        .id;
    let teams = [child(&mec, org).await, child(&mec, org).await];
    let mut users = Vec::new();
    for place in 0..4 {
        users.push(child(&mec, teams[place / 2]).await);
    }
    // The last user has no limit of its own.
    let mut levels = vec![Lifted::of(&mec, org).await];
    for account in teams.iter().chain(&users[..3]) {
        levels.push(Lifted::of(&mec, *account).await);
    }
    let path = |place: usize| [org, teams[place / 2], users[place]];
    let mut used: BTreeMap<AccountId, i64> = BTreeMap::new();
    let mut refused = 0;
    let mut dice = Dice::fresh();
    for round in 0..ROUNDS {
        let mut limits = BTreeMap::new();
        let mut lifting = JoinSet::new();
        for level in &levels {
            let limit = used.get(&level.account).copied().unwrap_or(0) + dice.upto(3);
            limits.insert(level.account, limit);
            let (mec, level) = (mec.clone(), *level);
            lifting.spawn(async move { level.to(&mec, limit).await });
        }
        lifting.join_all().await;
        let mut racing = JoinSet::new();
        for attempt in 0..8 {
            let place = usize::try_from(dice.roll(4)).unwrap();
            let (mec, command) = (
                mec.clone(),
                run_of(users[place], &format!("{round} {attempt}")),
            );
            racing.spawn(async move {
                (
                    place,
                    mec.consume(command, &caller())
                        .await
                        .unwrap()
                        .event
                        .is_some(),
                )
            });
        }
        let told = racing.join_all().await;
        for (place, _) in told.iter().filter(|(_, passed)| *passed) {
            path(*place)
                .into_iter()
                .for_each(|account| *used.entry(account).or_default() += 1);
        }
        let left = |account: &AccountId| {
            limits
                .get(account)
                .map(|limit| limit - used.get(account).copied().unwrap_or(0))
        };
        for (account, limit) in &limits {
            assert!(
                left(account).unwrap() >= 0,
                "round {round}: {account} used {:?} of {limit}",
                used.get(account)
            );
        }
        for (place, _) in told.iter().filter(|(_, passed)| !*passed) {
            refused += 1;
            let full = path(*place).iter().any(|account| left(account) == Some(0));
            assert!(
                full,
                "round {round}: user {place} was refused, and nothing is full"
            );
        }
        for account in [org, teams[0], teams[1], users[0], users[3]] {
            assert_eq!(
                ledger_sum(&mec, account, RUNS).await,
                used.get(&account).copied().unwrap_or(0),
                "round {round}"
            );
        }
    }
    assert!(
        used[&org] > 1_000 && refused > 1_000,
        "{refused} refused, {used:?}"
    );
    mec.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reserve_against_consume() {
    let dir = tempfile::tempdir().unwrap();
    let (mec, _) = open_at_noon(&dir).await;
    let org = mec
        .create_account(mec_engine::NewAccount::named("Org"), &caller())
        .await
        .unwrap()
        .id;
    let (team, limit_of_org) = (child(&mec, org).await, Lifted::of(&mec, org).await);
    let limit_of_team = Lifted::of(&mec, team).await;
    let mut dice = Dice::fresh();
    let mut open: Vec<Arc<Reservation>> = Vec::new();
    // Of the org, which has all of it, and of the team.
    let (mut used, mut held) = ([0; 2], [0; 2]);
    // How many holds were made, settled and given back, and what was refused.
    let (mut made, mut settled_up, mut given_back, mut refused) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        let limits = [
            used[0] + held[0] + dice.upto(4),
            used[1] + held[1] + dice.upto(4),
        ];
        limit_of_org.to(&mec, limits[0]).await;
        limit_of_team.to(&mec, limits[1]).await;
        let mut racing: JoinSet<(AccountId, i64, i64, Option<Arc<Reservation>>)> = JoinSet::new();
        for attempt in 0..6 {
            let (mec, key, account) = (
                mec.clone(),
                format!("{round} {attempt}"),
                if dice.roll(3) == 0 { org } else { team },
            );
            let quantity = i32::try_from(1 + dice.roll(2)).unwrap();
            let check = Check::of(account, RUNS, Some(Quantity::whole(quantity)));
            let is_hold = dice.roll(2) == 0;
            racing.spawn(async move {
                if is_hold {
                    let command = Reserve {
                        check,
                        key: key.as_str().into(),
                        ttl_seconds: 3_600,
                    };
                    let reservation = mec.reserve(command, &caller()).await.unwrap().reservation;
                    (
                        account,
                        0,
                        reservation.as_ref().map_or(0, |_| i64::from(quantity)),
                        reservation,
                    )
                } else {
                    let command = Consume {
                        check,
                        key: key.as_str().into(),
                        details: None,
                    };
                    let passed = mec
                        .consume(command, &caller())
                        .await
                        .unwrap()
                        .event
                        .is_some();
                    (
                        account,
                        if passed { i64::from(quantity) } else { 0 },
                        0,
                        None,
                    )
                }
            });
        }
        // What was held before is settled with no more than that, or given back, at the same time.
        for reservation in std::mem::take(&mut open) {
            let was_held = reservation.quantity.millionths() / SCALE;
            let (mec, settled) = (mec.clone(), dice.upto(u64::try_from(was_held).unwrap()));
            *if settled > 0 {
                &mut settled_up
            } else {
                &mut given_back
            } += 1;
            racing.spawn(async move {
                let quantity = Quantity::whole(i32::try_from(settled).unwrap());
                mec.settle(
                    Settle {
                        reservation: reservation.id,
                        quantity,
                        attributes: Default::default(),
                    },
                    &caller(),
                )
                .await
                .unwrap();
                (reservation.account, settled, -was_held, None)
            });
        }
        for (account, more_used, more_held, reservation) in racing.join_all().await {
            for level in 0..if account == team { 2 } else { 1 } {
                used[level] += more_used;
                held[level] += more_held;
            }
            made += usize::from(reservation.is_some());
            refused += usize::from((more_used, more_held) == (0, 0));
            open.extend(reservation);
        }
        for level in 0..2 {
            let (used, held, limit) = (used[level], held[level], limits[level]);
            assert!(
                used + held <= limit,
                "round {round}: {used} used and {held} held of {limit}"
            );
        }
        let figures = mec
            .check(Check::of(org, RUNS, None), &caller())
            .await
            .unwrap()
            .figures
            .unwrap();
        let told = [figures.used, figures.reserved].map(|total| whole(total.unwrap()));
        assert_eq!(told, [used[0], held[0]], "round {round}");
        assert_eq!(
            [
                ledger_sum(&mec, org, RUNS).await,
                ledger_sum(&mec, team, RUNS).await
            ],
            used,
            "round {round}"
        );
    }
    let least = [made, settled_up, given_back, refused].into_iter().min();
    assert!(
        least > Some(250),
        "{made} made, {settled_up} settled, {given_back} given back, {refused} refused"
    );
    assert!(used[0] > 1_000, "{used:?}");
    mec.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn acquire_against_expiry() {
    let dir = tempfile::tempdir().unwrap();
    let (mec, hands) = open_at_noon(&dir).await;
    let org = account(&mec, SEATS, 3).await;
    let teams = [child(&mec, org).await, child(&mec, org).await];
    allow(&mec, teams[0], SEATS, 2).await;
    let mut dice = Dice::fresh();
    let mut leases: BTreeMap<LeaseId, Arc<Lease>> = BTreeMap::new();
    let (mut granted, mut refused, mut renewed, mut expired) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        let mut racing: JoinSet<Option<Arc<Lease>>> = JoinSet::new();
        let mut commands = 5;
        for _ in 0..5 {
            let (mec, place, ttl_seconds) = (
                mec.clone(),
                usize::try_from(dice.roll(2)).unwrap(),
                1 + dice.upto(3),
            );
            let command = seat_of(teams[place], ttl_seconds);
            racing.spawn(async move { mec.acquire(command, &caller()).await.unwrap().lease });
        }
        for lease in leases.keys().copied() {
            let (mec, ttl_seconds) = (mec.clone(), 1 + dice.upto(1));
            if dice.roll(3) == 0 {
                let renew = Renew {
                    lease,
                    ttl_seconds,
                    attributes: Default::default(),
                };
                racing.spawn(async move { mec.renew(renew, &caller()).await.unwrap().lease });
                commands += 1;
            }
        }
        let steps: Vec<i64> = (0..3).map(|_| dice.upto(1)).collect();
        let moved = hands.clone();
        racing.spawn(async move {
            for seconds in steps {
                moved.forward(seconds);
                tokio::task::yield_now().await;
            }
            None
        });
        for lease in racing.join_all().await.into_iter().flatten() {
            commands -= 1;
            *if leases.contains_key(&lease.id) {
                &mut renewed
            } else {
                &mut granted
            } += 1;
            let known = leases.entry(lease.id).or_insert_with(|| lease.clone());
            if lease.expires_at > known.expires_at {
                *known = lease;
            }
        }
        for (account, limit) in [(Some(teams[0]), 2), (None, 3)] {
            // Seats are only ever taken at these instants, so one of them has the most.
            let counted = leases
                .values()
                .filter(|lease| account.is_none_or(|account| lease.account == account));
            let counted: Vec<&Arc<Lease>> = counted.collect();
            for at in counted.iter().map(|lease| lease.acquired_at) {
                let live = counted
                    .iter()
                    .filter(|lease| lease.acquired_at <= at && at < lease.expires_at)
                    .count();
                assert!(
                    live <= limit,
                    "round {round}: {live} seats of {limit} at {at}"
                );
            }
        }
        refused += commands;
        let now = mec.now();
        let before = leases.len();
        leases.retain(|_, lease| lease.expires_at > now);
        expired += before - leases.len();
        let told = mec
            .check(Check::of(org, SEATS, None), &caller())
            .await
            .unwrap();
        assert_eq!(used_of(&told), leases.len().to_string(), "round {round}");
    }
    assert!(
        granted > 1_000 && refused > 1_000,
        "{granted} granted, {refused} refused"
    );
    assert!(
        renewed > 250 && expired > 1_000,
        "{renewed} renewed, {expired} expired"
    );
    mec.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn provision_against_consume() {
    let dir = tempfile::tempdir().unwrap();
    let (mec, _) = open_at_noon(&dir).await;
    let plans = |catalog: &Catalog| {
        let plan = |(id, limit): (&str, i32)| {
            let mut plan = Plan::clone(&catalog.plans["starter"]);
            plan.id = id.into();
            plan.templates
                .retain(|template| template.resource.as_str() == RUNS);
            for template in &mut plan.templates {
                (template.id, template.quantity) = (TemplateId(0), Some(Quantity::whole(limit)));
            }
            CatalogChange::PutPlan(plan)
        };
        [("small", 2), ("large", 4)].map(plan).to_vec()
    };
    mec.change_catalog(&caller(), plans).await.unwrap();
    let mut dice = Dice::fresh();
    // How many rounds let so many through, by whether the plan grew: a plan that is always given
    // first or last is no race.
    let mut by_passed = BTreeMap::<(bool, usize), u64>::new();
    for round in 0..ROUNDS {
        let grows = dice.roll(2) == 0;
        let (before, after) = if grows {
            ("small", "large")
        } else {
            ("large", "small")
        };
        let account = mec
            .create_account(mec_engine::NewAccount::named("Acme Corp"), &caller())
            .await
            .unwrap()
            .id;
        mec.provision(Provision::new(account, before), &caller())
            .await
            .unwrap();
        let mut racing: JoinSet<usize> = JoinSet::new();
        let (first, second) = (dice.roll(6), dice.roll(6));
        for attempt in 0..6 {
            // Twice: a plan that is given again adds nothing.
            if attempt == first || attempt == second {
                let (mec, command) = (mec.clone(), Provision::new(account, after));
                racing.spawn(async move {
                    assert_eq!(mec.provision(command, &caller()).await.unwrap(), 1);
                    0
                });
            }
            let (mec, command) = (mec.clone(), run_of(account, &attempt.to_string()));
            racing.spawn(async move {
                usize::from(
                    mec.consume(command, &caller())
                        .await
                        .unwrap()
                        .event
                        .is_some(),
                )
            });
        }
        let passed: usize = racing.join_all().await.into_iter().sum();
        assert!((2..=4).contains(&passed), "round {round}: {passed} passed");
        *by_passed.entry((grows, passed)).or_default() += 1;
        let mut total = passed;
        while consume_one(&mec, account, &format!("after {total}"))
            .await
            .unwrap()
            .event
            .is_some()
        {
            total += 1;
        }
        let expected = if grows { 4 } else { passed };
        assert_eq!(
            (total, ledger_sum(&mec, account, RUNS).await),
            (expected, i64::try_from(expected).unwrap()),
            "round {round}"
        );
    }
    assert!(
        by_passed.keys().filter(|(grows, _)| *grows).count() > 1,
        "{by_passed:?}"
    );
    assert!(
        by_passed.keys().filter(|(grows, _)| !*grows).count() > 1,
        "{by_passed:?}"
    );
    mec.close().await.unwrap();
}
