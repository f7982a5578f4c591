//! `settle_reservation`: record what was truly used of a reservation.

use mec_kernel::{ReservationId, Settle};
use mec_query::{Param, Type, Value};

use crate::api::answers::Answer;
use crate::api::parameters::{ATTRIBUTES, QUANTITY, RESERVATION};
use crate::api::verb::{Call, Returns, Verb, Work};
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "settle_reservation",
    aliases: &["fn_settle_reservation"],
    about: "Records what was used of a hold; answers the id of the event, null where nothing was used.",
    params: || {
        let quantity = Param::required("p_quantity", QUANTITY)
            .described("How much was truly used, in the reservation's unit; 0 releases it.");
        vec![RESERVATION, quantity, ATTRIBUTES]
    },
    returns: Returns::Value(Type::Uuid),
    repeat: Repeat::Itself,
    work: Work::Once(|call| Box::pin(answer(call))),
};

async fn answer(
    Call {
        mec,
        caller,
        mut arguments,
    }: Call<'_>,
) -> Result<Answer, Failure> {
    let reservation = ReservationId(arguments.required_id("reservation_id")?);
    let quantity = arguments.required_quantity("quantity")?;
    let settled = mec
        .settle(
            Settle {
                reservation,
                quantity,
                attributes: arguments.attributes()?,
            },
            caller,
        )
        .await?;
    let event = settled.event.map_or(Value::Null, |id| Value::Uuid(id.0));
    Ok(Answer::scalar(event).replayed(settled.replayed))
}
