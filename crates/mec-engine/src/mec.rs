//! An open installation: its lane, what it publishes, how it ends.

use std::sync::Arc;
use std::time::Duration;

use mec_kernel::{
    AccountId, Actor, Catalogue, CatalogueChange, Code, Facts, Halt, IdSource, Making, Need, Refusal, Ruling, Time, TreeId, View,
    change_catalogue,
};
use mec_store::{Commit, DecisionRow, Faults, OpenOptions, Store, Writer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::cache::Cache;
use crate::clock::Clock;
use crate::decision_log::{DecisionLog, Logged, Traced};
use crate::error::{MecError, OpenError};
use crate::in_use::in_use;
use crate::job::{Command, Job, Message};
use crate::lane::{Lane, State, at};

/// Messages that may wait for the lane.
const QUEUE_MAX: usize = 8_192;
/// Commands that may wait in messages that carry many: a few whole batches.
const MANY_MAX: usize = 40_000;

/// Who asks, through which door; it goes into the ledger, the audit and the decision log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who, and which door.
    pub actor: Actor,
    /// The request it belongs to.
    pub request_id: Option<Code>,
}

impl Caller {
    /// Somebody by name (`signup`) through a door (`api`, `import`, `demo`).
    pub fn new(name: &str, source: &str) -> Self {
        Self { actor: Actor { name: name.into(), source: source.into() }, request_id: None }
    }

    /// The same, with the id of the request.
    #[must_use]
    pub fn with_request_id(self, id: &str) -> Self {
        Self { request_id: Some(id.into()), ..self }
    }
}

/// How an installation is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Changes of the catalogue made before anything else; none by default.
    pub catalogue: Vec<CatalogueChange>,
    /// Where `now` comes from.
    pub clock: Clock,
    /// Whether a store that does not exist is made, and an older schema migrated; otherwise both are refused.
    pub create: bool,
    /// What a second process is told that finds the store owned (the address this one listens on).
    pub note: String,
    /// Published state kept in memory, in bytes (256 MB).
    pub cache_bytes_max: usize,
    /// Which decisions are logged.
    pub logged: Logged,
    /// With which of them every limit considered is kept.
    pub traced: Traced,
    /// For how long logged decisions are kept (30 days).
    pub decisions_kept: Duration,
    /// The longest a read of tables may take.
    pub read_timeout: Duration,
    /// Tables of other schemas, beside MEC's own and without their rules; none by default.
    pub plain_tables: Vec<mec_store::sqlite::PlainTable>,
    /// What a test lets go wrong in the store; nothing by default.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            catalogue: vec![],
            clock: Clock::machine(),
            create: true,
            note: String::new(),
            cache_bytes_max: 256 << 20,
            logged: Logged::All,
            traced: Traced::Notable,
            decisions_kept: Duration::from_secs(30 * 86_400),
            read_timeout: Duration::from_secs(10),
            plain_tables: vec![],
            faults: Faults::default(),
        }
    }
}

/// How an installation is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Commands that wait for the lane; a batch of events counts as one.
    pub queued: usize,
    /// The room that batches of events take which wait for the lane: an event is one, a KiB of its details one more.
    pub queued_in_batches: usize,
    /// Trees in memory.
    pub trees_cached: usize,
    /// Roughly what they take, in bytes.
    pub cache_bytes: usize,
    /// Rows on their way to the decision log.
    pub decisions_waiting: usize,
    /// Rows the decision log lost because its buffer was full.
    pub decisions_dropped: u64,
    /// Version of the catalogue.
    pub catalogue_version: i64,
}

/// An open installation. Dropping it ends its lane once everything queued is answered; [`Mec::close`] waits for that.
#[derive(Debug)]
pub struct Mec {
    queue: mpsc::Sender<Message>,
    pub(crate) store: Arc<Store>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) log: Arc<DecisionLog>,
    pub(crate) clock: Clock,
    /// For those who read tables, and for commands sent many at once.
    readers: Arc<Semaphore>,
    room: Arc<Semaphore>,
    /// The tables without rules, where there are some.
    pub(crate) plain: Option<Arc<mec_store::sqlite::PlainTables>>,
    ended: watch::Receiver<Option<Result<(), String>>>,
}

