//! `acquire_lease`, `renew_lease`, `release_lease`: slots that free themselves.

use mec_engine::{Caller, Mec};
use mec_kernel::{Acquire, LeaseId, Quantity, Renew};
use mec_query::Value;

use crate::api::answers::{self, Answer};
use crate::api::arguments::Arguments;
use crate::api::refusal::{self, Failure};

pub(super) async fn acquire_lease(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    let token = arguments.code("session_token");
    if token.as_ref().is_some_and(|token| token.is_empty()) {
        return Err(refusal::bad_argument("session_token", "must not be empty; leave it out for a lease of its own").into());
    }
    let command = Acquire {
        account: arguments.account(mec).await?,
        resource: arguments.required_code("resource_type")?,
        scope: arguments.code("resource_scope"),
        token,
        quantity: arguments.quantity("quantity").unwrap_or(Quantity::whole(1)),
        ttl_seconds: arguments.ttl_seconds()?,
        attributes: arguments.attributes()?,
    };
    let leased = mec.acquire(command, caller).await?;
    Ok(Answer::rows(vec![answers::acquire_row(&leased)]))
}

pub(super) async fn renew_lease(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    let lease = LeaseId(arguments.required_id("lease_id")?);
    let command = Renew { lease, ttl_seconds: arguments.ttl_seconds()?, attributes: arguments.attributes()? };
    let leased = mec.renew(command, caller).await?;
    Ok(Answer::rows(vec![answers::renew_row(&leased)]))
}

pub(super) async fn release_lease(mec: &Mec, caller: &Caller, arguments: Arguments) -> Result<Answer, Failure> {
    let lease = LeaseId(arguments.required_id("lease_id")?);
    Ok(Answer::scalar(Value::Bool(mec.release_lease(lease, caller).await?)))
}
