//! `provision_plan`, `cancel_plan`: give an account a plan, take it away.

use mec_engine::{Caller, Mec};
use mec_kernel::{Cancel, Code, Provision, Refusal};
use mec_query::Value;

use crate::api::answers::Answer;
use crate::api::arguments::Arguments;
use crate::api::refusal::Failure;

/// Characters of an idempotency key.
const KEY_CHARS_MAX: usize = 255;

pub(super) async fn provision_plan(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    // Known by what it is about, provisioning needs no key; one that is given must still be one.
    if let Some(key) = arguments.text("idempotency_key")
        && !(1..=KEY_CHARS_MAX).contains(&key.chars().count())
    {
        return Err(mec_engine::MecError::Refused(Refusal::BadKey).into());
    }
    let command = Provision {
        account: arguments.account(mec).await?,
        plan: arguments.required_code("plan_id")?,
        start: arguments.time("start_date"),
        quantity: arguments.quantity("quantity"),
        reference: arguments.code("ref").unwrap_or_else(|| Code::from("")),
        until: arguments.time("until"),
        migrate: arguments.flag("migrate"),
    };
    Ok(Answer::scalar(Value::Int(mec.provision(command, caller).await?)))
}

pub(super) async fn cancel_plan(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    let command = Cancel {
        account: arguments.account(mec).await?,
        plan: arguments.required_code("plan_id")?,
        reference: arguments.code("ref"),
        at: arguments.time("at"),
    };
    Ok(Answer::scalar(Value::Int(mec.cancel(command, caller).await?)))
}
