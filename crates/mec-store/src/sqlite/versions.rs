//! Which states are the newest.

use mec_kernel::TreeId;
use rusqlite::{OptionalExtension as _, params};

use super::Sqlite;
use crate::{Moment, StoreError, Versions};

impl Sqlite {
    /// This process alone writes, so that its own clock and catalog count.
    pub(crate) fn versions(&self, trees: &[TreeId]) -> Result<Versions, StoreError> {
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let mut versions = Versions {
                moment: Moment::default(),
                trees: vec![],
            };
            let mut statement = snapshot
                .prepare_cached("SELECT version, stamp FROM account_trees WHERE tree = ?1")?;
            let asked: std::collections::BTreeSet<TreeId> = trees.iter().copied().collect();
            for tree in asked {
                let found = statement
                    .query_row(params![tree.0], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                versions
                    .trees
                    .extend(found.map(|(version, stamp)| (tree, version, stamp)));
            }
            Ok(versions)
        })
    }
}
