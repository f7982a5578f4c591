//! How the kernel's values look in SQLite's rows, both ways.

use std::collections::BTreeMap;
use std::sync::Arc;

use mec_kernel::{
    Account, AccountId, AccountPlan, AccountStatus, Amount, Catalogue, Code, Decision, Effect, Entitlement, EntitlementStatus,
    EventId, Lease, LedgerEvent, LimitAction, LimitKind, Percent, Quantity, RecordedRuling, Reservation, ReservationStatus, Rule,
    Source, Time, Window, WindowKey, WindowKind, WindowRule, WindowTotal,
};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row};

use crate::StoreError;

/// A statement that is put together once.
macro_rules! sql {
    ($(#[$doc:meta])* $name:ident = $($part:expr),+ $(,)?) => {
        $(#[$doc])*
        static $name: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| [$($part),+].concat());
    };
}
pub(super) use sql;

/// An id as 16 bytes.
pub(super) struct Id(pub(super) u128);

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Blob(self.0.to_be_bytes().to_vec())))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = value.as_blob()?;
        <[u8; 16]>::try_from(bytes)
            .map(|bytes| Self(u128::from_be_bytes(bytes)))
            .map_err(|_| FromSqlError::InvalidBlobSize { expected_size: 16, blob_size: bytes.len() })
    }
}

/// A counter as decimal text.
pub(super) struct Exact(pub(super) Amount);

impl ToSql for Exact {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Text(self.0.0.to_string())))
    }
}

impl FromSql for Exact {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(|amount| Self(Amount(amount))).map_err(|_| FromSqlError::InvalidType)
    }
}

/// `amount_add(a, b)`: the sum of two counters, which SQLite's own integers are too small for.
pub(super) fn add_functions(connection: &Connection) -> Result<(), StoreError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("amount_add", 2, flags, |context| {
        let (left, right): (Exact, Exact) = (context.get(0)?, context.get(1)?);
        Ok(left.0.plus(right.0).0.to_string())
    })?;
    Ok(())
}

pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Time> {
    row.get(column).map(Time::from_micros)
}

pub(super) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Time>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Time::from_micros))
}

pub(super) fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a str> {
    Ok(row.get_ref(column)?.as_str()?)
}

pub(super) fn optional_text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<Option<&'a str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

pub(super) fn code(row: &Row<'_>, column: usize) -> rusqlite::Result<Code> {
    text(row, column).map(Code::from)
}

