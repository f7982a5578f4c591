//! Whether published state is the newest, where other processes write too: one question to the
//! store for all who ask at the same time. Nobody joins a question that was already sent.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mec_kernel::TreeId;
use mec_store::{Store, Versions};
use tokio::sync::{Semaphore, watch};

use crate::error::MecError;

/// Questions on their way at once; what comes meanwhile is asked together.
const IN_FLIGHT_MAX: usize = 2;

/// Asks for many.
#[derive(Debug)]
pub(crate) struct Newest {
    store: Arc<Store>,
    /// The next question, while others may still join it.
    open: Mutex<Option<Question>>,
    in_flight: Arc<Semaphore>,
}

#[derive(Debug)]
struct Question {
    trees: BTreeSet<TreeId>,
    answer: watch::Sender<Option<Answer>>,
}

type Answer = Result<Arc<Seen>, MecError>;

/// What the store said.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) versions: Versions,
    /// An instant before the store looked.
    pub(crate) at: Instant,
}

impl Seen {
    /// Version and stamp of a tree, where it is there.
    pub(crate) fn of(&self, tree: TreeId) -> Option<(i64, i64)> {
        let trees = &self.versions.trees;
        let at = trees.binary_search_by_key(&tree, |(tree, ..)| *tree).ok()?;
        trees.get(at).map(|(_, version, stamp)| (*version, *stamp))
    }
}

impl Newest {
    pub(crate) fn of(store: Arc<Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            open: Mutex::default(),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
        })
    }

    /// What is the newest of `tree`, asked after this was called.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn ask(self: &Arc<Self>, tree: TreeId) -> Answer {
        let mut answer = self.join(tree);
        let ended = |_| {
            MecError::NotDone("the question which state is the newest was not answered".to_owned())
        };
        answer
            .wait_for(Option::is_some)
            .await
            .map_err(ended)?
            .clone()
            .unwrap_or(Err(MecError::Stopped))
    }

    fn join(self: &Arc<Self>, tree: TreeId) -> watch::Receiver<Option<Answer>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = open.as_mut() {
            question.trees.insert(tree);
            return question.answer.subscribe();
        }
        let (answer, receiver) = watch::channel(None);
        *open = Some(Question {
            trees: BTreeSet::from([tree]),
            answer,
        });
        drop(open);
        // Whoever asked may go away; the others still wait for it.
        tokio::spawn(
            Sending {
                newest: self.clone(),
                is_sent: false,
            }
            .send(),
        );
        receiver
    }

    fn take(&self) -> Option<Question> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// Who sends the open question. Where its runtime ends first, the question goes with it: nobody may
/// join it any more.
struct Sending {
    newest: Arc<Newest>,
    is_sent: bool,
}

impl Sending {
    async fn send(mut self) {
        let newest = self.newest.clone();
        let Ok(_turn) = newest.in_flight.acquire().await else {
            return;
        };
        let question = newest.take();
        self.is_sent = true;
        let Some(Question { trees, answer }) = question else {
            return;
        };
        let trees: Vec<TreeId> = trees.into_iter().collect();
        let at = Instant::now();
        let seen = newest
            .store
            .versions(&trees)
            .await
            .map(|versions| Arc::new(Seen { versions, at }));
        answer.send_replace(Some(seen.map_err(MecError::from)));
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.is_sent {
            drop(self.newest.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use mec_store::OpenOptions;

    use super::*;

    #[test]
    fn a_question_whose_runtime_has_ended_is_asked_anew() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("mec.db").display());
        let (store, _writer) = Store::open(&url, &OpenOptions::default()).unwrap();
        let newest = Newest::of(Arc::new(store));
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap()
        };
        let unsent = runtime().block_on(async { newest.join(TreeId(1)) });
        assert!(unsent.has_changed().is_err() && unsent.borrow().is_none());
        let asked = async {
            tokio::time::timeout(std::time::Duration::from_secs(30), newest.ask(TreeId(1))).await
        };
        assert!(runtime().block_on(asked).expect("it is answered").is_ok());
    }
}
