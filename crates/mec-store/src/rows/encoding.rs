//! Values that have no column of their own kind: scopes, windows, effects and steps, both ways.

use std::collections::BTreeMap;

use mec_kernel::{Amount, Code, Effect, Quantity, Time, Window, WindowKey};
use mec_query::json_text;

/// The scope as sums keep it: '' where there is none.
pub(crate) fn scope_text(scope: Option<&Code>) -> &str {
    scope.map_or("", Code::as_str)
}

pub(crate) fn scope_of(text: &str) -> Option<Code> {
    if text.is_empty() {
        None
    } else {
        Some(Code::from(text))
    }
}

/// A window as the columns (rolling_seconds, window_start, window_end), instants in microseconds.
pub(crate) fn window_columns(window: Window) -> (i64, i64, i64) {
    match window {
        Window::Fixed { start, end } => (0, start.micros(), end.micros()),
        Window::Rolling { seconds } => (seconds, 0, 0),
    }
}

pub(crate) fn window_of(rolling_seconds: i64, start: Time, end: Time) -> Window {
    if rolling_seconds > 0 {
        Window::Rolling {
            seconds: rolling_seconds,
        }
    } else {
        Window::Fixed { start, end }
    }
}

/// Effects as JSON text; `None` where there are none.
pub(crate) fn effects_text(effects: &[Effect]) -> Option<String> {
    if effects.is_empty() {
        return None;
    }
    let list: Vec<serde_json::Value> = effects
        .iter()
        .map(|effect| {
            let (rolling, start, end) = window_columns(effect.key.window);
            serde_json::json!({
                "account_id": effect.account.to_string(),
                "resource_scope": effect.key.scope.as_deref(),
                "rolling_seconds": rolling,
                "window_start": start,
                "window_end": end,
                "overage": effect.overage.0.to_string(),
                "unit_price": effect.price.map(Quantity::millionths),
            })
        })
        .collect();
    Some(json_text(&serde_json::Value::Array(list)))
}

pub(crate) fn effects_of(text: &str, resource: &Code) -> Option<Vec<Effect>> {
    let list: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    let effect = |value: &serde_json::Value| {
        let number = |name: &str| value.get(name)?.as_i64();
        let time = |name: &str| number(name).map(Time::from_micros);
        let optional = |name: &str| {
            value
                .get(name)
                .map(|value| Some(value).filter(|value| !value.is_null()))
        };
        Some(Effect {
            account: value.get("account_id")?.as_str()?.parse().ok()?,
            key: WindowKey {
                resource: resource.clone(),
                scope: match optional("resource_scope")? {
                    Some(scope) => Some(Code::from(scope.as_str()?)),
                    None => None,
                },
                window: window_of(
                    number("rolling_seconds")?,
                    time("window_start")?,
                    time("window_end")?,
                ),
            },
            overage: Amount(value.get("overage")?.as_str()?.parse().ok()?),
            price: match optional("unit_price")? {
                Some(price) => Some(Quantity::from_millionths(price.as_i64()?)?),
                None => None,
            },
        })
    };
    let effects: Vec<Effect> = list.iter().map(effect).collect::<Option<_>>()?;
    // What was written reads back as it was: anything else in the column was put there by somebody
    // else.
    let written: Vec<serde_json::Value> = serde_json::from_str(&effects_text(&effects)?).ok()?;
    (written == list).then_some(effects)
}

/// The steps of a rolling window as JSON text (`[[step, "amount"], …]`); `None` where there are
/// none.
pub(crate) fn steps_text(steps: &BTreeMap<i64, Amount>) -> Option<String> {
    if steps.is_empty() {
        return None;
    }
    let list: Vec<serde_json::Value> = steps
        .iter()
        .map(|(step, amount)| serde_json::json!([step, amount.0.to_string()]))
        .collect();
    Some(json_text(&serde_json::Value::Array(list)))
}

pub(crate) fn steps_of(text: &str) -> Option<BTreeMap<i64, Amount>> {
    let list: Vec<(i64, String)> = serde_json::from_str(text).ok()?;
    list.into_iter()
        .map(|(step, amount)| Some((step, Amount(amount.parse().ok()?))))
        .collect()
}
