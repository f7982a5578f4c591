//! The one place where what went wrong becomes a status, a code, a message and a hint.
//!
//! A code that ends in `NOT_FOUND` is 404, a state that stands in the way is 409, any other mistake
//! of the caller is 400 (413 where it is too much), and what is ours is 5xx. Hints say what to do
//! and never name another account. `docs/errors.md` has a section for each code.

use std::time::Instant;

use axum::http::StatusCode;
use mec_engine::MecError;
use mec_kernel::{Catalog, LEVELS_MAX, LimitKind, QuantityError, Refusal, TTL_SECONDS_MAX};
use mec_query::{QueryError, similar};

use super::sparing::Sparing;
use crate::problem::errors::ApiError;

static NOT_DONE: Sparing = Sparing::new();
static UNUSABLE: Sparing = Sparing::new();

/// The codes made here, beside the kernel's ([`Refusal::CODES`]).
#[cfg(test)]
const OWN_CODES: &[&str] = &[
    "MEC_MISSING_ARGUMENT",
    "MEC_CONFLICTING_ARGUMENTS",
    "MEC_BAD_ARGUMENT",
    "MEC_BAD_CATALOG",
    "MEC_TOO_MANY_EVENTS",
    "MEC_TOO_MANY_ROWS",
    "MEC_ACROSS_SHARDS",
    "MEC_BUSY",
    "MEC_READS_BUSY",
    "MEC_ANSWER_TOO_LARGE",
    "MEC_PATTERN_TOO_LARGE",
    "MEC_TIMED_OUT",
    "MEC_NOT_DONE",
    "MEC_OVERRAN",
    "MEC_OUTCOME_UNKNOWN",
    "MEC_STOPPED",
    "MEC_STORE_UNAVAILABLE",
];

/// Why a call has no answer: as the client sees it, or as the engine told it.
#[derive(Debug)]
pub(crate) enum Failure {
    Api(ApiError),
    Mec(MecError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<MecError> for Failure {
    fn from(error: MecError) -> Self {
        Self::Mec(error)
    }
}

impl Failure {
    /// As the client sees it. The catalog gives the names that hints propose.
    pub(crate) fn shown(self, catalog: &Catalog, repeat: Repeat) -> ApiError {
        match self {
            Self::Api(error) => error,
            Self::Mec(error) => of_error(error, catalog, repeat),
        }
    }
}

/// How something is sent again whose outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Nothing changes by it.
    Question,
    /// The same key is the same event.
    Key,
    /// The same session is the same lease; without one there may be a lease too many.
    Session,
    /// What it does is known by what it is about.
    Itself,
    /// A write of the table API: look first.
    Look,
}

impl Repeat {
    const fn hint(self) -> &'static str {
        match self {
            Self::Question => "Ask again",
            Self::Key => {
                "Send the same request with the same idempotency key again: if it was recorded, the first answer comes back"
            }
            Self::Session => {
                "Send it again with the same p_session_token: a lease that was taken is extended. Without a token, a lease \
                 nobody knows ends by itself when its time to live is over"
            }
            Self::Itself => "Send the same request again: what has been done is not done twice",
            Self::Look => "Read the rows to see whether it was done, and send it again if not",
        }
    }
}

