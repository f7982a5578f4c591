//! A table write in the lane: pick the rows, take their trees, decide each, commit all of it or
//! nothing. Where other processes write too, the rows are picked again once the trees are taken.

use std::collections::{BTreeMap, BTreeSet};

use mec_kernel::{
    Catalog, CatalogChange, Fact, Halt, IdSource, Making, Need, Ruling, Template, Tree, TreeId,
    View, Write, prune_catalog, with_windows_beside,
};
use mec_query::Value;
use mec_store::{CommitError, Hold};

use super::batch::{Batch, Trouble, Work};
use super::decide::caught;
use super::state::{Lane, RUNS_MAX};
use crate::committed::{Committed, ROWS_MAX};
use crate::error::MecError;
use crate::in_use::{in_use, may_be_fixed};
use crate::steps::{Intent, NewTemplate, RowKey, Step, Steps, TableWrite, Written};

/// A table write that was decided.
struct Decided {
    written: Written,
    batch: Batch,
    /// As it will be, where it changes.
    catalog: Option<Catalog>,
}

impl Lane {
    pub(super) async fn table_write(&mut self, mut write: TableWrite) {
        for run in 1.. {
            let error = match self.try_table_write(&mut write).await {
                Ok(Some(decided)) => {
                    if let Some(outcome) = self.commit_table_write(*decided, run).await {
                        drop(write.caller.send(outcome));
                        return;
                    }
                    continue;
                }
                Ok(None) => MecError::NotDone(
                    "other requests write the same rows at the same time".to_owned(),
                ),
                Err(Trouble::Lost(error)) => error.into(),
                Err(trouble) => {
                    let error = match trouble {
                        Trouble::Own(error) => error,
                        Trouble::Failed(error) | Trouble::Lost(error) => error.into(),
                    };
                    self.writer.abort().await;
                    drop(write.caller.send(Err(error)));
                    return;
                }
            };
            self.writer.abort().await;
            if run >= RUNS_MAX {
                drop(write.caller.send(Err(error)));
                return;
            }
            tracing::warn!(%error, run, "a table write is run again");
        }
    }

    /// `None`: nothing was done, it is run again.
    async fn commit_table_write(
        &mut self,
        decided: Decided,
        run: usize,
    ) -> Option<Result<Written, MecError>> {
        let Decided {
            written,
            mut batch,
            catalog,
        } = decided;
        match self.commit(&mut batch).await {
            Ok(()) => {
                self.publish(batch.trees, batch.seen);
                if let Some(catalog) = catalog {
                    self.cache.set_catalog(catalog);
                }
                Some(Ok(written))
            }
            Err(CommitError::NotDone(error)) if run < RUNS_MAX => {
                tracing::warn!(%error, run, "a table write was not done and is run again");
                None
            }
            Err(error) => {
                self.failed(&error, batch.trees.keys());
                Some(Err(MecError::of_commit(&error)))
            }
        }
    }

    fn plan(&mut self, write: &mut TableWrite, drawn: &mut Vec<TreeId>) -> Result<Steps, MecError> {
        let catalog = self.cache.catalog();
        let steps =
            caught(|| (write.plan)(&catalog, &mut Committed::of(&mut self.writer, drawn)))??;
        if steps.trees.len() > ROWS_MAX {
            Err(MecError::TooManyRows { max: ROWS_MAX })
        } else {
            Ok(steps)
        }
    }

