//! What of the kernel's state is not what the oracle sums up: counters, overage, rows, effects, the
//! audit.

use std::collections::{BTreeMap, BTreeSet};

use mec_kernel as k;
use mec_kernel::{TreeId, Write};
use mec_oracle::{Id, Oracle};

use crate::driver::Driver;
use crate::translate::{self};

impl Driver {
    /// The trees that the last command wrote to.
    fn written_trees(&self) -> BTreeSet<TreeId> {
        self.wrote.iter().map(|(tree, _)| *tree).collect()
    }

    /// An entitlement of the tree last written to that is not as the oracle has it.
    pub(crate) fn wrong_row(&self, oracle: &Oracle) -> Option<String> {
        let (tree, _) = self
            .wrote
            .iter()
            .find(|(_, write)| matches!(write, Write::Entitlement { .. }))?;
        self.plots[tree]
            .written
            .entitlements
            .values()
            .find_map(|row| {
                let id = self.names.entitlements.id(row.id);
                let kept = translate::row_in_words(row, oracle.shop());
                let expected = oracle.row_in_words(id);
                (Some(&kept) != expected.as_ref())
                    .then(|| format!("row {id:?}: {kept:?} for {expected:?}"))
            })
    }

    /// Changes of entitlements that the last command did not note as the oracle does.
    pub(crate) fn wrong_audit(&self, oracle: &Oracle) -> Option<String> {
        let writes = self.wrote.iter().map(|(_, write)| write);
        let mut noted: Vec<_> = writes
            .filter_map(|write| match write {
                Write::Entitlement { row, audit, .. } => Some((
                    self.names.entitlements.id(row.id),
                    self.names.accounts.id(row.account),
                    audit.action,
                    translate::row_in_words(row, oracle.shop()),
                    audit.by.as_str(),
                )),
                _ => None,
            })
            .collect();
        // Their order within a command means nothing, and a row may be written as it was.
        let is_changed = |id: Id| {
            oracle
                .audits_of_step()
                .iter()
                .any(|of| of.entitlement == id)
        };
        noted
            .retain(|(entitlement, _, action, ..)| *action != "update" || is_changed(*entitlement));
        noted.sort_by_key(|(entitlement, ..)| *entitlement);
        let expected = oracle.audits_of_step().iter();
        let expected: Vec<_> = expected
            .map(|of| {
                (
                    of.entitlement,
                    of.account,
                    of.action,
                    of.new.clone(),
                    "oracle",
                )
            })
            .collect();
        (noted != expected).then(|| format!("audit {noted:?}\n  for {expected:?}"))
    }

    /// Overage that the events of the last command do not tell as the oracle does, at the price of
    /// that moment.
    pub(crate) fn wrong_effect(&self, oracle: &Oracle) -> Option<String> {
        let events = self.wrote.iter().filter_map(|(_, write)| match write {
            Write::Event { event, .. } => Some(event),
            _ => None,
        });
        let told = |effect: &k::Effect| mec_oracle::Effect {
            counter: translate::counter(
                self.names.accounts.id(effect.account),
                &effect.key,
                oracle.shop(),
            ),
            overage: effect.overage.0.into(),
            // Nothing is taken back at a price.
            price: effect
                .price
                .filter(|_| effect.overage.0 > 0)
                .map(k::Quantity::millionths),
        };
        // What one counter gives back at several prices is one effect to the oracle.
        let merged = |mut effects: Vec<mec_oracle::Effect>| {
            effects.sort();
            effects.dedup_by(|more, kept| {
                let is_one = (&kept.counter, kept.price, more.price) == (&more.counter, None, None);
                if is_one {
                    kept.overage += &more.overage;
                }
                is_one
            });
            effects
        };
        let told = merged(
            events
                .flat_map(|event| event.effects.iter().map(told))
                .collect(),
        );
        let expected = merged(oracle.effects_of_step());
        (told != expected).then(|| format!("effects {told:?} for {expected:?}"))
    }

    /// Overage that the events of all trees do not tell as the oracle does.
    pub(crate) fn wrong_overage(&self, oracle: &Oracle) -> Option<String> {
        let mut told: BTreeMap<mec_oracle::Counter, i128> = BTreeMap::new();
        for effect in self
            .plots
            .values()
            .flat_map(|plot| &plot.written.events)
            .flat_map(|event| &event.effects)
        {
            let account = self.names.accounts.id(effect.account);
            *told
                .entry(translate::counter(account, &effect.key, oracle.shop()))
                .or_default() += effect.overage.0;
        }
        let told: BTreeMap<_, _> = told
            .into_iter()
            .map(|(counter, sum)| (counter, sum.into()))
            .collect();
        let summed = oracle.overages();
        (told != summed).then(|| format!("overage {told:?} for {summed:?}"))
    }

    /// The first counter of the tree last written to that is not what the oracle sums.
    pub(crate) fn wrong_counter(&self, oracle: &Oracle) -> Option<String> {
        self.written_trees()
            .into_iter()
            .find_map(|tree| self.wrong_counter_of(tree, oracle))
    }

    fn wrong_counter_of(&self, tree: TreeId, oracle: &Oracle) -> Option<String> {
        let now = self.now.micros();
        let differs =
            |kept: &k::Amount, summed: &mec_oracle::amount::Amount| *summed != kept.0.into();
        for node in self.plots[&tree].tree.nodes() {
            let account = self.names.accounts.id(node.account.id);
            for (key, total) in &node.windows {
                let counter = translate::counter(account, key, oracle.shop());
                let mut wrong = Vec::new();
                let used = oracle.used(&counter, now);
                if differs(&total.used_at(key.window, self.now), &used) {
                    wrong.push(format!(
                        "used {} for {used}",
                        total.used_at(key.window, self.now).0
                    ));
                }
                if matches!(key.window, k::Window::Fixed { .. })
                    && differs(&total.own, &oracle.own(&counter, now))
                {
                    wrong.push(format!(
                        "own {} for {}",
                        total.own.0,
                        oracle.own(&counter, now)
                    ));
                }
                let held = oracle.held(&counter, now);
                if differs(&total.held.live(self.now), &held) {
                    wrong.push(format!("held {} for {held}", total.held.live(self.now).0));
                }
                let overage = oracle.overage(&counter);
                if differs(&total.overage, &overage) {
                    wrong.push(format!("overage {} for {overage}", total.overage.0));
                }
                if !wrong.is_empty() {
                    return Some(format!("{counter:?}: {}", wrong.join(", ")));
                }
            }
            for ((resource, scope), seats) in &node.seats {
                let resource = oracle
                    .shop()
                    .resource(resource)
                    .expect("a resource of the shop")
                    .code;
                let taken =
                    oracle.seats(account, resource, scope.as_ref().map(translate::scope), now);
                if differs(&seats.live(self.now), &taken) {
                    return Some(format!(
                        "seats of {account:?} {resource} {scope:?}: {} for {taken}",
                        seats.live(self.now).0
                    ));
                }
            }
        }
        None
    }
}