/// The engine's error as the client sees it. What only an operator can use goes to the log.
pub(crate) fn of_error(error: MecError, catalog: &Catalog, repeat: Repeat) -> ApiError {
    let unavailable = |code: &'static str, message: &str, hint: &str| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message).with_hint(hint)
    };
    let bad_request = |code: &'static str, error: &MecError| {
        ApiError::new(StatusCode::BAD_REQUEST, code, error.to_string())
    };
    match error {
        MecError::Refused(refusal) => of_refusal(&refusal, Some(catalog)),
        MecError::Query(error) => error.into(),
        MecError::TooManyRows { .. } => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "MEC_TOO_MANY_ROWS", error.to_string())
                .with_hint("Narrow the filter, or send the rows in parts")
        }
        MecError::AcrossShards => bad_request("MEC_ACROSS_SHARDS", &error).with_hint(
            "Send a request for each root account: filter by account_id, or insert one root at a time",
        ),
        // PostgreSQL's words and code, but a mistake of the request.
        MecError::RowTwice => bad_request("21000", &error).with_hint(
            "Ensure that no rows proposed for insertion within the same command have duplicate constrained values",
        ),
        // In front of the engine it is said of what; this is for a way in that forgot to.
        MecError::ReadOnly => {
            QueryError::sqlstate("42501", "permission denied").with_hint("Send a token with the role service or admin").into()
        }
        MecError::Busy => unavailable(
            "MEC_BUSY",
            "Too much is waiting to be recorded; nothing was recorded of this request",
            "Send it again in a second; it is safe",
        ),
        MecError::ReadsBusy => unavailable(
            "MEC_READS_BUSY",
            "Too many callers read at the moment; nothing was recorded",
            "Send the request again in a second, and ask for less at a time",
        ),
        MecError::TimedOut => ApiError::new(StatusCode::GATEWAY_TIMEOUT, "MEC_TIMED_OUT", "The read took longer than it may")
            .with_hint("Ask for less: narrow the filter, shorten the range, or read in pages with limit and offset"),
        MecError::NotDone(cause) => {
            if let Some(left_out) = NOT_DONE.turn(Instant::now()) {
                tracing::error!(%cause, left_out, "a request was not done");
            }
            unavailable("MEC_NOT_DONE", "The store could not do it; nothing was recorded", "Send it again; it is safe")
        }
        MecError::Overran => unavailable(
            "MEC_OVERRAN",
            "Deciding this request took longer than a batch may; nothing was recorded",
            "Send fewer rows in one request; a single command is safe to send again when the database answers faster",
        ),
        MecError::OutcomeUnknown(cause) => {
            tracing::error!(%cause, "the outcome of a request is not known");
            unavailable("MEC_OUTCOME_UNKNOWN", "It may or may not have been recorded", repeat.hint())
        }
        MecError::Rejected(cause) => {
            tracing::error!(%cause, "the store refused a row that was decided");
            ApiError::internal()
        }
        MecError::Stopped => {
            unavailable("MEC_STOPPED", "The server is stopping; nothing was recorded", "Send it again when the server is back")
        }
    }
}

