//! The law of counters: whatever happens, in whatever order, every counter is the sum of the
//! ledger, and what is answered does not depend on what happens to be loaded.
//!
//! Random commands run in two worlds: one that remembers everything, and one that forgets all it
//! has loaded before every command. Both compare every counter with the naive memory after every
//! command, and both must agree.

use mec_kernel::*;
use proptest::prelude::*;

use crate::counter_steps::{ACCOUNTS, METERED, PLANS, SCOPES, Step, steps};
use crate::world::{
    World, acquire_of, check_of, consume_of, grant_of, meter_of, provision_of, quantity,
};

/// How the two worlds begin.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// What is done beyond limits: the place in `LimitAction::ALL`.
    action: usize,
    zone: Option<&'static str>,
    rolling_seconds: i64,
}

fn settings() -> impl Strategy<Value = Setting> {
    let zone = prop_oneof![
        Just(None),
        prop::sample::select(crate::catalog::ZONES).prop_map(Some)
    ];
    (0..LimitAction::ALL.len(), zone, 60..200_000_i64).prop_map(
        |(action, zone, rolling_seconds)| Setting {
            action,
            zone,
            rolling_seconds,
        },
    )
}

/// A tree of three levels: an organization, two teams, two users of the first team.
fn world(setting: Setting) -> (World, [AccountId; ACCOUNTS]) {
    let mut world = World::new();
    let organization = world.root();
    let (first, second) = (world.child(organization), world.child(organization));
    let accounts = [
        organization,
        first,
        second,
        world.child(first),
        world.child(first),
    ];
    if let Some(zone) = setting.zone {
        world.set_zone(organization, zone);
        world.set_zone(second, "America/New_York");
    }
    for resource in METERED.iter().chain(&["concurrent_users"]) {
        let action = LimitAction::ALL[setting.action];
        // Seats have no overage.
        let is_seats = *resource == "concurrent_users" && action == LimitAction::Overage;
        let is_cumulative = world.catalog.resources[*resource].limit_kind == LimitKind::Cumulative;
        for window in [None, Some(WindowKind::Rolling)]
            .into_iter()
            .filter(|window| window.is_none() || is_cumulative)
        {
            world.rule(resource, |rule| {
                rule.action = if is_seats { LimitAction::Block } else { action };
                rule.window = window;
                rule.grace_quantity = Some(quantity("20"));
                rule.grace_seconds = Some(86_400);
                rule.overage_limit = Some(quantity("50"));
            });
        }
    }
    world.provision(organization, "pro");
    world.provision(first, "starter");
    let of = |kind, seconds| {
        Some(WindowRule {
            seconds,
            ..WindowRule::of(kind)
        })
    };
    let rolling = of(WindowKind::Rolling, Some(setting.rolling_seconds));
    let grants = [
        Grant {
            window: of(WindowKind::Day, None),
            ..grant_of(first, "benchmark_runs", Some("60"))
        },
        Grant {
            window: rolling,
            ..grant_of(organization, "benchmark_runs", Some("80"))
        },
        Grant {
            window: rolling,
            ..grant_of(accounts[3], "gpu_hours", Some("30"))
        },
        Grant {
            window: of(WindowKind::BillingMonth, None),
            ..grant_of(second, "gpu_hours", Some("40"))
        },
        Grant {
            scope: Some("eu".into()),
            window: of(WindowKind::Hour, None),
            ..grant_of(first, "benchmark_runs", Some("25"))
        },
        Grant {
            scope: Some("eu".into()),
            ..grant_of(organization, "concurrent_users", Some("2"))
        },
    ];
    for grant in grants {
        world.grant(&grant);
    }
    (world, accounts)
}

fn thousandths(amount: i64) -> Quantity {
    Quantity::from_millionths(amount * 1_000).unwrap()
}

