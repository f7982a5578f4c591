//! An entitlement as its table shows it, and as its audit keeps it.

use mec_kernel::{Code, Condition, Entitlement, Time, WindowKind};
use serde_json::{Map, Value};

use crate::condition::ConditionRow;
use crate::json;

/// What of a row the kernel does not keep.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    /// Whether it names a window; one that does not is counted over its lifetime.
    pub(crate) has_window: bool,
    pub(crate) limit_kind: String,
    pub(crate) metadata: Option<Value>,
}

/// The row with its conditions, where it has any, as the table embeds them.
pub(crate) fn shown(row: &Entitlement, beside: &Beside, conditions: &[Condition]) -> Value {
    let text = |text: &str| Value::from(text);
    let code = |code: &Option<Code>| code.as_deref().map(text);
    let time = |time: Time| Value::from(time.to_string());
    let window = Some(row.window.kind)
        .filter(|_| beside.has_window)
        .map(WindowKind::code);
    let mut shown: Map<String, Value> = [
        ("entitlement_id", Some(row.id.to_string().into())),
        ("account_id", Some(row.account.to_string().into())),
        ("resource_type_code", Some(text(&row.resource))),
        ("resource_scope", code(&row.scope)),
        ("limit_kind_code", Some(text(&beside.limit_kind))),
        ("quantity_allowed", row.quantity.map(json::number)),
        ("window_type_code", window.map(text)),
        ("window_anchor", row.window.anchor.map(time)),
        ("window_seconds", row.window.seconds.map(Value::from)),
        (
            "period_start",
            row.window.period.map(|(start, _)| time(start)),
        ),
        ("period_end", row.window.period.map(|(_, end)| time(end))),
        ("status", Some(text(row.status.code()))),
        ("source", Some(text(row.source.code()))),
        ("source_ref", code(&row.source_ref)),
        ("plan_id", code(&row.plan)),
        ("plan_version", row.plan_version.map(Value::from)),
        ("priority", Some(row.priority.into())),
        ("valid_from", Some(time(row.valid_from))),
        ("valid_until", row.valid_until.map(time)),
        ("metadata", beside.metadata.clone()),
        ("created_at", Some(time(row.created_at))),
        ("updated_at", Some(time(row.updated_at))),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.unwrap_or(Value::Null)))
    .collect();
    if !conditions.is_empty() {
        let embedded = conditions.iter().map(|condition| {
            let columns = ConditionRow::of(&condition.test);
            serde_json::json!({
                "condition_id": condition.id.to_string(),
                "entitlement_id": row.id.to_string(),
                "condition_type": columns.condition_type,
                "attribute": columns.attribute,
                "operator": columns.operator,
                "value": columns.value,
            })
        });
        shown.insert("entitlement_conditions".to_owned(), embedded.collect());
    }
    Value::Object(shown)
}