pub(super) fn optional_code(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Code>> {
    Ok(optional_text(row, column)?.map(Code::from))
}

pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<u128> {
    Ok(row.get::<_, Id>(column)?.0)
}

pub(super) fn optional_id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u128>> {
    Ok(row.get::<_, Option<Id>>(column)?.map(|id| id.0))
}

pub(super) fn quantity(row: &Row<'_>, column: usize) -> rusqlite::Result<Quantity> {
    Quantity::from_millionths(row.get(column)?).ok_or_else(|| damaged(column, "a quantity of more than 12 digits"))
}

pub(super) fn optional_quantity(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Quantity>> {
    match row.get::<_, Option<i64>>(column)? {
        Some(millionths) => {
            Quantity::from_millionths(millionths).map(Some).ok_or_else(|| damaged(column, "a quantity of more than 12 digits"))
        }
        None => Ok(None),
    }
}

/// A column that does not hold what this program writes.
pub(super) fn damaged(column: usize, problem: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Null, problem.into())
}

/// A member of a closed list.
pub(super) fn member<T>(row: &Row<'_>, column: usize, from_code: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let code = row.get_ref(column)?.as_str()?;
    from_code(code).ok_or_else(|| damaged(column, &format!("\"{code}\" is no code of this column")))
}

/// The scope as sums keep it: '' where there is none.
pub(super) fn scope_text(scope: Option<&Code>) -> &str {
    scope.map_or("", Code::as_str)
}

pub(super) fn scope_of(text: &str) -> Option<Code> {
    if text.is_empty() { None } else { Some(Code::from(text)) }
}

/// A window as the columns (rolling_seconds, window_start, window_end).
pub(super) fn window_columns(window: Window) -> (i64, i64, i64) {
    match window {
        Window::Fixed { start, end } => (0, start.micros(), end.micros()),
        Window::Rolling { seconds } => (seconds, 0, 0),
    }
}

pub(super) fn window_of(rolling_seconds: i64, start: i64, end: i64) -> Window {
    if rolling_seconds > 0 {
        Window::Rolling { seconds: rolling_seconds }
    } else {
        Window::Fixed { start: Time::from_micros(start), end: Time::from_micros(end) }
    }
}

pub(super) const ACCOUNT: &str = "account_id, parent_account_id, root_account_id, account_type_code, external_id, display_name, \
     email, status, time_zone, metadata, created_at, updated_at";

pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: AccountId(id(row, 0)?),
        parent: optional_id(row, 1)?.map(AccountId),
        root: AccountId(id(row, 2)?),
        account_type: code(row, 3)?,
        external_id: optional_code(row, 4)?,
        display_name: code(row, 5)?,
        email: optional_code(row, 6)?,
        status: member(row, 7, AccountStatus::from_code)?,
        time_zone: optional_code(row, 8)?,
        metadata: optional_code(row, 9)?,
        created_at: time(row, 10)?,
        updated_at: time(row, 11)?,
    })
}

pub(super) const ENTITLEMENT: &str = "entitlement_id, account_id, resource_type_code, resource_scope, quantity_allowed, \
     window_type_code, window_anchor, window_seconds, period_start, period_end, status, source, source_ref, plan_id, \
     plan_version, priority, valid_from, valid_until, created_at, updated_at";

pub(super) fn entitlement(row: &Row<'_>) -> rusqlite::Result<Entitlement> {
    let kind = match optional_text(row, 5)? {
        Some(code) => WindowKind::from_code(code).ok_or_else(|| damaged(5, "no window type"))?,
        None => WindowKind::Lifetime,
    };
    Ok(Entitlement {
        id: mec_kernel::EntitlementId(id(row, 0)?),
        account: AccountId(id(row, 1)?),
        resource: code(row, 2)?,
        scope: optional_code(row, 3)?,
        quantity: optional_quantity(row, 4)?,
        window: WindowRule {
            kind,
            anchor: optional_time(row, 6)?,
            seconds: row.get(7)?,
            period: optional_time(row, 8)?.zip(optional_time(row, 9)?),
        },
        status: member(row, 10, EntitlementStatus::from_code)?,
        source: member(row, 11, Source::from_code)?,
        source_ref: optional_code(row, 12)?,
        plan: optional_code(row, 13)?,
        plan_version: row.get(14)?,
        priority: row.get(15)?,
        valid_from: time(row, 16)?,
        valid_until: optional_time(row, 17)?,
        conditions: vec![],
        created_at: time(row, 18)?,
        updated_at: time(row, 19)?,
    })
}

pub(super) const ACCOUNT_PLAN: &str =
    "account_id, plan_id, ref, version, quantity, anchor, starts_at, ends_at, is_addon, is_trial";

pub(super) fn account_plan(row: &Row<'_>) -> rusqlite::Result<AccountPlan> {
    Ok(AccountPlan {
        account: AccountId(id(row, 0)?),
        plan: code(row, 1)?,
        reference: code(row, 2)?,
        version: row.get(3)?,
        quantity: quantity(row, 4)?,
        anchor: time(row, 5)?,
        starts_at: time(row, 6)?,
        ends_at: optional_time(row, 7)?,
        is_addon: row.get(8)?,
        is_trial: row.get(9)?,
    })
}

