//! Locking trees: the first statement of a batch, and nothing but that.

use std::collections::{BTreeMap, BTreeSet};

use mec_kernel::{Head, TreeId};
use tokio_postgres::Row;

use super::Writer;
use super::cells::Found;
use super::versions::{MOMENT, moment};
use crate::rows::{self, sql};
use crate::{Moment, StoreError};

sql!(LOCK = "SELECT ", rows::HEAD, " FROM account_trees WHERE tree = ANY($1) ORDER BY tree FOR UPDATE");

/// Said in BEGIN, because a connection keeps nothing: another client may have had it in between. The plans are those
/// that stay right while tables grow: every statement of a batch finds its rows by key.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
     SELECT set_config('synchronous_commit', 'on', true) \
         WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply'); \
     SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '30s'; \
     SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL plan_cache_mode = force_generic_plan; \
     SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
     SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off";

/// A tree's number as its columns hold it.
pub(super) fn number(tree: TreeId) -> i32 {
    i32::try_from(tree.0).unwrap_or(i32::MAX)
}

/// The numbers of all trees, each once, in their order.
pub(super) fn numbers(trees: impl Iterator<Item = TreeId>) -> Vec<i32> {
    trees.map(number).collect::<BTreeSet<_>>().into_iter().collect()
}

impl Writer {
    /// A tree without a row is not locked: that it is made only once is what its primary key sees to.
    pub(crate) async fn heads(&mut self, trees: &[TreeId]) -> Result<Vec<(Head, bool)>, StoreError> {
        self.abort().await;
        self.new_trees.clear();
        self.moment = Moment::default();
        if trees.is_empty() {
            return Ok(vec![]);
        }
        let locked = self.lock(trees).await;
        let found = match locked {
            Ok(rows) => rows.iter().map(head).collect::<Result<Vec<_>, _>>(),
            Err(error) => Err(error),
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.abort().await;
                return Err(error);
            }
        };
        let mut found: BTreeMap<TreeId, Head> = found.into_iter().map(|head| (head.tree, head)).collect();
        let heads: Vec<(Head, bool)> = trees
            .iter()
            .map(|tree| {
                let head = found.remove(tree);
                (head.unwrap_or(Head::new(*tree)), head.is_some())
            })
            .collect();
        self.new_trees = heads.iter().filter(|(_, exists)| !exists).map(|(head, _)| head.tree).collect();
        Ok(heads)
    }

    /// Begins a transaction with the locks of these trees.
    pub(super) async fn lock(&mut self, trees: &[TreeId]) -> Result<Vec<Row>, StoreError> {
        let numbers = numbers(trees.iter().copied());
        self.session().await?;
        self.is_begun = true;
        let (heads, clock) = self.session().await?.begin_and_query(BEGIN, (&LOCK, &[&numbers]), MOMENT).await?;
        self.moment = moment(&clock)?;
        Ok(heads)
    }

    /// Begins a batch that locks no tree.
    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        if !self.is_begun {
            self.session().await?.run(BEGIN).await?;
            self.is_begun = true;
        }
        Ok(())
    }
}

pub(super) fn head(row: &Row) -> Result<Head, StoreError> {
    rows::head(&Found { row, table: "account_trees" })
}
