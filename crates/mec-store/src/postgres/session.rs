//! One connection: statements prepared once, what the server warns of, and a limit to every wait.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{MaybeDone, join, join_all, maybe_done, poll_fn};
use futures_util::{SinkExt as _, TryStreamExt as _};
use mec_query::Budget;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, CopyOutStream, Row, Statement};

use super::address::{Address, cause};
use super::tls::Tls;
use crate::StoreError;

/// The longest that anything may be waited for: longer than the server itself takes before it gives
/// up.
const PATIENCE: Duration = Duration::from_secs(25);

/// How often a statement's budget is asked whether to go on.
const ASKED_EVERY: Duration = Duration::from_millis(50);

/// The longest that connecting may take: what the address allows each of its servers.
fn connect_limit(config: &tokio_postgres::Config) -> Duration {
    let servers = u32::try_from(config.get_hosts().len())
        .unwrap_or(u32::MAX)
        .max(1);
    config
        .get_connect_timeout()
        .map_or(PATIENCE, |each| each.saturating_mul(servers))
        .min(PATIENCE)
}

/// Bytes of rows that were received and not yet looked at; one larger row comes alone.
pub(super) const ROWS_ON_THEIR_WAY: u32 = 1 << 20;

/// What a row takes of that.
pub(super) fn room_for(row: &Row) -> u32 {
    u32::try_from(row.raw_size_bytes())
        .unwrap_or(u32::MAX)
        .clamp(64, ROWS_ON_THEIR_WAY)
}

/// Whether the server warns, in whatever language it says so.
fn is_warning(notice: &DbError) -> bool {
    notice.parsed_severity().map_or_else(
        || notice.severity() == "WARNING",
        |severity| severity == Severity::Warning,
    )
}

/// A parameter of a statement.
pub(super) type Parameter<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// One connection. Nothing of a request stays in it: it may be another server process at every
/// transaction.
pub(super) struct Session {
    client: Client,
    prepared: Mutex<HashMap<String, Statement>>,
    /// What the server has warned of since it was last asked.
    warning: Arc<Mutex<Option<String>>>,
    /// It did not answer in time, and is not waited for again.
    is_silent: AtomicBool,
    /// What sends and receives; it ends by itself once everything that was asked is answered.
    driver: AbortHandle,
    runtime: Handle,
    tls: Tls,
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_silent.load(Ordering::Relaxed) {
            // Answers of a server that stands still may never come, and connections would pile up.
            self.driver.abort();
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("is_closed", &self.client.is_closed())
            .finish_non_exhaustive()
    }
}

/// What a `COPY … TO STDOUT` still has to say.
pub(super) struct CopiedOut {
    stream: Pin<Box<CopyOutStream>>,
    has_ended: bool,
}

/// A change, ready to be sent.
pub(super) struct Change<'a> {
    pub(super) sql: String,
    pub(super) parameters: Vec<Parameter<'a>>,
}

impl<'a> Change<'a> {
    pub(super) fn new(sql: impl Into<String>, parameters: Vec<Parameter<'a>>) -> Self {
        Self {
            sql: sql.into(),
            parameters,
        }
    }
}

