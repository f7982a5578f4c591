//! A table write in the lane: pick the rows, decide each, commit all of it or nothing.

use std::collections::BTreeMap;

use mec_kernel::{
    Catalogue, CatalogueChange, Fact, Halt, IdSource, Making, Need, Ruling, Template, Tree, TreeId, View, Write, change_catalogue,
};
use mec_query::Value;
use mec_store::CommitError;

use crate::error::MecError;
use crate::in_use::in_use;
use crate::job::{Committed, NewTemplate, ROWS_MAX, RowKey, Step, Steps, TableWrite, Written, too_many_rows};
use crate::lane::{Batch, Lane, RUNS_MAX, caught};

impl Lane {
    pub(crate) async fn table_write(&mut self, mut write: TableWrite) {
        for run in 1.. {
            let outcome = match self.try_table_write(&mut write).await {
                Ok((written, batch, catalogue)) => self.commit_table_write(written, batch, catalogue, run).await,
                Err(error) => {
                    self.writer.abort().await;
                    Some(Err(error))
                }
            };
            if let Some(outcome) = outcome {
                drop(write.caller.send(outcome));
                return;
            }
        }
    }

    /// `None`: nothing was done, it is run again.
    async fn commit_table_write(
        &mut self,
        written: Written,
        mut batch: Batch,
        catalogue: Option<Catalogue>,
        run: usize,
    ) -> Option<Result<Written, MecError>> {
        match self.commit(&mut batch).await {
            Ok(()) => {
                self.publish(batch.trees);
                if let Some(catalogue) = catalogue {
                    self.cache.set_catalogue(catalogue);
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

    async fn try_table_write(&mut self, write: &mut TableWrite) -> Result<(Written, Batch, Option<Catalogue>), MecError> {
        let mut catalogue = self.cache.catalogue();
        let steps = caught(|| (write.plan)(&catalogue, &mut Committed(&mut self.writer)))??;
        if steps.trees.len() > ROWS_MAX {
            return Err(too_many_rows());
        }
        let mut written = Written { inserted: steps.inserted, shown: steps.shown, ..Written::default() };
        let mut batch = self.lock(steps.trees.iter().map(|step| step.tree).collect()).await?;
        if steps.trees.iter().any(|step| step.is_new_tree && batch.trees.get(&step.tree).is_none_or(|work| !work.is_new)) {
            written.tree_taken = true;
            return Ok((written, self.lock([].into()).await?, None));
        }
        let changed = self.change_catalogue(&catalogue, &steps.catalogue, &mut batch).await?;
        if let Some(after) = &changed {
            catalogue = std::sync::Arc::new(after.clone());
            written.catalogue.clone_from(&batch.commit.catalogue);
        }
        let answers = self.decide_steps(steps.trees, &write.actor, &catalogue, &mut batch).await?;
        written.keys = row_keys(steps.rows, answers, &written.catalogue);
        Ok((written, batch, changed))
    }

    async fn change_catalogue(
        &mut self,
        catalogue: &Catalogue,
        changes: &[CatalogueChange],
        batch: &mut Batch,
    ) -> Result<Option<Catalogue>, MecError> {
        if changes.is_empty() {
            return Ok(None);
        }
        let in_use = in_use(&mut self.writer, catalogue, changes).await?;
        let now = self.clock.now();
        let seed = u16::try_from(self.random() >> 50).unwrap_or_default();
        let ruling = change_catalogue(catalogue, changes, &in_use, now, &mut IdSource::new(TreeId::CATALOGUE, now, seed))?;
        if ruling.changes.is_empty() {
            return Ok(None);
        }
        batch.commit.catalogue = ruling.changes;
        batch.commit.catalogue_version = Some(ruling.catalogue.version);
        Ok(Some(ruling.catalogue))
    }

    /// Decides step after step, each on what the ones before left.
    async fn decide_steps(
        &mut self,
        steps: Vec<Step>,
        actor: &mec_kernel::Actor,
        catalogue: &Catalogue,
        batch: &mut Batch,
    ) -> Result<Vec<Vec<Value>>, MecError> {
        let mut keys = Vec::with_capacity(steps.len());
        let mut written: BTreeMap<TreeId, Vec<Write>> = BTreeMap::new();
        for mut step in steps {
            let earlier = written.entry(step.tree).or_default();
            let ruling = self.decide_step(&mut step, actor, catalogue, batch, earlier).await?;
            keys.push(ruling.answer);
            earlier.extend(ruling.writes.iter().cloned());
            batch.apply(step.tree, ruling.writes);
        }
        Ok(keys)
    }

    /// A need is answered from what is committed and brought up to date with what this write did before.
    async fn decide_step(
        &mut self,
        step: &mut Step,
        actor: &mec_kernel::Actor,
        catalogue: &Catalogue,
        batch: &mut Batch,
        earlier: &[Write],
    ) -> Result<Ruling<Vec<Value>>, MecError> {
        let Some(work) = batch.trees.get_mut(&step.tree) else { return Err(MecError::Stopped) };
        loop {
            let view = View { tree: &work.tree, facts: &work.facts, catalogue, now: work.now };
            let need = match caught(|| (step.decide)(&view, &mut Making { ids: &mut work.ids, actor }))? {
                Ok(ruling) => return Ok(ruling),
                Err(Halt::Refuse(refusal)) => return Err(refusal.into()),
                Err(Halt::Need(need)) => need,
            };
            for fact in self.writer.look_up(step.tree, std::slice::from_ref(&need), catalogue, work.now).await? {
                learn(fact, &need, work, earlier);
            }
        }
    }
}

/// Table writes record no use, so a window counted from the ledger is right as it is; accounts and links are what
/// they may have changed.
fn learn(fact: Fact, need: &Need, work: &mut crate::lane::Work, earlier: &[Write]) {
    if matches!(need, Need::Account(_)) {
        let mut loaded = Tree::new(work.tree.head);
        fact.learn(&mut loaded, &mut work.facts, work.now);
        earlier.iter().filter(|write| !matches!(write, Write::Account(_))).for_each(|write| loaded.apply(write, work.now));
        let nodes: Vec<_> = loaded.nodes().map(|node| mec_kernel::Node::clone(node)).collect();
        nodes.into_iter().for_each(|node| work.tree.insert(node));
    } else {
        fact.learn(&mut work.tree, &mut work.facts, work.now);
        earlier.iter().for_each(|write| work.facts.apply(write));
    }
}

/// The primary keys of the rows, those the write gave them included.
fn row_keys(rows: Vec<RowKey>, answers: Vec<Vec<Value>>, changes: &[CatalogueChange]) -> Vec<Vec<Value>> {
    let mut answers = answers.into_iter();
    // A write that makes rules changes none, so every rule put is a new one, in the order of the request.
    let mut rules = changes.iter().filter_map(|change| match change {
        CatalogueChange::PutRule(rule) => Some(vec![Value::Uuid(rule.id.0)]),
        _ => None,
    });
    let template_id = |new: &NewTemplate| {
        let place =
            |template: &Template| (template.resource.clone(), template.scope.clone(), template.window, template.window_seconds);
        changes.iter().find_map(|change| match change {
            CatalogueChange::PutPlan(plan) if plan.id == new.plan => {
                let found = plan.templates.iter().find(|template| place(template) == place(&new.template))?;
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
    /// Only changes of the catalogue.
    pub(crate) fn of_catalogue(catalogue: Vec<CatalogueChange>) -> Self {
        Self { catalogue, ..Self::default() }
    }
}
