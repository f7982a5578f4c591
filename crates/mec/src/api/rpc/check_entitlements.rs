//! `check_entitlements`: where does an account stand with all of its resources?

use mec_engine::StandingOf;
use mec_kernel::Code;
use mec_query::{Param, Type, Value};

use crate::api::answers::{Answer, Decided, decision_columns, decision_row};
use crate::api::parameters::{ATTRIBUTES, STALENESS, of_account};
use crate::api::verb::{Call, Field, Returns, Verb, Work, columns, row};
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "check_entitlements",
    aliases: &["fn_check_entitlements"],
    about: "Where an account stands with each of its resources and their scopes, all at one instant.",
    params: || {
        let resources = Param::optional("p_resource_types", Type::TextArray)
            .described("Which resources; by default everything that was granted to the account or one above it.");
        of_account([resources, ATTRIBUTES, STALENESS])
    },
    returns: Returns::Rows(|| [columns(PART), decision_columns()].concat()),
    repeat: Repeat::Question,
    work: Work::Once(|call| Box::pin(answer(call))),
};

/// What a row is about.
const PART: &[Field<StandingOf>] = &[
    Field::new("resource_type", Type::TEXT, "The resource.", |of| {
        Value::text(of.resource.as_str())
    }),
    Field::new(
        "resource_scope",
        Type::TEXT,
        "The scope of the resource that this row is about; null: the whole resource.",
        |of| of.scope.as_deref().map_or(Value::Null, Value::text),
    ),
];

async fn answer(
    Call {
        mec,
        caller,
        mut arguments,
    }: Call<'_>,
) -> Result<Answer, Failure> {
    let caller = arguments.staleness_of(caller)?;
    let account = arguments.account_asked_about(mec, &caller).await?;
    let resources = arguments
        .texts("resource_types")
        .map(|names| names.into_iter().map(Code::from).collect());
    let standings = mec
        .check_all(account, resources, arguments.attributes()?, &caller)
        .await?;
    let rows = standings
        .into_iter()
        .map(|of| [row(PART, &of), decision_row(&Decided::now(of.standing))].concat());
    Ok(Answer::rows(rows.collect()))
}
