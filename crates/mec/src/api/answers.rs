//! What calls answer: the columns of every answer, each beside the code that fills them, so that the two keep one order.
//!
//! Shows what the engine said; computes nothing.

use mec_engine::{Bucket, StandingOf, Usage};
use mec_kernel::{Figures, Leased, Reason, RecordedRuling, Reserved, Standing, Time, Total, Trace};
use mec_query::{Column, Decimal, Type, Value};

/// A counter or a limit: wider than any stored quantity, six decimals.
const TOTAL: Type = Type::Numeric { precision: 38, scale: 6 };
const PERCENT: Type = Type::Numeric { precision: 38, scale: 2 };

/// The name of the column that only an explained answer shows.
pub(crate) const LIMITS: &str = "limits";

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    /// Whether the effect was there before, under the same key.
    pub(crate) replayed: bool,
}

/// Rows in the columns the function declares, or one bare value.
#[derive(Debug)]
pub(crate) enum Outcome {
    Rows(Vec<Vec<Value>>),
    Scalar(Value),
}

impl Outcome {
    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Scalar(_) => 1,
        }
    }
}

impl Answer {
    pub(crate) fn rows(rows: Vec<Vec<Value>>) -> Self {
        Self { outcome: Outcome::Rows(rows), replayed: false }
    }

    pub(crate) fn scalar(value: Value) -> Self {
        Self { outcome: Outcome::Scalar(value), replayed: false }
    }

    #[must_use]
    pub(crate) fn replayed(self, replayed: bool) -> Self {
        Self { replayed, ..self }
    }
}

const fn column(name: &'static str, ty: Type, description: &'static str) -> Column {
    Column::new(name, ty).described(description)
}

/// The columns of a decision, with `more` before the last one.
pub(crate) fn standing_columns(more: &[Column]) -> Vec<Column> {
    let mut columns = decision_columns();
    columns.extend_from_slice(more);
    columns.push(column(
        LIMITS,
        Type::Json,
        "Every limit that was considered, and every level that has none, with why; only with p_explain.",
    ));
    columns
}

fn decision_columns() -> Vec<Column> {
    vec![
        column("decision", Type::TEXT, "allow, warn, grace or overage: go ahead; block or deny: do not."),
        column("reason", Type::TEXT, "Why, for people."),
        column("entitlement_id", Type::Uuid, "The entitlement that binds; null where nothing is entitled."),
        column("quantity_allowed", TOTAL, "The limit; null is unlimited."),
        column("quantity_used", TOTAL, "What was used of it, or is in use."),
        column("quantity_remaining", TOTAL, "What is left of it."),
        column("percent_used", PERCENT, "Used and reserved of the limit, in percent."),
        column("limit_kind", Type::TEXT, "How the resource is counted."),
        column("allowed", Type::Bool, "Whether to go ahead."),
        column("reason_code", Type::TEXT, "Why, for programs."),
        column("quantity_reserved", TOTAL, "What is held by open reservations."),
        column("window_start", Type::Timestamp, "Where the window begins; null: it does not."),
        column("window_end", Type::Timestamp, "Where the window ends; null: it does not."),
        column(
            "binding_account_id",
            Type::Uuid,
            "The account whose limit binds, or whose level denied: the one asked about or one above it.",
        ),
        column(
            "overage_quantity",
            TOTAL,
            "What of this request is beyond the limit and will be billed; without a quantity: what has accrued in the window.",
        ),
        column("overage_cost", TOTAL, "What that costs at the rule's price."),
        column(
            "window_type",
            Type::TEXT,
            "The kind of window the limit is counted in; null if the resource is not counted in windows.",
        ),
        column(
            "retry_after_seconds",
            Type::Int8,
            "If refused: the seconds until this quantity would be allowed if nothing else happens; null: never by itself.",
        ),
    ]
}

/// What is said of a decision beyond the figures.
struct Said {
    decision: &'static str,
    reason: String,
    reason_code: String,
    allowed: bool,
}

impl Said {
    fn of(standing: &Standing) -> Self {
        let reason = &standing.reason;
        let (decision, reason, reason_code) = (standing.decision.code(), reason.to_string(), reason.code().to_owned());
        Self { decision, reason, reason_code, allowed: standing.allowed }
    }

    /// Of an effect that was there before: what its maker was told, or that it is recorded.
    fn before(ruling: Option<&RecordedRuling>) -> Self {
        match ruling {
            Some(ruling) => Self {
                decision: ruling.decision.code(),
                reason: ruling.reason.to_string(),
                reason_code: ruling.reason_code.to_string(),
                allowed: ruling.decision.allowed(),
            },
            None => Self {
                decision: mec_kernel::Decision::Allow.code(),
                reason: Reason::Recorded.to_string(),
                reason_code: Reason::Recorded.code().to_owned(),
                allowed: true,
            },
        }
    }
}

