//! What calls answer, in the shapes that several of them share.
//!
//! Shows what the engine said; computes nothing.

use mec_kernel::{Decision, Figures, Leased, Reason, RecordedRuling, Standing, Time, Total, Trace};
use mec_query::{Column, Decimal, Type, Value};

use super::verb::{self, Field};

/// A counter or a limit: wider than any stored quantity, six decimals.
pub(crate) const TOTAL: Type = Type::Numeric {
    precision: 38,
    scale: 6,
};
const PERCENT: Type = Type::Numeric {
    precision: 38,
    scale: 2,
};

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
        Self {
            outcome: Outcome::Rows(rows),
            replayed: false,
        }
    }

    pub(crate) fn scalar(value: Value) -> Self {
        Self {
            outcome: Outcome::Scalar(value),
            replayed: false,
        }
    }

    #[must_use]
    pub(crate) fn replayed(self, replayed: bool) -> Self {
        Self { replayed, ..self }
    }
}

/// A decision as an answer shows it.
pub(crate) struct Decided {
    standing: Standing,
    /// Set if the same key came before.
    before: Option<Before>,
}

/// What was told when the same key came first.
pub(crate) enum Before {
    /// The decision of then.
    Decided(RecordedRuling),
    /// That it is recorded: whoever recorded it asked for no decision.
    Recorded,
}

impl Decided {
    /// One that was made now.
    pub(crate) fn now(standing: Standing) -> Self {
        Self {
            standing,
            before: None,
        }
    }

    /// One that was made when the same key came first, with the figures of now. Nothing is newly
    /// billed.
    pub(crate) fn before(standing: Standing, before: Before) -> Self {
        let entitlement = match &before {
            Before::Decided(ruling) => ruling.entitlement,
            Before::Recorded => standing.entitlement,
        };
        let standing = Standing {
            entitlement,
            overage: None,
            retry_after_seconds: None,
            ..standing
        };
        Self {
            standing,
            before: Some(before),
        }
    }

    fn decision(&self) -> Decision {
        match &self.before {
            None => self.standing.decision,
            Some(Before::Decided(ruling)) => ruling.decision,
            Some(Before::Recorded) => Decision::Allow,
        }
    }

    fn reason(&self) -> String {
        match &self.before {
            None => self.standing.reason.to_string(),
            Some(Before::Decided(ruling)) => ruling.reason.to_string(),
            Some(Before::Recorded) => Reason::Recorded.to_string(),
        }
    }

    fn reason_code(&self) -> &str {
        match &self.before {
            None => self.standing.reason.code(),
            Some(Before::Decided(ruling)) => ruling.reason_code.as_str(),
            Some(Before::Recorded) => Reason::Recorded.code(),
        }
    }

    fn allowed(&self) -> bool {
        match &self.before {
            None => self.standing.allowed,
            Some(_) => self.decision().allowed(),
        }
    }

    fn figure(&self, of: fn(&Figures) -> Option<Total>) -> Value {
        self.standing
            .figures
            .as_ref()
            .and_then(of)
            .map_or(Value::Null, total)
    }

    fn overage(&self) -> Option<(Total, Option<Total>)> {
        self.standing.overage
    }
}

/// The columns of a decision.
const DECISION: &[Field<Decided>] = &[
    Field::new(
        "decision",
        Type::TEXT,
        "allow, warn, grace or overage: go ahead; block or deny: do not.",
        |decided| Value::text(decided.decision().code()),
    ),
    Field::new("reason", Type::TEXT, "Why, for people.", |decided| {
        Value::Text(decided.reason())
    }),
    Field::new(
        "entitlement_id",
        Type::Uuid,
        "The entitlement that binds; null where nothing is entitled.",
        |decided| {
            decided
                .standing
                .entitlement
                .map_or(Value::Null, |id| Value::Uuid(id.0))
        },
    ),
    Field::new(
        "quantity_allowed",
        TOTAL,
        "The limit; null is unlimited.",
        |decided| decided.figure(|of| of.allowed),
    ),
    Field::new(
        "quantity_used",
        TOTAL,
        "What was used of it, or is in use.",
        |decided| decided.figure(|of| of.used),
    ),
    Field::new(
        "quantity_remaining",
        TOTAL,
        "What is left of it.",
        |decided| decided.figure(|of| of.remaining),
    ),
    Field::new(
        "percent_used",
        PERCENT,
        "Used and reserved of the limit, in percent.",
        |decided| decided.figure(|of| of.percent.map(|percent| percent.total())),
    ),
    Field::new(
        "limit_kind",
        Type::TEXT,
        "How the resource is counted.",
        |decided| Value::text(decided.standing.limit_kind.code()),
    ),
    Field::new("allowed", Type::Bool, "Whether to go ahead.", |decided| {
        Value::Bool(decided.allowed())
    }),
    Field::new("reason_code", Type::TEXT, "Why, for programs.", |decided| {
        Value::text(decided.reason_code())
    }),
    Field::new(
        "quantity_reserved",
        TOTAL,
        "What is held by open reservations.",
        |decided| decided.figure(|of| of.reserved),
    ),
    Field::new(
        "window_start",
        Type::Timestamp,
        "Where the window begins; null: it does not.",
        |decided| {
            decided
                .standing
                .figures
                .as_ref()
                .and_then(|of| of.window.0)
                .map_or(Value::Null, time)
        },
    ),
    Field::new(
        "window_end",
        Type::Timestamp,
        "Where the window ends; null: it does not.",
        |decided| {
            decided
                .standing
                .figures
                .as_ref()
                .and_then(|of| of.window.1)
                .map_or(Value::Null, time)
        },
    ),
    Field::new(
        "binding_account_id",
        Type::Uuid,
        "The account whose limit binds, or whose level denied: the one asked about or one above it.",
        |decided| {
            decided
                .standing
                .account
                .map_or(Value::Null, |id| Value::Uuid(id.0))
        },
    ),
    Field::new(
        "overage_quantity",
        TOTAL,
        "What of this request is beyond the limit and will be billed; without a quantity: what has accrued in the window.",
        |decided| {
            decided
                .overage()
                .map_or(Value::Null, |(quantity, _)| total(quantity))
        },
    ),
    Field::new(
        "overage_cost",
        TOTAL,
        "What that costs at the rule's price.",
        |decided| {
            decided
                .overage()
                .and_then(|(_, cost)| cost)
                .map_or(Value::Null, total)
        },
    ),
    Field::new(
        "window_type",
        Type::TEXT,
        "The kind of window the limit is counted in; null if the resource is not counted in windows.",
        |decided| {
            let kind = decided
                .standing
                .figures
                .as_ref()
                .and_then(|of| of.window_kind);
            kind.map_or(Value::Null, |kind| Value::text(kind.code()))
        },
    ),
    Field::new(
        "retry_after_seconds",
        Type::Int8,
        "If refused: the seconds until this quantity would be allowed if nothing else happens; null: never by itself.",
        |decided| {
            decided
                .standing
                .retry_after_seconds
                .map_or(Value::Null, Value::Int)
        },
    ),
];

