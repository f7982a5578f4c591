//! Answering needs: single rows by key, accounts with everything a decision needs, windows counted
//! from the ledger.

use std::sync::Arc;

use mec_kernel::{
    AccountId, Amount, Catalog, Code, Expiries, Fact, Lease, LedgerEvent, Need, Node, Quantity,
    Reservation, Session, Time, TreeId, Window, WindowKey, WindowTotal, key_hash, oldest_step,
    step_micros, step_of, step_start,
};
use rusqlite::{Connection, OptionalExtension as _, Params, Statement, params};

use super::ledger::{self, SUBTREE, Stretch};
use super::rows::{self, sql};
use super::{Sqlite, Writer, entitlement};
use crate::StoreError;

sql!(
    EVENT = "SELECT ",
    rows::EVENT,
    " FROM ",
    rows::EVENT_FROM,
    " WHERE l.event_id = ?1 AND l.tree = ?2"
);
sql!(
    /// Equal hashes are legal: the ledger row's own key decides.
    EVENT_OF_KEY = "SELECT ",
    rows::EVENT,
    " FROM ",
    rows::EVENT_FROM,
    " WHERE l.tree = ?2 AND l.idempotency_key = ?3 \
     AND l.event_id IN (SELECT k.event_id FROM ledger_keys k WHERE k.key_hash = ?1 AND k.tree = ?2)",
);
sql!(
    LEASE = "SELECT ",
    rows::LEASE,
    " FROM concurrency_leases WHERE lease_id = ?1 AND tree = ?2"
);
sql!(
    LEASE_OF_SESSION = "SELECT ",
    rows::LEASE,
    " FROM concurrency_leases WHERE account_id = ?1 AND session_token = ?2 AND resource_type_code = ?3 \
     AND resource_scope IS ?4 ORDER BY lease_id DESC LIMIT 1",
);
sql!(
    RESERVATION = "SELECT ",
    rows::RESERVATION,
    " FROM reservations WHERE reservation_id = ?1 AND tree = ?2"
);
sql!(
    RESERVATION_OF_KEY = "SELECT ",
    rows::RESERVATION,
    " FROM reservations WHERE tree = ?1 AND idempotency_key = ?2"
);
sql!(
    TRIALS = "SELECT ",
    rows::ACCOUNT_PLAN,
    " FROM account_plans WHERE tree = ?1 AND is_trial = 1"
);
sql!(
    ACCOUNT = "SELECT ",
    rows::ACCOUNT,
    " FROM accounts WHERE account_id = ?1 AND tree = ?2"
);
sql!(
    PLANS = "SELECT ",
    rows::ACCOUNT_PLAN,
    " FROM account_plans WHERE account_id = ?1 ORDER BY starts_at"
);
sql!(
    RULES = "SELECT ",
    rows::RULE,
    " FROM control_rules WHERE account_id = ?1"
);
sql!(
    WINDOWS = "SELECT ",
    rows::WINDOW,
    " FROM usage_windows WHERE tree = ?1 AND account_id = ?2 AND (rolling_seconds > 0 OR window_end > ?3)",
);
sql!(
    SEATS = SUBTREE,
    "SELECT resource_type_code, resource_scope, expires_at, amount FROM concurrency_leases \
     WHERE account_id IN (SELECT id FROM subtree) AND released_at IS NULL AND expires_at > ?2",
);
sql!(
    HELD = SUBTREE,
    "SELECT expires_at, amount, reserved_at FROM reservations WHERE account_id IN (SELECT id FROM subtree) \
     AND status = 'open' AND expires_at > ?2 AND resource_type_code = ?3 AND (?4 IS NULL OR resource_scope = ?4)",
);
const CORRECTIONS: &str =
    "SELECT quantity FROM consumption_ledger WHERE corrects_event_id = ?1 AND tree = ?2";
const LINK: &str = "SELECT account_id FROM account_links WHERE source = '' AND external_id = ?1";
const HOURS: &str = "SELECT own, subtree FROM usage_hours WHERE tree = ?1 AND account_id = ?2 AND resource_type_code = ?3 \
     AND (?4 IS NULL OR resource_scope = ?4) AND hour >= ?5 AND hour < ?6";

