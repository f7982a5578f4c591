//! The functions of the API as data: names, arguments, answers and a sentence about each.
//!
//! From here calls are matched, `OPTIONS` is answered and the API's documents are made. Nothing here is executed.

use mec_query::{Column, Function, Param, Type};

use super::answers;

/// `NUMERIC(18,6)`.
const QUANTITY: Type = Type::Numeric { precision: 18, scale: 6 };
/// As long as the columns that keep a scope.
const SCOPE: Type = Type::Text { max: Some(128) };
/// As long as the columns that keep a caller's reference or session.
const REFERENCE: Type = Type::Text { max: Some(255) };

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    CheckEntitlement,
    CheckEntitlements,
    MeterConsumption,
    MeterBatch,
    CorrectConsumption,
    Consume,
    Reserve,
    SettleReservation,
    ReleaseReservation,
    AcquireLease,
    RenewLease,
    ReleaseLease,
    ProvisionPlan,
    CancelPlan,
    GetUsage,
    GetWindowBoundaries,
}

impl Verb {
    /// In the order of the API's documents.
    pub(crate) const ALL: &'static [Self] = &[
        Self::CheckEntitlement,
        Self::CheckEntitlements,
        Self::MeterConsumption,
        Self::MeterBatch,
        Self::CorrectConsumption,
        Self::Consume,
        Self::Reserve,
        Self::SettleReservation,
        Self::ReleaseReservation,
        Self::AcquireLease,
        Self::RenewLease,
        Self::ReleaseLease,
        Self::ProvisionPlan,
        Self::CancelPlan,
        Self::GetUsage,
        Self::GetWindowBoundaries,
    ];

    /// Its name in URLs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::CheckEntitlement => "check_entitlement",
            Self::CheckEntitlements => "check_entitlements",
            Self::MeterConsumption => "meter_consumption",
            Self::MeterBatch => "meter_batch",
            Self::CorrectConsumption => "correct_consumption",
            Self::Consume => "consume",
            Self::Reserve => "reserve",
            Self::SettleReservation => "settle_reservation",
            Self::ReleaseReservation => "release_reservation",
            Self::AcquireLease => "acquire_lease",
            Self::RenewLease => "renew_lease",
            Self::ReleaseLease => "release_lease",
            Self::ProvisionPlan => "provision_plan",
            Self::CancelPlan => "cancel_plan",
            Self::GetUsage => "get_usage",
            Self::GetWindowBoundaries => "get_window_boundaries",
        }
    }

    const fn alias(self) -> &'static str {
        match self {
            Self::CheckEntitlement => "fn_check_entitlement",
            Self::CheckEntitlements => "fn_check_entitlements",
            Self::MeterConsumption => "fn_meter_consumption",
            Self::MeterBatch => "fn_meter_batch",
            Self::CorrectConsumption => "fn_correct_consumption",
            Self::Consume => "fn_consume",
            Self::Reserve => "fn_reserve",
            Self::SettleReservation => "fn_settle_reservation",
            Self::ReleaseReservation => "fn_release_reservation",
            Self::AcquireLease => "fn_acquire_lease",
            Self::RenewLease => "fn_renew_lease",
            Self::ReleaseLease => "fn_release_lease",
            Self::ProvisionPlan => "fn_provision_plan",
            Self::CancelPlan => "fn_cancel_plan",
            Self::GetUsage => "fn_get_usage",
            Self::GetWindowBoundaries => "fn_get_window_boundaries",
        }
    }

    /// The function of this name, as the catalogue gives it.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|verb| verb.name() == name)
    }

    fn function(self) -> Function {
        let function = match self {
            Self::CheckEntitlement => check_entitlement(),
            Self::CheckEntitlements => check_entitlements(),
            Self::MeterConsumption => meter_consumption(),
            Self::MeterBatch => meter_batch(),
            Self::CorrectConsumption => correct_consumption(),
            Self::Consume => consume(),
            Self::Reserve => reserve(),
            Self::SettleReservation => settle_reservation(),
            Self::ReleaseReservation => release_reservation(),
            Self::AcquireLease => acquire_lease(),
            Self::RenewLease => renew_lease(),
            Self::ReleaseLease => release_lease(),
            Self::ProvisionPlan => provision_plan(),
            Self::CancelPlan => cancel_plan(),
            Self::GetUsage => get_usage(),
            Self::GetWindowBoundaries => get_window_boundaries(),
        };
        function.alias(self.alias())
    }
}

