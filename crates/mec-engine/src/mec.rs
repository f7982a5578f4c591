//! The library others embed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use mec_kernel::{
    AccountId, Actor, Catalogue, CatalogueChange, Halt, IdSource, Making, Refusal, Ruling, Time, Tree, TreeId, View,
    change_catalogue,
};
use mec_store::{Commit, CommitError, OpenOptions, Store, StoreError, Writer};
use tokio::sync::{mpsc, oneshot};

use crate::lane::{Command, Job, Lane};

/// Commands that may wait for a lane.
const QUEUE_MAX: usize = 8_192;

/// Why a command has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MecError {
    /// The caller's mistake; nothing was recorded.
    #[error("{}", .0.code())]
    Refused(Refusal),
    /// Nothing was recorded; sending it again is safe.
    #[error("nothing was recorded, send it again: {0}")]
    NotDone(String),
    /// It may or may not have been recorded; sending it again with the same key is safe.
    #[error("whether it was recorded is not known, send it again with the same key: {0}")]
    OutcomeUnknown(String),
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Stopped,
}

impl MecError {
    pub(crate) fn of_commit(error: &CommitError) -> Self {
        match error {
            CommitError::Unknown(_) => Self::OutcomeUnknown(error.to_string()),
            CommitError::NotDone(_) | CommitError::Refused(_) => Self::NotDone(error.to_string()),
        }
    }
}

/// Where `now` comes from: a server's is the machine's clock, a test moves its own.
#[derive(Clone, Debug)]
pub struct Clock(pub Arc<dyn Now>);

/// An instant on request.
pub trait Now: Send + Sync + std::fmt::Debug {
    /// The present instant.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct MachineClock;

impl Now for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Clock {
    /// The present instant.
    pub fn now(&self) -> Time {
        self.0.now()
    }
}

/// What checks read: the newest committed state of the trees looked at, and the catalogue.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    trees: RwLock<HashMap<TreeId, Arc<Tree>>>,
    catalogue: RwLock<Arc<Catalogue>>,
}

impl Cache {
    pub(crate) fn tree(&self, id: TreeId) -> Option<Arc<Tree>> {
        self.trees.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    pub(crate) fn publish(&self, id: TreeId, tree: Tree) {
        self.trees.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(tree));
    }

    pub(crate) fn forget(&self, id: TreeId) {
        self.trees.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An open installation. Dropping it ends its lane once everything queued is answered.
#[derive(Debug)]
pub struct Mec {
    queue: mpsc::Sender<Box<dyn Job>>,
    _store: Arc<Store>,
}

impl Mec {
    /// Opens `url` (`sqlite:PATH`), applies `changes` to its catalogue, and starts its lane.
    ///
    /// # Errors
    /// A store that cannot be used, with a sentence that says what to do; a change the catalogue refuses.
    pub async fn open(url: &str, changes: &[CatalogueChange], clock: Clock) -> Result<Self, OpenError> {
        let (store, mut writer) = Store::open(url, &OpenOptions::default())?;
        let catalogue = apply(&mut writer, changes, clock.now()).await?;
        let cache = Arc::new(Cache { catalogue: RwLock::new(Arc::new(catalogue)), ..Cache::default() });
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let seed = getrandom::u64().map_err(|error| OpenError::Randomness(error.to_string()))?;
        let store = Arc::new(store);
        let lane = Lane { writer, _store: store.clone(), cache, clock, queue, seed };
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(OpenError::Thread)?;
        std::thread::Builder::new()
            .name("mec-lane".to_owned())
            .spawn(move || runtime.block_on(lane.run()))
            .map_err(OpenError::Thread)?;
        Ok(Self { queue: sender, _store: store })
    }

    /// Runs a command of `account`'s tree; the answer comes once what it changed is durable.
    ///
    /// # Errors
    /// [`MecError`] says whether anything was recorded.
    pub async fn run<A, F>(&self, account: AccountId, actor: Actor, decide: F) -> Result<A, MecError>
    where
        A: Send + 'static,
        F: FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send + 'static,
    {
        self.run_in(account.tree(), actor, decide).await
    }

    /// Runs a command of a tree named by its number.
    ///
    /// # Errors
    /// [`MecError`] says whether anything was recorded.
    pub async fn run_in<A, F>(&self, tree: TreeId, actor: Actor, decide: F) -> Result<A, MecError>
    where
        A: Send + 'static,
        F: FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let command = Command { tree, actor, decide, answer: None, caller };
        self.queue.send(Box::new(command)).await.map_err(|_| MecError::Stopped)?;
        answer.await.map_err(|_| MecError::OutcomeUnknown("the lane ended".to_owned()))?
    }
}

/// Why an installation does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalogue could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The catalogue refuses a change.
    #[error("the catalogue refuses a change: {0:?}")]
    Refused(Refusal),
    /// The system has no randomness.
    #[error("the system has no randomness: {0}")]
    Randomness(String),
    /// A thread could not be started.
    #[error("the lane could not be started: {0}")]
    Thread(std::io::Error),
}

async fn apply(writer: &mut Writer, changes: &[CatalogueChange], now: Time) -> Result<Catalogue, OpenError> {
    let current = writer.catalogue().await?;
    let in_use = writer.in_use().await?;
    let mut ids = IdSource::new(TreeId::CATALOGUE, now, 0);
    let ruling = change_catalogue(&current, changes, &in_use, now, &mut ids).map_err(OpenError::Refused)?;
    if !ruling.changes.is_empty() {
        let catalogue_version = Some(ruling.catalogue.version);
        let commit = Commit { now: Some(now), catalogue: ruling.changes, catalogue_version, ..Commit::default() };
        writer.commit(&commit).await?;
    }
    Ok(ruling.catalogue)
}
