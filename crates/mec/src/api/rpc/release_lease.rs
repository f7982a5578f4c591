//! `release_lease`: give up a lease.

use mec_kernel::LeaseId;
use mec_query::{Type, Value};

use crate::api::answers::Answer;
use crate::api::parameters::LEASE;
use crate::api::verb::{Call, Returns, Verb, Work};
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "release_lease",
    aliases: &["fn_release_lease"],
    about: "Gives a slot back: true once, then false, as for one that expired or never was.",
    params: || vec![LEASE],
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
    let lease = LeaseId(arguments.required_id("lease_id")?);
    Ok(Answer::scalar(Value::Bool(
        mec.release_lease(lease, caller).await?,
    )))
}
