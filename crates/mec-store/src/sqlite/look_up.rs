//! Answering needs: single rows by key, accounts with everything a decision needs, windows counted from the ledger.

use std::sync::Arc;

use mec_kernel::{
    AccountId, Amount, Catalogue, Code, Condition, Fact, HOUR, Lease, LedgerEvent, Need, Node, Quantity, Reservation, Session,
    Time, TreeId, Window, WindowKey, WindowTotal, key_hash, oldest_step, step_micros, step_of, step_start,
};
use rusqlite::{OptionalExtension as _, Params, params};

use super::{Writer, rows};
use crate::StoreError;

/// The account and everything below it.
const SUBTREE: &str = "WITH RECURSIVE subtree(id) AS (SELECT ?1 UNION ALL \
     SELECT a.account_id FROM accounts a JOIN subtree s ON a.parent_account_id = s.id)";

impl Writer {
    pub(crate) fn look_up(&mut self, tree: TreeId, need: &Need, catalogue: &Catalogue, now: Time) -> Result<Fact, StoreError> {
        Ok(match need {
            Need::Account(id) => Fact::Account(*id, self.node(tree, *id, now)?.map(Box::new)),
            Need::Key(key) => Fact::Key(key.clone(), self.event_of_key(tree, key, catalogue)?),
            Need::Event(id) => {
                let sql = format!("SELECT {} FROM {} WHERE l.event_id = ?1 AND l.tree = ?2", rows::EVENT, rows::EVENT_FROM);
                Fact::Event(*id, self.event(&sql, params![rows::Id(id.0), tree.0], catalogue)?)
            }
            Need::Corrections(id) => Fact::Corrections(*id, self.corrections(tree, id.0)?),
            Need::Lease(id) => {
                let sql = format!("SELECT {} FROM concurrency_leases WHERE lease_id = ?1 AND tree = ?2", rows::LEASE);
                Fact::Lease(*id, self.lease(&sql, params![rows::Id(id.0), tree.0])?)
            }
            Need::Session(session) => Fact::Session(session.clone(), self.session(session)?),
            Need::Reservation(id) => {
                let sql = format!("SELECT {} FROM reservations WHERE reservation_id = ?1 AND tree = ?2", rows::RESERVATION);
                Fact::Reservation(*id, self.reservation(&sql, params![rows::Id(id.0), tree.0])?)
            }
            Need::Hold(key) => {
                let sql = format!("SELECT {} FROM reservations WHERE tree = ?1 AND idempotency_key = ?2", rows::RESERVATION);
                Fact::Hold(key.clone(), self.reservation(&sql, params![tree.0, key.as_str()])?)
            }
            Need::Link(external_id) => Fact::Link(external_id.clone(), self.link(external_id)?),
            Need::Trials => {
                let sql = format!("SELECT {} FROM account_plans WHERE tree = ?1 AND is_trial = 1", rows::ACCOUNT_PLAN);
                let trials = self.all(&sql, params![tree.0], |row| rows::account_plan(row).map(Arc::new))?;
                Fact::Trials(trials)
            }
            Need::Window(account, key) => {
                Fact::Window(*account, key.clone(), self.count_window(tree, *account, key, catalogue, now)?)
            }
        })
    }

