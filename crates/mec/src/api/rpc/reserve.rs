//! `reserve`, `settle_reservation`, `release_reservation`: hold now, record the true amount later.

use mec_engine::{Caller, Mec};
use mec_kernel::{ReservationId, Reserve, Settle};
use mec_query::Value;

use super::check::question;
use crate::api::answers::{self, Answer};
use crate::api::arguments::Arguments;
use crate::api::refusal::Failure;

pub(super) async fn reserve(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    let account = arguments.account(mec).await?;
    let quantity = arguments.required_quantity("quantity")?;
    let command = Reserve {
        check: question(&mut arguments, account, Some(quantity))?,
        key: arguments.text("idempotency_key").unwrap_or_default().into(),
        ttl_seconds: arguments.ttl_seconds()?,
    };
    let reserved = mec.reserve(command, caller).await?;
    Ok(Answer::rows(vec![answers::reserve_row(&reserved)]).replayed(reserved.replayed))
}

pub(super) async fn settle_reservation(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    let reservation = ReservationId(arguments.required_id("reservation_id")?);
    let quantity = arguments.required_quantity("quantity")?;
    let settled = mec.settle(Settle { reservation, quantity, attributes: arguments.attributes()? }, caller).await?;
    let event = settled.event.map_or(Value::Null, |id| Value::Uuid(id.0));
    Ok(Answer::scalar(event).replayed(settled.replayed))
}

pub(super) async fn release_reservation(mec: &Mec, caller: &Caller, arguments: Arguments) -> Result<Answer, Failure> {
    let reservation = ReservationId(arguments.required_id("reservation_id")?);
    Ok(Answer::scalar(Value::Bool(mec.release_reservation(reservation, caller).await?)))
}