/// A refusal as the client sees it. Without a catalog hints propose no names.
pub(crate) fn of_refusal(refusal: &Refusal, catalog: Option<&Catalog>) -> ApiError {
    let (status, message, hint) = match refusal {
        Refusal::AccountNotFound { account } => not_found(
            format!("There is no account \"{account}\""),
            "Check the id, or create the account with POST /api/accounts",
        ),
        Refusal::TooManyRows { what, max } => conflict(
            format!("The account would have more than {max} {what}"),
            "Remove or expire those it no longer needs, or raise rows_per_account_max in the catalog's [settings]",
        ),
        Refusal::ParentNotFound { account } => not_found(
            format!("There is no account \"{account}\" to be the parent"),
            "Create the parent before its children, and name it by its account_id",
        ),
        Refusal::TooDeep => bad(
            format!("A tree of accounts has at most {LEVELS_MAX} levels"),
            "Choose a parent nearer to the root",
        ),
        Refusal::ExternalIdTaken { external_id } => conflict(
            format!("The external id \"{external_id}\" stands for another account"),
            "Read the account with GET /api/accounts?external_id=eq.…, or choose another external_id",
        ),
        Refusal::AccountClosed => conflict(
            "The account is closed, which is final".to_owned(),
            "Create a new account instead of opening this one",
        ),
        Refusal::ResourceNotFound { resource } => unknown(
            format!("There is no resource type \"{resource}\""),
            resource,
            catalog.map(|catalog| catalog.resources.keys().map(|code| code.as_str()).collect()),
            "GET /api/resource_types lists them",
        ),
        Refusal::UnitNotFound { unit } => unknown(
            format!("There is no unit \"{unit}\""),
            unit,
            catalog.map(|catalog| catalog.units.keys().map(|code| code.as_str()).collect()),
            "GET /api/units lists them",
        ),
        Refusal::UnitNotAllowed {
            unit,
            resource,
            allowed,
        } => bad(
            format!("\"{resource}\" is not counted in \"{unit}\""),
            format!("Use one of: {}", allowed.join(", ")),
        ),
        Refusal::PlanNotFound { plan } => unknown(
            format!("There is no plan \"{plan}\""),
            plan,
            catalog.map(|catalog| catalog.plans.keys().map(|code| code.as_str()).collect()),
            "GET /api/plans lists them",
        ),
        Refusal::PlanInactive { plan } => conflict(
            format!("The plan \"{plan}\" is not given to anybody new"),
            "Choose another plan, or set its is_active with PATCH /api/plans",
        ),
        Refusal::TrialUsed { plan } => conflict(
            format!("A trial was given before, so \"{plan}\" cannot be"),
            "A trial is given once to an account and everything in its tree: provision a plan that is no trial",
        ),
        Refusal::AddonNoPool { plan, resource } => conflict(
            format!(
                "The add-on \"{plan}\" has nothing to add to: the account has no limit of its own for \"{resource}\""
            ),
            "Provision a plan that grants the resource first, or the add-on at the account that holds the limit",
        ),
        Refusal::BadQuantity { argument, error } => bad(
            format!(
                "\"{argument}\" is not a quantity: {}",
                quantity_error(*error)
            ),
            "Give a decimal number with at most 12 digits before the point and 6 behind it",
        ),
        Refusal::QuantityNotPositive { argument } => bad(
            format!("\"{argument}\" must be above 0 here"),
            "Give a number above 0. Only inventory is given back with a number below 0; a recorded event is put right with \
             correct_consumption",
        ),
        Refusal::WrongLimitKind {
            resource,
            kind,
            operation,
        } => bad(
            format!("{operation} does not work on \"{resource}\", which is of kind {kind}"),
            match kind {
                LimitKind::Concurrency => {
                    "Its slots are taken with acquire_lease and given back with release_lease"
                }
                LimitKind::TimeAccess => {
                    "It has no quantity: ask with check_entitlement whether access is valid"
                }
                LimitKind::Cumulative | LimitKind::Inventory => {
                    "It is recorded with meter_consumption or consume; acquire_lease is for resources of kind concurrency"
                }
            },
        ),
        Refusal::OccurredInFuture { ahead_seconds_max } => bad(
            format!(
                "\"occurred_at\" is more than {ahead_seconds_max} seconds ahead of the server's clock"
            ),
            "Record an event after it has happened; check the clock and the time zone offset of the sender",
        ),
        Refusal::OccurredTooLate { late_seconds_max } => bad(
            format!(
                "\"occurred_at\" is older than the {late_seconds_max} seconds that are accepted"
            ),
            "Raise late_seconds_max in the catalog's settings to import older events",
        ),
        Refusal::BadKey => bad(
            "An idempotency key has 1 to 255 characters".to_owned(),
            "Make the key out of what is recorded, such as the id of the run",
        ),
        Refusal::IdempotencyConflict { key, argument } => conflict(
            format!("The key \"{key}\" stands for something else: \"{argument}\" differs"),
            "Send exactly what was sent first to have its answer again, or use a new key for something new",
        ),
        Refusal::BelowZero { resource } => bad(
            format!("The total of \"{resource}\" would go below zero"),
            "Give back or take away at most what was recorded",
        ),
        Refusal::EventNotFound { event } => not_found(
            format!("There is no event \"{event}\""),
            "Use the id that meter_consumption or consume answered",
        ),
        Refusal::BadCorrection { argument } => bad(
            format!("The correction does not fit the event it corrects: \"{argument}\""),
            "Name an event that is no correction itself, with its own account, resource, scope and unit and with \
             is_correction true; correct_consumption fills all that in",
        ),
        Refusal::BadTtl => bad(
            format!("A time to live is 1 to {TTL_SECONDS_MAX} seconds"),
            "Give p_ttl_seconds from 1 to 86400 or p_ttl_minutes from 1 to 1440, and renew what must last longer",
        ),
        Refusal::ReservationNotFound { reservation } => not_found(
            format!("There is no reservation \"{reservation}\""),
            "Use the id that reserve answered",
        ),
        Refusal::ReservationClosed { status } => conflict(
            format!("The reservation is {status}"),
            "A reservation is settled once; put a wrong amount right with correct_consumption, or record with consume",
        ),
        Refusal::EntitlementNotFound { entitlement } => not_found(
            format!("There is no entitlement \"{entitlement}\""),
            "GET /api/entitlements?account_id=eq.… lists those of an account",
        ),
        Refusal::EntitlementExpired => conflict(
            "The entitlement is expired, which is final".to_owned(),
            "Grant a new one instead of reviving it",
        ),
        Refusal::BadValue { column, must } => bad(
            format!("\"{column}\" must {must}"),
            format!("Change \"{column}\" and send it again"),
        ),
        Refusal::NotPresent { column, value } => conflict(
            format!("\"{column}\" names \"{value}\", which does not exist"),
            "Create it first, or name something that exists",
        ),
        Refusal::InUse { what, by } => conflict(
            format!("{what} is in use by {by}"),
            "Leave it as it is and make a new one, or remove what uses it first",
        ),
    };
    ApiError::new(status, refusal.code(), message).with_hint(hint)
}

type Told = (StatusCode, String, String);

fn not_found(message: String, hint: impl Into<String>) -> Told {
    (StatusCode::NOT_FOUND, message, hint.into())
}

fn bad(message: String, hint: impl Into<String>) -> Told {
    (StatusCode::BAD_REQUEST, message, hint.into())
}

fn conflict(message: String, hint: &str) -> Told {
    (StatusCode::CONFLICT, message, hint.to_owned())
}

