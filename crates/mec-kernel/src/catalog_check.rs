//! What a catalog must be: its references lead somewhere, and every row holds what its columns may.
//!
//! The refusal names the column and the row, since a list of changes may hold many.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Catalog, LimitAction, LimitKind, Plan, Resource, Rule, Settings, Template};
use crate::code::Code;
use crate::quantity::Quantity;
use crate::refusal::Refusal;
use crate::window::{ROLLING_SECONDS_MIN, WindowKind};

const CODE_LENGTH_MAX: usize = 64;
const NAME_LENGTH_MAX: usize = 128;
const SCOPE_LENGTH_MAX: usize = 128;
/// A hundred years.
const TRIAL_DAYS_MAX: i32 = 36_500;

/// Everything that `after` refers to is in it. What was in `before` was taken away under somebody:
/// that is in use.
pub(crate) fn check_present(before: &Catalog, after: &Catalog) -> Result<(), Refusal> {
    let unit = |column, code: &Code, by: String| {
        present("unit", column, &before.units, &after.units, code, by)
    };
    let resource = |code: &Code, by| {
        present(
            "resource",
            "resource_type_code",
            &before.resources,
            &after.resources,
            code,
            by,
        )
    };
    for row in after.resources.values() {
        unit("unit_code", &row.unit, format!("resource {}", row.code))?;
        for allowed in &row.allowed_units {
            unit("allowed_units", allowed, format!("resource {}", row.code))?;
        }
    }
    for plan in after.plans.values() {
        for template in &plan.templates {
            resource(&template.resource, format!("plan {}", plan.id))?;
        }
    }
    for rule in &after.rules {
        resource(&rule.resource, format!("rule {}", rule.id))?;
        if let Some(plan) = &rule.plan {
            present(
                "plan",
                "plan_id",
                &before.plans,
                &after.plans,
                plan,
                format!("rule {}", rule.id),
            )?;
        }
    }
    Ok(())
}

fn present<T>(
    row: &str,
    column: &'static str,
    before: &BTreeMap<Code, T>,
    after: &BTreeMap<Code, T>,
    code: &Code,
    by: String,
) -> Result<(), Refusal> {
    if after.contains_key(code) {
        Ok(())
    } else if before.contains_key(code) {
        Err(Refusal::InUse {
            what: format!("{row} {code}"),
            by,
        })
    } else {
        Err(Refusal::NotPresent {
            column,
            value: code.to_string(),
        })
    }
}

/// Every row of a catalog whose references lead somewhere.
pub(crate) fn check_catalog(catalog: &Catalog) -> Result<(), Refusal> {
    for (code, unit) in &catalog.units {
        let row = format!("unit {code}");
        check_code("unit_code", code, &row)?;
        check_name("unit_name", &unit.name, &row)?;
        check_code("dimension", &unit.dimension, &row)?;
    }
    for resource in catalog.resources.values() {
        check_resource(catalog, resource)?;
    }
    for (code, description) in &catalog.account_types {
        let row = format!("account type {code}");
        check_code("account_type_code", code, &row)?;
        check_text("description", description.as_deref(), &row)?;
    }
    let mut prices: BTreeMap<&str, &Code> = BTreeMap::new();
    for plan in catalog.plans.values() {
        check_plan(catalog, plan)?;
        let other = plan
            .external_ref
            .as_deref()
            .and_then(|price| prices.insert(price, &plan.id));
        if let Some(other) = other {
            return bad(
                "external_ref",
                format!("be another than that of plan {other}"),
                &format!("plan {}", plan.id),
            );
        }
    }
    catalog
        .rules
        .iter()
        .try_for_each(|rule| check_rule_in(catalog, rule))?;
    check_settings(&catalog.settings)
}

fn check_resource(catalog: &Catalog, resource: &Resource) -> Result<(), Refusal> {
    let row = format!("resource {}", resource.code);
    check_code("resource_type_code", &resource.code, &row)?;
    check_name("resource_name", &resource.name, &row)?;
    check_text("description", resource.description.as_deref(), &row)?;
    let dimension = |code: &Code| catalog.units.get(code).map(|unit| &unit.dimension);
    match resource
        .allowed_units
        .iter()
        .find(|code| dimension(code) != dimension(&resource.unit))
    {
        Some(code) => bad(
            "allowed_units",
            format!(
                "be of the same dimension as {}, which {code} is not",
                resource.unit
            ),
            &row,
        ),
        None => Ok(()),
    }
}

