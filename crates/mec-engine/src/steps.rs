//! A write of the table API, and the steps it is planned as.

use mec_kernel::{
    Actor, Catalog, CatalogChange, Code, Halt, KeptRow, Making, Ruling, Template, TreeId, View,
};
use mec_query::{Fetched, Value};
use tokio::sync::oneshot;

use crate::committed::Committed;
use crate::error::MecError;

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

impl Steps {
    /// Only changes of the catalog.
    pub(crate) fn of_catalog(catalog: Vec<CatalogChange>) -> Self {
        Self {
            catalog,
            ..Self::default()
        }
    }

    /// Whether the catalog is to change.
    pub(crate) fn is_about_catalog(&self) -> bool {
        !self.catalog.is_empty() || !self.removals.is_empty()
    }
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