/// Every function of the API.
pub fn functions() -> Vec<Function> {
    Verb::ALL.iter().map(|verb| verb.function()).collect()
}

fn rows(verb: Verb, params: Vec<Param>, columns: Vec<Column>) -> Function {
    Function::returning_rows(verb.name(), params, columns)
}

fn scalar(verb: Verb, params: Vec<Param>, ty: Type) -> Function {
    Function::new(verb.name(), params, mec_query::Returns::Scalar(ty))
}

/// The two ways of naming an account, before the other arguments.
fn of_account(others: Vec<Param>) -> Vec<Param> {
    let mut params = vec![
        Param::optional("p_account_id", Type::Uuid).described("The account; this or p_external_id."),
        Param::optional("p_external_id", REFERENCE).described("Your own key of the account, instead of p_account_id."),
    ];
    params.extend(others);
    params
}

const RESOURCE: Param = Param::required("p_resource_type", Type::TEXT).described("What it is about, such as benchmark_runs.");
const RESOURCE_SCOPE: Param =
    Param::optional("p_resource_scope", SCOPE).described("A part of the resource, such as a region or a model.");
const UNIT: Param =
    Param::optional("p_unit_code", Type::TEXT).described("The unit of the quantity; the resource's own by default.");
const ATTRIBUTES: Param = Param::optional("p_attributes", Type::Json)
    .described("Facts about the request that conditions of entitlements look at: an object of texts, numbers and booleans.");
const EXPLAIN: Param = Param::optional("p_explain", Type::Bool)
    .described("Whether to add limits: every limit that was considered and what it said, and every level without one and why.");
const KEY: Param = Param::required("p_idempotency_key", Type::TEXT)
    .described("Your name for what is recorded, 1 to 255 characters: the same key is the same event, for ever.");
const DETAILS: Param = Param::optional("p_details", Type::Json).described("Anything you want to find beside the event later.");
const TTL_MINUTES: Param =
    Param::optional("p_ttl_minutes", Type::Int8).described("How long it lasts, in minutes (60); or p_ttl_seconds.");
const TTL_SECONDS: Param =
    Param::optional("p_ttl_seconds", Type::Int8).described("How long it lasts, in seconds: 1 to 86400; or p_ttl_minutes.");
const STALENESS: Param = Param::optional("p_max_staleness_ms", Type::Int4).described(
    "How old the answer may be, in milliseconds, where several servers share a database: 0 is none at all, 60000 the most; by \
     default as the server is configured.",
);
const LEASE: Param = Param::required("p_lease_id", Type::Uuid).described("The lease, as acquire_lease answered it.");
const RESERVATION: Param = Param::required("p_reservation_id", Type::Uuid).described("The reservation, as reserve answered it.");

fn check_entitlement() -> Function {
    let params = vec![
        RESOURCE,
        RESOURCE_SCOPE,
        Param::optional("p_requested_qty", QUANTITY)
            .described("How much is wanted; without it (or 0) the answer describes the present state."),
        UNIT,
        ATTRIBUTES,
        EXPLAIN,
        STALENESS,
    ];
    rows(Verb::CheckEntitlement, of_account(params), answers::standing_columns(&[]))
        .read_only()
        .described("May this account do this? Changes nothing and never waits for what is being recorded.")
}

fn check_entitlements() -> Function {
    let params = vec![
        Param::optional("p_resource_types", Type::TextArray)
            .described("Which resources; by default everything that was granted to the account or one above it."),
        ATTRIBUTES,
        STALENESS,
    ];
    rows(Verb::CheckEntitlements, of_account(params), answers::resource_standing_columns())
        .read_only()
        .described("Where an account stands with each of its resources and their scopes, all at one instant.")
}