/// Does one step and tells what was answered, whatever it was.
fn take(world: &mut World, accounts: &[AccountId], step: &Step) -> String {
    let scope = |place: usize| SCOPES[place].map(Code::from);
    match step {
        Step::Pass(micros) => {
            world.now = world.now.plus_micros(*micros);
            String::new()
        }
        Step::Meter {
            account,
            resource,
            scope: place,
            unit,
            amount,
            age,
            key,
        } => {
            let resource = METERED[*resource];
            let unit =
                [None, Some("minute"), Some("second")][*unit].filter(|_| resource == "gpu_hours");
            let meter = Meter {
                scope: scope(*place),
                unit: unit.map(Code::from),
                quantity: thousandths(*amount),
                occurred_at: Some(world.now.plus_seconds(-age)).filter(|_| age % 3 != 0),
                ..meter_of(accounts[*account], resource, "1", &format!("key {key}"))
            };
            format!("{:?}", world.try_meter(&meter))
        }
        Step::Consume {
            account,
            resource,
            scope: place,
            amount,
            key,
        } => {
            let mut consume = consume_of(
                accounts[*account],
                METERED[*resource],
                "1",
                &format!("key {key}"),
            );
            (consume.check.scope, consume.check.quantity) =
                (scope(*place), Some(thousandths(*amount)));
            consume.check.explain = true;
            format!("{:?}", world.try_consume(&consume))
        }
        Step::Correct { event, amount } => {
            let events = &world.written.events;
            let Some(event) = events
                .get(event % events.len().max(1))
                .map(|event| event.id)
            else {
                return String::new();
            };
            let key = format!("correction {}", events.len()).into();
            let correct = Correct {
                key,
                event,
                quantity: amount.map(thousandths),
                details: "{}".into(),
            };
            format!("{:?}", world.try_correct(&correct))
        }
        Step::Return { account, amount } => {
            let key = format!("return {}", world.written.events.len());
            let mut consume = consume_of(accounts[*account], "server_instances", "-1", &key);
            consume.check.quantity = Some(thousandths(*amount).negated());
            format!("{:?}", world.try_consume(&consume))
        }
        Step::Acquire {
            account,
            scope: place,
            token,
            ttl_seconds,
        } => {
            let mut acquire = acquire_of(accounts[*account], None, *ttl_seconds);
            acquire.scope = scope(*place);
            acquire.token = token.map(|token| format!("session {token}").into());
            format!("{:?}", world.acquire(&acquire))
        }
        Step::Renew { lease, ttl_seconds } => {
            let Some(lease) = pick(world.written.leases.keys(), *lease) else {
                return String::new();
            };
            format!("{:?}", world.renew(lease, *ttl_seconds))
        }
        Step::Release { lease } => {
            let Some(lease) = pick(world.written.leases.keys(), *lease) else {
                return String::new();
            };
            format!("{:?}", world.release(lease))
        }
        Step::Reserve {
            account,
            resource,
            amount,
            ttl_seconds,
            key,
        } => {
            let mut check = check_of(accounts[*account], METERED[*resource], None);
            check.quantity = Some(thousandths(*amount));
            let asked = Reserve {
                check,
                key: format!("hold {key}").into(),
                ttl_seconds: *ttl_seconds,
            };
            format!(
                "{:?}",
                world.run(|view, making| reserve(view, making, &asked))
            )
        }
        Step::Settle {
            reservation,
            amount,
        } => {
            let Some(reservation) = pick(world.written.reservations.keys(), *reservation) else {
                return String::new();
            };
            let asked = Settle {
                reservation,
                quantity: thousandths(*amount),
                attributes: Attributes::new(),
            };
            format!(
                "{:?}",
                world.run(|view, making| settle(view, making, &asked))
            )
        }
        Step::GiveBack { reservation } => {
            let Some(reservation) = pick(world.written.reservations.keys(), *reservation) else {
                return String::new();
            };
            format!(
                "{:?}",
                world.run(|view, _| release_reservation(view, reservation))
            )
        }
        Step::Provision {
            account,
            plan,
            ahead,
        } => {
            let start = ahead.map(|seconds| world.now.plus_seconds(seconds));
            let asked = Provision {
                start,
                ..provision_of(accounts[*account], PLANS[*plan])
            };
            format!("{:?}", world.try_provision(&asked))
        }
        Step::Cancel { account, plan } => {
            let asked = Cancel {
                account: accounts[*account],
                plan: PLANS[*plan].into(),
                reference: None,
                at: None,
            };
            format!(
                "{:?}",
                world.run(|view, making| cancel(view, making, &asked))
            )
        }
        Step::Limit { row, amount } => {
            let Some(row) = pick(world.written.entitlements.keys(), *row) else {
                return String::new();
            };
            let quantity = Some(Some(thousandths(*amount)));
            format!(
                "{:?}",
                world.patch(
                    row,
                    &EntitlementPatch {
                        quantity,
                        ..EntitlementPatch::default()
                    }
                )
            )
        }
        Step::Suspend { row, is_active } => {
            let Some(row) = pick(world.written.entitlements.keys(), *row) else {
                return String::new();
            };
            let status = Some(if *is_active {
                EntitlementStatus::Active
            } else {
                EntitlementStatus::Suspended
            });
            format!(
                "{:?}",
                world.patch(
                    row,
                    &EntitlementPatch {
                        status,
                        ..EntitlementPatch::default()
                    }
                )
            )
        }
    }
}

