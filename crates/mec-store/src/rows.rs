//! Rows as the kernel's values: which columns are read, in which order, and what they stand for.
//! Both databases are read by these functions; how a column lies in a row is each database's own
//! ([`Cells`]).

mod cells;
mod encoding;

use std::collections::BTreeMap;
use std::sync::Arc;

use mec_kernel::{
    Account, AccountId, AccountPlan, AccountStatus, Amount, Catalog, Code, Decision, Entitlement,
    EntitlementId, EntitlementStatus, EventId, Head, HourSum, Lease, LedgerEvent, LimitAction,
    LimitKind, Overage, Percent, RecordedRuling, Reservation, ReservationStatus, Rule, Source,
    Time, WindowKey, WindowKind, WindowRule, WindowTotal,
};

pub(crate) use self::cells::Cells;
pub(crate) use self::encoding::{
    effects_of, effects_text, scope_of, scope_text, steps_of, steps_text, window_columns, window_of,
};

pub(crate) const ACCOUNT: &str = "account_id, parent_account_id, root_account_id, account_type_code, external_id, display_name, \
     email, status, time_zone, metadata, created_at, updated_at";

pub(crate) fn account<C: Cells>(row: &C) -> Result<Account, C::Error> {
    Ok(Account {
        id: AccountId(row.id(0)?),
        parent: row.optional_id(1)?.map(AccountId),
        root: AccountId(row.id(2)?),
        account_type: row.code(3)?,
        external_id: row.optional_code(4)?,
        display_name: row.code(5)?,
        email: row.optional_code(6)?,
        status: row.member(7, AccountStatus::from_code)?,
        time_zone: row.optional_code(8)?,
        metadata: row.optional_code(9)?,
        created_at: row.time(10)?,
        updated_at: row.time(11)?,
    })
}

pub(crate) const ENTITLEMENT: &str = "entitlement_id, account_id, resource_type_code, resource_scope, quantity_allowed, \
     window_type_code, window_anchor, window_seconds, period_start, period_end, status, source, source_ref, plan_id, \
     plan_version, priority, valid_from, valid_until, created_at, updated_at";
/// How many columns [`ENTITLEMENT`] has.
pub(crate) const ENTITLEMENT_COLUMNS: usize = 20;

pub(crate) fn entitlement<C: Cells>(row: &C) -> Result<Entitlement, C::Error> {
    let kind = match row.optional_text(5)? {
        Some(code) => {
            WindowKind::from_code(code).ok_or_else(|| row.damaged(5, "no window type"))?
        }
        None => WindowKind::Lifetime,
    };
    Ok(Entitlement {
        id: EntitlementId(row.id(0)?),
        account: AccountId(row.id(1)?),
        resource: row.code(2)?,
        scope: row.optional_code(3)?,
        quantity: row.optional_quantity(4)?,
        window: WindowRule {
            kind,
            anchor: row.optional_time(6)?,
            seconds: row.optional_integer(7)?,
            period: row.optional_time(8)?.zip(row.optional_time(9)?),
        },
        status: row.member(10, EntitlementStatus::from_code)?,
        source: row.member(11, Source::from_code)?,
        source_ref: row.optional_code(12)?,
        plan: row.optional_code(13)?,
        plan_version: row.optional_small(14)?,
        priority: row.small(15)?,
        valid_from: row.time(16)?,
        valid_until: row.optional_time(17)?,
        conditions: vec![],
        created_at: row.time(18)?,
        updated_at: row.time(19)?,
    })
}

pub(crate) const ACCOUNT_PLAN: &str = "account_id, plan_id, ref, version, quantity, anchor, starts_at, ends_at, own_ends_at, is_addon, is_trial";

pub(crate) fn account_plan<C: Cells>(row: &C) -> Result<AccountPlan, C::Error> {
    Ok(AccountPlan {
        account: AccountId(row.id(0)?),
        plan: row.code(1)?,
        reference: row.code(2)?,
        version: row.small(3)?,
        quantity: row.quantity(4)?,
        anchor: row.time(5)?,
        starts_at: row.time(6)?,
        ends_at: row.optional_time(7)?,
        own_end: row.optional_time(8)?,
        is_addon: row.flag(9)?,
        is_trial: row.flag(10)?,
    })
}

pub(crate) const RULE: &str = "rule_id, resource_type_code, limit_kind_code, account_id, plan_id, window_type_code, \
     limit_action_code, warn_at_percent, grace_quantity, grace_period_seconds, overage_limit, overage_unit_price, currency, \
     priority, is_active, created_at, updated_at";

