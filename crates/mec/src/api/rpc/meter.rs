//! `meter_consumption`, `meter_batch`, `correct_consumption`: recording what happened.

use std::borrow::Cow;
use std::collections::HashMap;

use mec_engine::{Caller, Mec, MecError};
use mec_kernel::{AccountId, Correct, EventId, Meter, Quantity, Recorded};
use mec_query::{Call, Value, json_text};
use serde_json::{Value as Json, json};

use crate::api::answers::Answer;
use crate::api::arguments::Arguments;
use crate::api::context::AppState;
use crate::api::functions::Verb;
use crate::api::refusal::{self, Failure, Repeat};
use crate::http::errors::ApiError;

/// Events of one batch.
const EVENTS_MAX: usize = 10_000;

pub(super) async fn meter_consumption(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    let account = arguments.account(mec).await?;
    Ok(recorded(mec.meter(event(account, arguments)?, caller).await?))
}

pub(super) async fn correct_consumption(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    let event = EventId(arguments.required_id("event_id")?);
    // To void an event and to set its total to 0 are the same correction.
    let quantity = arguments.quantity("quantity").filter(|quantity| !quantity.is_zero());
    let reason = arguments.required_text("reason")?;
    let total = quantity.unwrap_or(Quantity::ZERO).to_string();
    let command = Correct {
        key: arguments.text("idempotency_key").unwrap_or_default().into(),
        event,
        quantity,
        details: json_text(&json!({"reason": reason, "new_total": total})).into(),
    };
    Ok(recorded(mec.correct(command, caller).await?))
}

fn recorded(recorded: Recorded) -> Answer {
    Answer::scalar(Value::Uuid(recorded.event.0)).replayed(recorded.replayed)
}

fn event(account: AccountId, mut arguments: Arguments) -> Result<Meter, ApiError> {
    Ok(Meter {
        key: arguments.text("idempotency_key").unwrap_or_default().into(),
        account,
        resource: arguments.required_code("resource_type")?,
        scope: arguments.code("resource_scope"),
        quantity: arguments.required_quantity("quantity")?,
        unit: arguments.code("unit_code"),
        occurred_at: arguments.time("occurred_at"),
        details: arguments.json("details").map(Into::into),
        is_correction: arguments.flag("is_correction"),
        corrects: arguments.id("corrects_event_id").map(EventId),
        attributes: arguments.attributes()?,
    })
}

/// The events of a batch, still as they were given.
///
/// # Errors
/// Where they are no array, or more than 10,000.
pub(super) fn events_of(call: &Call) -> Result<Cow<'_, [Json]>, ApiError> {
    let events: Cow<'_, [Json]> = match call.given("p_events") {
        Some(Json::Array(events)) => events.into(),
        // From a form.
        Some(Json::String(text)) => serde_json::from_str::<Vec<Json>>(text).map_err(|_| no_events())?.into(),
        _ => return Err(no_events()),
    };
    if events.len() > EVENTS_MAX {
        return Err(refusal::too_many_events(events.len(), EVENTS_MAX));
    }
    Ok(events)
}

fn no_events() -> ApiError {
    refusal::bad_argument("p_events", "must be a JSON array of events")
}

/// Records many events: each has its own outcome, and those that cannot be read do not reach the engine.
pub(super) async fn meter_batch(state: &AppState, caller: &Caller, events: &[Json], now: i64) -> Result<Answer, Failure> {
    let mut outcomes: Vec<Result<Recorded, Failure>> = Vec::with_capacity(events.len());
    let mut accounts = HashMap::new();
    let mut read = Vec::with_capacity(events.len());
    let mut places = Vec::with_capacity(events.len());
    for (place, given) in events.iter().enumerate() {
        match read_event(state, &mut accounts, given, now).await {
            Ok(event) => {
                read.push(event);
                places.push(place);
                // Overwritten below; what the engine does not answer is not known.
                outcomes
                    .push(Err(MecError::OutcomeUnknown("the engine left an event of a batch without an answer".into()).into()));
            }
            Err(failure) => outcomes.push(Err(failure)),
        }
    }
    for (place, outcome) in places.into_iter().zip(state.mec.meter_batch(read, caller).await) {
        outcomes[place] = outcome.map_err(Failure::from);
    }
    let catalogue = state.mec.catalogue();
    let rows = outcomes.into_iter().zip(0..).map(|(outcome, index)| {
        let (status, event, error) = match outcome {
            Ok(Recorded { event, replayed }) => {
                (if replayed { "replayed" } else { "recorded" }, Value::Uuid(event.0), Value::Null)
            }
            Err(failure) => {
                let error = failure.shown(&catalogue, Repeat::Key);
                // What is ours may pass; what is the event's own does not.
                let status = if error.status.is_server_error() { "unknown" } else { "rejected" };
                (status, Value::Null, Value::Json(refusal::as_json(&error)))
            }
        };
        vec![Value::Int(index), Value::text(status), event, error]
    });
    Ok(Answer::rows(rows.collect()))
}

async fn read_event(
    state: &AppState,
    accounts: &mut HashMap<String, AccountId>,
    given: &Json,
    now: i64,
) -> Result<Meter, Failure> {
    let Json::Object(given) = given else {
        return Err(refusal::bad_argument("p_events", "must hold objects").into());
    };
    let function = state.catalogue.find_function(Verb::MeterConsumption.name()).ok_or_else(ApiError::internal)?;
    let mut arguments = Arguments::of_event(function, given, now)?;
    let external_id = given.get("external_id").and_then(Json::as_str);
    let known = external_id.filter(|_| arguments.id("account_id").is_none()).and_then(|name| accounts.get(name).copied());
    let account = match known {
        Some(account) => account,
        None => arguments.account(&state.mec).await?,
    };
    if let Some(name) = external_id {
        accounts.insert(name.to_owned(), account);
    }
    Ok(event(account, arguments)?)
}
