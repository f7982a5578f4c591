//! `cancel_plan`: take a plan or an add-on away.

use mec_kernel::Cancel;
use mec_query::{Param, Type, Value};

use crate::api::answers::Answer;
use crate::api::parameters::{REFERENCE, of_account};
use crate::api::verb::{Call, Returns, Verb, Work};
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "cancel_plan",
    aliases: &["fn_cancel_plan"],
    about: "Takes a plan or an add-on away and answers the number of entitlements that end.",
    params: || {
        of_account([
            Param::required("p_plan_id", Type::TEXT).described("The plan or add-on."),
            Param::optional("p_ref", REFERENCE)
                .described("Only what has this name; whatever its name by default."),
            Param::optional("p_at", Type::Timestamp).described("From when; now by default."),
        ])
    },
    returns: Returns::Value(Type::Int8),
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
    let command = Cancel {
        account: arguments.account(mec).await?,
        plan: arguments.required_code("plan_id")?,
        reference: arguments.code("ref"),
        at: arguments.time("at"),
    };
    Ok(Answer::scalar(Value::Int(
        mec.cancel(command, caller).await?,
    )))
}