impl Mec {
    /// Opens `url` (`sqlite:PATH`), makes or migrates it where it may and must, and starts its lane.
    ///
    /// # Errors
    /// A store that cannot be used, with a sentence that says what to do; a change the catalogue refuses.
    pub async fn open(url: &str, options: Options) -> Result<Self, OpenError> {
        let open = OpenOptions {
            create: options.create,
            note: options.note,
            read_timeout: options.read_timeout,
            faults: options.faults,
            ..OpenOptions::default()
        };
        let readers = Arc::new(Semaphore::new(open.readers));
        let (store, mut writer) = Store::open(url, &open)?;
        let clock = options.clock.steady();
        let catalogue = apply(&mut writer, &options.catalogue, clock.now()).await?;
        let plain = match options.plain_tables {
            none if none.is_empty() => None,
            tables => Some(Arc::new(mec_store::sqlite::PlainTables::open(&store, tables)?)),
        };
        let store = Arc::new(store);
        let cache = Arc::new(Cache::new(catalogue, options.cache_bytes_max));
        let log = Arc::new(DecisionLog::new(options.logged, options.traced, options.decisions_kept));
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let seed = getrandom::u64().map_err(|error| OpenError::Randomness(error.to_string()))?;
        let lane = Lane {
            writer,
            _store: store.clone(),
            cache: cache.clone(),
            log: log.clone(),
            clock: clock.clone(),
            queue,
            seed,
            state: State::default(),
        };
        let ended = start(lane)?;
        let room = Arc::new(Semaphore::new(MANY_MAX));
        Ok(Self { queue: sender, store, cache, log, clock, readers, room, plain, ended })
    }

    /// The catalogue decisions are made with now.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.cache.catalogue()
    }

    /// The present instant.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        let (trees_cached, cache_bytes) = self.cache.size();
        Status {
            queued: QUEUE_MAX.saturating_sub(self.queue.capacity()),
            queued_in_batches: MANY_MAX.saturating_sub(self.room.available_permits()),
            trees_cached,
            cache_bytes,
            decisions_waiting: self.log.waiting(),
            decisions_dropped: self.log.dropped(),
            catalogue_version: self.cache.catalogue().version,
        }
    }

    /// Whether the store answers and the lane runs.
    ///
    /// # Errors
    /// Why not.
    pub async fn ping(&self) -> Result<(), MecError> {
        if self.ended.borrow().is_some() {
            return Err(MecError::Stopped);
        }
        self.read_store(Store::ping).await
    }

    /// Answers everything that waits, writes the log out, and ends; the store's file can then be copied. Commands and
    /// checks that come later are told that it has stopped.
    ///
    /// # Errors
    /// Why it had ended before it was told to.
    pub async fn close(&self) -> Result<(), String> {
        // A lane that is not there any more has nothing to close.
        drop(self.queue.send(Message::Close).await);
        self.ended().await
    }

    /// Waits until the lane has ended: because it was closed, or because the store failed in a way that leaves open
    /// what is durable. Then the process should end too; the next one reads what is.
    ///
    /// # Errors
    /// Why it ended before it was told to.
    pub async fn ended(&self) -> Result<(), String> {
        let mut ended = self.ended.clone();
        let outcome = match ended.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        outcome.unwrap_or_else(|| Err("the lane's thread has died".to_owned()))
    }

    /// Runs a command of `account`'s tree; the answer comes once what it changed is durable. `decide` may be called
    /// several times.
    ///
    /// # Errors
    /// [`MecError`] says whether anything was recorded.
    pub async fn run<A, F>(&self, account: AccountId, caller: &Caller, decide: F) -> Result<A, MecError>
    where
        A: Send + 'static,
        F: FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send + 'static,
    {
        let tree = tree_of(account)?;
        self.send(tree, caller, vec![Need::Account(account)], decide, |_, _, _| None).await
    }

    /// Answers a question about `account` from published state; where something of it has not been read yet, through
    /// the lane. `at` is the instant it was decided at.
    pub(crate) async fn look<A, F>(&self, account: AccountId, caller: &Caller, mut answer: F) -> Result<(A, Time), MecError>
    where
        A: Send + 'static,
        F: FnMut(&View<'_>) -> Result<A, Halt> + Send + 'static,
    {
        let tree = tree_of(account)?;
        if self.queue.is_closed() {
            return Err(MecError::Stopped);
        }
        if let Some(tree) = self.cache.tree(tree) {
            let (catalogue, now) = (self.cache.catalogue(), at(&self.clock, &tree.head));
            match answer(&View { tree: &tree, facts: &Facts::default(), catalogue: &catalogue, now }) {
                Ok(answer) => return Ok((answer, now)),
                Err(Halt::Refuse(refusal)) => return Err(refusal.into()),
                Err(Halt::Need(_)) => {}
            }
        }
        let decide = move |view: &View<'_>, _: &mut Making<'_>| {
            let answer = answer(view)?;
            Ok(Ruling::unchanged((answer, view.now)))
        };
        self.send(tree, caller, vec![Need::Account(account)], decide, |_, _, _| None).await
    }

    pub(crate) async fn send<A, F, L>(
        &self,
        tree: TreeId,
        caller: &Caller,
        foresees: Vec<Need>,
        decide: F,
        log: L,
    ) -> Result<A, MecError>
    where
        A: Send + 'static,
        F: FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send + 'static,
        L: Fn(&A, &mut IdSource, Time) -> Option<DecisionRow> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let command = Command { tree, actor: caller.actor.clone(), foresees, decide, log, answer: None, caller: sender };
        self.queue.try_send(Message::One(Box::new(command))).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => MecError::Busy,
            mpsc::error::TrySendError::Closed(_) => MecError::Stopped,
        })?;
        answer.await.map_err(|_| died())?
    }

    /// Room in the queue for so many commands sent at once, waited for where it is full.
    pub(crate) async fn room(&self, commands: usize) -> Result<OwnedSemaphorePermit, MecError> {
        let commands = u32::try_from(commands.min(MANY_MAX)).unwrap_or(u32::MAX);
        self.room.clone().acquire_many_owned(commands).await.map_err(|_| MecError::Stopped)
    }

    /// Many commands in their order.
    pub(crate) async fn send_many(&self, jobs: Vec<Box<dyn Job>>, room: OwnedSemaphorePermit) -> Result<(), MecError> {
        self.queue.send(Message::Many(jobs, room)).await.map_err(|_| MecError::Stopped)
    }

    pub(crate) async fn send_message(&self, message: Message) -> Result<(), MecError> {
        self.queue.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => MecError::Busy,
            mpsc::error::TrySendError::Closed(_) => MecError::Stopped,
        })
    }

    /// Reads the store off the runtime's threads, as many at once as it has readers.
    pub(crate) async fn read_store<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, mec_store::StoreError> + Send + 'static,
    ) -> Result<T, MecError> {
        let permit = self.readers.clone().acquire_owned().await.map_err(|_| MecError::Stopped)?;
        let store = self.store.clone();
        // A reader is busy until the read has ended, also where nobody waits for it any more.
        let read = tokio::task::spawn_blocking(move || {
            let outcome = read(&store);
            drop(permit);
            outcome
        })
        .await;
        Ok(read.map_err(|error| MecError::NotDone(format!("the read ended early: {error}")))??)
    }
}