impl Writer {
    pub(crate) fn look_up(
        &mut self,
        tree: TreeId,
        need: &Need,
        catalog: &Catalog,
        now: Time,
    ) -> Result<Fact, StoreError> {
        Ok(match need {
            Need::Account(id) => Fact::Account(*id, self.node(tree, *id, now)?.map(Box::new)),
            Need::Key(key) => {
                let mut statement = self.connection.prepare_cached(&EVENT_OF_KEY)?;
                Fact::Key(
                    key.clone(),
                    event_of_key(&mut statement, tree, key, catalog)?,
                )
            }
            Need::Event(id) => {
                let event = self.one(&EVENT, params![rows::Id(id.0), tree.0], |row| {
                    rows::event(row, catalog).map(Arc::new)
                });
                Fact::Event(*id, event?)
            }
            Need::Corrections(id) => Fact::Corrections(*id, self.corrections(tree, id.0)?),
            Need::Lease(id) => {
                Fact::Lease(*id, self.lease(&LEASE, params![rows::Id(id.0), tree.0])?)
            }
            Need::Session(session) => Fact::Session(session.clone(), self.session(session)?),
            Need::Reservation(id) => Fact::Reservation(
                *id,
                self.reservation(&RESERVATION, params![rows::Id(id.0), tree.0])?,
            ),
            Need::Hold(key) => Fact::Hold(
                key.clone(),
                self.reservation(&RESERVATION_OF_KEY, params![tree.0, key.as_str()])?,
            ),
            Need::Link(external_id) => Fact::Link(external_id.clone(), self.link(external_id)?),
            Need::Trials => Fact::Trials(self.all(&TRIALS, params![tree.0], |row| {
                rows::account_plan(row).map(Arc::new)
            })?),
            Need::Window(account, key) => Fact::Window(
                *account,
                key.clone(),
                self.count_window(tree, *account, key, catalog, now)?,
            ),
        })
    }

    /// Keys come by the thousand, so their statement is taken out of the cache once, and the file's
    /// read lock once.
    pub(crate) fn look_up_many(
        &mut self,
        needs: &[(TreeId, Need)],
        catalog: &Catalog,
        now: Time,
    ) -> Result<Vec<(TreeId, Fact)>, StoreError> {
        if !self.connection.is_autocommit() {
            self.abort();
        }
        self.connection.execute_batch("BEGIN")?;
        let facts = self.look_up_each(needs, catalog, now);
        self.abort();
        facts
    }

    fn look_up_each(
        &mut self,
        needs: &[(TreeId, Need)],
        catalog: &Catalog,
        now: Time,
    ) -> Result<Vec<(TreeId, Fact)>, StoreError> {
        let mut facts = Vec::with_capacity(needs.len());
        let mut rest = needs;
        while let Some((tree, need)) = rest.first() {
            if !matches!(need, Need::Key(_)) {
                facts.push((*tree, self.look_up(*tree, need, catalog, now)?));
                rest = &rest[1..];
                continue;
            }
            let mut statement = self.connection.prepare_cached(&EVENT_OF_KEY)?;
            while let Some((tree, Need::Key(key))) = rest.first() {
                facts.push((
                    *tree,
                    Fact::Key(
                        key.clone(),
                        event_of_key(&mut statement, *tree, key, catalog)?,
                    ),
                ));
                rest = &rest[1..];
            }
        }
        Ok(facts)
    }

