//! Every refusal, provoked by the smallest command that is wrong in exactly that way.

use std::collections::BTreeSet;
use std::sync::Arc;

use mec_kernel::*;

use crate::world::*;

/// What a world with an organization on `starter` refuses.
type Provoke = fn(&mut World, AccountId) -> Refusal;

const NOWHERE: u128 = 7;

/// A code, and what is refused with it.
const REFUSALS: [(&str, Provoke); 31] = [
    ("MEC_ACCOUNT_NOT_FOUND", |world, _| {
        refused(world.check(&check_of(AccountId(NOWHERE), "gpu_hours", None)))
    }),
    ("MEC_PARENT_NOT_FOUND", |world, _| {
        let orphan = new_account(Some(AccountId(NOWHERE)));
        refused(world.run(|view, making| create_account(view, making.ids, &orphan)))
    }),
    ("MEC_TOO_DEEP", |world, root| {
        let deepest = (1..LEVELS_MAX).fold(root, |parent, _| world.child(parent));
        let child = new_account(Some(deepest));
        refused(world.run(|view, making| create_account(view, making.ids, &child)))
    }),
    ("MEC_EXTERNAL_ID_TAKEN", |world, _| {
        let named = CreateAccount {
            external_id: Some("acme".into()),
            ..new_account(None)
        };
        world
            .run(|view, making| create_account(view, making.ids, &named))
            .unwrap();
        refused(world.run(|view, making| create_account(view, making.ids, &named)))
    }),
    ("MEC_ACCOUNT_CLOSED", |world, account| {
        world.set_status(account, AccountStatus::Closed);
        let open = AccountPatch {
            status: Some(AccountStatus::Active),
            ..AccountPatch::default()
        };
        refused(world.run(|view, _| patch_account(view, account, &open)))
    }),
    ("MEC_RESOURCE_NOT_FOUND", |world, account| {
        refused(world.check(&check_of(account, "nothing", None)))
    }),
    ("MEC_UNIT_NOT_FOUND", |world, account| {
        refused(world.check(&Check {
            unit: Some("parsec".into()),
            ..check_of(account, "gpu_hours", None)
        }))
    }),
    ("MEC_UNIT_NOT_ALLOWED", |world, account| {
        refused(world.check(&Check {
            unit: Some("count".into()),
            ..check_of(account, "gpu_hours", None)
        }))
    }),
    ("MEC_PLAN_NOT_FOUND", |world, account| {
        refused(world.try_provision(&provision_of(account, "no such plan")))
    }),
    ("MEC_PLAN_INACTIVE", |world, account| {
        refused(world.try_provision(&provision_of(account, "retired")))
    }),
    ("MEC_TRIAL_USED", |world, account| {
        world.provision(account, "trial-14d");
        world.pass(60);
        world.provision(account, "starter");
        refused(world.try_provision(&provision_of(account, "trial-14d")))
    }),
    ("MEC_ADDON_NO_POOL", |world, account| {
        let user = world.child(account);
        refused(world.try_provision(&provision_of(user, "more-runs")))
    }),
    ("MEC_BAD_QUANTITY", |world, account| {
        let most = quantity("999999999999");
        refused(world.try_provision(&Provision {
            quantity: Some(most),
            ..provision_of(account, "more-runs")
        }))
    }),
    ("MEC_QUANTITY_NOT_POSITIVE", |world, account| {
        refused(world.check(&check_of(account, "gpu_hours", Some("-1"))))
    }),
    ("MEC_WRONG_LIMIT_KIND", |world, account| {
        refused(world.try_meter(&meter_of(account, "concurrent_users", "1", "k")))
    }),
    ("MEC_OCCURRED_IN_FUTURE", |world, account| {
        let occurred_at = Some(world.now.plus_seconds(301));
        refused(world.try_meter(&Meter {
            occurred_at,
            ..meter_of(account, "gpu_hours", "1", "k")
        }))
    }),
    ("MEC_OCCURRED_TOO_LATE", |world, account| {
        let occurred_at = Some(world.now.plus_seconds(-90 * 86_400 - 1));
        refused(world.try_meter(&Meter {
            occurred_at,
            ..meter_of(account, "gpu_hours", "1", "k")
        }))
    }),
    ("MEC_BAD_IDEMPOTENCY_KEY", |world, account| {
        refused(world.try_meter(&meter_of(account, "gpu_hours", "1", "")))
    }),
    ("MEC_IDEMPOTENCY_CONFLICT", |world, account| {
        world.consume(account, "gpu_hours", "1", "k");
        refused(world.try_consume(&consume_of(account, "gpu_hours", "2", "k")))
    }),
    ("MEC_BELOW_ZERO", |world, account| {
        refused(world.try_consume(&consume_of(account, "server_configs", "-1", "k")))
    }),
    ("MEC_EVENT_NOT_FOUND", |world, _| {
        refused(world.try_correct(&correction_of(EventId(NOWHERE))))
    }),
    ("MEC_BAD_CORRECTION", |world, account| {
        let corrects = Some(world.meter(account, "gpu_hours", "1"));
        let other = meter_of(account, "benchmark_runs", "-1", "k");
        refused(world.try_meter(&Meter {
            is_correction: true,
            corrects,
            ..other
        }))
    }),
    ("MEC_BAD_TTL", |world, account| {
        let asked = acquire_of(account, None, 0);
        refused(world.run(|view, making| acquire(view, making, &asked)))
    }),
    ("MEC_RESERVATION_NOT_FOUND", |world, _| {
        let (reservation, attributes) = (ReservationId(NOWHERE), Attributes::new());
        let settled = Settle {
            reservation,
            quantity: quantity("1"),
            attributes,
        };
        refused(world.run(|view, making| settle(view, making, &settled)))
    }),
    ("MEC_RESERVATION_CLOSED", |world, account| {
        let hold = Reserve {
            check: check_of(account, "gpu_hours", Some("2")),
            key: "k".into(),
            ttl_seconds: 60,
        };
        let reservation = world
            .run(|view, making| reserve(view, making, &hold))
            .unwrap()
            .reservation
            .unwrap()
            .id;
        let mut settle_with = |amount| {
            let settled = Settle {
                reservation,
                quantity: quantity(amount),
                attributes: Attributes::new(),
            };
            world.run(|view, making| settle(view, making, &settled))
        };
        settle_with("1").unwrap();
        refused(settle_with("2"))
    }),
    ("MEC_ENTITLEMENT_NOT_FOUND", |world, account| {
        let patch = EntitlementPatch::default();
        refused(world.run(|view, making| {
            patch_entitlement(view, making, account, EntitlementId(NOWHERE), &patch)
        }))
    }),
    ("MEC_ENTITLEMENT_EXPIRED", |world, account| {
        let row = world.row(account, "gpu_hours").id;
        let status = |status| EntitlementPatch {
            status: Some(status),
            ..EntitlementPatch::default()
        };
        world
            .patch(row, &status(EntitlementStatus::Expired))
            .unwrap();
        refused(world.patch(row, &status(EntitlementStatus::Active)))
    }),
    ("MEC_BAD_VALUE", |world, account| {
        let below_zero = grant_of(account, "gpu_hours", Some("-1"));
        refused(world.run(|view, making| grant(view, making, &below_zero)))
    }),
    ("MEC_NOT_PRESENT", |world, account| {
        let made = world.rule("gpu_hours", |rule| rule.account = Some(account));
        let rule = world
            .tree
            .nodes()
            .find_map(|node| node.rules.iter().find(|rule| rule.id == made).cloned())
            .unwrap();
        let for_no_plan = Arc::new(Rule {
            plan: Some("no such plan".into()),
            ..Rule::clone(&rule)
        });
        refused(world.run(|view, _| put_rule(view, &for_no_plan)))
    }),
    ("MEC_TOO_MANY_ROWS", |world, account| {
        world.catalog.settings.rows_per_account_max = 5;
        let sixth = grant_of(account, "gpu_hours", Some("1"));
        refused(world.run(|view, making| grant(view, making, &sixth)))
    }),
    ("MEC_IN_USE", |world, _| {
        let change = CatalogChange::RemoveUnit("hour".into());
        let ruling = change_catalog(
            &world.catalog,
            &[change],
            &InUse::default(),
            world.now,
            &mut a_source(),
        );
        ruling.unwrap_err()
    }),
];

#[test]
fn every_refusal_is_provoked_by_its_name() {
    for (code, provoke) in REFUSALS {
        let (mut world, account) = World::with("starter");
        assert_eq!(provoke(&mut world, account).code(), code);
    }
    let provoked: BTreeSet<&str> = REFUSALS.iter().map(|(code, _)| *code).collect();
    let codes: BTreeSet<&str> = Refusal::CODES.iter().copied().collect();
    assert_eq!(provoked, codes);
}

fn refused<A: std::fmt::Debug>(answer: Result<A, Refusal>) -> Refusal {
    answer.unwrap_err()
}

fn correction_of(event: EventId) -> Correct {
    Correct {
        key: "k".into(),
        event,
        quantity: Some(quantity("1")),
        details: "{}".into(),
    }
}

fn a_source() -> IdSource {
    IdSource::new(TreeId::CATALOG, time(BEGINNING), 0)
}
