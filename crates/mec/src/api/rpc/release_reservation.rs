//! `release_reservation`: give up a reservation.

use mec_kernel::ReservationId;
use mec_query::{Type, Value};

use crate::api::answers::Answer;
use crate::api::parameters::RESERVATION;
use crate::api::verb::{Call, Returns, Verb, Work};
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "release_reservation",
    aliases: &["fn_release_reservation"],
    about: "Gives a hold back: true once, then false, as for one that expired or never was.",
    params: || vec![RESERVATION],
    returns: Returns::Value(Type::Bool),
    repeat: Repeat::Itself,
    work: Work::Once(|call| Box::pin(answer(call))),
};

async fn answer(
    Call {
        mec,
        caller,
        arguments,
    }: Call<'_>,
) -> Result<Answer, Failure> {
    let reservation = ReservationId(arguments.required_id("reservation_id")?);
    Ok(Answer::scalar(Value::Bool(
        mec.release_reservation(reservation, caller).await?,
    )))
}
