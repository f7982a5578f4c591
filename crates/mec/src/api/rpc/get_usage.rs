//! `get_usage`: usage over time.

use mec_engine::{Bucket, GroupBy, UsageQuestion};
use mec_kernel::Code;
use mec_query::{Param, Type, Value};

use crate::api::answers::{Answer, TOTAL, time, total};
use crate::api::parameters::{RESOURCE, RESOURCE_SCOPE, of_account};
use crate::api::verb::{self, Call, Field, Returns, Verb, Work};
use crate::problem::refusal::{self, Failure, Repeat};

pub(super) const VERB: Verb = Verb {
    name: "get_usage",
    aliases: &["fn_get_usage"],
    about: "What was used over time (inventory: owned; concurrency: held), in buckets of the account's time zone.",
    params: || {
        of_account([
            RESOURCE,
            RESOURCE_SCOPE,
            Param::optional("p_from", Type::Timestamp).described("First instant; where the present month begins by default."),
            Param::optional("p_to", Type::Timestamp)
                .described("First instant after it; where the present bucket or month ends by default."),
            Param::optional("p_group_by", Type::TEXT).described("hour, day, week or month; one bucket by default."),
            Param::optional("p_own_only", Type::Bool).described("The account alone, without the accounts below it."),
            Param::optional("p_max_staleness_ms", Type::Int4).described(
                "How old what is known of the account may be, as for check_entitlement; the sums are always the newest.",
            ),
        ])
    },
    returns: Returns::Rows(|| verb::columns(FIELDS)),
    repeat: Repeat::Question,
    work: Work::Once(|call| Box::pin(answer(call))),
};

/// A bucket, and the unit it is counted in.
type Shown = (Bucket, Code);

const FIELDS: &[Field<Shown>] = &[
    Field::new(
        "bucket_start",
        Type::Timestamp,
        "First instant of the bucket.",
        |(bucket, _)| time(bucket.start),
    ),
    Field::new(
        "bucket_end",
        Type::Timestamp,
        "First instant after it.",
        |(bucket, _)| time(bucket.end),
    ),
    Field::new(
        "quantity",
        TOTAL,
        "What was used, in unit_code; of inventory: what is owned at the bucket's end; of concurrency: the most seats held at once.",
        |(bucket, _)| total(bucket.quantity),
    ),
    Field::new(
        "unit_code",
        Type::TEXT,
        "The resource's own unit.",
        |(_, unit)| Value::text(unit.as_str()),
    ),
    Field::new(
        "overage",
        TOTAL,
        "What of it was beyond the limit.",
        |(bucket, _)| total(bucket.overage),
    ),
    Field::new(
        "overage_cost",
        TOTAL,
        "What that costs at the prices of its moments; null where nothing was billed.",
        |(bucket, _)| bucket.overage_cost.map_or(Value::Null, total),
    ),
    Field::new(
        "events",
        Type::Int8,
        "How many ledger events the bucket holds.",
        |(bucket, _)| Value::Int(bucket.events),
    ),
    Field::new(
        "lease_hours",
        TOTAL,
        "Of concurrency: seats times the hours they were held until now; else null.",
        |(bucket, _)| bucket.lease_hours.map_or(Value::Null, total),
    ),
];

async fn answer(
    Call {
        mec,
        caller,
        mut arguments,
    }: Call<'_>,
) -> Result<Answer, Failure> {
    let group_by = match arguments.text("group_by") {
        None => None,
        Some(name) => {
            let known =
                || refusal::not_one_of("group_by", &name, &["hour", "day", "week", "month"]);
            Some(GroupBy::from_code(&name).ok_or_else(known)?)
        }
    };
    let caller = arguments.staleness_of(caller)?;
    let question = UsageQuestion {
        account: arguments.account_asked_about(mec, &caller).await?,
        resource: arguments.required_code("resource_type")?,
        scope: arguments.code("resource_scope"),
        from: arguments.time("from"),
        to: arguments.time("to"),
        group_by,
        own_only: arguments.flag("own_only"),
    };
    let usage = mec.usage(question, &caller).await?;
    let rows = usage
        .buckets
        .into_iter()
        .map(|bucket| verb::row(FIELDS, &(bucket, usage.unit.clone())));
    Ok(Answer::rows(rows.collect()))
}