    /// `None`: other rows pass than those whose trees were taken.
    async fn try_table_write(
        &mut self,
        write: &mut TableWrite,
    ) -> Result<Option<Box<Decided>>, Trouble> {
        let mut drawn = vec![];
        let mut steps = self.plan(write, &mut drawn)?;
        let hold = steps.hold(&self.cache.catalog());
        let shards: BTreeSet<usize> = steps
            .trees
            .iter()
            .filter_map(|step| self.store.shard_of(step.tree))
            .collect();
        if shards.len() > 1 {
            return Err(MecError::AcrossShards.into());
        }
        let mut batch = self.lock(steps.takes(self.store.is_shared()), hold).await?;
        if self.store.is_shared() {
            steps = self.plan(write, &mut drawn)?;
            let is_taken = |tree| batch.trees.contains_key(&tree);
            if steps.hold(&self.cache.catalog()) != hold
                || !steps.takes(true).into_iter().all(is_taken)
            {
                return Ok(None);
            }
        }
        let mut catalog = self.cache.catalog();
        let mut written = Written {
            inserted: steps.inserted,
            shown: steps.shown.take(),
            ..Written::default()
        };
        if steps.trees.iter().any(|step| {
            step.is_new_tree && batch.trees.get(&step.tree).is_none_or(|work| !work.is_new)
        }) {
            written.tree_taken = true;
            let batch = self.lock([].into(), hold).await?;
            return Ok(Some(Box::new(Decided {
                written,
                batch,
                catalog: None,
            })));
        }
        let changed = self
            .change_catalog(&catalog, &steps, &mut batch, &mut written)
            .await?;
        if let Some(after) = &changed {
            catalog = std::sync::Arc::new(after.clone());
        }
        let answers = self
            .decide_steps(steps.trees, &write.actor, &catalog, &mut batch)
            .await?;
        written.keys = row_keys(steps.rows, answers, &written.catalog);
        Ok(Some(Box::new(Decided {
            written,
            batch,
            catalog: changed,
        })))
    }

    async fn change_catalog(
        &mut self,
        catalog: &Catalog,
        steps: &Steps,
        batch: &mut Batch,
        written: &mut Written,
    ) -> Result<Option<Catalog>, Trouble> {
        if !steps.is_about_catalog() {
            return Ok(None);
        }
        let all: Vec<CatalogChange> = steps
            .catalog
            .iter()
            .chain(&steps.removals)
            .cloned()
            .collect();
        let in_use = in_use(&mut self.writer, catalog, &all).await?;
        let now = batch
            .trees
            .get(&TreeId::CATALOG)
            .map_or(batch.now, |work| work.now);
        let seed = u16::try_from(self.random() >> 50).unwrap_or_default();
        let mut ids = IdSource::new(TreeId::CATALOG, now, seed);
        let (ruling, kept) = prune_catalog(
            catalog,
            &steps.catalog,
            &steps.removals,
            &in_use,
            now,
            &mut ids,
        )?;
        (written.catalog, written.kept) = (ruling.changes.clone(), kept);
        if ruling.changes.is_empty() || steps.intent == Intent::Show {
            return Ok(None);
        }
        batch.commit.catalog = ruling.changes;
        batch.commit.catalog_version = Some(ruling.catalog.version);
        Ok(Some(ruling.catalog))
    }

    /// Decides step after step, each on what the ones before left.
    async fn decide_steps(
        &mut self,
        steps: Vec<Step>,
        actor: &mec_kernel::Actor,
        catalog: &Catalog,
        batch: &mut Batch,
    ) -> Result<Vec<Vec<Value>>, Trouble> {
        let mut keys = Vec::with_capacity(steps.len());
        let mut written: BTreeMap<TreeId, Vec<Write>> = BTreeMap::new();
        for mut step in steps {
            let earlier = written.entry(step.tree).or_default();
            let ruling = self
                .decide_step(&mut step, actor, catalog, batch, earlier)
                .await?;
            keys.push(ruling.answer);
            earlier.extend(ruling.writes.iter().cloned());
            batch.apply(step.tree, ruling.writes);
        }
        Ok(keys)
    }