    fn one<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.query_row(parameters, read).optional()?)
    }

    fn all<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.query_map(parameters, read)?.collect::<rusqlite::Result<_>>()?)
    }

    fn event(&self, sql: &str, parameters: impl Params, catalogue: &Catalogue) -> Result<Option<Arc<LedgerEvent>>, StoreError> {
        self.one(sql, parameters, |row| rows::event(row, catalogue).map(Arc::new))
    }

    fn lease(&self, sql: &str, parameters: impl Params) -> Result<Option<Arc<Lease>>, StoreError> {
        self.one(sql, parameters, |row| rows::lease(row).map(Arc::new))
    }

    fn reservation(&self, sql: &str, parameters: impl Params) -> Result<Option<Arc<Reservation>>, StoreError> {
        self.one(sql, parameters, |row| rows::reservation(row).map(Arc::new))
    }

    /// Equal hashes are legal: the ledger row's own key decides.
    fn event_of_key(&self, tree: TreeId, key: &str, catalogue: &Catalogue) -> Result<Option<Arc<LedgerEvent>>, StoreError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE l.tree = ?2 AND l.idempotency_key = ?3 \
             AND l.event_id IN (SELECT k.event_id FROM ledger_keys k WHERE k.key_hash = ?1 AND k.tree = ?2)",
            rows::EVENT,
            rows::EVENT_FROM
        );
        self.event(&sql, params![key_hash(tree, key), tree.0, key], catalogue)
    }

    fn corrections(&self, tree: TreeId, event: u128) -> Result<Quantity, StoreError> {
        let sql = "SELECT quantity FROM consumption_ledger WHERE corrects_event_id = ?1 AND tree = ?2";
        let quantities = self.all(sql, params![rows::Id(event), tree.0], |row| row.get::<_, i64>(0))?;
        let sum = quantities.iter().map(|quantity| i128::from(*quantity)).sum::<i128>();
        i64::try_from(sum).ok().and_then(Quantity::from_millionths).ok_or_else(|| StoreError::Damaged {
            table: "consumption_ledger",
            problem: "the corrections of an event add up to more than a quantity".to_owned(),
        })
    }

    fn session(&self, session: &Session) -> Result<Option<Arc<Lease>>, StoreError> {
        let sql = format!(
            "SELECT {} FROM concurrency_leases WHERE account_id = ?1 AND session_token = ?2 AND resource_type_code = ?3 \
             AND resource_scope IS ?4 ORDER BY lease_id DESC LIMIT 1",
            rows::LEASE
        );
        let scope = session.scope.as_deref();
        self.lease(&sql, params![rows::Id(session.account.0), session.token.as_str(), session.resource.as_str(), scope])
    }

    fn link(&self, external_id: &Code) -> Result<Option<AccountId>, StoreError> {
        let sql = "SELECT account_id FROM account_links WHERE source = '' AND external_id = ?1";
        self.one(sql, params![external_id.as_str()], |row| rows::id(row, 0).map(AccountId))
    }

    fn node(&self, tree: TreeId, id: AccountId, now: Time) -> Result<Option<Node>, StoreError> {
        let sql = format!("SELECT {} FROM accounts WHERE account_id = ?1 AND tree = ?2", rows::ACCOUNT);
        let Some(account) = self.one(&sql, params![rows::Id(id.0), tree.0], rows::account)? else { return Ok(None) };
        let mut node = Node::new(account);
        let sql = format!("SELECT {} FROM entitlements WHERE account_id = ?1 ORDER BY entitlement_id", rows::ENTITLEMENT);
        let mut entitlements = self.all(&sql, params![rows::Id(id.0)], rows::entitlement)?;
        for row in &mut entitlements {
            row.conditions = self.conditions(row.id.0)?;
        }
        node.entitlements = entitlements.into_iter().map(Arc::new).collect();
        let sql = format!("SELECT {} FROM account_plans WHERE account_id = ?1 ORDER BY starts_at", rows::ACCOUNT_PLAN);
        node.plans = self.all(&sql, params![rows::Id(id.0)], |row| rows::account_plan(row).map(Arc::new))?;
        let sql = format!("SELECT {} FROM control_rules WHERE account_id = ?1", rows::RULE);
        node.rules = self.all(&sql, params![rows::Id(id.0)], |row| rows::rule(row).map(Arc::new))?;
        for (key, mut total) in self.open_windows(tree, id, now)? {
            total.held = self.held(id, &key, now)?;
            node.windows.insert(key, total);
        }
        let sql = format!(
            "{SUBTREE} SELECT resource_type_code, resource_scope, expires_at, amount FROM concurrency_leases \
             WHERE account_id IN (SELECT id FROM subtree) AND released_at IS NULL AND expires_at > ?2"
        );
        let live = self.all(&sql, params![rows::Id(id.0), now.micros()], |row| {
            Ok((rows::code(row, 0)?, rows::optional_code(row, 1)?, rows::time(row, 2)?, row.get::<_, rows::Exact>(3)?.0))
        })?;
        for (resource, scope, expires_at, amount) in live {
            for scope in std::iter::once(None).chain(scope.map(Some)) {
                node.seats.entry((resource.clone(), scope)).or_default().add(expires_at, amount, now);
            }
        }
        Ok(Some(node))
    }

    /// Conditions are written by no operation of this version: a row this program did not write is not guessed at.
    fn conditions(&self, entitlement: u128) -> Result<Vec<Condition>, StoreError> {
        let sql = "SELECT 1 FROM entitlement_conditions WHERE entitlement_id = ?1 LIMIT 1";
        match self.one(sql, params![rows::Id(entitlement)], |_| Ok(()))? {
            None => Ok(vec![]),
            Some(()) => Err(StoreError::Damaged {
                table: "entitlement_conditions",
                problem: "this version writes no conditions".to_owned(),
            }),
        }
    }

    fn open_windows(&self, tree: TreeId, id: AccountId, now: Time) -> Result<Vec<(WindowKey, WindowTotal)>, StoreError> {
        let sql = "SELECT resource_type_code, resource_scope, rolling_seconds, window_start, window_end, used, own, steps, \
                   over_since, overage FROM usage_windows WHERE tree = ?1 AND account_id = ?2 \
                   AND (rolling_seconds > 0 OR window_end > ?3)";
        self.all(sql, params![tree.0, rows::Id(id.0), now.micros()], |row| {
            let key = WindowKey {
                resource: rows::code(row, 0)?,
                scope: rows::scope_of(row.get_ref(1)?.as_str()?),
                window: rows::window_of(row.get(2)?, row.get(3)?, row.get(4)?),
            };
            let steps = match row.get_ref(7)?.as_str_or_null()? {
                Some(text) => rows::steps_of(text).ok_or_else(|| rows::damaged(7, "not the steps this program writes"))?,
                None => Default::default(),
            };
            let total = WindowTotal {
                used: row.get::<_, rows::Exact>(5)?.0,
                own: row.get::<_, rows::Exact>(6)?.0,
                steps,
                over_since: rows::optional_time(row, 8)?,
                overage: row.get::<_, rows::Exact>(9)?.0,
                ..WindowTotal::default()
            };
            Ok((key, total))
        })
    }

    /// Open reservations of the account and everything below it that count in `key`.
    fn held(&self, id: AccountId, key: &WindowKey, now: Time) -> Result<mec_kernel::Expiries, StoreError> {
        let sql = format!(
            "{SUBTREE} SELECT expires_at, amount, reserved_at FROM reservations WHERE account_id IN (SELECT id FROM subtree) \
             AND status = 'open' AND expires_at > ?2 AND resource_type_code = ?3 AND (?4 IS NULL OR resource_scope = ?4)"
        );
        let found =
            self.all(&sql, params![rows::Id(id.0), now.micros(), key.resource.as_str(), key.scope.as_deref()], |row| {
                Ok((rows::time(row, 0)?, row.get::<_, rows::Exact>(1)?.0, rows::time(row, 2)?))
            })?;
        let mut held = mec_kernel::Expiries::default();
        for (expires_at, amount, _) in found.into_iter().filter(|(.., at)| key.window.holds(*at)) {
            held.add(expires_at, amount, now);
        }
        Ok(held)
    }

    /// Counts a window: whole hours from the stored sums, its edge hours and rolling steps from the ledger.
    fn count_window(
        &self,
        tree: TreeId,
        id: AccountId,
        key: &WindowKey,
        catalogue: &Catalogue,
        now: Time,
    ) -> Result<WindowTotal, StoreError> {
        let mut total = WindowTotal { held: self.held(id, key, now)?, ..WindowTotal::default() };
        match key.window {
            Window::Rolling { seconds } => {
                let from = step_start(oldest_step(now, seconds), step_micros(seconds));
                for (at, amount, _) in self.ledger_amounts(id, key, from, Time::FOREVER, catalogue)? {
                    let step = total.steps.entry(step_of(at, seconds)).or_default();
                    *step = step.plus(amount);
                }
            }
            Window::Fixed { start, end } => {
                let first_hour =
                    if start == start.hour() || !start.is_bounded() { start } else { start.hour().plus_micros(HOUR) };
                let last_hour = if end.is_bounded() { end.hour() } else { end };
                if first_hour <= last_hour {
                    self.sum_hours(&mut total, tree, id, key, first_hour, last_hour)?;
                    self.sum_ledger(&mut total, id, key, start, first_hour, catalogue)?;
                    self.sum_ledger(&mut total, id, key, last_hour, end, catalogue)?;
                } else {
                    self.sum_ledger(&mut total, id, key, start, end, catalogue)?;
                }
            }
        }
        Ok(total)
    }

    fn sum_hours(
        &self,
        total: &mut WindowTotal,
        tree: TreeId,
        id: AccountId,
        key: &WindowKey,
        from: Time,
        to: Time,
    ) -> Result<(), StoreError> {
        let sql = "SELECT own, subtree, overage FROM usage_hours WHERE tree = ?1 AND account_id = ?2 AND resource_type_code = ?3 \
                   AND (?4 IS NULL OR resource_scope = ?4) AND hour >= ?5 AND hour < ?6";
        let parameters = params![tree.0, rows::Id(id.0), key.resource.as_str(), key.scope.as_deref(), from.micros(), to.micros()];
        let sums = self.all(sql, parameters, |row| {
            Ok((row.get::<_, rows::Exact>(0)?.0, row.get::<_, rows::Exact>(1)?.0, row.get::<_, rows::Exact>(2)?.0))
        })?;
        for (own, subtree, overage) in sums {
            add(total, subtree, own);
            total.overage = total.overage.plus(overage);
        }
        Ok(())
    }

    fn sum_ledger(
        &self,
        total: &mut WindowTotal,
        id: AccountId,
        key: &WindowKey,
        from: Time,
        to: Time,
        catalogue: &Catalogue,
    ) -> Result<(), StoreError> {
        if from < to {
            for (_, amount, is_own) in self.ledger_amounts(id, key, from, to, catalogue)? {
                add(total, amount, if is_own { amount } else { Amount::ZERO });
            }
        }
        Ok(())
    }

    /// When, how much, and whether by the account itself.
    fn ledger_amounts(
        &self,
        id: AccountId,
        key: &WindowKey,
        from: Time,
        to: Time,
        catalogue: &Catalogue,
    ) -> Result<Vec<(Time, Amount, bool)>, StoreError> {
        let sql = format!(
            "{SUBTREE} SELECT occurred_at, quantity, unit_code, account_id FROM consumption_ledger \
             WHERE account_id IN (SELECT id FROM subtree) AND resource_type_code = ?2 \
             AND (?3 IS NULL OR resource_scope = ?3) AND occurred_at >= ?4 AND occurred_at < ?5"
        );
        let parameters = params![rows::Id(id.0), key.resource.as_str(), key.scope.as_deref(), from.micros(), to.micros()];
        self.all(&sql, parameters, |row| {
            let amount = Amount::of(rows::quantity(row, 1)?, catalogue.factor(row.get_ref(2)?.as_str()?));
            Ok((rows::time(row, 0)?, amount, rows::id(row, 3)? == id.0))
        })
    }
}

fn add(total: &mut WindowTotal, subtree: Amount, own: Amount) {
    total.used = total.used.plus(subtree);
    total.own = total.own.plus(own);
}
