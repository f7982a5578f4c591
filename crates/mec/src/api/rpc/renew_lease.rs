//! `renew_lease`: extend a lease that lives.

use mec_kernel::{LeaseId, Renew};

use crate::api::answers::{Answer, LEASE_FIELDS, LEASE_RETRY_FIELD};
use crate::api::parameters::{ATTRIBUTES, LEASE, TTL_MINUTES, TTL_SECONDS};
use crate::api::verb::{Call, Returns, Verb, Work, columns, row};
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "renew_lease",
    aliases: &["fn_renew_lease"],
    about: "Extends a lease that lives; never revives one that is over.",
    params: || vec![LEASE, TTL_MINUTES, TTL_SECONDS, ATTRIBUTES],
    returns: Returns::Rows(|| [columns(LEASE_FIELDS), columns(LEASE_RETRY_FIELD)].concat()),
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
    let lease = LeaseId(arguments.required_id("lease_id")?);
    let command = Renew {
        lease,
        ttl_seconds: arguments.ttl_seconds()?,
        attributes: arguments.attributes()?,
    };
    let leased = mec.renew(command, caller).await?;
    Ok(Answer::rows(vec![
        [row(LEASE_FIELDS, &leased), row(LEASE_RETRY_FIELD, &leased)].concat(),
    ]))
}
