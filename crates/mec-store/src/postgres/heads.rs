//! Taking trees and giving them back: the first statement of a batch locks, and does nothing but
//! that.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use mec_kernel::{Head, TreeId};
use tokio_postgres::Row;

use super::cells::Found;
use super::commit_error::warned;
use super::session::Session;
use super::tree_number::numbers;
use super::versions::{MOMENT, moment};
use super::{Stage, Writer};
use crate::rows::{self, sql};
use crate::{CommitError, Hold, Moment, StoreError};

sql!(
    LOOK = "SELECT ",
    rows::HEAD,
    " FROM account_trees WHERE tree = ANY($1) ORDER BY tree"
);
sql!(pub LOCK = "SELECT ", rows::HEAD, " FROM account_trees WHERE tree = ANY($1) ORDER BY tree FOR UPDATE");
sql!(
    LOCK_FREE = "SELECT ",
    rows::HEAD,
    " FROM account_trees WHERE tree = ANY($1) ORDER BY tree FOR UPDATE SKIP LOCKED"
);

/// Said in BEGIN, because a connection keeps nothing: another client may have had it in between.
/// The plans are those that stay right while tables grow: every statement of a batch finds its rows
/// by key.
macro_rules! plans {
    () => {
        "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; \
         SET LOCAL enable_mergejoin = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off"
    };
}
/// A process that stops in the middle of a batch holds its trees for five seconds, and whoever
/// waits for them waits longer than that.
macro_rules! begin {
    () => {
        concat!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
             SELECT set_config('synchronous_commit', 'on', true) \
                 WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply'); \
             SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '20s'; \
             SET LOCAL idle_in_transaction_session_timeout = '5s'; ",
            plans!()
        )
    };
}
const BEGIN: &str = begin!();
/// Which shards a statement goes to is seen from its parameters.
const PLANS_OF_CITUS: &str = "SET LOCAL plan_cache_mode = force_custom_plan";
/// Every batch begins by locking rows of the table, also where it finds none, and so waits for
/// whoever has locked it whole.
const BEGIN_ALONE: &str = concat!(begin!(), "; LOCK TABLE account_trees IN EXCLUSIVE MODE");
const BEGIN_SNAPSHOT: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '20s'; \
     SET LOCAL idle_in_transaction_session_timeout = '5s'; ",
    plans!()
);

/// Refuses a database in which a batch's COMMIT would be answered before it is durable, whatever
/// its settings say.
pub(super) async fn check_commits(session: &Session, shown: &str) -> Result<(), StoreError> {
    session.run(BEGIN).await?;
    let rows = session
        .query_once("SELECT current_setting('synchronous_commit')", &[])
        .await?;
    session.run("ROLLBACK").await?;
    let found: &str = rows
        .first()
        .map(|row| row.try_get(0))
        .transpose()?
        .unwrap_or("not told");
    if matches!(found, "on" | "remote_apply") {
        return Ok(());
    }
    Err(StoreError::Unusable(format!(
        "{shown}: synchronous_commit is {found} although the transaction sets it to on, so what was answered as recorded could be \
         lost; let what is between set it, or connect without it"
    )))
}

