//! Removing and pruning rows of the catalog: what is in use stays.

use crate::catalog_rows::{NOW, catalog, change, column, ids, resource, starter, unit};
use mec_kernel::CatalogChange::*;
use mec_kernel::*;

#[test]
fn what_the_catalog_refers_to_is_removed_only_with_what_refers_to_it() {
    let before = catalog();
    let rule = before.rules[0].id;
    let rows = [
        (RemoveUnit("count".into()), "unit count", "resource access"),
        (RemoveUnit("minute".into()), "unit minute", "resource gpu"),
        (
            RemoveResource("seats".into()),
            "resource seats",
            "plan starter",
        ),
    ];
    for (remove, what, by) in rows {
        let expected = Refusal::InUse {
            what: what.to_owned(),
            by: by.to_owned(),
        };
        assert_eq!(change(&before, &[remove]).unwrap_err(), expected);
    }
    let all = [
        RemoveUnit("count".into()),
        RemoveResource("seats".into()),
        RemoveResource("runs".into()),
        RemoveResource("access".into()),
        RemovePlan("starter".into()),
        RemoveRule(rule),
    ];
    let ruling = change(&before, &all).unwrap();
    // Each goes before what it referred to.
    assert_eq!(
        ruling.changes[..2],
        [RemoveRule(rule), RemovePlan("starter".into())]
    );
    assert_eq!(ruling.changes.last(), Some(&RemoveUnit("count".into())));
}

#[test]
fn what_customers_rows_refer_to_stays_and_keeps_its_meaning() {
    let before = catalog();
    let in_use = InUse {
        units: [Code::from("minute")].into(),
        resources: [Code::from("gpu"), "runs".into()].into(),
        plans: [Code::from("starter")].into(),
        account_types: [Code::from("organization")].into(),
    };
    let refused = [
        PutUnit(unit("minute", "time", 61)),
        // A limit of a used resource is in its canonical unit.
        PutUnit(unit("hour", "time", 3_601)),
        PutResource(resource("gpu", LimitKind::Inventory, "hour", &["minute"])),
        PutResource(resource("gpu", LimitKind::Cumulative, "minute", &[])),
        RemovePlan("starter".into()),
        starter(|plan| plan.is_addon = true),
        RemoveAccountType("organization".into()),
    ];
    for put in refused {
        let refusal = change_catalog(
            &before,
            std::slice::from_ref(&put),
            &in_use,
            NOW,
            &mut ids(2),
        )
        .unwrap_err();
        assert_eq!(column(&refusal), "in use", "{put:?}");
        let removal = matches!(put, RemovePlan(_));
        assert!(removal || change(&before, &[put]).is_ok());
    }
    let all = [
        PutResource(resource("gpu", LimitKind::Cumulative, "hour", &[])),
        RemoveUnit("minute".into()),
    ];
    let refusal = change_catalog(&before, &all, &in_use, NOW, &mut ids(2)).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::InUse {
            what: "unit minute".to_owned(),
            by: "recorded use".to_owned()
        }
    );
    let allowed = [
        PutUnit(Unit {
            name: "Minute".to_owned(),
            ..unit("minute", "time", 60)
        }),
        PutResource(resource("gpu", LimitKind::Cumulative, "hour", &[])),
        PutResource(resource("seats", LimitKind::Inventory, "count", &[])),
        starter(|plan| plan.is_active = false),
    ];
    for put in allowed {
        let ruling = change_catalog(
            &before,
            std::slice::from_ref(&put),
            &in_use,
            NOW,
            &mut ids(2),
        )
        .unwrap();
        assert_eq!(
            (ruling.catalog.version, ruling.changes.len()),
            (2, 1),
            "{put:?}"
        );
    }
}

#[test]
fn pruning_removes_what_nothing_refers_to_and_says_why_the_rest_stays() {
    let before = catalog();
    let in_use = InUse {
        resources: [Code::from("gpu")].into(),
        ..InUse::default()
    };
    let removals = [
        RemoveRule(before.rules[0].id),
        RemovePlan("starter".into()),
        RemoveResource("gpu".into()),
        RemoveResource("seats".into()),
        RemoveUnit("hour".into()),
        RemoveUnit("minute".into()),
    ];
    let prune = |changes: &[CatalogChange]| {
        prune_catalog(&before, changes, &removals, &in_use, NOW, &mut ids(2))
    };
    let (ruling, kept) = prune(&[]).unwrap();
    let gone = [
        RemoveRule(before.rules[0].id),
        RemovePlan("starter".into()),
        RemoveResource("seats".into()),
    ];
    assert_eq!(ruling.changes, gone);
    let stays: Vec<_> = kept
        .iter()
        .map(|row| (row.removal.clone(), row.refusal.clone()))
        .collect();
    let by = |what: &str, by: &str| Refusal::InUse {
        what: what.to_owned(),
        by: by.to_owned(),
    };
    assert_eq!(
        stays,
        [
            (
                RemoveResource("gpu".into()),
                by("resource gpu", "entitlements, rules or use of accounts")
            ),
            (RemoveUnit("hour".into()), by("unit hour", "resource gpu")),
            (
                RemoveUnit("minute".into()),
                by("unit minute", "resource gpu")
            ),
        ]
    );
    // What is to be made is made whole or not at all.
    assert!(
        prune(&[PutResource(resource(
            "gpu",
            LimitKind::Inventory,
            "hour",
            &[]
        ))])
        .is_err()
    );
}
