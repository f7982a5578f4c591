//! Changes of the catalog: what they make, what they keep, and what they are refused for.

use std::sync::Arc;

use mec_kernel::CatalogChange::*;
use mec_kernel::*;

use crate::catalog_rows::{
    NOW, catalog, change, column, ids, overage_of, plan, resource, rows, rule, starter, template,
    unit,
};

#[test]
fn the_order_of_changes_does_not_matter() {
    let ruling = change_catalog(
        &Catalog::default(),
        &rows(),
        &InUse::default(),
        NOW,
        &mut ids(1),
    )
    .unwrap();
    assert_eq!((ruling.catalog.version, ruling.changes.len()), (1, 10));
    // The effective list is in the order a store with foreign keys could write it.
    let places: Vec<_> = ruling.changes.iter().map(std::mem::discriminant).collect();
    let place = |change: &CatalogChange| {
        places
            .iter()
            .position(|known| *known == std::mem::discriminant(change))
            .unwrap()
    };
    let rows = rows();
    assert!(
        place(&rows[6]) < place(&rows[2])
            && place(&rows[2]) < place(&rows[1])
            && place(&rows[1]) < place(&rows[0])
    );
}

#[test]
fn rows_that_are_there_already_change_nothing() {
    let catalog = catalog();
    let mut same = rows();
    same[0] = PutRule(Rule {
        created_at: NOW,
        ..Rule::clone(&catalog.rules[0])
    });
    same.extend([
        RemoveUnit("parsec".into()),
        RemoveRule(RuleId(9)),
        PutSettings(Settings::default()),
    ]);
    let ruling = change_catalog(
        &catalog,
        &same,
        &InUse::default(),
        NOW.plus_seconds(5),
        &mut ids(2),
    )
    .unwrap();
    assert_eq!(ruling.changes, []);
    assert_eq!(ruling.catalog.version, 1);
}

#[test]
fn a_new_rule_is_given_an_id_and_a_changed_one_keeps_it() {
    let before = catalog();
    let made = &before.rules[0];
    assert_eq!(
        (made.id.tree(), made.created_at, made.updated_at),
        (TreeId::CATALOG, NOW, NOW)
    );
    assert_ne!(made.id, RuleId(0));
    let later = NOW.plus_seconds(60);
    let put = PutRule(Rule {
        priority: 5,
        created_at: later,
        ..Rule::clone(made)
    });
    let ruling = change_catalog(&before, &[put], &InUse::default(), later, &mut ids(2)).unwrap();
    let kept = &ruling.catalog.rules[0];
    assert_eq!(
        (kept.id, kept.priority, kept.created_at, kept.updated_at),
        (made.id, 5, NOW, later)
    );
    assert_eq!(ruling.changes, [PutRule(Rule::clone(kept))]);
    let ruling = change(&before, &[RemoveRule(made.id)]).unwrap();
    assert_eq!(
        (ruling.catalog.rules.len(), ruling.changes),
        (0, vec![RemoveRule(made.id)])
    );
}

#[test]
fn the_version_of_a_plan_follows_its_templates_alone() {
    let before = catalog();
    assert_eq!(before.plans["starter"].version, 1);
    let rows: [(CatalogChange, i32); 6] = [
        (starter(|plan| plan.version = 9), 1),
        (starter(|plan| plan.name = "Starter".to_owned()), 1),
        (starter(|plan| plan.templates[0].quantity = None), 2),
        (
            starter(|plan| plan.templates[0].window = Some(WindowKind::Month)),
            2,
        ),
        (starter(|plan| plan.templates.truncate(1)), 2),
        (
            starter(|plan| plan.templates.push(template("gpu", Some(5), 3))),
            2,
        ),
    ];
    for (put, version) in rows {
        let ruling = change(&before, std::slice::from_ref(&put)).unwrap();
        assert_eq!(ruling.catalog.plans["starter"].version, version, "{put:?}");
    }
}

#[test]
fn templates_keep_their_ids_by_what_they_grant() {
    let before = catalog();
    let (runs, seats) = (
        before.plans["starter"].templates[0].id,
        before.plans["starter"].templates[1].id,
    );
    let daily = Template {
        window: Some(WindowKind::Day),
        ..template("runs", Some(10), 3)
    };
    let wanted = vec![
        daily.clone(),
        Template {
            scope: Some("eu".into()),
            ..template("runs", Some(7), 4)
        },
        template("seats", Some(5), 1),
        template("runs", Some(200), 2),
    ];
    let ruling = change(&before, &[PutPlan(plan("starter", wanted))]).unwrap();
    let after = &ruling.catalog.plans["starter"].templates;
    assert_eq!((after[0].id, after[1].id, after.len()), (seats, runs, 4));
    assert!(
        after[2..]
            .iter()
            .all(|new| ![seats, runs, TemplateId(0)].contains(&new.id))
    );
    // With the window gone from the list, its resource and scope still tell.
    let ruling = change(&before, &[PutPlan(plan("starter", vec![daily]))]).unwrap();
    assert_eq!(ruling.catalog.plans["starter"].templates[0].id, runs);
    // Known by its id, a template may move to another resource.
    let ruling = change(
        &before,
        &[starter(|plan| plan.templates[0].resource = "gpu".into())],
    )
    .unwrap();
    assert_eq!(ruling.catalog.plans["starter"].templates[0].id, runs);
}