pub(crate) fn rule<C: Cells>(row: &C) -> Result<Rule, C::Error> {
    Ok(Rule {
        id: mec_kernel::RuleId(row.id(0)?),
        resource: row.code(1)?,
        limit_kind: row.member(2, LimitKind::from_code)?,
        account: row.optional_id(3)?.map(AccountId),
        plan: row.optional_code(4)?,
        window: match row.optional_text(5)? {
            Some(code) => {
                Some(WindowKind::from_code(code).ok_or_else(|| row.damaged(5, "no window type"))?)
            }
            None => None,
        },
        action: row.member(6, LimitAction::from_code)?,
        warn_at: row.optional_hundredths(7)?.map(Percent),
        grace_quantity: row.optional_quantity(8)?,
        grace_seconds: row.optional_integer(9)?,
        overage_limit: row.optional_quantity(10)?,
        overage_price: row.optional_quantity(11)?,
        currency: row.optional_text(12)?.map(str::to_owned),
        priority: row.small(13)?,
        is_active: row.flag(14)?,
        created_at: row.time(15)?,
        updated_at: row.time(16)?,
    })
}

pub(crate) const EVENT: &str = "l.event_id, l.tree_seq, l.idempotency_key, l.fingerprint, l.account_id, l.resource_type_code, \
     l.resource_scope, l.quantity, l.unit_code, l.occurred_at, l.recorded_at, l.is_correction, l.corrects_event_id, l.source, \
     l.recorded_by, l.decision, l.reason, l.reason_code, l.entitlement_id, l.effects, l.details_hash, l.chain, d.details, \
     l.reservation_id, l.overage_quantity, l.overage_cost";
/// How many columns [`EVENT`] has.
pub(crate) const EVENT_COLUMNS: usize = 26;
pub(crate) const EVENT_FROM: &str = "consumption_ledger l LEFT JOIN consumption_event_details d ON d.event_id = l.event_id AND d.tree = l.tree";

pub(crate) fn event<C: Cells>(row: &C, catalog: &Catalog) -> Result<LedgerEvent, C::Error> {
    let (quantity, unit) = (row.quantity(7)?, row.code(8)?);
    let ruling = match row.optional_text(15)? {
        Some(_) => Some(ruling(row, 15)?),
        None if row.optional_text(16)?.is_some()
            || row.optional_text(17)?.is_some()
            || row.optional_id(18)?.is_some() =>
        {
            return Err(row.damaged(
                15,
                "nothing, beside the reason or the entitlement of a decision",
            ));
        }
        None => None,
    };
    let overage = match (row.optional_quantity(24)?, row.optional_quantity(25)?) {
        (Some(quantity), Some(cost)) => Some(Overage { quantity, cost }),
        (None, None) => None,
        _ => {
            return Err(row.damaged(
                24,
                "an overage without its cost, or a cost without its overage",
            ));
        }
    };
    let resource = row.code(5)?;
    Ok(LedgerEvent {
        id: EventId(row.id(0)?),
        tree_seq: row.integer(1)?,
        key: row.text(2)?.into(),
        reservation: row.optional_id(23)?.map(mec_kernel::ReservationId),
        fingerprint: row.hash(3)?,
        account: AccountId(row.id(4)?),
        scope: row.optional_code(6)?,
        quantity,
        amount: Amount::of(quantity, catalog.factor(&unit)),
        unit,
        occurred_at: row.time(9)?,
        recorded_at: row.time(10)?,
        is_correction: row.flag(11)?,
        corrects: row.optional_id(12)?.map(EventId),
        source: row.code(13)?,
        recorded_by: row.code(14)?,
        ruling,
        effects: match row.optional_text(19)? {
            Some(text) => effects_of(text, &resource)
                .ok_or_else(|| row.damaged(19, "not the effects this program writes"))?,
            None => vec![],
        },
        overage,
        details_hash: row.optional_hash(20)?,
        chain: row.hash(21)?,
        details: row.optional_text(22)?.map(Arc::from),
        resource,
    })
}

/// A decision that was told, in four columns from `first` on.
fn ruling<C: Cells>(row: &C, first: usize) -> Result<RecordedRuling, C::Error> {
    Ok(RecordedRuling {
        decision: row.member(first, Decision::from_code)?,
        reason: row.text(first + 1)?.into(),
        reason_code: row.code(first + 2)?,
        entitlement: row.optional_id(first + 3)?.map(EntitlementId),
    })
}

pub(crate) const HEAD: &str = "tree, version, stamp, last_at, next_seq, next_token, chain";