/// Names listed in a hint; more would not be read.
const LISTED_MAX: usize = 20;

/// A name of the catalog that is not there: the one that was meant, or all there are.
fn unknown(message: String, asked: &str, known: Option<Vec<&str>>, otherwise: &str) -> Told {
    let known = known.unwrap_or_default();
    let hint = match similar(asked, known.iter().copied()) {
        Some(meant) => format!("Perhaps you meant \"{meant}\""),
        None if known.is_empty() || known.len() > LISTED_MAX => otherwise.to_owned(),
        None => format!("There are: {}", known.join(", ")),
    };
    not_found(message, hint)
}

const fn quantity_error(error: QuantityError) -> &'static str {
    match error {
        QuantityError::NotANumber => "it is no decimal number",
        QuantityError::RoundsToZero => "it is not 0 and nearer to it than half a millionth",
        QuantityError::TooLarge => "it has more than 12 digits before the point",
        QuantityError::NotWhole => "seats are whole, and this is a part of one",
    }
}

/// 400 `MEC_MISSING_ARGUMENT`: a required argument is null or empty.
pub(crate) fn missing_argument(argument: &str) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "MEC_MISSING_ARGUMENT",
        format!("\"{argument}\" is missing"),
    )
    .with_hint(format!(
        "Give \"{argument}\" a value that is neither null nor empty"
    ))
}

/// 400 `MEC_MISSING_ARGUMENT`: neither of the two ways of naming an account was used.
pub(crate) fn missing_account() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "MEC_MISSING_ARGUMENT",
        "No account is named",
    )
    .with_hint("Give the account's id as account_id, or your own key of it as external_id")
}

/// 400 `MEC_CONFLICTING_ARGUMENTS`.
pub(crate) fn conflicting_arguments(one: &str, other: &str) -> ApiError {
    let message = format!("\"{one}\" and \"{other}\" say the same thing in two ways");
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "MEC_CONFLICTING_ARGUMENTS",
        message,
    )
    .with_hint(format!("Give \"{one}\" or \"{other}\", not both"))
}

/// 400 `MEC_BAD_ARGUMENT`: `problem` goes on from the argument's name.
pub(crate) fn bad_argument(argument: &str, problem: &str) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "MEC_BAD_ARGUMENT",
        format!("\"{argument}\" {problem}"),
    )
    .with_hint(format!("Change \"{argument}\" and send it again"))
}

/// 400 `MEC_BAD_ARGUMENT`: none of the texts the argument may be.
pub(crate) fn not_one_of(argument: &str, given: &str, known: &[&str]) -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "MEC_BAD_ARGUMENT",
        format!("\"{argument}\" cannot be \"{given}\""),
    )
    .with_hint(format!("Use one of: {}", known.join(", ")))
}

/// 400 `MEC_BAD_ARGUMENT`: a key of an event of a batch that no event has.
pub(crate) fn unknown_key(name: &str, known: &[&str]) -> ApiError {
    let error = ApiError::new(
        StatusCode::BAD_REQUEST,
        "MEC_BAD_ARGUMENT",
        format!("An event has no \"{name}\""),
    );
    error.with_hint(match similar(name, known.iter().copied()) {
        Some(meant) => format!("Perhaps you meant \"{meant}\""),
        None => format!("Its keys are: {}", known.join(", ")),
    })
}

/// 413 `MEC_TOO_MANY_EVENTS`.
pub(crate) fn too_many_events(events: usize, events_max: usize) -> ApiError {
    let message = format!(
        "{events} events are more than the {events_max} of one batch; nothing was recorded"
    );
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "MEC_TOO_MANY_EVENTS",
        message,
    )
    .with_hint(format!("Send them in parts of at most {events_max}"))
}

/// 503 `MEC_STORE_UNAVAILABLE`; why is for the log.
pub(crate) fn store_unavailable(error: &MecError) -> ApiError {
    if let Some(left_out) = UNUSABLE.turn(Instant::now()) {
        tracing::error!(%error, left_out, "the store cannot be used");
    }
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "MEC_STORE_UNAVAILABLE", "The store cannot be used")
        .with_hint("Look into the server's log, and at the disk the store is on; restart the server when it has stopped")
}

/// 400 `PGRST102`: what was sent did not come through.
pub(crate) fn unreadable_body() -> ApiError {
    QueryError::invalid_body("The request body could not be read").into()
}

/// The four keys as JSON text, for an error inside an answer.
pub(crate) fn as_json(error: &ApiError) -> String {
    String::from_utf8_lossy(&error.to_json()).into_owned()
}

#[cfg(test)]
mod tests;
