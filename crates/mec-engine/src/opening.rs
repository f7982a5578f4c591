//! How an installation comes to be open: the store, the catalog it starts with, the lanes.

use std::sync::Arc;
use std::time::Instant;

use mec_kernel::{Catalog, CatalogChange, IdSource, TreeId, change_catalog};
use mec_store::{Commit, CommitError, Hold, OpenOptions, Store, Writer};
use tokio::sync::Semaphore;

use crate::cache::Cache;
use crate::clock::{Hands, later_than};
use crate::decision_log::DecisionLog;
use crate::error::OpenError;
use crate::in_use::{in_use, may_be_fixed};
use crate::lane::RUNS_MAX;
use crate::lanes::{Lanes, Shared};
use crate::mec::{MANY_MAX, Mec};
use crate::newest::Newest;
use crate::options::Options;
use crate::turns::Turns;
use crate::writes::Writes;

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
