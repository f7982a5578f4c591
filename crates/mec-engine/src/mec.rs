//! An open installation: its lanes, what it publishes, how it ends.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mec_kernel::{
    AccountId, Actor, Catalog, CatalogChange, Code, Facts, Halt, IdSource, Making, Need, Refusal,
    Ruling, Time, Tree, TreeId, View, change_catalog,
};
use mec_store::{Commit, CommitError, DecisionRow, Faults, Hold, OpenOptions, Store, Writer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::cache::Cache;
use crate::clock::{Clock, Hands};
use crate::decision_log::{DecisionLog, Logged, Traced};
use crate::error::{MecError, OpenError};
use crate::in_use::{in_use, may_be_fixed};
use crate::job::{Command, Foreseen, Job, Message};
use crate::lane::{RUNS_MAX, later_than};
use crate::lanes::{Lanes, Shared, connections_max};
use crate::newest::Newest;
use crate::reading::{ANSWER_BYTES_MAX, Turns};
use crate::writes::Writes;

/// Commands that may wait in messages that carry many: a few whole batches.
const MANY_MAX: usize = 40_000;
/// Reads of tables at once, where there are processors enough.
const READERS_MAX: usize = 2;

/// Who asks, through which door; it goes into the ledger, the audit and the decision log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who, and which door.
    pub actor: Actor,
    /// The request it belongs to.
    pub request_id: Option<Code>,
    /// How old an answer may be that changes nothing, where several processes write to the store;
    /// `None`: as the installation's options say.
    pub staleness_max: Option<Duration>,
    /// What is done for them at all.
    pub access: Access,
}

/// What is done for a caller, whatever is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    #[default]
    Everything,
    /// What changes nothing.
    Reading,
}

impl Caller {
    /// Somebody by name (`signup`) through a door (`api`, `import`, `demo`), who may do everything.
    pub fn new(name: &str, source: &str) -> Self {
        let actor = Actor {
            name: name.into(),
            source: source.into(),
            reason: None,
        };
        Self {
            actor,
            request_id: None,
            staleness_max: None,
            access: Access::Everything,
        }
    }

    /// The same, with the id of the request.
    #[must_use]
    pub fn with_request_id(self, id: &str) -> Self {
        Self {
            request_id: Some(id.into()),
            ..self
        }
    }

    /// The same, content with answers that were right so long ago.
    #[must_use]
    pub fn with_staleness(self, most: Duration) -> Self {
        Self {
            staleness_max: Some(most),
            ..self
        }
    }

    /// The same, who may only read.
    #[must_use]
    pub fn only_reading(self) -> Self {
        Self {
            access: Access::Reading,
            ..self
        }
    }

    /// Every way to a write asks this before anything else.
    pub(crate) fn check_write(&self) -> Result<(), MecError> {
        if self.access == Access::Everything {
            Ok(())
        } else {
            Err(MecError::ReadOnly)
        }
    }
}

/// How an installation is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Changes of the catalog made before anything else; none by default.
    pub catalog: Vec<CatalogChange>,
    /// Where `now` comes from.
    pub clock: Clock,
    /// Whether a store that does not exist is made, and an older schema migrated; otherwise both
    /// are refused.
    pub create: bool,
    /// What a second process is told that finds the store owned (the address this one listens on).
    pub note: String,
    /// How old the state may be that a check is answered from, where several processes write to the
    /// store; zero (the default): every check asks the store whether there is a newer one.
    pub staleness_max: Duration,
    /// Connections that record at once, where the store is a database (2). A file has one writer.
    pub lanes: usize,
    /// Published state kept in memory, in bytes (256 MB).
    pub cache_bytes_max: usize,
    /// The longest that deciding one batch may take (10 s): everybody else waits meanwhile. What
    /// takes longer is refused whole.
    pub batch_time_max: Duration,
    /// Which decisions are logged.
    pub logged: Logged,
    /// With which of them every limit considered is kept.
    pub traced: Traced,
    /// For how long logged decisions are kept (30 days).
    pub decisions_kept: Duration,
    /// How many logged decisions are kept (5,000,000), the newest ones.
    pub decisions_kept_rows: u64,
    /// The longest a read of tables may take.
    pub read_timeout: Duration,
    /// Reads of tables at once: two, but never as many as there are processors, so that one is left
    /// for checks and writes.
    pub readers: usize,
    /// The largest answer of a read, in bytes (64 MB).
    pub answer_bytes_max: u64,
    /// What a test lets go wrong in the store; nothing by default.
    pub faults: Faults,
}