fn check_plan(catalog: &Catalog, plan: &Plan) -> Result<(), Refusal> {
    let row = format!("plan {}", plan.id);
    check_code("plan_id", &plan.id, &row)?;
    check_name("plan_name", &plan.name, &row)?;
    match plan.trial_days {
        None if plan.is_trial => return bad("trial_days", "be given for a trial", &row),
        Some(_) if !plan.is_trial => {
            return bad("trial_days", "be null for what is no trial", &row);
        }
        Some(days) if !(1..=TRIAL_DAYS_MAX).contains(&days) => {
            return bad("trial_days", format!("be 1 to {TRIAL_DAYS_MAX}"), &row);
        }
        _ => {}
    }
    if plan.is_trial && plan.is_addon {
        return bad("is_addon", "be false for a trial", &row);
    }
    if plan.price_amount.is_some_and(Quantity::is_negative) {
        return bad(
            "price_amount",
            "not be below zero; null is by agreement",
            &row,
        );
    }
    if plan.price_amount.is_some() && plan.price_currency.is_none() {
        return bad("price_currency", "be given with a price", &row);
    }
    check_currency("price_currency", plan.price_currency.as_deref(), &row)?;
    if let Some(period) = &plan.price_period {
        check_code("price_period", period, &row)?;
    }
    if let Some(price) = &plan.external_ref {
        check_name("external_ref", price, &row)?;
    }
    check_text("metadata", plan.metadata.as_deref(), &row)?;
    let mut places = BTreeSet::new();
    for template in &plan.templates {
        check_template(catalog, plan, template)?;
        // An add-on takes the window of the pool it joins, so its own cannot tell two apart.
        let window = (template.window, template.window_seconds);
        let window = if plan.is_addon { (None, None) } else { window };
        if !places.insert((&template.resource, &template.scope, window)) {
            let must = format!(
                "be granted once for one scope{}",
                if plan.is_addon { "" } else { " and window" }
            );
            return bad("resource_type_code", must, &template_row(plan, template));
        }
    }
    Ok(())
}

fn check_template(catalog: &Catalog, plan: &Plan, template: &Template) -> Result<(), Refusal> {
    let row = &template_row(plan, template);
    let kind = catalog
        .resources
        .get(&template.resource)
        .map_or(LimitKind::Cumulative, |resource| resource.limit_kind);
    if template.quantity.is_some_and(Quantity::is_negative) {
        return bad(
            "quantity_allowed",
            "not be below zero; null is unlimited",
            row,
        );
    }
    if kind == LimitKind::TimeAccess && template.quantity.is_some() {
        return bad(
            "quantity_allowed",
            "be null: time_access has no quantity",
            row,
        );
    }
    if let Some(scope) = &template.scope {
        let length = scope.chars().count();
        if length == 0 || length > SCOPE_LENGTH_MAX || scope.chars().any(char::is_control) {
            return bad(
                "resource_scope",
                format!("be 1 to {SCOPE_LENGTH_MAX} characters in one line"),
                row,
            );
        }
    }
    match (template.window, template.window_seconds) {
        (Some(_), _) if kind != LimitKind::Cumulative => bad(
            "window_type_code",
            format!(
                "be null: only a cumulative limit is counted in a window, not one of kind {kind}"
            ),
            row,
        ),
        (Some(WindowKind::Rolling), None) => {
            bad("window_seconds", "be given for a rolling window", row)
        }
        (Some(WindowKind::Rolling), Some(seconds)) if seconds < ROLLING_SECONDS_MIN => bad(
            "window_seconds",
            format!("be at least {ROLLING_SECONDS_MIN}"),
            row,
        ),
        (Some(WindowKind::Rolling), Some(_)) | (_, None) => Ok(()),
        (_, Some(_)) => bad(
            "window_seconds",
            "be null for a window that is not rolling",
            row,
        ),
    }
}