fn meter_consumption() -> Function {
    let mut params = vec![KEY];
    params.extend(of_account(vec![
        RESOURCE,
        Param::required("p_quantity", QUANTITY)
            .described("How much was used; below zero only for inventory given back and for corrections."),
        UNIT,
        RESOURCE_SCOPE,
        Param::optional("p_occurred_at", Type::Timestamp).described("When it happened; now by default."),
        DETAILS,
        Param::optional("p_is_correction", Type::Bool).described("Whether it corrects an earlier event."),
        Param::optional("p_corrects_event_id", Type::Uuid).described("The event it corrects."),
        ATTRIBUTES,
    ]));
    scalar(Verb::MeterConsumption, params, Type::Uuid)
        .described("Records what was used, whatever the limits say, and answers the id of the ledger event.")
}

fn meter_batch() -> Function {
    let params = vec![
        Param::required("p_events", Type::Json)
            .described("At most 10,000 objects with the arguments of meter_consumption, their names without p_."),
    ];
    rows(Verb::MeterBatch, params, answers::batch_columns())
        .described("Records many events; each has its own result, and a bad one does not spoil the others.")
}

fn correct_consumption() -> Function {
    let params = vec![
        Param::required("p_event_id", Type::Uuid).described("The event that was recorded wrongly."),
        KEY,
        Param::optional("p_quantity", QUANTITY)
            .described("What its total should be, in its unit; without it the event is voided."),
        Param::required("p_reason", Type::TEXT).described("Why, for whoever reads the ledger later."),
    ];
    scalar(Verb::CorrectConsumption, params, Type::Uuid)
        .described("Sets a new total for an event by recording one more, and answers the id of that one.")
}

fn consume() -> Function {
    let mut params = vec![KEY];
    params.extend(of_account(vec![
        RESOURCE,
        Param::required("p_quantity", QUANTITY).described("How much is used; below zero only for inventory given back."),
        RESOURCE_SCOPE,
        UNIT,
        ATTRIBUTES,
        EXPLAIN,
        DETAILS,
    ]));
    rows(Verb::Consume, params, answers::standing_columns(&answers::consume_columns()))
        .described("Checks and records in one step: what is let through is recorded, nothing else is.")
}

fn reserve() -> Function {
    let mut params = vec![
        Param::required("p_idempotency_key", Type::TEXT)
            .described("Your name for the hold, 1 to 255 characters: the same key is the same reservation."),
    ];
    params.extend(of_account(vec![
        RESOURCE,
        Param::required("p_quantity", QUANTITY).described("How much is held."),
        RESOURCE_SCOPE,
        UNIT,
        ATTRIBUTES,
        EXPLAIN,
        TTL_MINUTES,
        TTL_SECONDS,
    ]));
    rows(Verb::Reserve, params, answers::standing_columns(&answers::reserve_columns()))
        .described("Checks and holds a quantity until it is settled with the true one, released, or expires.")
}

fn settle_reservation() -> Function {
    let params = vec![
        RESERVATION,
        Param::required("p_quantity", QUANTITY).described("How much was truly used, in the reservation's unit; 0 releases it."),
        ATTRIBUTES,
    ];
    scalar(Verb::SettleReservation, params, Type::Uuid)
        .described("Records what was used of a hold; answers the id of the event, null where nothing was used.")
}

fn release_reservation() -> Function {
    scalar(Verb::ReleaseReservation, vec![RESERVATION], Type::Bool)
        .described("Gives a hold back: true once, then false, as for one that expired or never was.")
}

fn acquire_lease() -> Function {
    let params = of_account(vec![
        RESOURCE,
        Param::optional("p_session_token", REFERENCE)
            .described("Your name for the session: while its lease lives, the same token gets the same lease, extended."),
        TTL_MINUTES,
        TTL_SECONDS,
        Param::optional("p_quantity", QUANTITY).described("How many slots (1)."),
        RESOURCE_SCOPE,
        ATTRIBUTES,
    ]);
    rows(Verb::AcquireLease, params, answers::acquire_columns())
        .described("Takes a slot of a resource that is limited in how many use it at once.")
}

fn renew_lease() -> Function {
    rows(Verb::RenewLease, vec![LEASE, TTL_MINUTES, TTL_SECONDS, ATTRIBUTES], answers::renew_columns())
        .described("Extends a lease that lives; never revives one that is over.")
}

fn release_lease() -> Function {
    scalar(Verb::ReleaseLease, vec![LEASE], Type::Bool)
        .described("Gives a slot back: true once, then false, as for one that expired or never was.")
}