    /// A need is answered from what is committed and brought up to date with what this write did
    /// before.
    async fn decide_step(
        &mut self,
        step: &mut Step,
        actor: &mec_kernel::Actor,
        catalog: &Catalog,
        batch: &mut Batch,
        earlier: &[Write],
    ) -> Result<Ruling<Vec<Value>>, Trouble> {
        let Some(work) = batch.trees.get_mut(&step.tree) else {
            return Err(MecError::Stopped.into());
        };
        loop {
            if batch.seen.elapsed() > self.batch_time_max {
                return Err(MecError::Overran.into());
            }
            let view = View {
                tree: &work.tree,
                facts: &work.facts,
                catalog,
                now: work.now,
            };
            let need = match caught(|| {
                (step.decide)(
                    &view,
                    &mut Making {
                        ids: &mut work.ids,
                        actor,
                    },
                )
            })? {
                Ok(ruling) => return Ok(ruling),
                Err(Halt::Refuse(refusal)) => return Err(refusal.into()),
                Err(Halt::Need(need)) => need,
            };
            let needs = with_windows_beside(&view, need.clone());
            for fact in self
                .writer
                .look_up(step.tree, &needs, catalog, work.now)
                .await?
            {
                learn(fact, &need, work, earlier);
            }
        }
    }
}

/// Table writes record no use, so a window counted from the ledger is right as it is; accounts and
/// links are what they may have changed.
fn learn(fact: Fact, need: &Need, work: &mut Work, earlier: &[Write]) {
    if matches!(need, Need::Account(_)) {
        let mut loaded = Tree::new(work.tree.head);
        fact.learn(&mut loaded, &mut work.facts, work.now);
        earlier
            .iter()
            .filter(|write| !matches!(write, Write::Account(_)))
            .for_each(|write| loaded.apply(write, work.now));
        let nodes: Vec<_> = loaded
            .nodes()
            .map(|node| mec_kernel::Node::clone(node))
            .collect();
        nodes.into_iter().for_each(|node| work.tree.insert(node));
    } else {
        fact.learn(&mut work.tree, &mut work.facts, work.now);
        earlier.iter().for_each(|write| work.facts.apply(write));
    }
}

/// The primary keys of the rows, those the write gave them included.
fn row_keys(
    rows: Vec<RowKey>,
    answers: Vec<Vec<Value>>,
    changes: &[CatalogChange],
) -> Vec<Vec<Value>> {
    let mut answers = answers.into_iter();
    // A write that makes rules changes none, so every rule put is a new one, in the order of the
    // request.
    let mut rules = changes.iter().filter_map(|change| match change {
        CatalogChange::PutRule(rule) => Some(vec![Value::Uuid(rule.id.0)]),
        _ => None,
    });
    let template_id = |new: &NewTemplate| {
        let place = |template: &Template| {
            (
                template.resource.clone(),
                template.scope.clone(),
                template.window,
                template.window_seconds,
            )
        };
        changes.iter().find_map(|change| match change {
            CatalogChange::PutPlan(plan) if plan.id == new.plan => {
                let found = plan
                    .templates
                    .iter()
                    .find(|template| place(template) == place(&new.template))?;
                Some(vec![Value::Uuid(found.id.0)])
            }
            _ => None,
        })
    };
    rows.into_iter()
        .filter_map(|row| match row {
            RowKey::Known(key) => Some(key),
            RowKey::OfStep => answers.next(),
            RowKey::OfNewRule => rules.next(),
            RowKey::OfNewTemplate(new) => template_id(&new),
        })
        .collect()
}

impl Steps {
    /// The trees it takes. The catalog is one more where several processes change it.
    fn takes(&self, is_shared: bool) -> BTreeSet<TreeId> {
        let catalog = (is_shared && self.is_about_catalog()).then_some(TreeId::CATALOG);
        self.trees
            .iter()
            .map(|step| step.tree)
            .chain(catalog)
            .collect()
    }

    /// Whether nobody uses what it removes can only be said while no other batch is open: it might.
    fn hold(&self, catalog: &Catalog) -> Hold {
        let is_used = self
            .catalog
            .iter()
            .chain(&self.removals)
            .any(|change| may_be_fixed(catalog, change));
        if is_used { Hold::Alone } else { Hold::Waited }
    }
}