impl Options {
    /// Connections that it makes at most where the store is a database, each when it is first
    /// needed.
    pub fn connections_max(&self) -> usize {
        connections_max(self.lanes)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            catalog: vec![],
            clock: Clock::machine(),
            create: true,
            note: String::new(),
            staleness_max: Duration::ZERO,
            lanes: 2,
            cache_bytes_max: 256 << 20,
            batch_time_max: Duration::from_secs(10),
            logged: Logged::All,
            traced: Traced::Notable,
            decisions_kept: Duration::from_secs(30 * 86_400),
            decisions_kept_rows: 5_000_000,
            read_timeout: Duration::from_secs(10),
            readers: thread::available_parallelism()
                .map_or(1, |processors| processors.get() - 1)
                .clamp(1, READERS_MAX),
            answer_bytes_max: ANSWER_BYTES_MAX,
            faults: Faults::default(),
        }
    }
}

/// How an installation is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Commands that wait for a lane; a batch of events counts as one.
    pub queued: usize,
    /// The room that batches of events take which wait for the lane: an event is one, a KiB of its
    /// details one more.
    pub queued_in_batches: usize,
    /// Trees in memory.
    pub trees_cached: usize,
    /// Roughly what they take, in bytes.
    pub cache_bytes: usize,
    /// Rows on their way to the decision log.
    pub decisions_waiting: usize,
    /// Rows the decision log lost because its buffer was full.
    pub decisions_dropped: u64,
    /// Version of the catalog.
    pub catalog_version: i64,
}

/// An open installation. Dropping it ends its lanes once everything queued is answered;
/// [`Mec::close`] waits for that.
#[derive(Debug)]
pub struct Mec {
    lanes: Lanes,
    pub(crate) store: Arc<Store>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) log: Arc<DecisionLog>,
    clock: Arc<Hands>,
    writes: Arc<Writes>,
    /// Asked whether published state is the newest, where others write too.
    newest: Option<Arc<Newest>>,
    staleness_max: Duration,
    pub(crate) turns: Turns,
    /// For commands sent many at once.
    room: Arc<Semaphore>,
}

impl Mec {
    /// Opens `url` (`sqlite:PATH` or `postgres://…`), makes or migrates it where it may and must,
    /// and starts its lanes.
    ///
    /// # Errors
    /// A store that cannot be used, with a sentence that says what to do; a change the catalog
    /// refuses.
    pub async fn open(url: &str, options: Options) -> Result<Self, OpenError> {
        let open = OpenOptions {
            create: options.create,
            note: options.note,
            read_timeout: options.read_timeout,
            readers: options.readers,
            faults: options.faults,
        };
        let turns = Turns::of(open.readers, options.answer_bytes_max, options.read_timeout)
            .map_err(OpenError::Thread)?;
        let batch_time_max = options.batch_time_max;
        let (store, mut writer) = Store::open(url, &open)?;
        let clock = Arc::new(Hands::of(options.clock, store.versions(&[]).await?.moment));
        let seen = Instant::now();
        let catalog = apply(&mut writer, &store, &options.catalog, &clock).await?;
        let store = Arc::new(store);
        let cache = Arc::new(Cache::new(catalog, options.cache_bytes_max, seen));
        let seed = getrandom::u64().map_err(|error| OpenError::Randomness(error.to_string()))?;
        let log = Arc::new(DecisionLog::new(
            options.logged,
            options.traced,
            (options.decisions_kept, options.decisions_kept_rows),
            seed,
        ));
        let writes: Arc<Writes> = Arc::default();
        let (of_lanes, of_cache) = (store.clone(), cache.clone());
        let shared = Shared {
            store: of_lanes,
            cache: of_cache,
            log: log.clone(),
            clock: clock.clone(),
            writes: writes.clone(),
            batch_time_max,
        };
        let lanes = Lanes::start(writer, &shared, options.lanes)?;
        let newest = store.is_shared().then(|| Newest::of(store.clone()));
        let room = Arc::new(Semaphore::new(MANY_MAX));
        Ok(Self {
            lanes,
            store,
            cache,
            log,
            clock,
            writes,
            newest,
            staleness_max: options.staleness_max,
            turns,
            room,
        })
    }