pub(crate) fn head<C: Cells>(row: &C) -> Result<Head, C::Error> {
    Ok(Head {
        tree: row.tree(0)?,
        version: row.integer(1)?,
        stamp: row.integer(2)?,
        last_at: row.time(3)?,
        next_seq: row.integer(4)?,
        next_token: row.integer(5)?,
        chain: row.hash(6)?,
    })
}

/// Account, resource, scope, unit and hour: the key of a stored sum.
pub(crate) type HourKey = (AccountId, Code, Option<Code>, Code, Time);

pub(crate) const HOUR: &str = "account_id, resource_type_code, resource_scope, unit_code, hour, own, subtree, overage, \
     overage_cost, events";

pub(crate) fn hour<C: Cells>(row: &C) -> Result<(HourKey, HourSum), C::Error> {
    let key = (
        AccountId(row.id(0)?),
        row.code(1)?,
        scope_of(row.text(2)?),
        row.code(3)?,
        row.time(4)?,
    );
    let sum = HourSum {
        own: row.exact(5)?,
        subtree: row.exact(6)?,
        overage: row.exact(7)?,
        overage_cost: row.exact(8)?,
        events: row.integer(9)?,
    };
    Ok((key, sum))
}

/// The primary key, in the first column, of a row that cannot be read as a whole.
pub(crate) fn key_of<C: Cells>(row: &C) -> String {
    row.id(0)
        .map_or_else(|_| "a row".to_owned(), |id| EntitlementId(id).to_string())
}

pub(crate) const WINDOW: &str = "resource_type_code, resource_scope, rolling_seconds, window_start, window_end, used, own, steps, \
     over_since, overage";
/// How many columns [`WINDOW`] has.
pub(crate) const WINDOW_COLUMNS: usize = 10;

pub(crate) fn window<C: Cells>(row: &C) -> Result<(WindowKey, WindowTotal), C::Error> {
    let key = WindowKey {
        resource: row.code(0)?,
        scope: scope_of(row.text(1)?),
        window: window_of(row.integer(2)?, row.time(3)?, row.time(4)?),
    };
    let steps = match row.optional_text(7)? {
        Some(text) => {
            steps_of(text).ok_or_else(|| row.damaged(7, "not the steps this program writes"))?
        }
        None => BTreeMap::new(),
    };
    let total = WindowTotal {
        used: row.exact(5)?,
        own: row.exact(6)?,
        steps,
        over_since: row.optional_time(8)?,
        overage: row.exact(9)?,
        ..WindowTotal::default()
    };
    Ok((key, total))
}

pub(crate) const LEASE: &str = "lease_id, account_id, resource_type_code, resource_scope, session_token, quantity, amount, \
     fencing_token, acquired_at, expires_at, released_at";

pub(crate) fn lease<C: Cells>(row: &C) -> Result<Lease, C::Error> {
    Ok(Lease {
        id: mec_kernel::LeaseId(row.id(0)?),
        account: AccountId(row.id(1)?),
        resource: row.code(2)?,
        scope: row.optional_code(3)?,
        token: row.optional_code(4)?,
        quantity: row.quantity(5)?,
        amount: row.exact(6)?,
        fencing_token: row.integer(7)?,
        acquired_at: row.time(8)?,
        expires_at: row.time(9)?,
        released_at: row.optional_time(10)?,
    })
}

pub(crate) const RESERVATION: &str = "reservation_id, idempotency_key, account_id, resource_type_code, resource_scope, quantity, \
     unit_code, amount, status, reserved_at, expires_at, event_id, decision, reason, reason_code, entitlement_id";

pub(crate) fn reservation<C: Cells>(row: &C) -> Result<Reservation, C::Error> {
    Ok(Reservation {
        id: mec_kernel::ReservationId(row.id(0)?),
        key: row.code(1)?,
        account: AccountId(row.id(2)?),
        resource: row.code(3)?,
        scope: row.optional_code(4)?,
        quantity: row.quantity(5)?,
        unit: row.code(6)?,
        amount: row.exact(7)?,
        status: row.member(8, ReservationStatus::from_code)?,
        reserved_at: row.time(9)?,
        expires_at: row.time(10)?,
        event: row.optional_id(11)?.map(EventId),
        ruling: ruling(row, 12)?,
    })
}

/// A statement that is put together once.
macro_rules! sql {
    ($(#[$doc:meta])* pub $name:ident = $($part:expr),+ $(,)?) => {
        $(#[$doc])*
        pub(super) static $name: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| [$($part),+].concat());
    };
    ($(#[$doc:meta])* $name:ident = $($part:expr),+ $(,)?) => {
        $(#[$doc])*
        static $name: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| [$($part),+].concat());
    };
}
pub(crate) use sql;
