//! Rows of a catalog, as tests of its changes ask for them.

use mec_kernel::CatalogChange::*;
use mec_kernel::*;

pub(crate) const NOW: Time = Time::from_micros(1_800_000_000_000_000);

pub(crate) fn ids(seed: u16) -> IdSource {
    IdSource::new(TreeId::CATALOG, NOW, seed)
}

pub(crate) fn unit(code: &str, dimension: &str, factor: i64) -> Unit {
    Unit {
        code: code.into(),
        name: code.to_owned(),
        dimension: dimension.into(),
        factor: Factor::new(factor).unwrap(),
    }
}

pub(crate) fn resource(
    code: &str,
    limit_kind: LimitKind,
    unit: &str,
    allowed: &[&str],
) -> Resource {
    Resource {
        code: code.into(),
        name: code.to_owned(),
        limit_kind,
        unit: unit.into(),
        allowed_units: allowed.iter().map(|unit| (*unit).into()).collect(),
        description: None,
    }
}

pub(crate) fn template(resource: &str, quantity: Option<i32>, sort_order: i32) -> Template {
    Template {
        id: TemplateId(0),
        resource: resource.into(),
        scope: None,
        quantity: quantity.map(Quantity::whole),
        window: None,
        window_seconds: None,
        per_quantity: false,
        sort_order,
    }
}

pub(crate) fn plan(id: &str, templates: Vec<Template>) -> Plan {
    Plan {
        id: id.into(),
        name: id.to_owned(),
        is_trial: false,
        trial_days: None,
        is_addon: false,
        version: 77,
        price_amount: None,
        price_currency: None,
        price_period: None,
        external_ref: None,
        is_active: true,
        sort_order: 0,
        metadata: None,
        templates,
    }
}

pub(crate) fn rule(resource: &str, limit_kind: LimitKind) -> Rule {
    Rule {
        id: RuleId(0),
        resource: resource.into(),
        limit_kind,
        account: None,
        plan: None,
        window: None,
        action: LimitAction::Block,
        warn_at: Some(Percent(8_000)),
        grace_quantity: None,
        grace_seconds: None,
        overage_limit: None,
        overage_price: None,
        currency: None,
        priority: 0,
        is_active: true,
        created_at: Time::BEGINNING,
        updated_at: Time::BEGINNING,
    }
}

/// Overage that says everything it must.
pub(crate) fn overage_of(resource: &str, limit_kind: LimitKind) -> CatalogChange {
    let (overage_price, currency) = (Some(Quantity::ZERO), Some("USD".to_owned()));
    PutRule(Rule {
        action: LimitAction::Overage,
        overage_price,
        currency,
        ..rule(resource, limit_kind)
    })
}

/// A catalog in the order nobody would write it: every row before what it refers to.
pub(crate) fn rows() -> Vec<CatalogChange> {
    vec![
        PutRule(rule("runs", LimitKind::Cumulative)),
        PutPlan(plan(
            "starter",
            vec![
                template("runs", Some(100), 1),
                template("seats", Some(3), 2),
            ],
        )),
        PutResource(resource("runs", LimitKind::Cumulative, "count", &[])),
        PutResource(resource("gpu", LimitKind::Cumulative, "hour", &["minute"])),
        PutResource(resource("seats", LimitKind::Concurrency, "count", &[])),
        PutResource(resource("access", LimitKind::TimeAccess, "count", &[])),
        PutUnit(unit("count", "count", 1)),
        PutUnit(unit("hour", "time", 3_600)),
        PutUnit(unit("minute", "time", 60)),
        PutAccountType {
            code: "organization".into(),
            description: None,
        },
    ]
}

pub(crate) fn change(
    catalog: &Catalog,
    changes: &[CatalogChange],
) -> Result<CatalogRuling, Refusal> {
    change_catalog(catalog, changes, &InUse::default(), NOW, &mut ids(2))
}

pub(crate) fn catalog() -> Catalog {
    change_catalog(
        &Catalog::default(),
        &rows(),
        &InUse::default(),
        NOW,
        &mut ids(1),
    )
    .unwrap()
    .catalog
}

/// `starter` as it is, changed.
pub(crate) fn starter(change: impl FnOnce(&mut Plan)) -> CatalogChange {
    let mut plan = Plan::clone(&catalog().plans["starter"]);
    change(&mut plan);
    PutPlan(plan)
}

pub(crate) fn column(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::BadValue { column, .. } | Refusal::NotPresent { column, .. } => column,
        Refusal::InUse { .. } => "in use",
        _ => "another refusal",
    }
}
