//! How single values and the trace of a decision look as JSON.

use mec_kernel::{Decimal, Limit, Percent, Quantity, Time, Total};
use serde_json::{Map, Value};

/// The shortest exact number (`100`, `0.5`).
pub(crate) fn number(quantity: Quantity) -> Value {
    digits(quantity.to_string())
}

/// The same of a number of any length.
pub(crate) fn decimal(number: &Decimal) -> Value {
    digits(number.to_string())
}

/// The number with its own digits, never by way of a float.
fn digits(text: String) -> Value {
    text.parse::<serde_json::Number>().map_or(Value::String(text), Value::Number)
}

/// Every limit that was considered, as a JSON array of objects: what `limits` is wherever it is shown, in an explained
/// answer and in `control_decisions_log`. `None` where none was.
pub fn limits_json(limits: &[Limit]) -> Option<String> {
    if limits.is_empty() { None } else { Some(Value::Array(limits.iter().map(limit).collect()).to_string()) }
}

fn limit(limit: &Limit) -> Value {
    let figures = &limit.figures;
    let figure = |total: Option<Total>| total.map_or(Value::Null, |total| digits(total.to_string()));
    let instant = |at: Option<Time>| at.filter(|at| at.is_bounded()).map_or(Value::Null, |at| at.to_string().into());
    let entitlements: Vec<Value> = limit.entitlements.iter().map(|id| id.to_string().into()).collect();
    let entries: [(&str, Value); 17] = [
        ("level", limit.level.into()),
        ("account_id", limit.account.to_string().into()),
        ("resource_scope", limit.scope.as_ref().map_or(Value::Null, |scope| scope.as_str().into())),
        ("entitlement_ids", entitlements.into()),
        ("limit_action", limit.action.code().into()),
        ("rule_id", limit.rule.map_or(Value::Null, |id| id.to_string().into())),
        ("quantity_allowed", figure(figures.allowed)),
        ("quantity_used", figure(figures.used)),
        ("quantity_reserved", figure(figures.reserved)),
        ("quantity_remaining", figure(figures.remaining)),
        ("percent_used", figure(figures.percent.map(Percent::total))),
        ("window_type", figures.window_kind.map_or(Value::Null, |kind| kind.code().into())),
        ("window_start", instant(figures.window.0)),
        ("window_end", instant(figures.window.1)),
        ("decision", limit.decision.code().into()),
        ("reason", limit.reason.to_string().into()),
        ("reason_code", limit.reason.code().into()),
    ];
    Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}