/// A decision with `more` before its limits.
pub(crate) fn standing_row(standing: &Standing, more: Vec<Value>) -> Vec<Value> {
    let mut row = decision_row(standing, Said::of(standing));
    row.extend(more);
    row.push(limits(&standing.trace));
    row
}

fn decision_row(standing: &Standing, said: Said) -> Vec<Value> {
    let figures = standing.figures.as_ref();
    let figure = |of: fn(&Figures) -> Option<Total>| figures.and_then(of).map_or(Value::Null, total);
    let window = figures.map_or((None, None), |figures| figures.window);
    let overage = standing.overage.as_ref();
    vec![
        Value::text(said.decision),
        Value::Text(said.reason),
        standing.entitlement.map_or(Value::Null, |id| Value::Uuid(id.0)),
        figure(|figures| figures.allowed),
        figure(|figures| figures.used),
        figure(|figures| figures.remaining),
        figures.and_then(|figures| figures.percent).map_or(Value::Null, |percent| total(percent.total())),
        Value::text(standing.limit_kind.code()),
        Value::Bool(said.allowed),
        Value::Text(said.reason_code),
        figure(|figures| figures.reserved),
        window.0.map_or(Value::Null, time),
        window.1.map_or(Value::Null, time),
        standing.account.map_or(Value::Null, |id| Value::Uuid(id.0)),
        overage.map_or(Value::Null, |(quantity, _)| total(*quantity)),
        overage.and_then(|(_, cost)| *cost).map_or(Value::Null, total),
        figures.and_then(|figures| figures.window_kind).map_or(Value::Null, |kind| Value::text(kind.code())),
        standing.retry_after_seconds.map_or(Value::Null, Value::Int),
    ]
}

/// The row of an effect that was there before: what was said then, the figures of today, nothing newly billed.
fn replayed_row(standing: &Standing, ruling: Option<&RecordedRuling>, more: Vec<Value>) -> Vec<Value> {
    let entitlement = ruling.map_or(standing.entitlement, |ruling| ruling.entitlement);
    let today = Standing { entitlement, overage: None, retry_after_seconds: None, ..standing.clone() };
    let mut row = decision_row(&today, Said::before(ruling));
    row.extend(more);
    row.push(limits(&standing.trace));
    row
}

/// What `check_entitlements` answers: the resource and its scope, then the decision, without its limits.
pub(crate) fn resource_standing_columns() -> Vec<Column> {
    let mut columns = vec![
        column("resource_type", Type::TEXT, "The resource."),
        column("resource_scope", Type::TEXT, "The scope of the resource that this row is about; null: the whole resource."),
    ];
    columns.extend(decision_columns());
    columns
}

pub(crate) fn resource_standing_row(of: &StandingOf) -> Vec<Value> {
    let mut row = vec![Value::text(of.resource.as_str()), of.scope.as_deref().map_or(Value::Null, Value::text)];
    row.extend(decision_row(&of.standing, Said::of(&of.standing)));
    row
}

/// What `consume` adds to a decision.
pub(crate) fn consume_columns() -> [Column; 1] {
    [column("event_id", Type::Uuid, "The ledger event; null: nothing was recorded.")]
}

pub(crate) fn consume_row(consumed: &mec_kernel::Consumed) -> Vec<Value> {
    let event = vec![consumed.event.map_or(Value::Null, |id| Value::Uuid(id.0))];
    match &consumed.replayed {
        Some(ruling) => replayed_row(&consumed.standing, ruling.as_ref(), event),
        None => standing_row(&consumed.standing, event),
    }
}

/// What `reserve` adds to a decision.
pub(crate) fn reserve_columns() -> [Column; 3] {
    [
        column("success", Type::Bool, "Whether the quantity is held now: false for one that is over."),
        column("reservation_id", Type::Uuid, "The reservation; null: none was made."),
        column("expires_at", Type::Timestamp, "First instant it holds nothing."),
    ]
}

pub(crate) fn reserve_row(reserved: &Reserved) -> Vec<Value> {
    let held = reserved.reservation.as_ref();
    let more = vec![
        Value::Bool(reserved.is_held),
        held.map_or(Value::Null, |held| Value::Uuid(held.id.0)),
        held.map_or(Value::Null, |held| time(held.expires_at)),
    ];
    match held.filter(|_| reserved.replayed) {
        Some(held) => replayed_row(&reserved.standing, Some(&held.ruling), more),
        None => standing_row(&reserved.standing, more),
    }
}

