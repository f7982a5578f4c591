//! `acquire_lease`: take a seat that expires unless it is renewed.

use mec_kernel::{Acquire, Leased, Quantity};
use mec_query::{Param, Type, Value};

use crate::api::answers::{Answer, LEASE_FIELDS, LEASE_RETRY_FIELD};
use crate::api::parameters::{
    ATTRIBUTES, QUANTITY, REFERENCE, RESOURCE, RESOURCE_SCOPE, TTL_MINUTES, TTL_SECONDS, of_account,
};
use crate::api::verb::{Call, Field, Returns, Verb, Work, columns, row};
use crate::problem::refusal::{self, Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "acquire_lease",
    aliases: &["fn_acquire_lease"],
    about: "Takes a slot of a resource that is limited in how many use it at once.",
    params: || {
        let token = Param::optional("p_session_token", REFERENCE)
            .described("Your name for the session: while its lease lives, the same token gets the same lease, extended.");
        let quantity = Param::optional("p_quantity", QUANTITY).described("How many slots (1).");
        of_account([
            RESOURCE,
            token,
            TTL_MINUTES,
            TTL_SECONDS,
            quantity,
            RESOURCE_SCOPE,
            ATTRIBUTES,
        ])
    },
    returns: Returns::Rows(|| {
        [
            columns(LEASE_FIELDS),
            columns(TOKEN_FIELD),
            columns(LEASE_RETRY_FIELD),
        ]
        .concat()
    }),
    repeat: Repeat::Session,
    work: Work::Once(|call| Box::pin(answer(call))),
};

const TOKEN_FIELD: &[Field<Leased>] = &[Field::new(
    "fencing_token",
    Type::Int8,
    "A number that only grows: by it a late holder is turned away.",
    |leased| {
        leased
            .lease
            .as_ref()
            .map_or(Value::Null, |lease| Value::Int(lease.fencing_token))
    },
)];

async fn answer(
    Call {
        mec,
        caller,
        mut arguments,
    }: Call<'_>,
) -> Result<Answer, Failure> {
    let token = arguments.code("session_token");
    if token.as_ref().is_some_and(|token| token.is_empty()) {
        return Err(refusal::bad_argument(
            "session_token",
            "must not be empty; leave it out for a lease of its own",
        )
        .into());
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
    Ok(Answer::rows(vec![
        [
            row(LEASE_FIELDS, &leased),
            row(TOKEN_FIELD, &leased),
            row(LEASE_RETRY_FIELD, &leased),
        ]
        .concat(),
    ]))
}