#[test]
fn templates_are_kept_in_their_order() {
    let wanted = vec![template("seats", None, 2), template("runs", None, 1)];
    let ruling = change(&catalog(), &[PutPlan(plan("other", wanted))]).unwrap();
    let order: Vec<_> = ruling.catalog.plans["other"]
        .templates
        .iter()
        .map(|template| template.resource.to_string())
        .collect();
    assert_eq!(order, ["runs", "seats"]);
}

#[test]
fn a_row_that_would_not_be_right_is_refused_with_its_column() {
    let trial = |days| move |plan: &mut Plan| (plan.is_trial, plan.trial_days) = (true, days);
    let rolling = |seconds| {
        move |plan: &mut Plan| {
            plan.templates[0].window = Some(WindowKind::Rolling);
            plan.templates[0].window_seconds = seconds;
        }
    };
    let negative = Some("-1".parse::<Quantity>().unwrap());
    let ruled = |change: fn(&mut Rule)| {
        let mut rule = rule("runs", LimitKind::Cumulative);
        change(&mut rule);
        PutRule(rule)
    };
    let long = "x".repeat(65);
    let rows: Vec<(CatalogChange, &str)> = vec![
        (PutUnit(unit("", "time", 1)), "unit_code"),
        (PutUnit(unit("light year", "time", 1)), "unit_code"),
        (PutUnit(unit(&long, "time", 1)), "unit_code"),
        (PutUnit(unit("day", "Zeit!", 1)), "dimension"),
        (
            PutUnit(Unit {
                name: " ".to_owned(),
                ..unit("day", "time", 1)
            }),
            "unit_name",
        ),
        (
            PutResource(resource("a b", LimitKind::Inventory, "count", &[])),
            "resource_type_code",
        ),
        (
            PutResource(resource("disk", LimitKind::Inventory, "byte", &[])),
            "unit_code",
        ),
        (
            PutResource(resource("disk", LimitKind::Inventory, "count", &["byte"])),
            "allowed_units",
        ),
        (
            PutResource(resource("disk", LimitKind::Inventory, "count", &["hour"])),
            "allowed_units",
        ),
        (PutUnit(unit("minute", "angle", 60)), "allowed_units"),
        (
            PutAccountType {
                code: "ä".into(),
                description: None,
            },
            "account_type_code",
        ),
        (
            PutAccountType {
                code: "a".into(),
                description: Some("\0".to_owned()),
            },
            "description",
        ),
        (starter(trial(None)), "trial_days"),
        (starter(trial(Some(0))), "trial_days"),
        (starter(|plan| plan.trial_days = Some(14)), "trial_days"),
        (
            starter(|plan| (plan.is_trial, plan.trial_days, plan.is_addon) = (true, Some(1), true)),
            "is_addon",
        ),
        (
            starter(|plan| plan.price_amount = Some(Quantity::ZERO)),
            "price_currency",
        ),
        (
            starter(|plan| plan.price_currency = Some("usd".to_owned())),
            "price_currency",
        ),
        (
            starter(|plan| plan.price_currency = Some("DOLLAR".to_owned())),
            "price_currency",
        ),
        (
            starter(|plan| plan.price_amount = "-1".parse().ok()),
            "price_amount",
        ),
        (
            starter(|plan| plan.price_period = Some("a month".to_owned())),
            "price_period",
        ),
        (
            starter(move |plan| plan.templates[0].quantity = negative),
            "quantity_allowed",
        ),
        (
            starter(|plan| plan.templates[0].resource = "nothing".into()),
            "resource_type_code",
        ),
        (
            starter(|plan| plan.templates[1].resource = "runs".into()),
            "resource_type_code",
        ),
        (
            starter(|plan| plan.templates[0].scope = Some("eu\n".into())),
            "resource_scope",
        ),
        (
            starter(|plan| plan.templates.push(template("access", Some(1), 9))),
            "quantity_allowed",
        ),
        (
            starter(|plan| plan.templates[1].window = Some(WindowKind::Month)),
            "window_type_code",
        ),
        (starter(rolling(None)), "window_seconds"),
        (starter(rolling(Some(59))), "window_seconds"),
        (
            starter(|plan| plan.templates[0].window_seconds = Some(60)),
            "window_seconds",
        ),
        (
            ruled(|rule| rule.account = Some(AccountId(5))),
            "account_id",
        ),
        (ruled(|rule| rule.plan = Some("gold".into())), "plan_id"),
        (
            ruled(|rule| rule.resource = "nothing".into()),
            "resource_type_code",
        ),
        (
            ruled(|rule| rule.limit_kind = LimitKind::Inventory),
            "limit_kind_code",
        ),
        (
            ruled(|rule| rule.action = LimitAction::Grace),
            "grace_quantity",
        ),
        (
            ruled(|rule| rule.action = LimitAction::Overage),
            "overage_unit_price",
        ),
        (
            ruled(|rule| {
                (rule.action, rule.currency) = (LimitAction::Overage, Some("USD".to_owned()))
            }),
            "overage_unit_price",
        ),
        (
            ruled(|rule| {
                (rule.action, rule.overage_price) = (LimitAction::Overage, Some(Quantity::ZERO))
            }),
            "currency",
        ),
        (
            PutRule(Rule {
                window: Some(WindowKind::Rolling),
                ..rule("seats", LimitKind::Concurrency)
            }),
            "window_type_code",
        ),
        (
            overage_of("seats", LimitKind::Concurrency),
            "limit_action_code",
        ),
        (
            overage_of("access", LimitKind::TimeAccess),
            "limit_action_code",
        ),
        (
            ruled(|rule| rule.warn_at = Some(Percent(10_001))),
            "warn_at_percent",
        ),
        (
            ruled(|rule| rule.currency = Some("$".to_owned())),
            "currency",
        ),
        (
            ruled(|rule| rule.grace_seconds = Some(-1)),
            "grace_period_seconds",
        ),
        (
            PutSettings(Settings {
                warn_at: Percent(-1),
                ..Settings::default()
            }),
            "warn_at_percent",
        ),
        (
            PutSettings(Settings {
                late_seconds_max: -1,
                ..Settings::default()
            }),
            "late_seconds_max",
        ),
        (
            PutSettings(Settings {
                ahead_seconds_max: -1,
                ..Settings::default()
            }),
            "ahead_seconds_max",
        ),
        (
            PutSettings(Settings {
                rows_per_account_max: 0,
                ..Settings::default()
            }),
            "rows_per_account_max",
        ),
    ];
    for (put, expected) in rows {
        let refusal = change(&catalog(), std::slice::from_ref(&put)).unwrap_err();
        assert_eq!(column(&refusal), expected, "{put:?}: {refusal:?}");
    }
    assert!(change(&catalog(), &[starter(rolling(Some(60)))]).is_ok());
}

