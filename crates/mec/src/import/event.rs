//! One line of a file: a usage event as `meter_batch` takes it, or as `mec export` writes it.

use std::sync::Arc;

use crate::terminal::quantity;
use mec_kernel::{AccountId, Attributes, EventId, Meter, Quantity, ReservationId, Time};
use mec_query::checked_json_text;
use serde::Deserialize;
use serde_json::{Map, Value};

/// As long as the columns that keep a code and a scope.
const CODE_CHARS_MAX: usize = 64;
const SCOPE_CHARS_MAX: usize = 128;

/// What a line says, before it is known whether that makes sense. The last six are what an export
/// adds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    pub(super) idempotency_key: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) external_id: Option<String>,
    #[serde(alias = "resource_type_code")]
    pub(super) resource_type: Option<String>,
    pub(super) quantity: Option<Value>,
    pub(super) unit_code: Option<String>,
    pub(super) resource_scope: Option<String>,
    pub(super) occurred_at: Option<String>,
    pub(super) details: Option<Value>,
    pub(super) is_correction: Option<bool>,
    pub(super) corrects_event_id: Option<String>,
    pub(super) corrects_idempotency_key: Option<String>,
    pub(super) recorded_at: Option<String>,
    pub(super) reservation_id: Option<String>,
    #[serde(rename = "event_id")]
    pub(super) _event_id: Option<String>,
    #[serde(rename = "source")]
    pub(super) _source: Option<String>,
    #[serde(rename = "recorded_by")]
    pub(super) _recorded_by: Option<String>,
}

/// The names a line may use; `resource_type` is also read as `resource_type_code`.
pub(super) const NAMES: &[&str] = &[
    "idempotency_key",
    "account_id",
    "external_id",
    "resource_type",
    "quantity",
    "unit_code",
    "resource_scope",
    "occurred_at",
    "details",
    "is_correction",
    "corrects_event_id",
    "corrects_idempotency_key",
    "recorded_at",
    "reservation_id",
    "event_id",
    "source",
    "recorded_by",
];

/// Those of them that people write and may leave out.
pub(super) const OPTIONAL: [&str; 7] = [
    "unit_code",
    "resource_scope",
    "occurred_at",
    "details",
    "is_correction",
    "corrects_event_id",
    "corrects_idempotency_key",
];

/// An event to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) key: String,
    /// The account's id, or what another system calls it, or both.
    pub(crate) account: Option<AccountId>,
    pub(crate) external_id: Option<String>,
    pub(crate) resource: String,
    pub(crate) scope: Option<String>,
    pub(crate) quantity: Quantity,
    pub(crate) unit: Option<String>,
    pub(crate) occurred_at: Option<Time>,
    pub(crate) details: Option<String>,
    pub(crate) is_correction: bool,
    pub(crate) corrects: Option<EventId>,
    /// The key of the event it corrects: ids differ from one store to another, keys do not.
    pub(crate) corrects_key: Option<String>,
    /// When an exported event had been written down.
    pub(crate) recorded_at: Option<Time>,
    /// The reservation an exported event had settled.
    pub(crate) reservation: Option<ReservationId>,
}

impl Fields {
    /// The event, or why this is none.
    pub(super) fn event(self) -> Result<Event, String> {
        let needed =
            |value: Option<String>, name: &str| value.ok_or_else(|| format!("{name} is missing"));
        let account = self
            .account_id
            .map(|text| {
                text.parse()
                    .map_err(|_| format!("account_id \"{text}\" is not a UUID"))
            })
            .transpose()?;
        if account.is_none() && self.external_id.is_none() {
            return Err("account_id is missing, and external_id too".to_owned());
        }
        let instant = |value: Option<String>, name: &str| {
            let read = |text: String| {
                text.parse().map_err(|_| {
                    format!("{name} \"{text}\" is not a time like 2026-01-30T12:00:00Z")
                })
            };
            value.map(read).transpose()
        };
        let corrects = |text: String| {
            text.parse()
                .map_err(|_| format!("corrects_event_id \"{text}\" is not a UUID"))
        };
        let reservation = |text: String| {
            text.parse()
                .map_err(|_| format!("reservation_id \"{text}\" is not a UUID"))
        };
        let key = needed(self.idempotency_key, "idempotency_key")?;
        if key.chars().count() > 255 {
            return Err("idempotency_key has more than 255 characters".to_owned());
        }
        Ok(Event {
            key,
            account,
            external_id: self.external_id,
            resource: short(
                needed(self.resource_type, "resource_type")?,
                "resource_type",
                CODE_CHARS_MAX,
            )?,
            scope: self
                .resource_scope
                .map(|scope| short(scope, "resource_scope", SCOPE_CHARS_MAX))
                .transpose()?,
            quantity: quantity(self.quantity)?,
            unit: self
                .unit_code
                .filter(|unit| !unit.is_empty())
                .map(|unit| short(unit, "unit_code", CODE_CHARS_MAX))
                .transpose()?,
            occurred_at: instant(self.occurred_at, "occurred_at")?,
            details: self.details.as_ref().map(details).transpose()?,
            is_correction: self.is_correction.unwrap_or(false),
            corrects: self.corrects_event_id.map(corrects).transpose()?,
            corrects_key: self.corrects_idempotency_key,
            recorded_at: instant(self.recorded_at, "recorded_at")?,
            reservation: self.reservation_id.map(reservation).transpose()?,
        })
    }
}

