//! A window counted from the ledger.

use futures_util::future::try_join4;
use mec_kernel::{
    AccountId, Amount, Catalog, Code, Expiries, Time, TreeId, Window, WindowKey, WindowTotal,
    step_of,
};
use tokio_postgres::types::ToSql;

use super::held::{HELD, Held};
use crate::StoreError;
use crate::postgres::cells::Found;
use crate::postgres::codec::{Id, Instant};
use crate::postgres::ledger;
use crate::postgres::session::Session;
use crate::postgres::tree_number::number;
use crate::rows::Cells as _;
use crate::usage::{Stretch, WindowParts};

const HOURS: &str = "SELECT coalesce(sum(own), 0), coalesce(sum(subtree), 0) FROM usage_hours WHERE tree = $1 AND account_id = $2 \
     AND resource_type_code = $3 AND ($4::text IS NULL OR resource_scope = $4) AND hour >= $5 AND hour < $6";

/// Counts a window: whole hours from the stored sums, its edge hours and rolling steps from the
/// ledger, overage from the effects of its own key.
pub(super) async fn count_window(
    session: &Session,
    tree: TreeId,
    id: AccountId,
    key: &WindowKey,
    catalog: &Catalog,
    now: Time,
) -> Result<WindowTotal, StoreError> {
    let parts = WindowParts::of(id, key, now);
    let (ids, trees, at) = (vec![Id(id.0)], vec![number(tree)], Instant::from(now));
    let of_held: [&(dyn ToSql + Sync); 3] = [&ids, &trees, &at];
    let (sums, [first, second], effects, held) = {
        let (sums, uses, effects, held) = try_join4(
            sum_hours(session, tree, &parts.hours),
            async {
                Ok([
                    ledger::uses(session, tree, &parts.edges[0], false, catalog).await?,
                    ledger::uses(session, tree, &parts.edges[1], false, catalog).await?,
                ])
            },
            ledger::effects(session, tree, &parts.whole),
            session.query(&HELD, &of_held),
        )
        .await?;
        (sums, uses, effects, held)
    };
    let mut total = WindowTotal {
        used: sums.1,
        own: sums.0,
        held: Expiries::default(),
        ..WindowTotal::default()
    };
    for used in first.into_iter().chain(second) {
        if let Window::Rolling { seconds } = key.window {
            let step = total.steps.entry(step_of(used.at, seconds)).or_default();
            *step = step.plus(used.amount);
        } else {
            total.used = total.used.plus(used.amount);
            total.own = total.own.plus(if used.is_own {
                used.amount
            } else {
                Amount::ZERO
            });
        }
    }
    for effect in effects
        .iter()
        .filter(|effect| effect.account == id && effect.key == *key)
    {
        total.overage = total.overage.plus(effect.overage);
    }
    for row in &held {
        let held = Held::of(row)?;
        if held.counts_in(key) {
            total.held.add(held.expires_at, held.amount, now);
        }
    }
    Ok(total)
}

/// The account's own use and that of its subtree in whole hours.
async fn sum_hours(
    session: &Session,
    tree: TreeId,
    stretch: &Stretch<'_>,
) -> Result<(Amount, Amount), StoreError> {
    if stretch.from >= stretch.to {
        return Ok((Amount::ZERO, Amount::ZERO));
    }
    let (resource, scope) = (stretch.resource.as_str(), stretch.scope.map(Code::as_str));
    let (account, from, to) = (
        Id(stretch.account.0),
        Instant::from(stretch.from),
        Instant::from(stretch.to),
    );
    let found = session
        .query(
            HOURS,
            &[&number(tree), &account, &resource, &scope, &from, &to],
        )
        .await?;
    match found.first() {
        Some(row) => {
            let found = Found {
                row,
                table: "usage_hours",
            };
            Ok((found.exact(0)?, found.exact(1)?))
        }
        None => Ok((Amount::ZERO, Amount::ZERO)),
    }
}
