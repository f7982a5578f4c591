//! What a row says, key by key, as a file says it: written once here, for writing files and for
//! comparing.

use mec_kernel::{LimitKind, Percent, Plan, Quantity, Resource, Rule, Settings, Template, Unit};

/// A key and its value in TOML; `None` where the key is left out.
pub(super) type Field = (&'static str, Option<String>);

pub(super) fn unit(unit: &Unit) -> Vec<Field> {
    vec![
        ("name", Some(quoted(&unit.name))),
        ("dimension", Some(quoted(&unit.dimension))),
        ("factor", Some(unit.factor.get().to_string())),
    ]
}

pub(super) fn resource(resource: &Resource) -> Vec<Field> {
    let allowed: Vec<String> = resource
        .allowed_units
        .iter()
        .map(|unit| quoted(unit))
        .collect();
    vec![
        ("name", Some(quoted(&resource.name))),
        ("limit_kind", Some(quoted(resource.limit_kind.code()))),
        ("unit", Some(quoted(&resource.unit))),
        (
            "allowed_units",
            (!allowed.is_empty()).then(|| format!("[{}]", allowed.join(", "))),
        ),
        ("description", text(resource.description.as_deref())),
    ]
}

pub(super) fn plan(plan: &Plan) -> Vec<Field> {
    vec![
        ("name", Some(quoted(&plan.name))),
        ("trial_days", plan.trial_days.map(|days| days.to_string())),
        ("is_addon", plan.is_addon.then(|| "true".to_owned())),
        ("is_active", (!plan.is_active).then(|| "false".to_owned())),
        ("price", plan.price_amount.map(quantity)),
        ("currency", text(plan.price_currency.as_deref())),
        ("period", text(plan.price_period.as_deref())),
        ("external_ref", text(plan.external_ref.as_deref())),
        (
            "sort_order",
            (plan.sort_order != 0).then(|| plan.sort_order.to_string()),
        ),
        ("metadata", text(plan.metadata.as_deref())),
    ]
}

/// `kind` is how the template's resource is counted.
pub(super) fn grant(template: &Template, kind: LimitKind) -> Vec<Field> {
    let unlimited = (kind != LimitKind::TimeAccess).then(|| quoted("unlimited"));
    vec![
        ("resource", Some(quoted(&template.resource))),
        ("scope", text(template.scope.as_deref())),
        ("quantity", template.quantity.map(quantity).or(unlimited)),
        ("window", text(template.window.map(|window| window.code()))),
        (
            "window_seconds",
            template.window_seconds.map(|seconds| seconds.to_string()),
        ),
        (
            "per_quantity",
            template.per_quantity.then(|| "true".to_owned()),
        ),
    ]
}

pub(super) fn rule(rule: &Rule) -> Vec<Field> {
    let unlimited = rule.must_state_overage_limit().then(|| quoted("unlimited"));
    vec![
        ("resource", Some(quoted(&rule.resource))),
        ("plan", text(rule.plan.as_deref())),
        ("window", text(rule.window.map(|window| window.code()))),
        ("action", Some(quoted(rule.action.code()))),
        ("warn_at_percent", rule.warn_at.map(percent)),
        ("grace_quantity", rule.grace_quantity.map(quantity)),
        (
            "grace_period_seconds",
            rule.grace_seconds.map(|seconds| seconds.to_string()),
        ),
        (
            "overage_limit",
            rule.overage_limit.map(quantity).or(unlimited),
        ),
        ("overage_unit_price", rule.overage_price.map(quantity)),
        ("currency", text(rule.currency.as_deref())),
        (
            "priority",
            (rule.priority != 0).then(|| rule.priority.to_string()),
        ),
        ("is_active", (!rule.is_active).then(|| "false".to_owned())),
    ]
}

pub(super) fn settings(settings: &Settings) -> Vec<Field> {
    vec![
        ("warn_at_percent", Some(percent(settings.warn_at))),
        (
            "late_seconds_max",
            Some(settings.late_seconds_max.to_string()),
        ),
        (
            "ahead_seconds_max",
            Some(settings.ahead_seconds_max.to_string()),
        ),
        (
            "rows_per_account_max",
            Some(settings.rows_per_account_max.to_string()),
        ),
    ]
}

fn text(value: Option<&str>) -> Option<String> {
    value.map(quoted)
}

/// In quotes, so that no reader of the file takes it for a float.
fn quantity(quantity: Quantity) -> String {
    quoted(&quantity.to_string())
}

fn percent(percent: Percent) -> String {
    let shown = percent.total().to_string();
    if shown.contains('.') {
        quoted(&shown)
    } else {
        shown
    }
}

/// A basic string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(control)))
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// A key of TOML: bare where it may be.
pub(super) fn key(text: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_bare) {
        text.to_owned()
    } else {
        quoted(text)
    }
}