/// What a rule must be, whoever it is for.
pub(crate) fn check_rule_in(catalog: &Catalog, rule: &Rule) -> Result<(), Refusal> {
    let row = &format!("a rule for {}", rule.resource);
    let resource = catalog.resources.get(&rule.resource);
    let resource = resource.ok_or_else(|| Refusal::ResourceNotFound {
        resource: rule.resource.to_string(),
    })?;
    if rule.limit_kind != resource.limit_kind {
        return bad(
            "limit_kind_code",
            format!(
                "be {}, as {} is counted",
                resource.limit_kind, resource.code
            ),
            row,
        );
    }
    if rule.action == LimitAction::Grace
        && rule.grace_quantity.is_none()
        && rule.grace_seconds.is_none()
    {
        return bad(
            "grace_quantity",
            "be given for grace, or a grace_period_seconds",
            row,
        );
    }
    if rule.window.is_some() && resource.limit_kind != LimitKind::Cumulative {
        let must = format!(
            "be null: only a cumulative limit is counted in a window, not one of kind {}",
            resource.limit_kind
        );
        return bad("window_type_code", must, row);
    }
    if rule.action == LimitAction::Overage {
        check_overage(resource, rule, row)?;
    }
    if rule
        .warn_at
        .is_some_and(|percent| !(0..=10_000).contains(&percent.0))
    {
        return bad("warn_at_percent", "be 0 to 100", row);
    }
    let figures = [
        ("grace_quantity", rule.grace_quantity),
        ("overage_limit", rule.overage_limit),
        ("overage_unit_price", rule.overage_price),
    ];
    for (column, figure) in figures {
        if figure.is_some_and(Quantity::is_negative) {
            return bad(column, "not be below zero", row);
        }
    }
    if rule.grace_seconds.is_some_and(|seconds| seconds < 0) {
        return bad("grace_period_seconds", "not be below zero", row);
    }
    check_currency("currency", rule.currency.as_deref(), row)?;
    match rule
        .plan
        .as_ref()
        .filter(|plan| !catalog.plans.contains_key(*plan))
    {
        Some(plan) => Err(Refusal::NotPresent {
            column: "plan_id",
            value: plan.to_string(),
        }),
        None => Ok(()),
    }
}

/// Overage is a promise to bill: there must be use that adds up to something, and a price.
fn check_overage(resource: &Resource, rule: &Rule, row: &str) -> Result<(), Refusal> {
    if !matches!(
        resource.limit_kind,
        LimitKind::Cumulative | LimitKind::Inventory
    ) {
        let kind = resource.limit_kind;
        let must = format!(
            "be block, warn or grace: only cumulative and inventory resources have overage, not one of kind {kind}"
        );
        return bad("limit_action_code", must, row);
    }
    if rule.overage_price.is_none() {
        return bad(
            "overage_unit_price",
            "be given for overage; 0 is a price",
            row,
        );
    }
    if rule.currency.is_none() {
        return bad("currency", "be given for overage", row);
    }
    Ok(())
}

fn check_settings(settings: &Settings) -> Result<(), Refusal> {
    let row = "settings";
    if !(0..=10_000).contains(&settings.warn_at.0) {
        return bad("warn_at_percent", "be 0 to 100", row);
    }
    if settings.late_seconds_max < 0 {
        return bad("late_seconds_max", "not be below zero", row);
    }
    if settings.ahead_seconds_max < 0 {
        return bad("ahead_seconds_max", "not be below zero", row);
    }
    if settings.rows_per_account_max < 1 {
        return bad("rows_per_account_max", "be at least 1", row);
    }
    Ok(())
}

fn check_code(column: &'static str, code: &str, row: &str) -> Result<(), Refusal> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    if code.is_empty() || code.len() > CODE_LENGTH_MAX || !code.bytes().all(is_allowed) {
        return bad(
            column,
            format!("be 1 to {CODE_LENGTH_MAX} characters of A-Z a-z 0-9 _ . : -"),
            row,
        );
    }
    Ok(())
}

fn check_name(column: &'static str, name: &str, row: &str) -> Result<(), Refusal> {
    let length = name.chars().count();
    if name.trim().is_empty() || length > NAME_LENGTH_MAX || name.chars().any(char::is_control) {
        return bad(
            column,
            format!("be 1 to {NAME_LENGTH_MAX} characters in one line"),
            row,
        );
    }
    Ok(())
}

/// PostgreSQL keeps every character in a text but this one.
fn check_text(column: &'static str, text: Option<&str>, row: &str) -> Result<(), Refusal> {
    if text.is_some_and(|text| text.contains('\0')) {
        return bad(column, "not hold the character U+0000", row);
    }
    Ok(())
}

fn check_currency(column: &'static str, currency: Option<&str>, row: &str) -> Result<(), Refusal> {
    let is_code =
        |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if currency.is_some_and(|currency| !is_code(currency)) {
        return bad(
            column,
            "be three capital letters of ISO 4217, such as USD",
            row,
        );
    }
    Ok(())
}

fn template_row(plan: &Plan, template: &Template) -> String {
    let scope = template
        .scope
        .as_ref()
        .map(|scope| format!(" in {scope}"))
        .unwrap_or_default();
    format!("{}{scope} in plan {}", template.resource, plan.id)
}

fn bad(column: &'static str, must: impl std::fmt::Display, row: &str) -> Result<(), Refusal> {
    Err(Refusal::BadValue {
        column,
        must: format!("{must} ({row})"),
    })
}
