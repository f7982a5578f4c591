//! Answering needs: single rows by key, accounts with everything a decision needs, windows counted
//! from the ledger.

mod held;
mod node;
mod window;

use std::sync::Arc;

use mec_kernel::{
    AccountId, Catalog, Code, Fact, Lease, LedgerEvent, Need, Reservation, Session, Time, TreeId,
    key_hash,
};
use rusqlite::{OptionalExtension as _, Params, Statement, params};

use self::node::node;
use self::window::count_window;
use super::Writer;
use super::query::{all, one};
use super::rows::{self, sql};
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
const CORRECTIONS: &str =
    "SELECT quantity FROM consumption_ledger WHERE corrects_event_id = ?1 AND tree = ?2";
const LINK: &str = "SELECT account_id FROM account_links WHERE source = '' AND external_id = ?1";

impl Writer {
    pub(crate) fn look_up(
        &mut self,
        tree: TreeId,
        need: &Need,
        catalog: &Catalog,
        now: Time,
    ) -> Result<Fact, StoreError> {
        Ok(match need {
            Need::Account(id) => {
                Fact::Account(*id, node(&self.connection, tree, *id, now)?.map(Box::new))
            }
            Need::Key(key) => {
                let mut statement = self.connection.prepare_cached(&EVENT_OF_KEY)?;
                Fact::Key(
                    key.clone(),
                    event_of_key(&mut statement, tree, key, catalog)?,
                )
            }
            Need::Event(id) => {
                let event = one(
                    &self.connection,
                    &EVENT,
                    params![rows::Id(id.0), tree.0],
                    |row| rows::event(row, catalog).map(Arc::new),
                );
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
            Need::Trials => Fact::Trials(all(&self.connection, &TRIALS, params![tree.0], |row| {
                rows::account_plan(row).map(Arc::new)
            })?),
            Need::Window(account, key) => Fact::Window(
                *account,
                key.clone(),
                count_window(&self.connection, tree, *account, key, catalog, now)?,
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

    fn lease(&self, sql: &str, parameters: impl Params) -> Result<Option<Arc<Lease>>, StoreError> {
        one(&self.connection, sql, parameters, |row| {
            rows::lease(row).map(Arc::new)
        })
    }

    fn reservation(
        &self,
        sql: &str,
        parameters: impl Params,
    ) -> Result<Option<Arc<Reservation>>, StoreError> {
        one(&self.connection, sql, parameters, |row| {
            rows::reservation(row).map(Arc::new)
        })
    }

    fn corrections(&self, tree: TreeId, event: u128) -> Result<i128, StoreError> {
        let quantities = all(
            &self.connection,
            CORRECTIONS,
            params![rows::Id(event), tree.0],
            |row| row.get::<_, i64>(0),
        )?;
        Ok(quantities
            .iter()
            .map(|quantity| i128::from(*quantity))
            .sum())
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
        one(
            &self.connection,
            LINK,
            params![external_id.as_str()],
            |row| rows::id(row, 0).map(AccountId),
        )
    }
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
