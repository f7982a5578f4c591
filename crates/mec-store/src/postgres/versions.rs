//! Which states are the newest: one statement on a connection that answers many askers at once.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use mec_kernel::{Time, TreeId};

use super::cells::Found;
use super::session::Session;
use super::tree_number::numbers;
use super::{Link, Postgres};
use crate::rows::Cells as _;
use crate::{Moment, StoreError, Versions};

/// A row even where no tree is there.
const VERSIONS: &str = "SELECT clock_timestamp(), t.tree, t.version, t.stamp FROM (SELECT 1) AS one \
     LEFT JOIN account_trees t ON t.tree = ANY($1) ORDER BY t.tree";
/// The clock is read once the locks are held; with it, whether commits wait for standbys.
pub(super) const MOMENT: &str = "SELECT clock_timestamp(), coalesce((SELECT version FROM account_trees WHERE tree = 0), 0), \
     ARRAY(SELECT tree FROM account_trees WHERE tree = ANY($1)), current_setting('synchronous_standby_names') <> ''";

/// The connection that is asked for versions; requests on it are sent without waiting for earlier
/// answers.
#[derive(Debug, Default)]
pub(super) struct Watch(RwLock<Option<Arc<Session>>>);

impl Watch {
    async fn session(&self, link: &Link) -> Result<Arc<Session>, StoreError> {
        let kept = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(session) = kept.filter(|session| !session.is_closed()) {
            return Ok(session);
        }
        let session = Arc::new(link.connect().await?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
        Ok(session)
    }

    fn forget(&self, session: &Arc<Session>) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have made a new one already.
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, session)) {
            *kept = None;
        }
    }
}

/// Whether the connection is gone, or the server has said that it ends it.
fn is_ended(error: &tokio_postgres::Error) -> bool {
    error.is_closed()
        || error
            .code()
            .is_some_and(|code| code.code().starts_with("57P"))
}

impl Postgres {
    pub(crate) async fn versions(&self, trees: &[TreeId]) -> Result<Versions, StoreError> {
        let asked = numbers(trees.iter().copied().chain([TreeId::CATALOG]));
        let session = self.watch.session(&self.link).await?;
        let found = match session.query(VERSIONS, &[&asked]).await {
            // It was ended since it was last used; a new one is asked once.
            Err(StoreError::Postgres(error)) if is_ended(&error) => {
                self.watch.forget(&session);
                self.watch
                    .session(&self.link)
                    .await?
                    .query(VERSIONS, &[&asked])
                    .await?
            }
            found => found?,
        };
        let mut versions = Versions {
            moment: Moment {
                now: None,
                catalog_version: Some(0),
            },
            trees: vec![],
        };
        for row in &found {
            let found = Found {
                row,
                table: "account_trees",
            };
            versions.moment.now = Some(found.time(0)?);
            let Some(tree) = found.optional_integer(1)? else {
                continue;
            };
            let tree = u32::try_from(tree).map_err(|_| found.damaged(1, "a number below 0"))?;
            if tree == TreeId::CATALOG.0 {
                versions.moment.catalog_version = Some(found.integer(2)?);
            } else {
                versions
                    .trees
                    .push((TreeId(tree), found.integer(2)?, found.integer(3)?));
            }
        }
        Ok(versions)
    }
}

/// The row of [`MOMENT`]: with it, which of the trees have a row, and whether commits wait for
/// standbys.
pub(super) fn moment(
    rows: &[tokio_postgres::Row],
) -> Result<(Moment, BTreeSet<TreeId>, bool), StoreError> {
    let row = rows.first().ok_or_else(|| {
        StoreError::Stopped("the server answered a question with no row".to_owned())
    })?;
    let found = Found {
        row,
        table: "account_trees",
    };
    let now: Time = found.time(0)?;
    let there: Vec<i32> = row.try_get(2)?;
    let there = there
        .into_iter()
        .filter_map(|tree| u32::try_from(tree).ok())
        .map(TreeId)
        .collect();
    Ok((
        Moment {
            now: Some(now),
            catalog_version: Some(found.integer(1)?),
        },
        there,
        found.flag(3)?,
    ))
}
