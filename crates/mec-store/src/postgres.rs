//! The store in a PostgreSQL database: any number of processes, none of which owns it.
//!
//! A batch is one READ COMMITTED transaction: it locks its trees, looks facts up, and writes by
//! arrays. Nothing relies on a session, so a pooler in transaction mode may stand between. A lost
//! connection is made anew by the next request. Nothing here decides anything.

mod address;
mod bulk;
mod catalog;
mod cells;
mod codec;
mod commit;
mod commit_error;
pub(crate) mod copy;
mod decisions;
mod distribution;
mod entitlement;
mod heads;
mod inspect;
mod io;
mod ledger;
mod look_up;
mod migrate;
mod read;
mod readers;
mod roles;
mod rule;
mod scan;
mod session;
mod settle;
mod shards;
mod tls;
mod tree_number;
mod usage;
mod values;
mod verify;
mod versions;

pub use inspect::{Inspection, inspect};
pub use migrate::{MigrateOptions, Migrated};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mec_kernel::{Catalog, TreeId};

use self::address::Address;
use self::io::Io;
use self::readers::Readers;
use self::session::Session;
use self::shards::Shards;
use self::tls::Tls;
use self::versions::Watch;
use crate::dialect::Dialect;
use crate::{Faults, Moment, OpenOptions, StoreError};

/// Where the server is and what connects to it; one for all connections of a store.
struct Link {
    address: Address,
    tls: Tls,
    io: Io,
    dialect: Dialect,
    /// Whether the server passes statements on to others, which it plans anew each time: it has to
    /// see the trees in them.
    is_citus: bool,
    shards: Shards,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address.shown)
            .finish_non_exhaustive()
    }
}

impl Link {
    async fn connect(&self) -> Result<Session, StoreError> {
        Session::connect(&self.address, &self.tls, self.io.handle()).await
    }
}

/// An open database and the connections that read it.
#[derive(Debug)]
pub struct Postgres {
    link: Arc<Link>,
    /// For reads of tables.
    readers: Readers,
    /// For short questions.
    askers: Readers,
    watch: Watch,
    read_timeout: Duration,
    faults: Faults,
}

/// A connection that writes: one batch at a time.
#[derive(Debug)]
pub struct Writer {
    link: Arc<Link>,
    session: Option<Session>,
    /// What it reads tables with.
    reader: Option<Arc<Session>>,
    /// Where the batch stands.
    stage: Stage,
    /// Of the trees the open batch asked for, those that have no row yet.
    new_trees: BTreeSet<TreeId>,
    /// What was read after the open batch's locks.
    moment: Moment,
    /// Whether the server's commits wait for standbys, read with it.
    is_followed: bool,
    faults: Faults,
}

/// Where a writer's batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// There is none.
    Idle,
    /// Its transaction is open.
    Begun,
    /// Its connection was lost, and its locks with it: nothing of it may be read or written any
    /// more.
    Lost,
}

impl Postgres {
    /// Connects, refuses what must not be written to, and migrates where it may and must. A role
    /// that owns nothing is enough where the schema is this program's.
    pub(crate) fn open(url: &str, options: &OpenOptions) -> Result<(Self, Writer), StoreError> {
        let may_migrate = options.create;
        let (link, session) = connect(url, move |session, shown| async move {
            migrate::check_server(&session, &shown).await?;
            migrate::check_version(&session, &shown, may_migrate).await?;
            copy::check_whole(&session, &shown).await?;
            heads::check_commits(&session, &shown).await?;
            if may_migrate {
                migrate::run(&session, &shown, false).await?;
            }
            decisions::make_days(&session).await;
            Ok(session)
        })?;
        let store = Self::of(link, options);
        let writer = Writer {
            session: Some(session),
            ..store.writer()
        };
        Ok((store, writer))
    }

    fn of(link: Arc<Link>, options: &OpenOptions) -> Self {
        let (readers, askers, watch) = (
            Readers::of(options.readers),
            Readers::of(1),
            Watch::default(),
        );
        Self {
            link,
            readers,
            askers,
            watch,
            read_timeout: options.read_timeout,
            faults: options.faults.clone(),
        }
    }

    /// The same database with a reader that nobody else uses.
    fn with_one_reader(link: Arc<Link>, read_timeout: Duration) -> Self {
        Self::of(
            link,
            &OpenOptions {
                readers: 1,
                read_timeout,
                ..OpenOptions::default()
            },
        )
    }

