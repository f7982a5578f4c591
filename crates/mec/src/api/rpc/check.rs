//! `check_entitlement`, `check_entitlements`: may this account do this, and where does it stand?

use mec_engine::{Caller, Mec};
use mec_kernel::{AccountId, Check, Code, Quantity};

use crate::api::answers::{self, Answer};
use crate::api::arguments::Arguments;
use crate::api::refusal::Failure;
use crate::http::errors::ApiError;

pub(super) async fn check_entitlement(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    let caller = arguments.staleness_of(caller)?;
    let account = arguments.account_asked_about(mec, &caller).await?;
    let quantity = arguments.quantity("requested_qty");
    let standing = mec.check(question(&mut arguments, account, quantity)?, &caller).await?;
    Ok(Answer::rows(vec![answers::standing_row(&standing, vec![])]))
}

pub(super) async fn check_entitlements(mec: &Mec, caller: &Caller, mut arguments: Arguments) -> Result<Answer, Failure> {
    let caller = arguments.staleness_of(caller)?;
    let account = arguments.account_asked_about(mec, &caller).await?;
    let resources = arguments.texts("resource_types").map(|names| names.into_iter().map(Code::from).collect());
    let standings = mec.check_all(account, resources, arguments.attributes()?, &caller).await?;
    Ok(Answer::rows(standings.iter().map(answers::resource_standing_row).collect()))
}

/// The question that a check, a consume and a reserve have in common.
pub(super) fn question(arguments: &mut Arguments, account: AccountId, quantity: Option<Quantity>) -> Result<Check, ApiError> {
    Ok(Check {
        account,
        resource: arguments.required_code("resource_type")?,
        scope: arguments.code("resource_scope"),
        quantity,
        unit: arguments.code("unit_code"),
        attributes: arguments.attributes()?,
        explain: arguments.flag("explain"),
    })
}
