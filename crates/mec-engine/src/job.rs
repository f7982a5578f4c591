//! What is put into a lane's queue.

use std::sync::Arc;

use mec_kernel::{
    Actor, Catalog, CatalogChange, Code, Halt, IdSource, KeptRow, Making, Need, Ruling, Template,
    Time, TreeId, View, Write,
};
use mec_query::{
    Budget, Expr, Fetched, Filter, OrderBy, OrderTerm, Page, QueryError, Read, Table, Value,
};
use mec_store::{DecisionRow, Writer};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::MecError;
use crate::operation::draw_tree;
use crate::reading::{ANSWER_BYTES_MAX, ANSWER_ROWS_MAX};

/// Rows one write of the table API may touch.
pub(crate) const ROWS_MAX: usize = 1_000;

/// What a caller hands to the lane.
pub(crate) enum Message {
    /// One command.
    One(Box<dyn Job>),
    /// Several, kept in their order, with the room they take in the queue; those of one caller may
    /// go to several lanes.
    Many(Vec<Box<dyn Job>>, Arc<OwnedSemaphorePermit>),
    /// A write of rows picked by a filter, or of the catalog: it gets a batch of its own.
    Table(Box<TableWrite>),
    /// Remove old rows of the decision log.
    Prune(Prune),
    /// Write something that leaves nothing behind, and say whether that went through.
    Probe(oneshot::Sender<Result<(), MecError>>),
    /// Answer everything that waits, then end.
    Close,
}

impl Message {
    /// Answers everybody who waits for it.
    pub(crate) fn refuse(self, error: &MecError) {
        match self {
            Self::One(job) => job.finish(Err(error.clone())),
            Self::Many(jobs, _) => jobs
                .into_iter()
                .for_each(|job| job.finish(Err(error.clone()))),
            Self::Table(write) => drop(write.caller.send(Err(error.clone()))),
            Self::Prune(prune) => drop(prune.caller.send(Err(error.clone()))),
            Self::Probe(caller) => drop(caller.send(Err(error.clone()))),
            Self::Close => {}
        }
    }
}

/// One commit's worth of old rows of the decision log to remove.
pub(crate) struct Prune {
    /// What was decided before it goes.
    pub(crate) before: Time,
    /// Is told how many rows went; fewer than a commit's worth: there are no more.
    pub(crate) caller: oneshot::Sender<Result<usize, MecError>>,
}

/// What is known of a command before it is decided.
pub(crate) struct Foreseen {
    /// What it will certainly ask for; looked up for the whole batch at once.
    pub(crate) needs: Vec<Need>,
    /// What of it has no fixed size, in bytes.
    pub(crate) bytes: usize,
}

impl From<Vec<Need>> for Foreseen {
    fn from(needs: Vec<Need>) -> Self {
        Self { needs, bytes: 0 }
    }
}

impl Foreseen {
    /// Of a command that records something with details.
    pub(crate) fn with_details(needs: Vec<Need>, details: Option<&str>) -> Self {
        Self {
            needs,
            bytes: details.map_or(0, str::len),
        }
    }
}

/// A command on its way: decided possibly several times, answered once.
pub(crate) trait Job: Send {
    /// Whose tree.
    fn tree(&self) -> TreeId;
    /// What is known of it before it is decided.
    fn foreseen(&self) -> &Foreseen;
    /// Decides and keeps the answer.
    fn decide(&mut self, view: &View<'_>, ids: &mut IdSource) -> Result<Vec<Write>, Halt>;
    /// What the decision log keeps of the answer.
    fn log(&self, ids: &mut IdSource, now: Time) -> Option<DecisionRow>;
    /// Answers: the kept answer, or why there is none.
    fn finish(self: Box<Self>, outcome: Result<(), MecError>);
}

/// A command as functions, with the caller who waits for it.
pub(crate) struct Command<A, F, L> {
    pub(crate) tree: TreeId,
    pub(crate) actor: Actor,
    pub(crate) foreseen: Foreseen,
    pub(crate) decide: F,
    pub(crate) log: L,
    pub(crate) answer: Option<A>,
    pub(crate) caller: oneshot::Sender<Result<A, MecError>>,
}

impl<A, F, L> Job for Command<A, F, L>
where
    A: Send,
    F: FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<A>, Halt> + Send,
    L: Fn(&A, &mut IdSource, Time) -> Option<DecisionRow> + Send,
{
    fn tree(&self) -> TreeId {
        self.tree
    }

    fn foreseen(&self) -> &Foreseen {
        &self.foreseen
    }

    fn decide(&mut self, view: &View<'_>, ids: &mut IdSource) -> Result<Vec<Write>, Halt> {
        let ruling = (self.decide)(
            view,
            &mut Making {
                ids,
                actor: &self.actor,
            },
        )?;
        self.answer = Some(ruling.answer);
        Ok(ruling.writes)
    }

    fn log(&self, ids: &mut IdSource, now: Time) -> Option<DecisionRow> {
        self.answer
            .as_ref()
            .and_then(|answer| (self.log)(answer, ids, now))
    }

    fn finish(self: Box<Self>, outcome: Result<(), MecError>) {
        let Self { answer, caller, .. } = *self;
        // A caller who has gone away needs no answer; what was recorded stays recorded.
        drop(caller.send(outcome.and_then(|()| answer.ok_or(MecError::Stopped))));
    }
}

/// A write of the table API: all of it or nothing, in a batch of its own, so that between picking
/// rows and writing them nothing else is written.
pub(crate) struct TableWrite {
    pub(crate) actor: Actor,
    /// What to do, given the catalog and what is stored.
    pub(crate) plan: Box<PlanTableWrite>,
    pub(crate) caller: oneshot::Sender<Result<Written, MecError>>,
}

/// From the catalog and what is stored to what shall be done. Called again when the batch is run
/// again.
pub(crate) type PlanTableWrite =
    dyn FnMut(&Catalog, &mut Committed<'_>) -> Result<Steps, MecError> + Send;

/// What is stored while a table write is planned: the newest state, and nobody else writes
/// meanwhile. The lane reads it itself, so that it never waits for those who read tables.
pub(crate) struct Committed<'a> {
    writer: &'a mut Writer,
    /// Numbers for new trees, the same ones when rows are picked again.
    drawn: &'a mut Vec<TreeId>,
    given: usize,
}

impl<'a> Committed<'a> {
    pub(crate) const fn of(writer: &'a mut Writer, drawn: &'a mut Vec<TreeId>) -> Self {
        Self {
            writer,
            drawn,
            given: 0,
        }
    }