pub(super) const RULE: &str = "rule_id, resource_type_code, limit_kind_code, account_id, plan_id, limit_action_code, \
     warn_at_percent, grace_quantity, grace_period_seconds, overage_limit, overage_unit_price, currency, priority, is_active, \
     created_at, updated_at";

pub(super) fn rule(row: &Row<'_>) -> rusqlite::Result<Rule> {
    Ok(Rule {
        id: mec_kernel::RuleId(id(row, 0)?),
        resource: code(row, 1)?,
        limit_kind: member(row, 2, LimitKind::from_code)?,
        account: optional_id(row, 3)?.map(AccountId),
        plan: optional_code(row, 4)?,
        action: member(row, 5, LimitAction::from_code)?,
        warn_at: row.get::<_, Option<i64>>(6)?.map(Percent),
        grace_quantity: optional_quantity(row, 7)?,
        grace_seconds: row.get(8)?,
        overage_limit: optional_quantity(row, 9)?,
        overage_price: optional_quantity(row, 10)?,
        currency: row.get(11)?,
        priority: row.get(12)?,
        is_active: row.get(13)?,
        created_at: time(row, 14)?,
        updated_at: time(row, 15)?,
    })
}

pub(super) const EVENT: &str = "l.event_id, l.tree_seq, l.idempotency_key, l.fingerprint, l.account_id, l.resource_type_code, \
     l.resource_scope, l.quantity, l.unit_code, l.occurred_at, l.recorded_at, l.is_correction, l.corrects_event_id, l.source, \
     l.recorded_by, l.decision, l.reason, l.reason_code, l.entitlement_id, l.effects, l.details_hash, l.chain, d.details";
pub(super) const EVENT_FROM: &str =
    "consumption_ledger l LEFT JOIN consumption_event_details d ON d.event_id = l.event_id AND d.tree = l.tree";

pub(super) fn event(row: &Row<'_>, catalogue: &Catalogue) -> rusqlite::Result<LedgerEvent> {
    let (quantity, unit) = (quantity(row, 7)?, code(row, 8)?);
    let ruling = match optional_text(row, 15)? {
        Some(_) => Some(RecordedRuling {
            decision: member(row, 15, Decision::from_code)?,
            reason: row.get::<_, String>(16)?.into(),
            reason_code: code(row, 17)?,
            entitlement: optional_id(row, 18)?.map(mec_kernel::EntitlementId),
        }),
        None => None,
    };
    let resource = code(row, 5)?;
    Ok(LedgerEvent {
        id: EventId(id(row, 0)?),
        tree_seq: row.get(1)?,
        key: row.get::<_, String>(2)?.into(),
        fingerprint: row.get(3)?,
        account: AccountId(id(row, 4)?),
        scope: optional_code(row, 6)?,
        quantity,
        amount: Amount::of(quantity, catalogue.factor(&unit)),
        unit,
        occurred_at: time(row, 9)?,
        recorded_at: time(row, 10)?,
        is_correction: row.get(11)?,
        corrects: optional_id(row, 12)?.map(EventId),
        source: code(row, 13)?,
        recorded_by: code(row, 14)?,
        ruling,
        effects: match optional_text(row, 19)? {
            Some(text) => effects_of(text, &resource).ok_or_else(|| damaged(19, "not the effects this program writes"))?,
            None => vec![],
        },
        details_hash: row.get(20)?,
        chain: row.get(21)?,
        details: row.get::<_, Option<String>>(22)?.map(Arc::from),
        resource,
    })
}

pub(super) const WINDOW: &str = "resource_type_code, resource_scope, rolling_seconds, window_start, window_end, used, own, steps, \
     over_since, overage";

