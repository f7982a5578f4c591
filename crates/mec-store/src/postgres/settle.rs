//! What became of a batch whose COMMIT was sent and not answered: its trees are locked again, and
//! their stamps tell.

use std::time::{Duration, Instant};

use mec_kernel::{Head, TreeId};

use super::commit_error::warned;
use super::heads::{LOCK, head};
use super::tree_number::numbers;
use super::{Stage, Writer};
use crate::{Commit, CommitError, Hold, StoreError};

/// The longest that is looked: meanwhile the lane does nothing else.
const LOOKED_MAX: Duration = Duration::from_secs(30);
/// Before each look, in milliseconds. A server that is restarted is back by then, or the caller is
/// told that nobody knows; the lane goes on soon after it is back.
const PAUSES_MS: [u64; 9] = [0, 50, 100, 250, 500, 1_000, 1_000, 1_000, 1_000];

/// A tree that is still being made shows no row to lock. Making its row waits for whoever makes it,
/// and where nobody has, it is what a maker who comes late stumbles over.
const MAKE: &str = "INSERT INTO account_trees (tree, version, stamp, last_at, next_seq, next_token, chain) \
     SELECT tree, 0, 0, 'epoch', 1, 1, decode(repeat('00', 16), 'hex') FROM unnest($1::integer[]) AS x (tree) \
     ON CONFLICT (tree) DO NOTHING";

impl Writer {
    /// Looks until it is known, as long as that may take. The look locks the trees, so it waits for
    /// a server process that is still committing, and it is committed itself, so that what it saw
    /// stays.
    pub(super) async fn settle(
        &mut self,
        commit: &Commit,
        lost: StoreError,
    ) -> Result<(), CommitError> {
        if commit.heads.is_empty() && commit.catalog_version.is_none() {
            // Nothing but rows of the decision log, which are kept once however often they are
            // sent.
            return Err(CommitError::NotDone(lost));
        }
        let began = Instant::now();
        for pause in PAUSES_MS {
            if began.elapsed() > LOOKED_MAX {
                break;
            }
            self.pause(Duration::from_millis(pause)).await;
            match self.look(commit).await {
                Ok(Some(true)) => return Ok(()),
                Ok(Some(false)) => return Err(CommitError::NotDone(lost)),
                Ok(None) => break,
                Err(error) => tracing::warn!(%error, "what became of a batch is not known yet"),
            }
            self.abort().await;
        }
        Err(CommitError::Unknown(lost))
    }

    async fn pause(&self, pause: Duration) {
        let paused = {
            let _inside = self.link.io.handle().enter();
            tokio::time::sleep(pause)
        };
        paused.await;
    }

    /// Whether the batch is there; `None`: others have written over every trace of it.
    async fn look(&mut self, commit: &Commit) -> Result<Option<bool>, StoreError> {
        let catalog = commit.catalog_version.map(|_| TreeId::CATALOG);
        let trees: Vec<TreeId> = commit
            .heads
            .iter()
            .map(|head| head.tree)
            .chain(catalog)
            .collect();
        let (mut found, _) = self.lock(&trees, Hold::Waited).await?;
        let session = self.session().await?;
        if found.len() < trees.len() {
            let trees = numbers(trees.into_iter());
            session.execute(MAKE, &[&trees]).await?;
            found = session.query(&LOCK, &[&trees]).await?;
        }
        let found = found.iter().map(head).collect::<Result<Vec<_>, _>>()?;
        session.take_warning();
        session.run("COMMIT").await?;
        let warning = session.take_warning();
        self.stage = Stage::Idle;
        if let Some(warning) = warning {
            return Err(warned(&warning));
        }
        Ok(is_there(commit, &found))
    }
}

/// A batch is there whole or not at all, so one tree of it that nobody has written since is enough.
fn is_there(commit: &Commit, found: &[Head]) -> Option<bool> {
    let of = |tree: TreeId| found.iter().find(|head| head.tree == tree);
    for written in &commit.heads {
        match of(written.tree) {
            None => return Some(false),
            Some(found) if (found.version, found.stamp) == (written.version, written.stamp) => {
                return Some(true);
            }
            // Of this version there is only one: where it is another's, this batch has not made it.
            Some(found) if found.version <= written.version => return Some(false),
            Some(_) => {}
        }
    }
    let version = commit.catalog_version?;
    match of(TreeId::CATALOG) {
        None => Some(false),
        Some(found) if found.version < version => Some(false),
        Some(found) if found.version == version => Some(Some(found.last_at) == commit.now),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tree_that_nobody_has_written_since_tells() {
        let head = |tree, version, stamp| Head {
            version,
            stamp,
            ..Head::new(TreeId(tree))
        };
        let commit = Commit {
            heads: vec![head(1, 5, 50), head(2, 8, 80)],
            ..Commit::default()
        };
        for (found, wanted) in [
            (vec![head(1, 5, 50), head(2, 8, 80)], Some(true)),
            (vec![head(1, 6, 66), head(2, 8, 80)], Some(true)),
            (vec![head(1, 4, 40), head(2, 7, 70)], Some(false)),
            (vec![head(1, 5, 55), head(2, 7, 70)], Some(false)),
            (vec![head(1, 5, 55)], Some(false)),
            (vec![], Some(false)),
            (vec![head(1, 5, 55), head(2, 8, 88)], Some(false)),
            (vec![head(1, 6, 66), head(2, 8, 88)], Some(false)),
            (vec![head(1, 9, 99), head(2, 9, 99)], None),
        ] {
            assert_eq!(is_there(&commit, &found), wanted, "{found:?}");
        }
    }
}
