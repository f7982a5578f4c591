//! Streaming the ledger in order, a piece at a time. Memory stays flat.

use std::cmp::Ordering;

use mec_kernel::{Catalog, LedgerEvent, Time};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::codec::{Id, Instant};
use super::read::Snapshot;
use super::session::Parameter;
use super::tree_number::number;
use super::{Postgres, look_up};
use crate::rows::{self, sql};
use crate::{EventFilter, StoreError};

/// Rows fetched at once.
const ROWS_AT_ONCE: usize = 2_000;

const FROM: &str = " FROM consumption_ledger l \
     LEFT JOIN consumption_event_details d ON d.event_id = l.event_id AND d.tree = l.tree WHERE ";
const HAPPENED: &str =
    " AND l.occurred_at >= $3 AND l.occurred_at < $4 ORDER BY l.tree, l.tree_seq";

sql!(
    OF_ALL = "SELECT ",
    rows::EVENT,
    FROM,
    "(l.tree, l.tree_seq) > ($1, $2)",
    HAPPENED
);
sql!(
    OF_ACCOUNT = "SELECT ",
    rows::EVENT,
    FROM,
    "l.tree = $1 AND l.tree_seq > $2 AND l.account_id = $5",
    HAPPENED
);

impl Postgres {
    /// Lends a connection of its own to `read`, on one instant's state, for as long as it needs:
    /// the readers that requests share stay free.
    pub(super) fn read_apart<T>(
        &self,
        read: impl FnOnce(&mut Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        Self::with_one_reader(self.link.clone(), self.read_timeout).read_within(None, read)
    }

    pub(crate) fn each_event(
        &self,
        filter: &EventFilter,
        catalog: &Catalog,
        each: &mut dyn FnMut(&LedgerEvent) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let after = filter
            .after
            .map_or((0, 0), |after| (number(after.tree), after.tree_seq));
        let (tree, seq) = match filter.account.map(|account| number(account.tree())) {
            None => after,
            Some(tree) => match after.0.cmp(&tree) {
                Ordering::Less => (tree, 0),
                Ordering::Equal => after,
                Ordering::Greater => return Ok(()),
            },
        };
        let mut parameters: Vec<(Parameter<'static>, Type)> = vec![
            (Box::new(tree), Type::INT4),
            (Box::new(seq), Type::INT8),
            (
                Box::new(Instant::from(filter.from.unwrap_or(Time::BEGINNING))),
                Type::TIMESTAMPTZ,
            ),
            (
                Box::new(Instant::from(filter.to.unwrap_or(Time::FOREVER))),
                Type::TIMESTAMPTZ,
            ),
        ];
        parameters.extend(
            filter
                .account
                .map(|account| (Box::new(Id(account.0)) as Parameter<'static>, Type::UUID)),
        );
        let sql = if filter.account.is_some() {
            &OF_ACCOUNT
        } else {
            &OF_ALL
        };
        self.read_apart(|snapshot| {
            snapshot.each_row(sql, parameters, |row| each(&look_up::event(row, catalog)?))
        })
    }
}

impl Snapshot {
    /// Shows `each` the rows of a statement in their order; however many there are, they are never
    /// held together.
    pub(super) fn each_row(
        &self,
        sql: &str,
        parameters: Vec<(Parameter<'static>, Type)>,
        mut each: impl FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let few = format!("{sql} LIMIT {}", ROWS_AT_ONCE + 1);
        let declare = format!("DECLARE scan NO SCROLL CURSOR FOR {sql}");
        // Most trees have few rows: those come in one go, and only of many is a cursor made.
        let all = self.wait(|session| async move {
            let rows = session.query_once(&few, &parameters).await?;
            if rows.len() <= ROWS_AT_ONCE {
                return Ok(Some(rows));
            }
            session.query_once(&declare, &parameters).await?;
            Ok(None)
        })?;
        if let Some(rows) = all {
            return rows.iter().try_for_each(each);
        }
        loop {
            let fetch = format!("FETCH {ROWS_AT_ONCE} FROM scan");
            let rows = self.wait(|session| async move { session.query_once(&fetch, &[]).await })?;
            for row in &rows {
                each(row)?;
            }
            if rows.len() < ROWS_AT_ONCE {
                return self.wait(|session| async move { session.run("CLOSE scan").await });
            }
        }
    }
}
