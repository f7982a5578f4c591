//! `check_entitlement`: may this account do this?

use mec_query::Param;

use crate::api::answers::{Answer, Decided, explained_columns, explained_row};
use crate::api::parameters::{
    ATTRIBUTES, EXPLAIN, QUANTITY, RESOURCE, RESOURCE_SCOPE, STALENESS, UNIT, check, of_account,
};
use crate::api::verb::{Call, Field, Returns, Verb, Work};
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "check_entitlement",
    aliases: &["fn_check_entitlement"],
    about: "May this account do this? Changes nothing and never waits for what is being recorded.",
    params: || {
        let quantity = Param::optional("p_requested_qty", QUANTITY).described(
            "How much is wanted; without it (or 0) the answer describes the present state.",
        );
        of_account([
            RESOURCE,
            RESOURCE_SCOPE,
            quantity,
            UNIT,
            ATTRIBUTES,
            EXPLAIN,
            STALENESS,
        ])
    },
    returns: Returns::Rows(|| explained_columns(NOTHING_MORE)),
    repeat: Repeat::Question,
    work: Work::Once(|call| Box::pin(answer(call))),
};

const NOTHING_MORE: &[Field<()>] = &[];

async fn answer(
    Call {
        mec,
        caller,
        mut arguments,
    }: Call<'_>,
) -> Result<Answer, Failure> {
    let caller = arguments.staleness_of(caller)?;
    let account = arguments.account_asked_about(mec, &caller).await?;
    let quantity = arguments.quantity("requested_qty");
    let standing = mec
        .check(check(&mut arguments, account, quantity)?, &caller)
        .await?;
    Ok(Answer::rows(vec![explained_row(
        &Decided::now(standing),
        NOTHING_MORE,
        &(),
    )]))
}
