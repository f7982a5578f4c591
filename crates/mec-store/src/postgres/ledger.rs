//! Reading stretches of the ledger: how windows are counted and usage is reported.

use mec_kernel::{Amount, Catalog, Code, Effect, TreeId};
use tokio_postgres::types::ToSql;

use super::cells::Found;
use super::codec::{Id, Instant};
use super::session::Session;
use super::tree_number::number;
use crate::StoreError;
use crate::rows::{self, Cells as _, sql};
pub(super) use crate::usage::{Stretch, Use};

/// The accounts of $1, each with everything below it, in the trees of $2.
pub(super) const SUBTREE: &str = "WITH RECURSIVE subtree(root, id) AS (SELECT a, a FROM unnest($1::uuid[]) AS a UNION ALL \
     SELECT s.root, a.account_id FROM subtree s JOIN accounts a ON a.parent_account_id = s.id AND a.tree = ANY($2)) ";

const IN_STRETCH: &str = "resource_type_code = $3 AND ($4::text IS NULL OR resource_scope = $4) \
     AND occurred_at >= $5 AND occurred_at < $6";
const USE: &str =
    "SELECT occurred_at, quantity, unit_code, account_id FROM consumption_ledger WHERE ";

sql!(
    USES_SUBTREE = SUBTREE,
    USE,
    "account_id IN (SELECT id FROM subtree) AND tree = ANY($2) AND ",
    IN_STRETCH
);
sql!(
    USES_OWN = USE,
    "account_id = ANY($1) AND tree = ANY($2) AND ",
    IN_STRETCH
);
const EFFECTS: &str = "SELECT effects FROM consumption_ledger WHERE tree = $1 AND effects IS NOT NULL \
     AND resource_type_code = $2 AND ($3::text IS NULL OR resource_scope = $3) AND occurred_at >= $4 AND occurred_at < $5";

/// Every event of the account, and of everything below it unless `own_only`.
pub(super) async fn uses(
    session: &Session,
    tree: TreeId,
    stretch: &Stretch<'_>,
    own_only: bool,
    catalog: &Catalog,
) -> Result<Vec<Use>, StoreError> {
    if stretch.from >= stretch.to {
        return Ok(vec![]);
    }
    let (accounts, trees) = (vec![Id(stretch.account.0)], vec![number(tree)]);
    let (resource, scope) = (stretch.resource.as_str(), stretch.scope.map(Code::as_str));
    let (from, to) = (Instant::from(stretch.from), Instant::from(stretch.to));
    let parameters: [&(dyn ToSql + Sync); 6] = [&accounts, &trees, &resource, &scope, &from, &to];
    let found = session
        .query(
            if own_only { &USES_OWN } else { &USES_SUBTREE },
            &parameters,
        )
        .await?;
    let read = |row| {
        let found = Found {
            row,
            table: "consumption_ledger",
        };
        Ok(Use {
            at: found.time(0)?,
            amount: Amount::of(found.quantity(1)?, catalog.factor(found.text(2)?)),
            is_own: found.id(3)? == stretch.account.0,
        })
    };
    found.iter().map(read).collect()
}

/// Every effect of the tree's events in the stretch, on whatever account.
pub(super) async fn effects(
    session: &Session,
    tree: TreeId,
    stretch: &Stretch<'_>,
) -> Result<Vec<Effect>, StoreError> {
    if stretch.from >= stretch.to {
        return Ok(vec![]);
    }
    let (resource, scope) = (stretch.resource.as_str(), stretch.scope.map(Code::as_str));
    let (from, to) = (Instant::from(stretch.from), Instant::from(stretch.to));
    let found = session
        .query(EFFECTS, &[&number(tree), &resource, &scope, &from, &to])
        .await?;
    let mut effects = Vec::new();
    for row in &found {
        let found = Found {
            row,
            table: "consumption_ledger",
        };
        let some = rows::effects_of(found.text(0)?, stretch.resource);
        effects
            .extend(some.ok_or_else(|| found.damaged(0, "not the effects this program writes"))?);
    }
    Ok(effects)
}