impl Session {
    pub(super) async fn connect(
        address: &Address,
        tls: &Tls,
        runtime: &Handle,
    ) -> Result<Self, StoreError> {
        let (address, tls, runtime) = (address.clone(), tls.clone(), runtime.clone());
        let warning: Arc<Mutex<Option<String>>> = Arc::default();
        let heard = warning.clone();
        let (config, shown, kept_tls) = (address.config, address.shown, tls.clone());
        let limit = connect_limit(&config);
        let connecting = runtime.spawn(async move {
            // A server that stands still lets itself be connected to and says nothing.
            let Ok(connected) = tokio::time::timeout(limit, config.connect(tls)).await else {
                return Ok(None);
            };
            let (client, mut connection) = connected?;
            let driver = tokio::spawn(async move {
                while let Some(message) = poll_fn(|context| connection.poll_message(context)).await
                {
                    match message {
                        Ok(AsyncMessage::Notice(notice)) if is_warning(&notice) => {
                            tracing::warn!(
                                code = notice.code().code(),
                                "PostgreSQL: {}",
                                notice.message()
                            );
                            *heard.lock().unwrap_or_else(PoisonError::into_inner) =
                                Some(notice.message().to_owned());
                        }
                        Ok(_) => {}
                        Err(error) => {
                            tracing::warn!(
                                "a connection to PostgreSQL was lost: {}",
                                cause(&error)
                            );
                            break;
                        }
                    }
                }
            });
            Ok::<_, tokio_postgres::Error>(Some((client, driver.abort_handle())))
        });
        let connected = connecting
            .await
            .map_err(|error| StoreError::Stopped(format!("connecting ended early: {error}")))?
            .map_err(|error| StoreError::Unreachable {
                address: shown,
                problem: cause(&error),
            })?;
        let Some((client, driver)) = connected else {
            return Err(StoreError::Silent);
        };
        Ok(Self {
            client,
            prepared: Mutex::default(),
            warning,
            is_silent: AtomicBool::new(false),
            driver,
            runtime,
            tls: kept_tls,
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.is_silent.load(Ordering::Relaxed)
    }

    /// Waits for `what`, but not for ever.
    async fn wait<T>(
        &self,
        what: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        let limited = {
            // The timer is that of the connections' thread, whatever runtime this is polled by.
            let _inside = self.runtime.enter();
            tokio::time::timeout(PATIENCE, what)
        };
        match limited.await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => {
                self.is_silent.store(true, Ordering::Relaxed);
                Err(StoreError::Silent)
            }
        }
    }

    /// Runs statements without parameters.
    pub(super) async fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.wait(self.client.batch_execute(sql)).await
    }

    /// Runs `begin` and, without waiting for it, two statements that are run again and again.
    pub(super) async fn begin_and_query(
        &self,
        begin: &str,
        (first, of_first): (&str, &[&(dyn ToSql + Sync)]),
        (second, of_second): (&str, &[&(dyn ToSql + Sync)]),
    ) -> Result<(Vec<Row>, Vec<Row>), StoreError> {
        let (first, second) = (self.prepared(first).await?, self.prepared(second).await?);
        // Requests are sent when they are first polled, which is in this order.
        let (begun, first, second) = futures_util::future::join3(
            self.run(begin),
            self.wait(self.client.query(&first, of_first)),
            self.wait(self.client.query(&second, of_second)),
        )
        .await;
        begun?;
        Ok((first?, second?))
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self
            .prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(sql)
        {
            return Ok(statement.clone());
        }
        let statement = self.wait(self.client.prepare(sql)).await?;
        self.prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// The rows of a statement that is run again and again.
    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepared(sql).await?;
        self.wait(self.client.query(&statement, parameters)).await
    }

