//! Reading stretches of the ledger and of its hourly sums: how windows are counted and usage is
//! reported.

use mec_kernel::{Amount, Catalog, Code, TreeId};
use rusqlite::{Connection, params};

use super::rows::{self, sql};
use crate::StoreError;
pub(super) use crate::usage::{Stretch, Use};

/// The account and everything below it.
pub(super) const SUBTREE: &str = "WITH RECURSIVE subtree(id) AS (SELECT ?1 UNION ALL \
     SELECT a.account_id FROM accounts a JOIN subtree s ON a.parent_account_id = s.id) ";

const IN_STRETCH: &str = "resource_type_code = ?2 AND (?3 IS NULL OR resource_scope = ?3) AND occurred_at >= ?4 AND occurred_at < ?5";
const USE: &str =
    "SELECT occurred_at, quantity, unit_code, account_id FROM consumption_ledger WHERE ";

sql!(
    USES_SUBTREE = SUBTREE,
    USE,
    "account_id IN (SELECT id FROM subtree) AND ",
    IN_STRETCH
);
sql!(USES_OWN = USE, "account_id = ?1 AND ", IN_STRETCH);
sql!(
    EFFECTS = "SELECT effects FROM consumption_ledger WHERE tree = ?1 AND effects IS NOT NULL AND ",
    IN_STRETCH
);

/// Every event of the account, and of everything below it unless `own_only`.
pub(super) fn each_use(
    connection: &Connection,
    stretch: &Stretch<'_>,
    own_only: bool,
    catalog: &Catalog,
    mut each: impl FnMut(Use),
) -> Result<(), StoreError> {
    if stretch.from >= stretch.to {
        return Ok(());
    }
    let mut statement =
        connection.prepare_cached(if own_only { &USES_OWN } else { &USES_SUBTREE })?;
    let scope = stretch.scope.map(Code::as_str);
    let mut found = statement.query(params![
        rows::Id(stretch.account.0),
        stretch.resource.as_str(),
        scope,
        stretch.from.micros(),
        stretch.to.micros()
    ])?;
    while let Some(row) = found.next()? {
        each(Use {
            at: rows::time(row, 0)?,
            amount: Amount::of(rows::quantity(row, 1)?, catalog.factor(rows::text(row, 2)?)),
            is_own: rows::id(row, 3)? == stretch.account.0,
        });
    }
    Ok(())
}

/// Every effect of the stretch's events on the account's pools.
pub(super) fn each_effect(
    connection: &Connection,
    tree: TreeId,
    stretch: &Stretch<'_>,
    mut each: impl FnMut(&mec_kernel::Effect),
) -> Result<(), StoreError> {
    if stretch.from >= stretch.to {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(&EFFECTS)?;
    let scope = stretch.scope.map(Code::as_str);
    let mut found = statement.query(params![
        tree.0,
        stretch.resource.as_str(),
        scope,
        stretch.from.micros(),
        stretch.to.micros()
    ])?;
    while let Some(row) = found.next()? {
        let effects = rows::effects_of(rows::text(row, 0)?, stretch.resource)
            .ok_or_else(|| rows::damaged(0, "not the effects this program writes"))?;
        effects
            .iter()
            .filter(|effect| effect.account == stretch.account)
            .for_each(&mut each);
    }
    Ok(())
}