fn pick<'a, T: Copy + 'a>(
    mut items: impl ExactSizeIterator<Item = &'a T>,
    place: usize,
) -> Option<T> {
    let len = items.len();
    items.nth(place.checked_rem(len)?).copied()
}

/// What holds of every account at any time.
fn check_laws(world: &mut World, accounts: &[AccountId]) -> Result<(), TestCaseError> {
    // A unit is billed once to an account, and taken back once.
    for resource in METERED {
        let events = || {
            world
                .written
                .events
                .iter()
                .filter(|event| &*event.resource == *resource)
        };
        let used: i128 = events().map(|event| event.amount.0).sum();
        for account in accounts {
            let effects = events()
                .flat_map(|event| &event.effects)
                .filter(|effect| effect.account == *account);
            let billed: i128 = effects.map(|effect| effect.overage.0).sum();
            prop_assert!(
                (0..=used).contains(&billed),
                "{} of {} {} billed to {}",
                billed,
                used,
                resource,
                account
            );
        }
    }
    for account in accounts {
        for resource in METERED.iter().chain(&["concurrent_users"]) {
            let standing = world.ask(*account, resource, None);
            // Seats are whole, and a limit may end within one.
            let is_seats = resource == &"concurrent_users";
            let one_more = world.ask(
                *account,
                resource,
                Some(if is_seats { "1" } else { "0.000001" }),
            );
            let is_same = standing.allowed == one_more.allowed || (is_seats && standing.allowed);
            prop_assert!(is_same, "{:?}", standing);
            prop_assert_eq!(
                standing.figures.is_none(),
                standing.decision == Decision::Deny
            );
            let Some(figures) = standing.figures else {
                continue;
            };
            if let (Some(allowed), Some(used), Some(reserved)) =
                (figures.allowed, figures.used, figures.reserved)
            {
                let remaining = (allowed.0 - used.0 - reserved.0).max(0);
                let shown = figures.remaining.expect("a limit has a rest").0;
                prop_assert!(
                    (remaining - shown).abs() <= 1,
                    "cut and rounded to a millionth"
                );
                prop_assert!(used.0 >= 0 && reserved.0 >= 0);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn every_counter_is_the_sum_of_the_ledger_and_no_answer_depends_on_what_is_loaded(
        setting in settings(), steps in prop::collection::vec(steps(), 1..60),
    ) {
        let (mut warm, accounts) = world(setting);
        let (mut cold, _) = world(setting);
        cold.is_cold = true;
        for step in &steps {
            let answers = (take(&mut warm, &accounts, step), take(&mut cold, &accounts, step));
            prop_assert_eq!(&answers.0, &answers.1, "{:?}", step);
            prop_assert_eq!(&warm.last, &cold.last, "{:?}", step);
        }
        check_laws(&mut warm, &accounts)?;
    }

    #[test]
    fn what_is_blocked_beyond_the_limit_never_exceeds_it(
        amounts in prop::collection::vec((0..ACCOUNTS, 1..40_000_i64, 0..30 * 60_i64), 1..80),
    ) {
        let setting = Setting { action: 0, zone: None, rolling_seconds: 3_600 };
        let (mut world, accounts) = world(setting);
        prop_assert_eq!(LimitAction::ALL[setting.action], LimitAction::Block);
        for (place, (account, amount, wait)) in amounts.into_iter().enumerate() {
            world.pass(wait);
            let mut consume = consume_of(accounts[account], "benchmark_runs", "1", &format!("key {place}"));
            consume.check.quantity = Some(thousandths(amount));
            world.try_consume(&consume).unwrap();
            let question = Check { explain: true, ..check_of(accounts[account], "benchmark_runs", None) };
            for limit in world.check(&question).unwrap().trace.limits {
                prop_assert!(limit.figures.used <= limit.figures.allowed, "{:?}", limit);
            }
        }
    }
}
