//! `correct_consumption`: set a new total for an event that was recorded wrongly.

use mec_kernel::{Correct, EventId, Quantity};
use mec_query::{Param, Type, json_text};
use serde_json::json;

use super::meter_consumption::recorded;
use crate::api::answers::Answer;
use crate::api::parameters::{KEY, QUANTITY};
use crate::api::verb::{Call, Returns, Verb, Work};
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "correct_consumption",
    aliases: &["fn_correct_consumption"],
    about: "Sets a new total for an event by recording one more, and answers the id of that one.",
    params: || {
        vec![
            Param::required("p_event_id", Type::Uuid)
                .described("The event that was recorded wrongly."),
            KEY,
            Param::optional("p_quantity", QUANTITY).described(
                "What its total should be, in its unit; without it the event is voided.",
            ),
            Param::required("p_reason", Type::TEXT)
                .described("Why, for whoever reads the ledger later."),
        ]
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
    let event = EventId(arguments.required_id("event_id")?);
    // To void an event and to set its total to 0 are the same correction.
    let quantity = arguments
        .quantity("quantity")
        .filter(|quantity| !quantity.is_zero());
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
