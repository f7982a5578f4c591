//! `consume`: check and record in one step.

use mec_engine::{Caller, Mec};
use mec_kernel::Consume;

use super::check::question;
use crate::api::answers::{self, Answer};
use crate::api::arguments::Arguments;
use crate::api::refusal::Failure;

pub(super) async fn consume(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    let account = arguments.account(mec).await?;
    let quantity = arguments.required_quantity("quantity")?;
    let command = Consume {
        check: question(&mut arguments, account, Some(quantity))?,
        key: arguments.text("idempotency_key").unwrap_or_default().into(),
        details: arguments.json("details").map(Into::into),
    };
    let consumed = mec.consume(command, caller).await?;
    Ok(Answer::rows(vec![answers::consume_row(&consumed)]).replayed(consumed.replayed.is_some()))
}