    /// The catalog decisions are made with now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.cache.catalog()
    }

    /// The present instant.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        let (trees_cached, cache_bytes) = self.cache.size();
        Status {
            queued: self.lanes.queued(),
            queued_in_batches: MANY_MAX.saturating_sub(self.room.available_permits()),
            trees_cached,
            cache_bytes,
            decisions_waiting: self.log.waiting(),
            decisions_dropped: self.log.dropped(),
            catalog_version: self.cache.catalog().version,
        }
    }

    /// Whether the store answers, the lanes run, and writes go through: after one that failed,
    /// another is tried.
    ///
    /// # Errors
    /// Why not.
    pub async fn ping(&self) -> Result<(), MecError> {
        if self.lanes.have_ended() {
            return Err(MecError::Stopped);
        }
        self.ask_store(Store::ping).await?;
        if self.writes.fail() {
            self.probe().await
        } else {
            Ok(())
        }
    }

    async fn probe(&self) -> Result<(), MecError> {
        let (caller, outcome) = oneshot::channel();
        // The lane that has not much to do.
        self.lanes
            .logging()
            .send(Message::Probe(caller))
            .await
            .map_err(|_| MecError::Stopped)?;
        outcome.await.map_err(|_| MecError::Stopped)?
    }

    /// Answers everything that waits, writes the log out, and ends; the store's file can then be
    /// copied. Commands and checks that come later are told that it has stopped.
    ///
    /// # Errors
    /// Why it had ended before it was told to.
    pub async fn close(&self) -> Result<(), String> {
        self.lanes.close().await;
        self.ended().await
    }

    /// Waits until the lanes have ended: because it was closed, or because the store failed in a
    /// way that leaves open what is durable. Then the process should end too; the next one reads
    /// what is.
    ///
    /// # Errors
    /// Why one ended before it was told to.
    pub async fn ended(&self) -> Result<(), String> {
        self.lanes.ended().await
    }

    /// Runs a command of `account`'s tree; the answer comes once what it changed is durable.
    /// `decide` may be called several times.
    ///
    /// # Errors
    /// [`MecError`] says whether anything was recorded.
    pub async fn run<A, F>(
        &self,
        account: AccountId,
        caller: &Caller,
        decide: F,
    ) -> Result<A, MecError>
    where
        A: Send + 'static,
        F: FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send + 'static,
    {
        let tree = tree_of(account)?;
        self.send(
            tree,
            caller,
            vec![Need::Account(account)],
            decide,
            |_, _, _| None,
        )
        .await
    }

    /// Answers a question about `account` from published state; where something of it has not been
    /// read yet, or another process has written since, through a lane. The instant is the one it
    /// was decided at.
    pub(crate) async fn look<A, F>(
        &self,
        account: AccountId,
        caller: &Caller,
        mut answer: F,
    ) -> Result<(A, Time), MecError>
    where
        A: Send + 'static,
        F: FnMut(&View<'_>) -> Result<A, Halt> + Send + 'static,
    {
        let tree = tree_of(account)?;
        if self.lanes.is_closed() {
            return Err(MecError::Stopped);
        }
        if let Some((tree, now)) = self.published(tree, self.staleness_of(caller)).await? {
            let (catalog, now) = (self.cache.catalog(), later_than(now, &tree.head));
            match answer(&View {
                tree: &tree,
                facts: &Facts::default(),
                catalog: &catalog,
                now,
            }) {
                Ok(answer) => return Ok((answer, now)),
                Err(Halt::Refuse(refusal)) => return Err(refusal.into()),
                Err(Halt::Need(_)) => {}
            }
        }
        let decide = move |view: &View<'_>, _: &mut Making<'_>| {
            let answer = answer(view)?;
            Ok(Ruling::unchanged((answer, view.now)))
        };
        let lane = if self.newest.is_some() {
            self.lanes.looking()
        } else {
            self.lanes.recording(tree)
        };
        let (command, answer) = command_of(
            tree,
            caller,
            vec![Need::Account(account)].into(),
            decide,
            |_, _, _| None,
        );
        put(lane, Message::One(command))?;
        answer.await.map_err(|_| died())?
    }

    /// The tree as it is published, where that is new enough, and the instant that decides.
    async fn published(
        &self,
        tree: TreeId,
        staleness: Duration,
    ) -> Result<Option<(Arc<Tree>, Time)>, MecError> {
        let Some(newest) = &self.newest else {
            return Ok(self.cache.tree(tree).map(|tree| (tree, self.clock.now())));
        };
        if !staleness.is_zero()
            && let Some(tree) = self.cache.tree_seen_within(tree, staleness)
        {
            return Ok(Some((tree, self.clock.now())));
        }
        let seen = newest.ask(tree).await?;
        let now = self.clock.at(seen.versions.moment);
        let is_newest =
            |held: &Arc<Tree>| seen.of(tree) == Some((held.head.version, held.head.stamp));
        let held = self.cache.tree(tree).filter(is_newest);
        // A catalog newer than the one that was seen is the newest too: it was read from the store.
        let catalog = self.cache.catalog().version;
        if held.is_none()
            || seen
                .versions
                .moment
                .catalog_version
                .is_some_and(|version| version > catalog)
        {
            return Ok(None);
        }
        Ok(held.map(|tree| {
            self.cache.confirm(&tree.head, seen.at);
            (tree, now)
        }))
    }

    /// How old an answer to `caller` may be.
    pub(crate) fn staleness_of(&self, caller: &Caller) -> Duration {
        caller.staleness_max.unwrap_or(self.staleness_max)
    }

    /// The account published state knows by another system's name, where that is new enough.
    pub(crate) async fn account_published(
        &self,
        external_id: &str,
        staleness: Duration,
    ) -> Result<Option<AccountId>, MecError> {
        let Some(id) = self.cache.link(external_id) else {
            return Ok(None);
        };
        if self.newest.is_some() && self.published(id.tree(), staleness).await?.is_none() {
            return Ok(None);
        }
        Ok(self.cache.link(external_id).filter(|found| *found == id))
    }

    pub(crate) async fn send<A, F, L>(
        &self,
        tree: TreeId,
        caller: &Caller,
        foreseen: impl Into<Foreseen>,
        decide: F,
        log: L,
    ) -> Result<A, MecError>
    where
        A: Send + 'static,
        F: FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send + 'static,
        L: Fn(&A, &mut IdSource, Time) -> Option<DecisionRow> + Send + 'static,
    {
        caller.check_write()?;
        let (command, answer) = command_of(tree, caller, foreseen.into(), decide, log);
        put(self.lanes.recording(tree), Message::One(command))?;
        answer.await.map_err(|_| died())?
    }

    /// Room in the queue for so many commands sent at once, waited for where it is full.
    pub(crate) async fn room(&self, commands: usize) -> Result<OwnedSemaphorePermit, MecError> {
        let commands = u32::try_from(commands.min(MANY_MAX)).unwrap_or(u32::MAX);
        self.room
            .clone()
            .acquire_many_owned(commands)
            .await
            .map_err(|_| MecError::Stopped)
    }

    /// Many commands, those of a tree in their order.
    pub(crate) async fn send_many(&self, jobs: Vec<Box<dyn Job>>, room: OwnedSemaphorePermit) {
        self.lanes.send_many(jobs, room).await;
    }

    pub(crate) fn send_table_write(&self, write: crate::job::TableWrite) -> Result<(), MecError> {
        put(self.lanes.tables(), Message::Table(Box::new(write)))
    }

    pub(crate) fn send_prune(&self, prune: crate::job::Prune) -> Result<(), MecError> {
        put(self.lanes.logging(), Message::Prune(prune))
    }
}