    fn one<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        one(&self.connection, sql, parameters, read)
    }

    fn all<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        all(&self.connection, sql, parameters, read)
    }

    fn lease(&self, sql: &str, parameters: impl Params) -> Result<Option<Arc<Lease>>, StoreError> {
        self.one(sql, parameters, |row| rows::lease(row).map(Arc::new))
    }

    fn reservation(
        &self,
        sql: &str,
        parameters: impl Params,
    ) -> Result<Option<Arc<Reservation>>, StoreError> {
        self.one(sql, parameters, |row| rows::reservation(row).map(Arc::new))
    }

    fn corrections(&self, tree: TreeId, event: u128) -> Result<Quantity, StoreError> {
        let quantities = self.all(CORRECTIONS, params![rows::Id(event), tree.0], |row| {
            row.get::<_, i64>(0)
        })?;
        let sum = quantities
            .iter()
            .map(|quantity| i128::from(*quantity))
            .sum::<i128>();
        i64::try_from(sum)
            .ok()
            .and_then(Quantity::from_millionths)
            .ok_or_else(|| StoreError::Damaged {
                table: "consumption_ledger",
                problem: "the corrections of an event add up to more than a quantity".to_owned(),
            })
    }

    fn session(&self, session: &Session) -> Result<Option<Arc<Lease>>, StoreError> {
        let scope = session.scope.as_deref();
        let parameters = params![
            rows::Id(session.account.0),
            session.token.as_str(),
            session.resource.as_str(),
            scope
        ];
        self.lease(&LEASE_OF_SESSION, parameters)
    }

    fn link(&self, external_id: &Code) -> Result<Option<AccountId>, StoreError> {
        self.one(LINK, params![external_id.as_str()], |row| {
            rows::id(row, 0).map(AccountId)
        })
    }

    fn node(&self, tree: TreeId, id: AccountId, now: Time) -> Result<Option<Node>, StoreError> {
        let Some(mut node) = granted(&self.connection, tree, id)? else {
            return Ok(None);
        };
        for (key, mut total) in self.all(
            &WINDOWS,
            params![tree.0, rows::Id(id.0), now.micros()],
            rows::window,
        )? {
            total.held = self.held(id, &key, now)?;
            node.windows.insert(key, total);
        }
        let live = self.all(&SEATS, params![rows::Id(id.0), now.micros()], |row| {
            Ok((
                rows::code(row, 0)?,
                rows::optional_code(row, 1)?,
                rows::time(row, 2)?,
                row.get::<_, rows::Exact>(3)?.0,
            ))
        })?;
        for (resource, scope, expires_at, amount) in live {
            for scope in std::iter::once(None).chain(scope.map(Some)) {
                node.seats
                    .entry((resource.clone(), scope))
                    .or_default()
                    .add(expires_at, amount, now);
            }
        }
        Ok(Some(node))
    }

    /// Open reservations of the account and everything below it that count in `key`.
    fn held(&self, id: AccountId, key: &WindowKey, now: Time) -> Result<Expiries, StoreError> {
        let parameters = params![
            rows::Id(id.0),
            now.micros(),
            key.resource.as_str(),
            key.scope.as_deref()
        ];
        let found = self.all(&HELD, parameters, |row| {
            Ok((
                rows::time(row, 0)?,
                row.get::<_, rows::Exact>(1)?.0,
                rows::time(row, 2)?,
            ))
        })?;
        let mut held = Expiries::default();
        for (expires_at, amount, _) in found.into_iter().filter(|(.., at)| key.window.holds(*at)) {
            held.add(expires_at, amount, now);
        }
        Ok(held)
    }

    /// Counts a window: whole hours from the stored sums, its edge hours and rolling steps from the
    /// ledger, overage from the effects of its own key.
    fn count_window(
        &self,
        tree: TreeId,
        id: AccountId,
        key: &WindowKey,
        catalog: &Catalog,
        now: Time,
    ) -> Result<WindowTotal, StoreError> {
        let mut total = WindowTotal {
            held: self.held(id, key, now)?,
            ..WindowTotal::default()
        };
        let stretch = |from, to| Stretch {
            account: id,
            resource: &key.resource,
            scope: key.scope.as_ref(),
            from,
            to,
        };
        let all_of_it = match key.window {
            Window::Rolling { seconds } => {
                let from = step_start(oldest_step(now, seconds), step_micros(seconds));
                ledger::each_use(
                    &self.connection,
                    &stretch(from, Time::FOREVER),
                    false,
                    catalog,
                    |used| {
                        let step = total.steps.entry(step_of(used.at, seconds)).or_default();
                        *step = step.plus(used.amount);
                    },
                )?;
                stretch(Time::BEGINNING, Time::FOREVER)
            }
            Window::Fixed { start, end } => {
                let (first_hour, last_hour) = ledger::whole_hours(start, end);
                let edges = if first_hour <= last_hour {
                    self.sum_hours(&mut total, tree, &stretch(first_hour, last_hour))?;
                    [stretch(start, first_hour), stretch(last_hour, end)]
                } else {
                    [stretch(start, end), stretch(end, end)]
                };
                for edge in &edges {
                    ledger::each_use(&self.connection, edge, false, catalog, |used| {
                        add(
                            &mut total,
                            used.amount,
                            if used.is_own {
                                used.amount
                            } else {
                                Amount::ZERO
                            },
                        );
                    })?;
                }
                stretch(start, end)
            }
        };
        ledger::each_effect(&self.connection, tree, &all_of_it, |effect| {
            if effect.key == *key {
                total.overage = total.overage.plus(effect.overage);
            }
        })?;
        Ok(total)
    }

    fn sum_hours(
        &self,
        total: &mut WindowTotal,
        tree: TreeId,
        stretch: &Stretch<'_>,
    ) -> Result<(), StoreError> {
        let scope = stretch.scope.map(Code::as_str);
        let (account, resource) = (rows::Id(stretch.account.0), stretch.resource.as_str());
        let parameters = params![
            tree.0,
            account,
            resource,
            scope,
            stretch.from.micros(),
            stretch.to.micros()
        ];
        for (own, subtree) in self.all(HOURS, parameters, |row| {
            Ok((
                row.get::<_, rows::Exact>(0)?.0,
                row.get::<_, rows::Exact>(1)?.0,
            ))
        })? {
            add(total, subtree, own);
        }
        Ok(())
    }
}