    /// A number for the next new tree; whether it is free, the lane sees.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn new_tree(&mut self) -> Result<TreeId, MecError> {
        while self.drawn.len() <= self.given {
            let tree = draw_tree()?;
            if !self.drawn.contains(&tree) {
                self.drawn.push(tree);
            }
        }
        self.given += 1;
        Ok(self.drawn[self.given - 1])
    }

    /// `columns` of the rows of `table` that pass `filter`, in the order of the primary key.
    ///
    /// # Errors
    /// More than [`ROWS_MAX`] rows; a store that cannot be read.
    pub(crate) fn rows(
        &mut self,
        table: &Arc<Table>,
        columns: &[usize],
        filter: Filter,
    ) -> Result<Vec<Vec<Value>>, MecError> {
        let key = |column| OrderTerm {
            by: OrderBy::Own(Expr::column(table, column)),
            descending: false,
            nulls_first: false,
        };
        let read = Read {
            table: table.clone(),
            fetch: columns.to_vec(),
            outputs: vec![],
            filter,
            order: table.key_positions().into_iter().map(key).collect(),
            page: Page {
                offset: 0,
                limit: Some(ROWS_MAX as u64 + 1),
            },
            embeds: vec![],
        };
        let rows = self.writer.fetch(&read, &Budget::unlimited())?.rows;
        if rows.len() > ROWS_MAX {
            Err(too_many_rows())
        } else {
            Ok(rows)
        }
    }

    /// What `read` shows, as it is before the write.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub(crate) fn fetch(&mut self, read: &Read) -> Result<Fetched, MecError> {
        Ok(self.writer.fetch(
            read,
            &Budget::new(ANSWER_ROWS_MAX, ANSWER_BYTES_MAX, || None),
        )?)
    }
}

/// Refuses a write of more than [`ROWS_MAX`] rows.
pub(crate) fn too_many_rows() -> MecError {
    let message = format!("One request writes at most {ROWS_MAX} rows");
    QueryError::new(413, "MEC_TOO_MANY_ROWS", message)
        .with_hint("Narrow the filter, or send the rows in parts")
        .into()
}

/// What is to come of a change that was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intent {
    /// It is made.
    #[default]
    Make,
    /// It is only shown.
    Show,
}

/// What a table write does.
#[derive(Default)]
pub(crate) struct Steps {
    pub(crate) catalog: Vec<CatalogChange>,
    /// What is removed from the catalog where nothing refers to it.
    pub(crate) removals: Vec<CatalogChange>,
    /// Whether the catalog is changed, or it is only said what would change.
    pub(crate) intent: Intent,
    pub(crate) trees: Vec<Step>,
    /// The rows it writes, in the order of the request.
    pub(crate) rows: Vec<RowKey>,
    /// How many of them are new.
    pub(crate) inserted: usize,
    /// Rows that will be gone, as they were.
    pub(crate) shown: Option<Fetched>,
}

/// Where the primary key of a written row comes from.
pub(crate) enum RowKey {
    /// It is known.
    Known(Vec<Value>),
    /// The next of the steps answers it.
    OfStep,
    /// The catalog gives a new rule its id; this is the next of them.
    OfNewRule,
    /// The catalog gives a new template its id.
    OfNewTemplate(Box<NewTemplate>),
}

/// A new template is known again by its place in its plan.
pub(crate) struct NewTemplate {
    pub(crate) plan: Code,
    pub(crate) template: Template,
}

/// One command of a table write.
pub(crate) struct Step {
    pub(crate) tree: TreeId,
    /// Whether the tree must not exist yet.
    pub(crate) is_new_tree: bool,
    pub(crate) decide: Box<DecideStep>,
}

/// Decides one step; the answer is the primary key of the row it is about.
pub(crate) type DecideStep =
    dyn FnMut(&View<'_>, &mut Making<'_>) -> Result<Ruling<Vec<Value>>, Halt> + Send;

/// What a table write did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written {
    /// Primary keys of the rows written, in the order of the request.
    pub(crate) keys: Vec<Vec<Value>>,
    /// How many of them are new.
    pub(crate) inserted: usize,
    /// Rows that are gone, as they were.
    pub(crate) shown: Option<Fetched>,
    /// What changed in the catalog, or would change.
    pub(crate) catalog: Vec<CatalogChange>,
    /// What of the removals was not made.
    pub(crate) kept: Vec<KeptRow>,
    /// A new tree's number was taken: draw another and send it again.
    pub(crate) tree_taken: bool,
}