/// The lane died with the command in hand.
pub(crate) fn died() -> MecError {
    MecError::OutcomeUnknown("the lane's thread has died".to_owned())
}

/// An id that no root's number is in stands for no account.
pub(crate) fn tree_of(account: AccountId) -> Result<TreeId, MecError> {
    let tree = account.tree();
    if tree == TreeId::CATALOG || tree.0 > TreeId::MAX {
        return Err(Refusal::AccountNotFound {
            account: account.to_string(),
        }
        .into());
    }
    Ok(tree)
}

/// A command, and where its answer comes.
fn command_of<A, F, L>(
    tree: TreeId,
    caller: &Caller,
    foreseen: Foreseen,
    decide: F,
    log: L,
) -> (Box<dyn Job>, oneshot::Receiver<Result<A, MecError>>)
where
    A: Send + 'static,
    F: FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send + 'static,
    L: Fn(&A, &mut IdSource, Time) -> Option<DecisionRow> + Send + 'static,
{
    let (sender, answer) = oneshot::channel();
    let command = Command {
        tree,
        actor: caller.actor.clone(),
        foreseen,
        decide,
        log,
        answer: None,
        caller: sender,
    };
    (Box::new(command), answer)
}

fn put(lane: &mpsc::Sender<Message>, message: Message) -> Result<(), MecError> {
    lane.try_send(message).map_err(|error| match error {
        mpsc::error::TrySendError::Full(_) => MecError::Busy,
        mpsc::error::TrySendError::Closed(_) => MecError::Stopped,
    })
}

