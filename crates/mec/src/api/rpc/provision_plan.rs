//! `provision_plan`: give an account a plan or an add-on.

use mec_kernel::{Code, Provision, Refusal};
use mec_query::{Param, Type, Value};

use crate::api::answers::Answer;
use crate::api::parameters::{QUANTITY, REFERENCE, of_account};
use crate::api::verb::{Call, Returns, Verb, Work};
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "provision_plan",
    aliases: &["fn_provision_plan_entitlements", "fn_provision_plan"],
    about: "Gives an account a plan or an add-on in one step and answers the number of its entitlements.",
    params: || {
        of_account([
            Param::required("p_plan_id", Type::TEXT).described("The plan or add-on."),
            Param::optional("p_start_date", Type::Timestamp)
                .described("From when; now by default. A start ahead leaves the present plan in force until then."),
            Param::optional("p_quantity", QUANTITY).described("How many, such as seats (1)."),
            Param::optional("p_ref", REFERENCE).described("An add-on's name where it was bought, such as a subscription item."),
            Param::optional("p_until", Type::Timestamp).described("Until when; without end by default."),
            Param::optional("p_migrate", Type::Bool)
                .described("Whether an account on an older version of the plan moves to the newest."),
            Param::optional("p_idempotency_key", Type::TEXT).described(
                "Accepted and not needed: provisioning is known by account, plan and ref, so a repeat changes nothing.",
            ),
        ])
    },
    returns: Returns::Value(Type::Int8),
    repeat: Repeat::Itself,
    work: Work::Once(|call| Box::pin(answer(call))),
};

/// Characters of an idempotency key.
const KEY_CHARS_MAX: usize = 255;

async fn answer(
    Call {
        mec,
        caller,
        mut arguments,
    }: Call<'_>,
) -> Result<Answer, Failure> {
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
    Ok(Answer::scalar(Value::Int(
        mec.provision(command, caller).await?,
    )))
}
