//! Accounts and their plans.

use mec_kernel::{Account, AccountPlan};

use crate::postgres::bulk::Bulk;
use crate::postgres::codec::{Id, Instant, Json, Units};
use crate::postgres::session::Change;
use crate::postgres::tree_number::number;

/// Accounts as they are after the batch, with their names.
pub(super) fn put_accounts<'a>(rows: &[&'a Account]) -> impl Iterator<Item = Change<'a>> {
    let each = || rows.iter().copied();
    let put = Bulk::of("accounts")
        .column("account_id", each().map(|account| Id(account.id.0)))
        .column(
            "parent_account_id",
            each().map(|account| account.parent.map(|id| Id(id.0))),
        )
        .column("root_account_id", each().map(|account| Id(account.root.0)))
        .column(
            "account_type_code",
            each().map(|account| account.account_type.as_str()),
        )
        .column(
            "external_id",
            each().map(|account| account.external_id.as_deref()),
        )
        .column(
            "display_name",
            each().map(|account| account.display_name.as_str()),
        )
        .column("email", each().map(|account| account.email.as_deref()))
        .column("status", each().map(|account| account.status.code()))
        .column(
            "time_zone",
            each().map(|account| account.time_zone.as_deref()),
        )
        .column(
            "metadata",
            each().map(|account| account.metadata.as_deref().map(Json)),
        )
        .column(
            "created_at",
            each().map(|account| Instant::from(account.created_at)),
        )
        .column(
            "updated_at",
            each().map(|account| Instant::from(account.updated_at)),
        )
        .column("tree", each().map(|account| number(account.id.tree())))
        .replace(
            "account_id, tree",
            &[
                "account_type_code",
                "external_id",
                "display_name",
                "email",
                "status",
                "time_zone",
                "metadata",
                "updated_at",
            ],
        );
    name(rows).chain(put)
}

/// Their own names, by which links lead to them. Names are given up before they are taken: another
/// account of this batch may take one.
fn name<'a>(rows: &[&'a Account]) -> impl Iterator<Item = Change<'a>> {
    let each = || rows.iter().copied();
    let links = || {
        let of =
            Bulk::of("account_links").column("account_id", each().map(|account| Id(account.id.0)));
        of.column(
            "external_id",
            each().map(|account| account.external_id.as_deref()),
        )
    };
    let given_up = links().with(
        "DELETE FROM account_links l USING {rows} WHERE l.source = '' AND l.account_id = x.account_id \
         AND l.external_id IS DISTINCT FROM x.external_id",
    );
    let taken = links().with(
        "INSERT INTO account_links (source, external_id, account_id) SELECT '', x.external_id, x.account_id FROM {rows} \
         LEFT JOIN account_links l ON l.source = '' AND l.external_id = x.external_id AND l.account_id = x.account_id \
         WHERE x.external_id IS NOT NULL AND l.account_id IS NULL",
    );
    given_up.into_iter().chain(taken)
}

pub(super) fn put_account_plans<'a>(rows: &[&'a AccountPlan]) -> Option<Change<'a>> {
    let each = || rows.iter().copied();
    Bulk::of("account_plans")
        .column("account_id", each().map(|plan| Id(plan.account.0)))
        .column("plan_id", each().map(|plan| plan.plan.as_str()))
        .column("ref", each().map(|plan| plan.reference.as_str()))
        .column("version", each().map(|plan| plan.version))
        .column(
            "quantity",
            each().map(|plan| Units::<6>(plan.quantity.millionths())),
        )
        .column("anchor", each().map(|plan| Instant::from(plan.anchor)))
        .column(
            "starts_at",
            each().map(|plan| Instant::from(plan.starts_at)),
        )
        .column(
            "ends_at",
            each().map(|plan| plan.ends_at.map(Instant::from)),
        )
        .column(
            "own_ends_at",
            each().map(|plan| plan.own_end.map(Instant::from)),
        )
        .column("is_addon", each().map(|plan| plan.is_addon))
        .column("is_trial", each().map(|plan| plan.is_trial))
        .column("tree", each().map(|plan| number(plan.account.tree())))
        .replace(
            "account_id, plan_id, ref, starts_at, tree",
            &["version", "quantity", "anchor", "ends_at", "own_ends_at"],
        )
}