impl Writer {
    /// A tree without a row is not locked: that it is made only once is what its primary key sees
    /// to.
    pub(crate) async fn heads(
        &mut self,
        trees: &[TreeId],
        hold: Hold,
    ) -> Result<Vec<(Head, bool)>, StoreError> {
        self.abort().await;
        self.new_trees.clear();
        self.moment = Moment::default();
        if trees.is_empty() {
            return Ok(vec![]);
        }
        let taken = match self.lock(trees, hold).await {
            Ok((rows, there)) => rows
                .iter()
                .map(head)
                .collect::<Result<Vec<_>, _>>()
                .map(|heads| (heads, there)),
            Err(error) => Err(error),
        };
        let (heads, there) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                self.abort().await;
                return Err(error);
            }
        };
        let mut taken: BTreeMap<TreeId, Head> =
            heads.into_iter().map(|head| (head.tree, head)).collect();
        let heads: Vec<(Head, bool)> = trees
            .iter()
            .filter_map(|tree| match taken.remove(tree) {
                Some(head) => Some((head, true)),
                // It has a row, but not for this batch.
                None if there.contains(tree) => None,
                None => Some((Head::new(*tree), false)),
            })
            .collect();
        self.new_trees = heads
            .iter()
            .filter(|(_, exists)| !exists)
            .map(|(head, _)| head.tree)
            .collect();
        Ok(heads)
    }

    /// Begins a transaction with these trees: the rows it has got, and the trees that have one.
    pub(super) async fn lock(
        &mut self,
        trees: &[TreeId],
        hold: Hold,
    ) -> Result<(Vec<Row>, BTreeSet<TreeId>), StoreError> {
        let numbers = numbers(trees.iter().copied());
        let (begin, take): (_, &str) = match hold {
            Hold::Free => (BEGIN, &LOCK_FREE),
            Hold::Waited => (BEGIN, &LOCK),
            Hold::Alone => (BEGIN_ALONE, &LOCK),
            Hold::Snapshot => (BEGIN_SNAPSHOT, &LOOK),
        };
        let begin = self.with_plans(begin);
        self.session().await?;
        self.stage = Stage::Begun;
        let (heads, found) = self
            .session()
            .await?
            .begin_and_query(&begin, (take, &[&numbers]), (MOMENT, &[&numbers]))
            .await?;
        let there;
        (self.moment, there, self.is_followed) = moment(&found)?;
        Ok((heads, there))
    }

    /// What a batch reads under its locks may be durable here and not yet on the standbys:
    /// another's COMMIT that was no longer waited for. Committing the locks, later in the log than
    /// that, waits for both.
    pub(crate) async fn release(&mut self) -> Result<(), CommitError> {
        if self.stage != Stage::Begun || !self.is_followed {
            self.abort().await;
            return Ok(());
        }
        let released = match self.session().await {
            Ok(session) => {
                session.take_warning();
                session.run("COMMIT").await.map(|()| session.take_warning())
            }
            Err(error) => Err(error),
        };
        self.stage = Stage::Idle;
        match released {
            Ok(None) => Ok(()),
            Ok(Some(warning)) => Err(CommitError::Unknown(warned(&warning))),
            Err(error) => {
                self.session = None;
                Err(CommitError::NotDone(error))
            }
        }
    }

    /// Commits a transaction that changes nothing but has a number, and so is written to the log
    /// and waited for.
    pub(crate) async fn probe(&mut self) -> Result<(), CommitError> {
        self.abort().await;
        let begun = match self.begin().await {
            Ok(()) => self.session().await,
            Err(error) => Err(error),
        };
        let probed = match begun {
            Ok(session) => session.run("SELECT pg_current_xact_id(); COMMIT").await,
            Err(error) => Err(error),
        };
        self.stage = Stage::Idle;
        probed.map_err(|error| {
            self.session = None;
            CommitError::NotDone(error)
        })
    }

    /// Begins a batch that takes no tree.
    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        self.session().await?;
        if self.stage == Stage::Idle {
            // Before it is sent, so that what fails half-way is rolled back.
            self.stage = Stage::Begun;
            let begin = self.with_plans(BEGIN);
            self.session().await?.run(&begin).await?;
        }
        Ok(())
    }

    fn with_plans(&self, begin: &'static str) -> Cow<'static, str> {
        if self.link.is_citus {
            format!("{begin}; {PLANS_OF_CITUS}").into()
        } else {
            begin.into()
        }
    }
}

pub(super) fn head(row: &Row) -> Result<Head, StoreError> {
    rows::head(&Found {
        row,
        table: "account_trees",
    })
}
