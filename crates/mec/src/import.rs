//! Usage events from a file: read line by line, sent in batches, each recorded exactly once however
//! often the file is imported, because its key is its identity.
//!
//! Memory stays flat: a line is forgotten once its outcome is known. Nothing here decides what is
//! recorded.

pub(crate) mod event;
mod format;
mod lines;
mod parcel;
mod rejects;
mod resolve;
mod send;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub(crate) use self::format::Format;
use self::lines::Reading;
use self::parcel::{Batch, Parcel};
use self::rejects::Rejects;
use self::send::{Counted, Sender};
use crate::client::target::Target;
use crate::terminal::failure::{Exit, Failure};
use crate::terminal::progress::Progress;

/// Batches on their way at once: one is written while the next is decided and a third is read.
const IN_FLIGHT_MAX: usize = 4;

/// What is imported, and how.
#[derive(Debug)]
pub(crate) struct Import {
    /// The file; `-` is stdin.
    pub(crate) path: PathBuf,
    /// Its format, where the name does not say it.
    pub(crate) format: Option<Format>,
    /// Where rejected lines go; `None`: the first few to stderr.
    pub(crate) rejects: Option<PathBuf>,
}

/// What became of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Lines read, without header and empty ones.
    pub(crate) lines: u64,
    /// Events recorded now.
    pub(crate) recorded: u64,
    /// Events that were there already.
    pub(crate) replayed: u64,
    /// Lines that are no event, or that MEC refuses.
    pub(crate) rejected: u64,
    /// How long it took, in milliseconds.
    pub(crate) millis: u64,
}

impl Import {
    /// Imports the file into `target`.
    ///
    /// # Errors
    /// A file that cannot be read to its end or is in no known format; a target that stays
    /// unavailable. What was recorded until then stays, and importing the file again goes on from
    /// there.
    pub(crate) async fn run(self, target: Arc<Target>) -> Result<Report, Failure> {
        let format = self
            .format
            .map_or_else(|| Format::of_path(&self.path), Ok)?;
        let reading = Reading::open(&self.path, format)?;
        let rejects = Rejects::open(self.rejects.as_deref(), &self.path)?;
        let progress = Progress::start(reading.bytes_total, "lines");
        let began = Instant::now();
        let bytes_read = reading.bytes_read.clone();
        let (parcels, mut arriving) = mpsc::channel::<Parcel>(2);
        let reader = std::thread::Builder::new()
            .name("mec-import".to_owned())
            .spawn(move || reading.run(&parcels));
        let reader = reader.map_err(|error| {
            Failure::new(Exit::Io, format!("threads cannot be started: {error}"))
        })?;

        let mut run = Run {
            sender: Arc::new(Sender::new(target)),
            rejects,
            progress,
            report: Report::default(),
            flying: JoinSet::new(),
        };
        while let Some(parcel) = arriving.recv().await {
            run.show(bytes_read.load(Ordering::Relaxed));
            run.report.lines += parcel.lines;
            for refused in parcel.unreadable {
                run.report.rejected += 1;
                run.rejects.add(&refused)?;
            }
            run.send(parcel.batch).await?;
        }
        while run.land_one().await? {
            run.show(bytes_read.load(Ordering::Relaxed));
        }
        run.progress.finish();
        run.report.millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        run.rejects.finish()?;
        match reader.join() {
            Ok(ended) => ended.map(|()| run.report),
            Err(_) => Err(Failure::new(
                Exit::Io,
                format!("reading {} broke off", self.path.display()),
            )),
        }
    }
}

/// An import under way.
struct Run {
    sender: Arc<Sender>,
    rejects: Rejects,
    progress: Progress,
    report: Report,
    flying: JoinSet<Result<Counted, Failure>>,
}

impl Run {
    /// Shows how far it is: `done` bytes are read.
    fn show(&mut self, done: u64) {
        let report = &self.report;
        let settled = report.recorded + report.replayed + report.rejected;
        let rejected = match report.rejected {
            0 => String::new(),
            rejected => format!(", {rejected} rejected"),
        };
        self.progress.update(done, settled, &rejected);
    }

    /// Sends a batch beside those in flight; alone where its outcome depends on what comes before
    /// it in the file.
    async fn send(&mut self, batch: Batch) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        let beside_max = if batch.depends_on_order() {
            0
        } else {
            IN_FLIGHT_MAX - 1
        };
        while self.flying.len() > beside_max {
            self.land_one().await?;
        }
        let sender = self.sender.clone();
        self.flying.spawn(async move { sender.send(batch).await });
        Ok(())
    }

    /// Waits for one batch in flight; `false` when there is none.
    async fn land_one(&mut self) -> Result<bool, Failure> {
        let Some(landed) = self.flying.join_next().await else {
            return Ok(false);
        };
        let counted = landed
            .map_err(|error| Failure::new(Exit::Io, format!("a batch broke off: {error}")))??;
        self.report.recorded += counted.recorded;
        self.report.replayed += counted.replayed;
        for refused in &counted.rejected {
            self.report.rejected += 1;
            self.rejects.add(refused)?;
        }
        Ok(true)
    }
}
