//! `reserve`: hold a quantity now, and record the true amount later.

use std::sync::Arc;

use mec_kernel::{Reservation, Reserve, Reserved};
use mec_query::{Param, Type, Value};

use crate::api::answers::{Answer, Before, Decided, explained_columns, explained_row, time};
use crate::api::parameters::{
    ATTRIBUTES, EXPLAIN, QUANTITY, RESOURCE, RESOURCE_SCOPE, TTL_MINUTES, TTL_SECONDS, UNIT, check,
    of_key_and_account,
};
use crate::api::verb::{Call, Field, Returns, Verb, Work};
use crate::problem::refusal::{Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "reserve",
    aliases: &["fn_reserve"],
    about: "Checks and holds a quantity until it is settled with the true one, released, or expires.",
    params: || {
        let key = Param::required("p_idempotency_key", Type::TEXT).described(
            "Your name for the hold, 1 to 255 characters: the same key is the same reservation.",
        );
        let quantity = Param::required("p_quantity", QUANTITY).described("How much is held.");
        let others = [
            RESOURCE,
            quantity,
            RESOURCE_SCOPE,
            UNIT,
            ATTRIBUTES,
            EXPLAIN,
            TTL_MINUTES,
            TTL_SECONDS,
        ];
        of_key_and_account(key, others)
    },
    returns: Returns::Rows(|| explained_columns(RESERVATION_FIELDS)),
    repeat: Repeat::Key,
    work: Work::Once(|call| Box::pin(answer(call))),
};

/// The reservation, and whether it holds its amount now.
type Held = (Option<Arc<Reservation>>, bool);

const RESERVATION_FIELDS: &[Field<Held>] = &[
    Field::new(
        "success",
        Type::Bool,
        "Whether the quantity is held now: false for one that is over.",
        |(_, is_held)| Value::Bool(*is_held),
    ),
    Field::new(
        "reservation_id",
        Type::Uuid,
        "The reservation; null: none was made.",
        |(reservation, _)| {
            reservation
                .as_ref()
                .map_or(Value::Null, |held| Value::Uuid(held.id.0))
        },
    ),
    Field::new(
        "expires_at",
        Type::Timestamp,
        "First instant it holds nothing.",
        |(reservation, _)| {
            reservation
                .as_ref()
                .map_or(Value::Null, |held| time(held.expires_at))
        },
    ),
];

async fn answer(
    Call {
        mec,
        caller,
        mut arguments,
    }: Call<'_>,
) -> Result<Answer, Failure> {
    let account = arguments.account(mec).await?;
    let quantity = arguments.required_quantity("quantity")?;
    let command = Reserve {
        check: check(&mut arguments, account, Some(quantity))?,
        key: arguments.text("idempotency_key").unwrap_or_default().into(),
        ttl_seconds: arguments.ttl_seconds()?,
    };
    let Reserved {
        standing,
        reservation,
        is_held,
        replayed,
    } = mec.reserve(command, caller).await?;
    let decided = match reservation.as_ref().filter(|_| replayed) {
        Some(held) => Decided::before(standing, Before::Decided(held.ruling.clone())),
        None => Decided::now(standing),
    };
    Ok(Answer::rows(vec![explained_row(
        &decided,
        RESERVATION_FIELDS,
        &(reservation, is_held),
    )])
    .replayed(replayed))
}