/// The lane died with the command in hand.
pub(crate) fn died() -> MecError {
    MecError::OutcomeUnknown("the lane's thread has died".to_owned())
}

/// An id that no root's number is in stands for no account.
pub(crate) fn tree_of(account: AccountId) -> Result<TreeId, MecError> {
    let tree = account.tree();
    if tree == TreeId::CATALOGUE || tree.0 > TreeId::MAX {
        return Err(Refusal::AccountNotFound { account: account.to_string() }.into());
    }
    Ok(tree)
}

fn start(lane: Lane) -> Result<watch::Receiver<Option<Result<(), String>>>, OpenError> {
    let (end, ended) = watch::channel(None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(OpenError::Thread)?;
    std::thread::Builder::new()
        .name("mec-lane".to_owned())
        .spawn(move || {
            let outcome = runtime.block_on(lane.run());
            // Nobody may be waiting for it.
            drop(end.send(Some(outcome)));
        })
        .map_err(OpenError::Thread)?;
    Ok(ended)
}

async fn apply(writer: &mut Writer, changes: &[CatalogueChange], now: Time) -> Result<Catalogue, OpenError> {
    let current = writer.catalogue().await?;
    if changes.is_empty() {
        return Ok(current);
    }
    let in_use = in_use(writer, &current, changes).await?;
    let mut ids = IdSource::new(TreeId::CATALOGUE, now, 0);
    let ruling = change_catalogue(&current, changes, &in_use, now, &mut ids).map_err(OpenError::Refused)?;
    if !ruling.changes.is_empty() {
        let catalogue_version = Some(ruling.catalogue.version);
        let commit = Commit { now: Some(now), catalogue: ruling.changes, catalogue_version, ..Commit::default() };
        writer.commit(&commit).await?;
    }
    Ok(ruling.catalogue)
}