fn provision_plan() -> Function {
    let params = of_account(vec![
        Param::required("p_plan_id", Type::TEXT).described("The plan or add-on."),
        Param::optional("p_start_date", Type::Timestamp)
            .described("From when; now by default. A start ahead leaves the present plan in force until then."),
        Param::optional("p_quantity", QUANTITY).described("How many, such as seats (1)."),
        Param::optional("p_ref", REFERENCE).described("An add-on's name where it was bought, such as a subscription item."),
        Param::optional("p_until", Type::Timestamp).described("Until when; without end by default."),
        Param::optional("p_migrate", Type::Bool)
            .described("Whether an account on an older version of the plan moves to the newest."),
        Param::optional("p_idempotency_key", Type::TEXT)
            .described("Accepted and not needed: provisioning is known by account, plan and ref, so a repeat changes nothing."),
    ]);
    scalar(Verb::ProvisionPlan, params, Type::Int8)
        .alias("fn_provision_plan_entitlements")
        .described("Gives an account a plan or an add-on in one step and answers the number of its entitlements.")
}

fn cancel_plan() -> Function {
    let params = of_account(vec![
        Param::required("p_plan_id", Type::TEXT).described("The plan or add-on."),
        Param::optional("p_ref", REFERENCE).described("Only what has this name; whatever its name by default."),
        Param::optional("p_at", Type::Timestamp).described("From when; now by default."),
    ]);
    scalar(Verb::CancelPlan, params, Type::Int8)
        .described("Takes a plan or an add-on away and answers the number of entitlements that end.")
}

fn get_usage() -> Function {
    let params = of_account(vec![
        RESOURCE,
        RESOURCE_SCOPE,
        Param::optional("p_from", Type::Timestamp).described("First instant; where the present month begins by default."),
        Param::optional("p_to", Type::Timestamp)
            .described("First instant after it; where the present bucket or month ends by default."),
        Param::optional("p_group_by", Type::TEXT).described("hour, day, week or month; one bucket by default."),
        Param::optional("p_own_only", Type::Bool).described("The account alone, without the accounts below it."),
        Param::optional("p_max_staleness_ms", Type::Int4)
            .described("How old what is known of the account may be, as for check_entitlement; the sums are always the newest."),
    ]);
    rows(Verb::GetUsage, params, answers::usage_columns())
        .read_only()
        .described("What was used over time (inventory: owned; concurrency: held), in buckets of the account's time zone.")
}

fn get_window_boundaries() -> Function {
    let params = vec![
        Param::required("p_window_type", Type::TEXT)
            .described("How the window is cut, such as month; see the table window_types."),
        Param::optional("p_at", Type::Timestamp).described("An instant within the window; now by default."),
        Param::optional("p_anchor", Type::Timestamp)
            .described("Where billing windows and periods are counted from, and where a lifetime begins."),
        Param::optional("p_window_seconds", Type::Int8).described("The length of a rolling window, at least 60."),
        Param::optional("p_time_zone", Type::TEXT).described("The IANA time zone calendar windows are cut in; UTC by default."),
    ];
    rows(Verb::GetWindowBoundaries, params, answers::window_columns())
        .read_only()
        .described("Where the window that holds an instant begins and ends.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_verb_and_says_what_it_and_its_parts_mean() {
        for function in functions() {
            let verb = Verb::of(function.name).expect(function.name);
            assert_eq!(verb.alias(), format!("fn_{}", function.name));
            assert!(function.aliases.contains(&verb.alias()));
            assert!(!function.description.is_empty(), "{}", function.name);
            for param in &function.params {
                assert!(param.name.starts_with("p_") && !param.description.is_empty(), "{}.{}", function.name, param.name);
            }
            for column in function.rows().iter().flat_map(|table| &table.columns) {
                assert!(!column.description.is_empty(), "{}.{}", function.name, column.name);
            }
        }
    }

    #[test]
    fn only_questions_can_be_asked_by_get() {
        let read_only: Vec<_> = functions().iter().filter(|function| function.read_only).map(|function| function.name).collect();
        assert_eq!(read_only, ["check_entitlement", "check_entitlements", "get_usage", "get_window_boundaries"]);
    }
}