pub(super) fn window(row: &Row<'_>) -> rusqlite::Result<(WindowKey, WindowTotal)> {
    let key = WindowKey {
        resource: code(row, 0)?,
        scope: scope_of(text(row, 1)?),
        window: window_of(row.get(2)?, row.get(3)?, row.get(4)?),
    };
    let steps = match optional_text(row, 7)? {
        Some(text) => steps_of(text).ok_or_else(|| damaged(7, "not the steps this program writes"))?,
        None => BTreeMap::new(),
    };
    let total = WindowTotal {
        used: row.get::<_, Exact>(5)?.0,
        own: row.get::<_, Exact>(6)?.0,
        steps,
        over_since: optional_time(row, 8)?,
        overage: row.get::<_, Exact>(9)?.0,
        ..WindowTotal::default()
    };
    Ok((key, total))
}

/// Effects as JSON text; `None` where there are none.
pub(super) fn effects_text(effects: &[Effect]) -> Option<String> {
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
    Some(serde_json::Value::Array(list).to_string())
}

pub(super) fn effects_of(text: &str, resource: &Code) -> Option<Vec<Effect>> {
    let list: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    let effect = |value: &serde_json::Value| {
        let number = |name: &str| value.get(name)?.as_i64();
        Some(Effect {
            account: value.get("account_id")?.as_str()?.parse().ok()?,
            key: WindowKey {
                resource: resource.clone(),
                scope: value.get("resource_scope")?.as_str().map(Code::from),
                window: window_of(number("rolling_seconds")?, number("window_start")?, number("window_end")?),
            },
            overage: Amount(value.get("overage")?.as_str()?.parse().ok()?),
            price: number("unit_price").and_then(Quantity::from_millionths),
        })
    };
    list.iter().map(effect).collect()
}

pub(super) const LEASE: &str = "lease_id, account_id, resource_type_code, resource_scope, session_token, quantity, amount, \
     fencing_token, acquired_at, expires_at, released_at";

pub(super) fn lease(row: &Row<'_>) -> rusqlite::Result<Lease> {
    Ok(Lease {
        id: mec_kernel::LeaseId(id(row, 0)?),
        account: AccountId(id(row, 1)?),
        resource: code(row, 2)?,
        scope: optional_code(row, 3)?,
        token: optional_code(row, 4)?,
        quantity: quantity(row, 5)?,
        amount: row.get::<_, Exact>(6)?.0,
        fencing_token: row.get(7)?,
        acquired_at: time(row, 8)?,
        expires_at: time(row, 9)?,
        released_at: optional_time(row, 10)?,
    })
}

pub(super) const RESERVATION: &str = "reservation_id, idempotency_key, account_id, resource_type_code, resource_scope, quantity, \
     unit_code, amount, status, reserved_at, expires_at, event_id";

pub(super) fn reservation(row: &Row<'_>) -> rusqlite::Result<Reservation> {
    Ok(Reservation {
        id: mec_kernel::ReservationId(id(row, 0)?),
        key: code(row, 1)?,
        account: AccountId(id(row, 2)?),
        resource: code(row, 3)?,
        scope: optional_code(row, 4)?,
        quantity: quantity(row, 5)?,
        unit: code(row, 6)?,
        amount: row.get::<_, Exact>(7)?.0,
        status: member(row, 8, ReservationStatus::from_code)?,
        reserved_at: time(row, 9)?,
        expires_at: time(row, 10)?,
        event: optional_id(row, 11)?.map(EventId),
    })
}

/// The steps of a rolling window as JSON text (`[[step, "amount"], …]`); `None` where there are none.
pub(super) fn steps_text(steps: &BTreeMap<i64, Amount>) -> Option<String> {
    if steps.is_empty() {
        return None;
    }
    let list: Vec<serde_json::Value> =
        steps.iter().map(|(step, amount)| serde_json::json!([step, amount.0.to_string()])).collect();
    Some(serde_json::Value::Array(list).to_string())
}

pub(super) fn steps_of(text: &str) -> Option<BTreeMap<i64, Amount>> {
    let list: Vec<(i64, String)> = serde_json::from_str(text).ok()?;
    list.into_iter().map(|(step, amount)| Some((step, Amount(amount.parse().ok()?)))).collect()
}
