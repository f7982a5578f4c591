//! `consume`: check and record in one step.

use mec_kernel::{Consume, Consumed};
use mec_query::{Param, Type, Value};

use crate::api::answers::{Answer, Decided, explained_columns, explained_row};
use crate::api::parameters::{
    ATTRIBUTES, DETAILS, EXPLAIN, KEY, QUANTITY, RESOURCE, RESOURCE_SCOPE, UNIT, check, of_key_and_account,
};
use crate::api::refusal::{Failure, Repeat};
use crate::api::verb::{Call, Field, Returns, Verb, Work};

pub(super) const VERB: Verb = Verb {
    name: "consume",
    aliases: &["fn_consume"],
    about: "Checks and records in one step: what is let through is recorded, nothing else is.",
    params: || {
        let quantity =
            Param::required("p_quantity", QUANTITY).described("How much is used; below zero only for inventory given back.");
        of_key_and_account(KEY, [RESOURCE, quantity, RESOURCE_SCOPE, UNIT, ATTRIBUTES, EXPLAIN, DETAILS])
    },
    returns: Returns::Rows(|| explained_columns(EVENT)),
    repeat: Repeat::Key,
    work: Work::Once(|call| Box::pin(answer(call))),
};

const EVENT: &[Field<Consumed>] =
    &[Field::new("event_id", Type::Uuid, "The ledger event; null: nothing was recorded.", |consumed| {
        consumed.event.map_or(Value::Null, |id| Value::Uuid(id.0))
    })];

async fn answer(Call { mec, caller, mut arguments }: Call<'_>) -> Result<Answer, Failure> {
    let account = arguments.account(mec).await?;
    let quantity = arguments.required_quantity("quantity")?;
    let command = Consume {
        check: check(&mut arguments, account, Some(quantity))?,
        key: arguments.text("idempotency_key").unwrap_or_default().into(),
        details: arguments.json("details").map(Into::into),
    };
    let consumed = mec.consume(command, caller).await?;
    let standing = consumed.standing.clone();
    let decided = match &consumed.replayed {
        Some(ruling) => Decided::before(standing, ruling.as_ref()),
        None => Decided::now(standing),
    };
    Ok(Answer::rows(vec![explained_row(&decided, EVENT, &consumed)]).replayed(consumed.replayed.is_some()))
}