/// Brings the catalog to what it shall be before anything else; another process may be doing the
/// same.
async fn apply(
    writer: &mut Writer,
    store: &Store,
    changes: &[CatalogChange],
    clock: &Hands,
) -> Result<Catalog, OpenError> {
    let mut run = 0;
    loop {
        run += 1;
        let known = writer.catalog().await?;
        if changes.is_empty() {
            return Ok(known);
        }
        let is_used =
            |catalog: &Catalog| changes.iter().any(|change| may_be_fixed(catalog, change));
        let hold = if run > 1 || is_used(&known) {
            Hold::Alone
        } else {
            Hold::Waited
        };
        let taken = if store.is_shared() {
            vec![TreeId::CATALOG]
        } else {
            vec![]
        };
        let heads = writer.heads(&taken, hold).await?;
        // Once nobody else changes it.
        let current = writer.catalog().await?;
        if store.is_shared() && hold != Hold::Alone && is_used(&current) {
            // Another process has added what this one changes, and somebody may use it at this
            // moment.
            writer.abort().await;
            continue;
        }
        let in_use = in_use(writer, &current, changes).await?;
        let now = clock.at(writer.moment());
        let now = heads.first().map_or(now, |(head, _)| later_than(now, head));
        let mut ids = IdSource::new(TreeId::CATALOG, now, 0);
        let ruled = change_catalog(&current, changes, &in_use, now, &mut ids);
        let ruling = match ruled {
            Ok(ruling) if !ruling.changes.is_empty() => ruling,
            other => {
                writer.abort().await;
                return other
                    .map(|ruling| ruling.catalog)
                    .map_err(OpenError::Refused);
            }
        };
        let catalog_version = Some(ruling.catalog.version);
        let commit = Commit {
            now: Some(now),
            catalog: ruling.changes,
            catalog_version,
            ..Commit::default()
        };
        match writer.commit(&commit).await {
            Ok(()) => return Ok(ruling.catalog),
            Err(CommitError::NotDone(error)) if run < RUNS_MAX => {
                tracing::warn!(%error, run, "the catalog was not changed, it is tried again");
            }
            Err(error) => return Err(error.into()),
        }
    }
}