#[test]
fn one_price_of_the_provider_finds_one_plan() {
    let priced = |id| {
        PutPlan(Plan {
            external_ref: Some("price_1".to_owned()),
            ..plan(id, vec![])
        })
    };
    let refusal = change(&catalog(), &[priced("a"), priced("b")]).unwrap_err();
    assert_eq!(column(&refusal), "external_ref");
}

#[test]
fn an_addon_grants_a_resource_once_whatever_the_window() {
    let twice = vec![
        Template {
            window: Some(WindowKind::Day),
            ..template("runs", None, 1)
        },
        template("runs", None, 2),
    ];
    assert!(change(&catalog(), &[PutPlan(plan("both", twice.clone()))]).is_ok());
    let refusal = change(
        &catalog(),
        &[PutPlan(Plan {
            is_addon: true,
            ..plan("extra", twice)
        })],
    )
    .unwrap_err();
    assert_eq!(column(&refusal), "resource_type_code");
}

#[test]
fn a_refused_list_names_the_row_that_is_wrong() {
    let refusal = change(
        &catalog(),
        &[starter(|plan| {
            (plan.is_trial, plan.trial_days) = (true, Some(-3))
        })],
    )
    .unwrap_err();
    let must = "be 1 to 36500 (plan starter)".to_owned();
    assert_eq!(
        refusal,
        Refusal::BadValue {
            column: "trial_days",
            must
        }
    );
}

#[test]
fn rows_not_named_are_shared_with_the_catalog_before() {
    let before = catalog();
    let after = change(&before, &[PutUnit(unit("day", "time", 86_400))])
        .unwrap()
        .catalog;
    assert!(Arc::ptr_eq(
        &before.plans["starter"],
        &after.plans["starter"]
    ));
}
