//! `consume`: check and record in one step.

use mec_kernel::{Consume, Consumed, EventId};
use mec_query::{Param, Type, Value};

use crate::api::answers::{Answer, Before, Decided, explained_columns, explained_row};
use crate::api::parameters::{
    ATTRIBUTES, DETAILS, EXPLAIN, KEY, QUANTITY, RESOURCE, RESOURCE_SCOPE, UNIT, check,
    of_key_and_account,
};
use crate::api::verb::{Call, Field, Returns, Verb, Work};
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "consume",
    aliases: &["fn_consume"],
    about: "Checks and records in one step: what is let through is recorded, nothing else is.",
    params: || {
        let quantity = Param::required("p_quantity", QUANTITY)
            .described("How much is used; below zero only for inventory given back.");
        of_key_and_account(
            KEY,
            [
                RESOURCE,
                quantity,
                RESOURCE_SCOPE,
                UNIT,
                ATTRIBUTES,
                EXPLAIN,
                DETAILS,
            ],
        )
    },
    returns: Returns::Rows(|| explained_columns(EVENT_FIELD)),
    repeat: Repeat::Key,
    work: Work::Once(|call| Box::pin(answer(call))),
};

const EVENT_FIELD: &[Field<Option<EventId>>] = &[Field::new(
    "event_id",
    Type::Uuid,
    "The ledger event; null: nothing was recorded.",
    |event| event.map_or(Value::Null, |id| Value::Uuid(id.0)),
)];

async fn answer(
    Call {
        mec,
        caller,
        mut arguments,
    }: Call<'_>,
) -> Result<Answer, Failure> {
    let account = arguments.account(mec).await?;
    let quantity = arguments.required_quantity("quantity")?;
    let command = Consume {
        check: check(&mut arguments, account, Some(quantity))?,
        key: arguments.text("idempotency_key").unwrap_or_default().into(),
        details: arguments.json("details").map(Into::into),
    };
    let Consumed {
        standing,
        event,
        replayed,
    } = mec.consume(command, caller).await?;
    let is_replayed = replayed.is_some();
    let decided = match replayed {
        Some(Some(ruling)) => Decided::before(standing, Before::Decided(ruling)),
        Some(None) => Decided::before(standing, Before::Recorded),
        None => Decided::now(standing),
    };
    Ok(Answer::rows(vec![explained_row(&decided, EVENT_FIELD, &event)]).replayed(is_replayed))
}
