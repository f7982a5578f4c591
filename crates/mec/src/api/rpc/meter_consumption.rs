//! `meter_consumption`: record usage that already happened.

use mec_kernel::{AccountId, EventId, Meter, Recorded};
use mec_query::{Param, Type, Value};

use crate::api::answers::Answer;
use crate::api::arguments::Arguments;
use crate::api::parameters::{
    ATTRIBUTES, DETAILS, KEY, QUANTITY, RESOURCE, RESOURCE_SCOPE, UNIT, of_key_and_account,
};
use crate::api::verb::{Call, Returns, Verb, Work};
use crate::problem::errors::ApiError;
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "meter_consumption",
    aliases: &["fn_meter_consumption"],
    about: "Records what was used, whatever the limits say, and answers the id of the ledger event.",
    params: || {
        let quantity = Param::required("p_quantity", QUANTITY).described(
            "How much was used; below zero only for inventory given back and for corrections.",
        );
        let occurred_at = Param::optional("p_occurred_at", Type::Timestamp)
            .described("When it happened; now by default.");
        let is_correction = Param::optional("p_is_correction", Type::Bool)
            .described("Whether it corrects an earlier event.");
        let corrects =
            Param::optional("p_corrects_event_id", Type::Uuid).described("The event it corrects.");
        let others = [
            RESOURCE,
            quantity,
            UNIT,
            RESOURCE_SCOPE,
            occurred_at,
            DETAILS,
            is_correction,
            corrects,
            ATTRIBUTES,
        ];
        of_key_and_account(KEY, others)
    },
    returns: Returns::Value(Type::Uuid),
    repeat: Repeat::Key,
    work: Work::Once(|call| Box::pin(answer(call))),
};

async fn answer(
    Call {
        mec,
        caller,
        mut arguments,
    }: Call<'_>,
) -> Result<Answer, Failure> {
    let account = arguments.account(mec).await?;
    Ok(recorded(
        mec.meter(event(account, arguments)?, caller).await?,
    ))
}

/// The answer of what was recorded.
pub(super) fn recorded(recorded: Recorded) -> Answer {
    Answer::scalar(Value::Uuid(recorded.event.0)).replayed(recorded.replayed)
}

/// What the arguments say happened.
pub(super) fn event(account: AccountId, mut arguments: Arguments) -> Result<Meter, ApiError> {
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