/// The last column of an explained decision.
const EXPLANATION: &[Field<Decided>] = &[Field::new(
    LIMITS,
    Type::Json,
    "Every limit that was considered, and every level that has none, with why; only with p_explain.",
    |decided| limits(&decided.standing.trace),
)];

/// The columns of a decision, without its limits.
pub(crate) fn decision_columns() -> Vec<Column> {
    verb::columns(DECISION)
}

/// A decision, without its limits.
pub(crate) fn decision_row(decided: &Decided) -> Vec<Value> {
    verb::row(DECISION, decided)
}

/// The columns of a decision, with `more` before its limits.
pub(crate) fn explained_columns<T>(more: &[Field<T>]) -> Vec<Column> {
    [
        verb::columns(DECISION),
        verb::columns(more),
        verb::columns(EXPLANATION),
    ]
    .concat()
}

/// A decision, with `more` before its limits.
pub(crate) fn explained_row<T>(decided: &Decided, more: &[Field<T>], of: &T) -> Vec<Value> {
    let mut row = Vec::with_capacity(DECISION.len() + more.len() + EXPLANATION.len());
    for values in [
        verb::row(DECISION, decided),
        verb::row(more, of),
        verb::row(EXPLANATION, decided),
    ] {
        row.extend(values);
    }
    row
}

/// The columns of a lease.
pub(crate) const LEASE_FIELDS: &[Field<Leased>] = &[
    Field::new(
        "success",
        Type::Bool,
        "Whether there is a slot.",
        |leased| Value::Bool(leased.lease.is_some()),
    ),
    Field::new(
        "lease_id",
        Type::Uuid,
        "The lease; null: there is none.",
        |leased| {
            leased
                .lease
                .as_ref()
                .map_or(Value::Null, |lease| Value::Uuid(lease.id.0))
        },
    ),
    Field::new("decision", Type::TEXT, "The decision.", |leased| {
        Value::text(leased.decision.code())
    }),
    Field::new("reason", Type::TEXT, "Why, for people.", |leased| {
        Value::Text(leased.reason.to_string())
    }),
    Field::new(
        "expires_at",
        Type::Timestamp,
        "First instant the lease does not count; told also where it was not extended.",
        |leased| {
            leased
                .lease
                .as_ref()
                .or(leased.kept.as_ref())
                .map_or(Value::Null, |lease| time(lease.expires_at))
        },
    ),
];

/// The last column of a lease.
pub(crate) const LEASE_RETRY_FIELD: &[Field<Leased>] = &[Field::new(
    "retry_after_seconds",
    Type::Int8,
    "If refused: the seconds until a lease of this size would be granted if nothing else happens; null: never by itself.",
    |leased| leased.retry_after_seconds.map_or(Value::Null, Value::Int),
)];

/// An instant; an end of time, which answers do not show, is null.
pub(crate) fn time(at: Time) -> Value {
    if at.is_bounded() {
        Value::Timestamp(at.micros())
    } else {
        Value::Null
    }
}

/// A counter or a limit.
pub(crate) fn total(total: Total) -> Value {
    Value::Numeric(Decimal::new(total.0, 6))
}

/// Every limit and level considered, as an array of objects.
fn limits(trace: &Trace) -> Value {
    mec_store::limits_json(trace).map_or(Value::Null, Value::Json)
}
