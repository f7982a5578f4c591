//! Parameters that several functions share, and what their arguments become.

use mec_kernel::{AccountId, Check, Quantity};
use mec_query::{Param, Type};

use super::arguments::Arguments;
use crate::problem::errors::ApiError;

/// `NUMERIC(18,6)`.
pub(crate) const QUANTITY: Type = Type::Numeric {
    precision: 18,
    scale: 6,
};
/// As long as the columns that keep a scope.
const SCOPE: Type = Type::Text { max: Some(128) };
/// As long as the columns that keep a caller's reference or session.
pub(crate) const REFERENCE: Type = Type::Text { max: Some(255) };

pub(crate) const RESOURCE: Param = Param::required("p_resource_type", Type::TEXT)
    .described("What it is about, such as benchmark_runs.");
pub(crate) const RESOURCE_SCOPE: Param = Param::optional("p_resource_scope", SCOPE)
    .described("A part of the resource, such as a region or a model.");
pub(crate) const UNIT: Param = Param::optional("p_unit_code", Type::TEXT)
    .described("The unit of the quantity; the resource's own by default.");
pub(crate) const ATTRIBUTES: Param = Param::optional("p_attributes", Type::Json)
    .described("Facts about the request that conditions of entitlements look at: an object of texts, numbers and booleans.");
pub(crate) const EXPLAIN: Param = Param::optional("p_explain", Type::Bool)
    .described("Whether to add limits: every limit that was considered and what it said, and every level without one and why.");
pub(crate) const KEY: Param = Param::required("p_idempotency_key", Type::TEXT)
    .described("Your name for what is recorded, 1 to 255 characters: the same key is the same event, for ever.");
pub(crate) const DETAILS: Param = Param::optional("p_details", Type::Json)
    .described("Anything you want to find beside the event later.");
pub(crate) const TTL_MINUTES: Param = Param::optional("p_ttl_minutes", Type::Int8)
    .described("How long it lasts, in minutes (60); or p_ttl_seconds.");
pub(crate) const TTL_SECONDS: Param = Param::optional("p_ttl_seconds", Type::Int8)
    .described("How long it lasts, in seconds: 1 to 86400; or p_ttl_minutes.");
pub(crate) const STALENESS: Param = Param::optional("p_max_staleness_ms", Type::Int4).described(
    "How old the answer may be, in milliseconds, where several servers share a database: 0 is none at all, 60000 the most; by \
     default as the server is configured.",
);
pub(crate) const LEASE: Param =
    Param::required("p_lease_id", Type::Uuid).described("The lease, as acquire_lease answered it.");
pub(crate) const RESERVATION: Param = Param::required("p_reservation_id", Type::Uuid)
    .described("The reservation, as reserve answered it.");

/// The two ways of naming an account, and the other parameters behind them.
pub(crate) fn of_account<const N: usize>(others: [Param; N]) -> Vec<Param> {
    let account = [
        Param::optional("p_account_id", Type::Uuid)
            .described("The account; this or p_external_id."),
        Param::optional("p_external_id", REFERENCE)
            .described("Your own key of the account, instead of p_account_id."),
    ];
    account.into_iter().chain(others).collect()
}

/// The same behind a parameter that comes first.
pub(crate) fn of_key_and_account<const N: usize>(key: Param, others: [Param; N]) -> Vec<Param> {
    std::iter::once(key).chain(of_account(others)).collect()
}

/// The question that a check, a consume and a reserve have in common.
pub(crate) fn check(
    arguments: &mut Arguments,
    account: AccountId,
    quantity: Option<Quantity>,
) -> Result<Check, ApiError> {
    Ok(Check {
        account,
        resource: arguments.required_code("resource_type")?,
        scope: arguments.code("resource_scope"),
        quantity,
        unit: arguments.code("unit_code"),
        attributes: arguments.attributes()?,
        explain: arguments.flag("explain"),
    })
}
