//! `meter_batch`: record many events in one call.

use std::borrow::Cow;
use std::collections::HashMap;

use mec_engine::MecError;
use mec_kernel::{AccountId, Meter, Recorded};
use mec_query::{Param, Type, Value};
use serde_json::Value as Json;

use super::meter_consumption::{self, event};
use crate::api::answers::Answer;
use crate::api::arguments::Arguments;
use crate::api::context::AppState;
use crate::api::verb::{self, Batch, Field, Returns, Verb, Work};
use crate::problem::errors::ApiError;
use crate::problem::refusal::{self, Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "meter_batch",
    aliases: &["fn_meter_batch"],
    about: "Records many events; each has its own result, and a bad one does not spoil the others.",
    params: || {
        let events = Param::required("p_events", Type::Json)
            .described("At most 10,000 objects with the arguments of meter_consumption, their names without p_.");
        vec![events]
    },
    returns: Returns::Rows(|| verb::columns(FIELDS)),
    repeat: Repeat::Key,
    work: Work::Batch(|batch| Box::pin(answer(batch))),
};

/// What became of an event.
struct Outcome {
    index: i64,
    result: Result<Recorded, ApiError>,
}

const FIELDS: &[Field<Outcome>] = &[
    Field::new(
        "index",
        Type::Int8,
        "The event's place in the request, from 0.",
        |of| Value::Int(of.index),
    ),
    Field::new(
        "status",
        Type::TEXT,
        "recorded, replayed, rejected, or unknown: send it again.",
        |of| {
            Value::text(match &of.result {
                Ok(recorded) if recorded.replayed => "replayed",
                Ok(_) => "recorded",
                // What is ours may pass; what is the event's own does not.
                Err(error) if error.status.is_server_error() => "unknown",
                Err(_) => "rejected",
            })
        },
    ),
    Field::new(
        "event_id",
        Type::Uuid,
        "The ledger event; null where none is known.",
        |of| {
            of.result
                .as_ref()
                .map_or(Value::Null, |recorded| Value::Uuid(recorded.event.0))
        },
    ),
    Field::new(
        "error",
        Type::Json,
        "Why it was rejected or is unknown: code, message, details and hint.",
        |of| {
            of.result
                .as_ref()
                .err()
                .map_or(Value::Null, |error| Value::Json(refusal::as_json(error)))
        },
    ),
];

/// Events of one batch.
const EVENTS_MAX: usize = 10_000;

/// The events of a batch, still as they were given.
///
/// # Errors
/// Where they are no array, or more than 10,000.
pub(super) fn events_of(call: &mec_query::Call) -> Result<Cow<'_, [Json]>, ApiError> {
    let events: Cow<'_, [Json]> = match call.given("p_events") {
        Some(Json::Array(events)) => events.into(),
        // From a form.
        Some(Json::String(text)) => serde_json::from_str::<Vec<Json>>(text)
            .map_err(|_| no_events())?
            .into(),
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

/// Records many events: each has its own outcome, and those that cannot be read do not reach the
/// engine.
async fn answer(
    Batch {
        state,
        caller,
        events,
        now,
    }: Batch<'_>,
) -> Result<Answer, Failure> {
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
                outcomes.push(Err(MecError::OutcomeUnknown(
                    "the engine left an event of a batch without an answer".into(),
                )
                .into()));
            }
            Err(failure) => outcomes.push(Err(failure)),
        }
    }
    for (place, outcome) in places
        .into_iter()
        .zip(state.mec.meter_batch(read, caller).await)
    {
        outcomes[place] = outcome.map_err(Failure::from);
    }
    let catalog = state.mec.catalog();
    let shown = outcomes.into_iter().zip(0..).map(|(outcome, index)| {
        let result = outcome.map_err(|failure| failure.shown(&catalog, Repeat::Key));
        verb::row(FIELDS, &Outcome { index, result })
    });
    Ok(Answer::rows(shown.collect()))
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
    let function = state
        .schema
        .find_function(meter_consumption::VERB.name)
        .ok_or_else(ApiError::internal)?;
    let mut arguments = Arguments::of_event(function, given, now)?;
    let external_id = given.get("external_id").and_then(Json::as_str);
    let known = external_id
        .filter(|_| arguments.id("account_id").is_none())
        .and_then(|name| accounts.get(name).copied());
    let account = match known {
        Some(account) => account,
        None => arguments.account(&state.mec).await?,
    };
    if let Some(name) = external_id {
        accounts.insert(name.to_owned(), account);
    }
    Ok(event(account, arguments)?)
}