impl Event {
    /// Whether it takes away what must have been recorded before.
    pub(super) fn depends_on_order(&self) -> bool {
        self.quantity.is_negative() || self.is_correction
    }

    /// An exported event whose instant nobody had stated: it was the one of its recording, or of
    /// what it corrects. In the store it comes from its key stands for an event without
    /// `occurred_at`.
    pub(super) fn may_have_omitted_occurred_at(&self) -> bool {
        self.occurred_at.is_some()
            && self.recorded_at.is_some()
            && (self.is_correction || self.occurred_at == self.recorded_at)
    }

    /// For the engine.
    pub(super) fn meter(&self, account: AccountId) -> Meter {
        Meter {
            key: self.key.as_str().into(),
            account,
            resource: self.resource.as_str().into(),
            scope: self.scope.as_deref().map(Into::into),
            quantity: self.quantity,
            unit: self.unit.as_deref().map(Into::into),
            occurred_at: self.occurred_at,
            details: self.details.as_deref().map(Arc::from),
            is_correction: self.is_correction,
            corrects: self.corrects,
            attributes: Attributes::new(),
        }
    }

    /// For `meter_batch`.
    pub(super) fn json(&self) -> Value {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        let digits = self.quantity.to_string();
        put("idempotency_key", Some(self.key.as_str().into()));
        put(
            "account_id",
            self.account.map(|account| account.to_string().into()),
        );
        put(
            "external_id",
            self.external_id
                .as_deref()
                .filter(|_| self.account.is_none())
                .map(Value::from),
        );
        put("resource_type", Some(self.resource.as_str().into()));
        put("resource_scope", self.scope.as_deref().map(Value::from));
        put(
            "quantity",
            Some(
                digits
                    .parse::<serde_json::Number>()
                    .map_or(Value::String(digits), Value::Number),
            ),
        );
        put("unit_code", self.unit.as_deref().map(Value::from));
        put(
            "occurred_at",
            self.occurred_at.map(|at| at.to_string().into()),
        );
        put(
            "details",
            self.details
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok()),
        );
        put(
            "is_correction",
            self.is_correction.then_some(Value::Bool(true)),
        );
        put(
            "corrects_event_id",
            self.corrects.map(|event| event.to_string().into()),
        );
        Value::Object(fields)
    }
}

fn short(text: String, name: &str, chars_max: usize) -> Result<String, String> {
    if text.chars().count() > chars_max {
        Err(format!("{name} has more than {chars_max} characters"))
    } else {
        Ok(text)
    }
}

/// A number is read from its own digits: no float is ever made of it.
fn quantity(value: Option<Value>) -> Result<Quantity, String> {
    let text = match value {
        None => return Err("quantity is missing".to_owned()),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text,
        Some(_) => return Err("quantity is not a number".to_owned()),
    };
    quantity::parse(text.trim()).map_err(|problem| format!("quantity \"{text}\": {problem}"))
}

/// The text that is kept of an event's details.
fn details(details: &Value) -> Result<String, String> {
    checked_json_text(details).map_err(|error| format!("details: {}", error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Event, String> {
        serde_json::from_str::<Fields>(json)
            .map_err(|error| error.to_string())?
            .event()
    }

    #[test]
    fn a_line_that_is_no_event_says_why() {
        let cases = [
            (
                r#"{"account_id":"x","idempotency_key":"k","resource_type":"r","quantity":1}"#,
                "account_id \"x\" is not a UUID",
            ),
            (
                r#"{"external_id":"a","resource_type":"r","quantity":1}"#,
                "idempotency_key is missing",
            ),
            (
                r#"{"idempotency_key":"k","resource_type":"r","quantity":1}"#,
                "account_id is missing, and external_id too",
            ),
            (
                r#"{"external_id":"a","idempotency_key":"k","quantity":1}"#,
                "resource_type is missing",
            ),
            (
                r#"{"external_id":"a","idempotency_key":"k","resource_type":"r"}"#,
                "quantity is missing",
            ),
            (
                r#"{"external_id":"a","idempotency_key":"k","resource_type":"r","quantity":"many"}"#,
                "quantity \"many\": not a decimal number",
            ),
            (
                r#"{"external_id":"a","idempotency_key":"k","resource_type":"r","quantity":[]}"#,
                "quantity is not a number",
            ),
            (
                r#"{"external_id":"a","idempotency_key":"k","resource_type":"r","quantity":1,"ocurred_at":"x"}"#,
                "unknown field `ocurred_at`",
            ),
            (
                r#"{"external_id":"a","idempotency_key":"k","resource_type":"r","quantity":1,"occurred_at":"soon"}"#,
                "occurred_at \"soon\"",
            ),
        ];
        for (json, why) in cases {
            let problem = read(json).expect_err(json);
            assert!(problem.starts_with(why), "{json}: {problem}");
        }
    }

    #[test]
    fn a_quantity_keeps_every_digit_it_came_with() {
        for digits in ["0.000001", "999999999999.999999", "100", "-3", "0.1"] {
            for quoted in [digits.to_owned(), format!("\"{digits}\"")] {
                let json = format!(
                    r#"{{"external_id":"a","idempotency_key":"k","resource_type_code":"r","quantity":{quoted}}}"#
                );
                let event = read(&json).expect("an event");
                assert_eq!(event.quantity.to_string(), digits);
                assert_eq!(event.json()["quantity"].to_string(), digits);
            }
        }
    }
}