    /// The rows of a statement that may never be run again.
    pub(super) async fn query_once(
        &self,
        sql: &str,
        parameters: &[(Parameter<'_>, Type)],
    ) -> Result<Vec<Row>, StoreError> {
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> = parameters
            .iter()
            .map(|(value, ty)| (&**value as &(dyn ToSql + Sync), ty.clone()))
            .collect();
        self.wait(self.client.query_typed(sql, &parameters)).await
    }

    /// Gives `each` the rows of a statement as they come, as long as there is room for one more,
    /// the budget has time, and `each` takes them. A statement that was ended early is cancelled on
    /// the server, and the session given up.
    pub(super) async fn stream(
        &self,
        sql: &str,
        parameters: &[(Parameter<'_>, Type)],
        budget: &Budget,
        room: &Semaphore,
        mut each: impl FnMut(Row) -> bool,
    ) -> Result<(), StoreError> {
        let parameters = parameters
            .iter()
            .map(|(value, ty)| (&**value as &(dyn ToSql + Sync), ty.clone()));
        let mut asked = tokio::time::interval(ASKED_EVERY);
        let streamed = async {
            let mut rows = Box::pin(self.client.query_typed_raw(sql, parameters).await?);
            while let Some(row) = rows.try_next().await? {
                let Ok(permit) = room.acquire_many(room_for(&row)).await else {
                    break;
                };
                permit.forget();
                if !each(row) {
                    break;
                }
            }
            Ok(())
        };
        let mut streamed = std::pin::pin!(self.wait(streamed));
        loop {
            tokio::select! {
                outcome = &mut streamed => return outcome,
                _ = asked.tick() => if let Err(excess) = budget.check() {
                    self.give_up();
                    return Err(excess.into());
                }
            }
        }
    }

    /// Ends what the server does here, and does not use the connection any more.
    pub(super) fn give_up(&self) {
        if self.is_silent.swap(true, Ordering::Relaxed) {
            return;
        }
        let (cancel, tls) = (self.client.cancel_token(), self.tls.clone());
        self.runtime.spawn(async move {
            if let Err(error) = cancel.cancel_query(tls).await {
                tracing::warn!(
                    "a statement could not be cancelled, it ends by its time limit: {}",
                    cause(&error)
                );
            }
        });
    }

    /// How many rows a statement changed that is run again and again.
    pub(super) async fn execute(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        let statement = self.prepared(sql).await?;
        self.wait(self.client.execute(&statement, parameters)).await
    }

    /// Prepares what is not yet, so that the changes can then be sent in one go.
    pub(super) async fn prepare(
        &self,
        changes: &[Change<'_>],
    ) -> Result<Vec<Statement>, StoreError> {
        let mut statements = Vec::with_capacity(changes.len());
        for change in changes {
            statements.push(self.prepared(&change.sql).await?);
        }
        Ok(statements)
    }

    /// Sends all changes in their order, then `last`, without waiting in between: the first
    /// failure, and what became of `last`. Where one of them cannot be sent at all, neither is
    /// `last` (`None`): it would end a batch that lacks it.
    pub(super) async fn send(
        &self,
        statements: &[Statement],
        changes: &[Change<'_>],
        last: &str,
    ) -> (Result<(), StoreError>, Option<Result<(), StoreError>>) {
        let mut each: Vec<_> = statements
            .iter()
            .zip(changes)
            .map(|(statement, change)| async move {
                let parameters: Vec<&(dyn ToSql + Sync)> = change
                    .parameters
                    .iter()
                    .map(|value| &**value as &(dyn ToSql + Sync))
                    .collect();
                self.wait(self.client.execute(statement, &parameters)).await
            })
            .map(maybe_done)
            .map(Box::pin)
            .collect();
        // Requests are sent when they are first polled.
        let is_unsent = poll_fn(|context| {
            let mut is_unsent = false;
            for change in &mut each {
                is_unsent |= change.as_mut().poll(context).is_ready()
                    && matches!(**change, MaybeDone::Done(Err(_)));
            }
            Poll::Ready(is_unsent)
        })
        .await;
        let last = async {
            if is_unsent {
                None
            } else {
                Some(self.run(last).await)
            }
        };
        let (_, ended) = join(join_all(each.iter_mut().map(Pin::as_mut)), last).await;
        let changed = each
            .iter_mut()
            .filter_map(|change| change.as_mut().take_output());
        (changed.collect::<Result<Vec<_>, _>>().map(drop), ended)
    }

    /// Sends what a `COPY … FROM STDIN` takes, and answers how many rows that was.
    pub(super) async fn copy_in(&self, sql: &str, rows: Bytes) -> Result<u64, StoreError> {
        let statement = self.prepared(sql).await?;
        self.wait(async {
            let mut sink = Box::pin(self.client.copy_in(&statement).await?);
            sink.send(rows).await?;
            sink.as_mut().finish().await
        })
        .await
    }

    /// Begins a `COPY … TO STDOUT`.
    pub(super) async fn copy_out(&self, sql: &str) -> Result<CopiedOut, StoreError> {
        let statement = self.prepared(sql).await?;
        let stream = Box::pin(self.wait(self.client.copy_out(&statement)).await?);
        Ok(CopiedOut {
            stream,
            has_ended: false,
        })
    }

    /// The next pieces of what it answers, at most `max` of them; none: that was all.
    pub(super) async fn copied_out(
        &self,
        from: &mut CopiedOut,
        max: usize,
    ) -> Result<Vec<Bytes>, StoreError> {
        let mut pieces = Vec::with_capacity(max);
        while pieces.len() < max && !from.has_ended {
            match self.wait(from.stream.try_next()).await? {
                Some(piece) => pieces.push(piece),
                None => from.has_ended = true,
            }
        }
        Ok(pieces)
    }

    /// What the server has warned of since this was last asked.
    pub(super) fn take_warning(&self) -> Option<String> {
        self.warning
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
