//! Callers' mistakes, as a closed list. A "no" of a limit is an answer and not in here.
//!
//! The edge maps each to a status, a message and a hint; the code is the same in every room.

use crate::catalog::LimitKind;
use crate::quantity::QuantityError;

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident $({ $($(#[$field_doc:meta])* $field:ident : $ty:ty),* $(,)? })? = $code:literal),* $(,)?) => {
        /// Why a command is refused. Nothing was recorded.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Refusal { $($(#[$doc])* $variant $({ $($(#[$field_doc])* $field: $ty),* })?),* }

        impl Refusal {
            /// Every code, for the error catalog.
            pub const CODES: &'static [&'static str] = &[$($code),*];

            /// The code callers match on.
            pub const fn code(&self) -> &'static str {
                match self { $(Self::$variant $({ $($field: _),* })? => $code),* }
            }
        }
    };
}

refusals! {
    /// No such account.
    AccountNotFound { /** What the caller named. */ account: String } = "MEC_ACCOUNT_NOT_FOUND",
    /// The parent of a new account does not exist.
    ParentNotFound { /** What the caller named. */ account: String } = "MEC_PARENT_NOT_FOUND",
    /// A tree has at most 8 levels.
    TooDeep = "MEC_TOO_DEEP",
    /// An external id stands for another account already.
    ExternalIdTaken { /** The external id. */ external_id: String } = "MEC_EXTERNAL_ID_TAKEN",
    /// A closed account stays closed.
    AccountClosed = "MEC_ACCOUNT_CLOSED",
    /// Decisions read every row of an account, so it has only so many.
    TooManyRows {
        /** Rows of which kind. */ what: &'static str,
        /** How many it may have. */ max: i64,
    } = "MEC_TOO_MANY_ROWS",
    /// No such resource type.
    ResourceNotFound { /** What the caller named. */ resource: String } = "MEC_RESOURCE_NOT_FOUND",
    /// No such unit.
    UnitNotFound { /** What the caller named. */ unit: String } = "MEC_UNIT_NOT_FOUND",
    /// The resource is not counted in that unit.
    UnitNotAllowed {
        /** What the caller named. */ unit: String,
        /** The resource. */ resource: String,
        /** What is allowed. */ allowed: Vec<String>,
    } = "MEC_UNIT_NOT_ALLOWED",
    /// No such plan.
    PlanNotFound { /** What the caller named. */ plan: String } = "MEC_PLAN_NOT_FOUND",
    /// The plan is not given to anybody new.
    PlanInactive { /** The plan. */ plan: String } = "MEC_PLAN_INACTIVE",
    /// The tree has had its trial.
    TrialUsed { /** The plan. */ plan: String } = "MEC_TRIAL_USED",
    /// An add-on has nothing to add to.
    AddonNoPool { /** The plan. */ plan: String, /** The resource without a pool. */ resource: String } = "MEC_ADDON_NO_POOL",
    /// Not a quantity.
    BadQuantity { /** The argument. */ argument: &'static str, /** Why. */ error: QuantityError } = "MEC_BAD_QUANTITY",
    /// A quantity must be above zero here.
    QuantityNotPositive { /** The argument. */ argument: &'static str } = "MEC_QUANTITY_NOT_POSITIVE",
    /// The operation does not exist for resources of this kind.
    WrongLimitKind {
        /** The resource. */ resource: String,
        /** Its kind. */ kind: LimitKind,
        /** What was asked of it. */ operation: &'static str,
    } = "MEC_WRONG_LIMIT_KIND",
    /// The event is too far ahead of now.
    OccurredInFuture { /** How far ahead is allowed, in seconds. */ ahead_seconds_max: i64 } = "MEC_OCCURRED_IN_FUTURE",
    /// The event is too old.
    OccurredTooLate { /** How old is allowed, in seconds. */ late_seconds_max: i64 } = "MEC_OCCURRED_TOO_LATE",
    /// An idempotency key has 1 to 255 characters.
    BadKey = "MEC_BAD_IDEMPOTENCY_KEY",
    /// The key stands for something else.
    IdempotencyConflict { /** The key. */ key: String, /** What differs. */ argument: &'static str } = "MEC_IDEMPOTENCY_CONFLICT",
    /// A total would go below zero.
    BelowZero { /** The resource. */ resource: String } = "MEC_BELOW_ZERO",
    /// No such event.
    EventNotFound { /** What the caller named. */ event: String } = "MEC_EVENT_NOT_FOUND",
    /// A correction must name an event of the same account, resource, scope, unit and instant,
    /// which is no correction itself.
    BadCorrection { /** What differs. */ argument: &'static str } = "MEC_BAD_CORRECTION",
    /// A time to live is 1 second to 24 hours.
    BadTtl = "MEC_BAD_TTL",
    /// No such reservation.
    ReservationNotFound { /** What the caller named. */ reservation: String } = "MEC_RESERVATION_NOT_FOUND",
    /// The reservation was settled with another amount, or released.
    ReservationClosed { /** What became of it. */ status: &'static str } = "MEC_RESERVATION_CLOSED",
    /// No such entitlement.
    EntitlementNotFound { /** What the caller named. */ entitlement: String } = "MEC_ENTITLEMENT_NOT_FOUND",
    /// An expired entitlement stays expired.
    EntitlementExpired = "MEC_ENTITLEMENT_EXPIRED",
    /// A column of a row does not hold what it must.
    BadValue { /** The column. */ column: &'static str, /** What it must be. */ must: String } = "MEC_BAD_VALUE",
    /// A row refers to something that is not there.
    NotPresent { /** The column. */ column: &'static str, /** What it names. */ value: String } = "MEC_NOT_PRESENT",
    /// A catalog row is in use.
    InUse { /** What. */ what: String, /** By what. */ by: String } = "MEC_IN_USE",
}