impl Sqlite {
    pub(crate) fn account(&self, id: AccountId) -> Result<Option<Node>, StoreError> {
        self.read(|connection| granted(connection, id.tree(), id))
    }
}

/// The account with its entitlements, plans and rules.
fn granted(
    connection: &Connection,
    tree: TreeId,
    id: AccountId,
) -> Result<Option<Node>, StoreError> {
    let account = one(
        connection,
        &ACCOUNT,
        params![rows::Id(id.0), tree.0],
        rows::account,
    )?;
    let Some(mut node) = account.map(Node::new) else {
        return Ok(None);
    };
    node.entitlements = entitlement::of_account(connection, id)?
        .into_iter()
        .map(Arc::new)
        .collect();
    node.plans = all(connection, &PLANS, params![rows::Id(id.0)], |row| {
        rows::account_plan(row).map(Arc::new)
    })?;
    node.rules = all(connection, &RULES, params![rows::Id(id.0)], |row| {
        rows::rule(row).map(Arc::new)
    })?;
    Ok(Some(node))
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    Ok(connection
        .prepare_cached(sql)?
        .query_row(parameters, read)
        .optional()?)
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    Ok(connection
        .prepare_cached(sql)?
        .query_map(parameters, read)?
        .collect::<rusqlite::Result<_>>()?)
}

fn event_of_key(
    statement: &mut Statement<'_>,
    tree: TreeId,
    key: &str,
    catalog: &Catalog,
) -> Result<Option<Arc<LedgerEvent>>, StoreError> {
    let parameters = params![key_hash(tree, key), tree.0, key];
    Ok(statement
        .query_row(parameters, |row| rows::event(row, catalog).map(Arc::new))
        .optional()?)
}

fn add(total: &mut WindowTotal, subtree: Amount, own: Amount) {
    total.used = total.used.plus(subtree);
    total.own = total.own.plus(own);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cached_statement_is_prepared_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mec.db");
        let (_store, mut writer) =
            super::super::Sqlite::open(&path, &crate::OpenOptions::default()).unwrap();
        let needs: Vec<_> = (0..3)
            .map(|key| (TreeId(7), Need::Key(format!("{key}").into())))
            .collect();
        for _ in 0..3 {
            writer
                .look_up_many(&needs, &Catalog::default(), Time::from_micros(0))
                .unwrap();
            writer
                .look_up(
                    TreeId(7),
                    &needs[0].1,
                    &Catalog::default(),
                    Time::from_micros(0),
                )
                .unwrap();
        }
        let statement = writer.connection.prepare_cached(&EVENT_OF_KEY).unwrap();
        assert!(statement.get_status(rusqlite::StatementStatus::Run) >= 12);
        assert_eq!(
            statement.get_status(rusqlite::StatementStatus::RePrepare),
            0
        );
    }
}
