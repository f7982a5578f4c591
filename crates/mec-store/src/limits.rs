//! What a decision rests on, as JSON.

use mec_kernel::{BareLevel, Decision, Limit, Percent, Time, Total, Trace, UnusedRow};
use mec_query::json_text;
use serde_json::{Map, Value, json};

use crate::condition::ConditionRow;
use crate::json::digits;

/// What a decision rests on, as a JSON array of objects from the account up to its root, an object
/// for each limit and for each level without one: what `limits` is wherever it is shown, in an
/// explained answer and in `control_decisions_log`. `None` where nothing was considered.
pub fn limits_json(trace: &Trace) -> Option<String> {
    let limits = trace
        .limits
        .iter()
        .chain(&trace.beside)
        .map(|of| (of.level, limit(of)));
    let mut all: Vec<(usize, Value)> = limits
        .chain(trace.levels.iter().map(|of| (of.level, bare_level(of))))
        .collect();
    all.sort_by_key(|(level, _)| *level);
    let all: Vec<Value> = all.into_iter().map(|(_, shown)| shown).collect();
    if all.is_empty() {
        None
    } else {
        Some(json_text(&Value::Array(all)))
    }
}

/// With the keys of a limit, of which it has none to fill, and the rows that did not apply.
fn bare_level(of: &BareLevel) -> Value {
    let rows: Vec<Value> = of.rows.iter().map(unused_row).collect();
    let ids: Vec<Value> = of
        .rows
        .iter()
        .map(|row| row.entitlement.to_string().into())
        .collect();
    let mut shown = Map::new();
    shown.insert("level".to_owned(), of.level.into());
    shown.insert("account_id".to_owned(), of.account.to_string().into());
    shown.insert("entitlement_ids".to_owned(), ids.into());
    shown.extend(NO_LIMIT.map(|key| (key.to_owned(), Value::Null)));
    shown.insert(
        "decision".to_owned(),
        if of.denies {
            Decision::Deny.code().into()
        } else {
            Value::Null
        },
    );
    shown.insert("reason".to_owned(), of.reason.to_string().into());
    shown.insert("reason_code".to_owned(), of.reason.code().into());
    shown.insert("entitlements".to_owned(), rows.into());
    Value::Object(shown)
}

/// What only a limit has.
const NO_LIMIT: [&str; 11] = [
    "resource_scope",
    "limit_action",
    "rule_id",
    "quantity_allowed",
    "quantity_used",
    "quantity_reserved",
    "quantity_remaining",
    "percent_used",
    "window_type",
    "window_start",
    "window_end",
];

fn unused_row(row: &UnusedRow) -> Value {
    let condition = row.condition.as_ref().map(|condition| {
        let ConditionRow { condition_type, attribute, operator, value } = ConditionRow::of(&condition.test);
        json!({
            "condition_id": condition.id.to_string(), "condition_type": condition_type, "attribute": attribute,
            "operator": operator, "value": value,
        })
    });
    json!({
        "entitlement_id": row.entitlement.to_string(),
        "resource_scope": row.scope.as_deref(),
        "status": row.status.code(),
        "in_force_from": instant(Some(row.starts_at)),
        "reason": row.reason.to_string(),
        "reason_code": row.reason.code(),
        "condition": condition,
    })
}

fn instant(at: Option<Time>) -> Value {
    at.filter(|at| at.is_bounded())
        .map_or(Value::Null, |at| at.to_string().into())
}

fn limit(limit: &Limit) -> Value {
    let figures = &limit.figures;
    let figure =
        |total: Option<Total>| total.map_or(Value::Null, |total| digits(total.to_string()));
    let entitlements: Vec<Value> = limit
        .entitlements
        .iter()
        .map(|id| id.to_string().into())
        .collect();
    let entries: [(&str, Value); 17] = [
        ("level", limit.level.into()),
        ("account_id", limit.account.to_string().into()),
        (
            "resource_scope",
            limit
                .scope
                .as_ref()
                .map_or(Value::Null, |scope| scope.as_str().into()),
        ),
        ("entitlement_ids", entitlements.into()),
        ("limit_action", limit.action.code().into()),
        (
            "rule_id",
            limit.rule.map_or(Value::Null, |id| id.to_string().into()),
        ),
        ("quantity_allowed", figure(figures.allowed)),
        ("quantity_used", figure(figures.used)),
        ("quantity_reserved", figure(figures.reserved)),
        ("quantity_remaining", figure(figures.remaining)),
        ("percent_used", figure(figures.percent.map(Percent::total))),
        (
            "window_type",
            figures
                .window_kind
                .map_or(Value::Null, |kind| kind.code().into()),
        ),
        ("window_start", instant(figures.window.0)),
        ("window_end", instant(figures.window.1)),
        ("decision", limit.decision.code().into()),
        ("reason", limit.reason.to_string().into()),
        ("reason_code", limit.reason.code().into()),
    ];
    Value::Object(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<Map<_, _>>(),
    )
}