/// What `acquire_lease` answers.
pub(crate) fn acquire_columns() -> Vec<Column> {
    let mut columns = lease_columns();
    columns.push(column("fencing_token", Type::Int8, "A number that only grows: by it a late holder is turned away."));
    columns.push(retry_column());
    columns
}

pub(crate) fn acquire_row(leased: &Leased) -> Vec<Value> {
    let mut row = lease_row(leased);
    row.push(leased.lease.as_ref().map_or(Value::Null, |lease| Value::Int(lease.fencing_token)));
    row.push(leased.retry_after_seconds.map_or(Value::Null, Value::Int));
    row
}

/// What `renew_lease` answers.
pub(crate) fn renew_columns() -> Vec<Column> {
    let mut columns = lease_columns();
    columns.push(retry_column());
    columns
}

pub(crate) fn renew_row(leased: &Leased) -> Vec<Value> {
    let mut row = lease_row(leased);
    row.push(leased.retry_after_seconds.map_or(Value::Null, Value::Int));
    row
}

fn lease_columns() -> Vec<Column> {
    vec![
        column("success", Type::Bool, "Whether there is a slot."),
        column("lease_id", Type::Uuid, "The lease; null: there is none."),
        column("decision", Type::TEXT, "The decision."),
        column("reason", Type::TEXT, "Why, for people."),
        column("expires_at", Type::Timestamp, "First instant the lease does not count; told also where it was not extended."),
    ]
}

fn retry_column() -> Column {
    column(
        "retry_after_seconds",
        Type::Int8,
        "If refused: the seconds until a lease of this size would be granted if nothing else happens; null: never by itself.",
    )
}

fn lease_row(leased: &Leased) -> Vec<Value> {
    let lease = leased.lease.as_ref();
    vec![
        Value::Bool(lease.is_some()),
        lease.map_or(Value::Null, |lease| Value::Uuid(lease.id.0)),
        Value::text(leased.decision.code()),
        Value::Text(leased.reason.to_string()),
        lease.or(leased.kept.as_ref()).map_or(Value::Null, |lease| time(lease.expires_at)),
    ]
}

/// What `meter_batch` answers for each event.
pub(crate) fn batch_columns() -> Vec<Column> {
    vec![
        column("index", Type::Int8, "The event's place in the request, from 0."),
        column("status", Type::TEXT, "recorded, replayed, rejected, or unknown: send it again."),
        column("event_id", Type::Uuid, "The ledger event; null where none is known."),
        column("error", Type::Json, "Why it was rejected or is unknown: code, message, details and hint."),
    ]
}

/// What `get_usage` answers.
pub(crate) fn usage_columns() -> Vec<Column> {
    vec![
        column("bucket_start", Type::Timestamp, "First instant of the bucket."),
        column("bucket_end", Type::Timestamp, "First instant after it."),
        column(
            "quantity",
            TOTAL,
            "What was used, in unit_code; of inventory: what is owned at the bucket's end; of concurrency: the most seats held at once.",
        ),
        column("unit_code", Type::TEXT, "The resource's own unit."),
        column("overage", TOTAL, "What of it was beyond the limit."),
        column("overage_cost", TOTAL, "What that costs at the prices of its moments; null where nothing was billed."),
        column("events", Type::Int8, "How many ledger events the bucket holds."),
        column("lease_hours", TOTAL, "Of concurrency: seats times the hours they were held until now; else null."),
    ]
}

pub(crate) fn usage_rows(usage: &Usage) -> Vec<Vec<Value>> {
    let row = |bucket: &Bucket| {
        vec![
            time(bucket.start),
            time(bucket.end),
            total(bucket.quantity),
            Value::text(usage.unit.as_str()),
            total(bucket.overage),
            bucket.overage_cost.map_or(Value::Null, total),
            Value::Int(bucket.events),
            bucket.lease_hours.map_or(Value::Null, total),
        ]
    };
    usage.buckets.iter().map(row).collect()
}

/// What `get_window_boundaries` answers.
pub(crate) fn window_columns() -> Vec<Column> {
    vec![
        column("window_start", Type::Timestamp, "First instant; null: from the beginning."),
        column("window_end", Type::Timestamp, "First instant after it; null: without end."),
    ]
}

/// An instant; an end of time, which answers do not show, is null.
pub(crate) fn time(at: Time) -> Value {
    if at.is_bounded() { Value::Timestamp(at.micros()) } else { Value::Null }
}

fn total(total: Total) -> Value {
    Value::Numeric(Decimal::new(total.0, 6))
}

/// Every limit and level considered, as an array of objects.
fn limits(trace: &Trace) -> Value {
    mec_store::limits_json(trace).map_or(Value::Null, Value::Json)
}