    /// The shard a tree is on, where the tables are spread.
    pub(crate) fn shard_of(&self, tree: TreeId) -> Option<usize> {
        self.link.shards.of(tree)
    }

    /// One more writer, which connects when it is first used.
    pub(crate) fn writer(&self) -> Writer {
        Writer {
            link: self.link.clone(),
            session: None,
            reader: None,
            stage: Stage::Idle,
            new_trees: BTreeSet::new(),
            moment: Moment::default(),
            is_followed: false,
            faults: self.faults.clone(),
        }
    }

    /// Connects to read, and reads the catalog; nothing is made or migrated.
    pub(crate) fn open_read_only(
        url: &str,
        options: &OpenOptions,
    ) -> Result<(Self, Catalog), StoreError> {
        let (link, ()) = connect(url, |session, shown| async move {
            migrate::check_version(&session, &shown, false).await?;
            copy::check_whole(&session, &shown).await
        })?;
        let store = Self::of(link, options);
        let catalog = store.catalog()?;
        Ok((store, catalog))
    }
}

/// Brings the database at `url` to this program's schema, as the role that owns it, and gives
/// another role what nodes need.
///
/// # Errors
/// [`StoreError::Unusable`] with a sentence that says what to do; a database that refuses a step,
/// of which then nothing is done.
pub fn migrate(url: &str, options: &MigrateOptions) -> Result<Migrated, StoreError> {
    let options = options.clone();
    let (_, migrated) = connect(url, move |session, shown| async move {
        migrate::check_server(&session, &shown).await?;
        migrate::check_version(&session, &shown, true).await?;
        migrate::migrate(&session, &shown, &options).await
    })?;
    Ok(migrated)
}

/// Connects, and answers what `look` makes of the connection and of the address as it may be shown.
fn connect<F, T>(
    url: &str,
    look: impl FnOnce(Session, String) -> F + Send + 'static,
) -> Result<(Arc<Link>, T), StoreError>
where
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
    T: Send + 'static,
{
    let address = Address::read(url)?;
    let tls = Tls::of(&address)?;
    let io = Io::new()?;
    let (of_task, tls_of_task, runtime) = (address.clone(), tls.clone(), io.handle().clone());
    let (seen, letters, is_citus, shards) = io.wait(async move {
        let session = Session::connect(&of_task, &tls_of_task, &runtime).await?;
        let letters = letters(&session).await?;
        let is_citus = distribution::has_citus(&session).await?;
        let shards = if is_citus {
            Shards::read(&session).await?
        } else {
            Shards::default()
        };
        Ok((
            look(session, of_task.shown.clone()).await?,
            letters,
            is_citus,
            shards,
        ))
    })?;
    Ok((
        Arc::new(Link {
            address,
            tls,
            io,
            dialect: Dialect::Postgres { letters },
            is_citus,
            shards,
        }),
        seen,
    ))
}

/// The collation that knows which letters are the same but for their case, wherever the server has
/// it.
async fn letters(session: &Session) -> Result<&'static str, StoreError> {
    let sql = "SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu' AND collencoding IN (-1, 6)";
    Ok(if session.query_once(sql, &[]).await?.is_empty() {
        "default"
    } else {
        "und-x-icu"
    })
}

impl Writer {
    /// The connection, made anew where it was lost and nothing was begun on it.
    async fn session(&mut self) -> Result<&Session, StoreError> {
        if self.session.as_ref().is_none_or(Session::is_closed) {
            self.session = None;
            if self.stage == Stage::Begun {
                self.stage = Stage::Lost;
            }
        }
        if self.stage == Stage::Lost {
            return Err(StoreError::Lost);
        }
        match &mut self.session {
            Some(session) => Ok(session),
            none => Ok(none.insert(self.link.connect().await?)),
        }
    }

    pub(crate) fn moment(&self) -> Moment {
        self.moment
    }

    pub(crate) async fn abort(&mut self) {
        if std::mem::replace(&mut self.stage, Stage::Idle) != Stage::Begun {
            return;
        }
        let Some(session) = &self.session else { return };
        if session.is_closed() || session.run("ROLLBACK").await.is_err() {
            // The server rolls back what a lost connection leaves open.
            self.session = None;
        }
    }

    pub(crate) async fn close(mut self) -> Result<(), StoreError> {
        self.abort().await;
        Ok(())
    }
}
