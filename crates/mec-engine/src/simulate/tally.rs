//! What one catalog says to the requests of one account about one resource, counted.

use std::collections::BTreeMap;

use mec_kernel::{Decision, Standing, Time, Total};

/// How often something was said, and when first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// How often.
    pub events: u64,
    /// When the first of those requests happened.
    pub first_at: Time,
    /// How much they asked for, in the resource's canonical unit.
    pub quantity: Total,
}

/// What was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By decision; one that was never made is not there.
    pub told: BTreeMap<Decision, Told>,
    /// Requests the catalog does not understand: a resource or a unit it does not know.
    pub rejected: u64,
    /// What would have been billed, in the canonical unit.
    pub overage: Total,
    /// What that costs, by the currency of the rule (empty where it names none).
    pub cost: BTreeMap<String, Total>,
}

impl Tally {
    /// How often `decision` was made.
    pub fn events(&self, decision: Decision) -> u64 {
        self.told.get(&decision).map_or(0, |told| told.events)
    }

    /// What was refused: blocked or denied, in the canonical unit.
    pub fn refused(&self) -> Total {
        let of = |decision| {
            self.told
                .get(&decision)
                .map_or(Total::default(), |told| told.quantity)
        };
        plus(of(Decision::Block), of(Decision::Deny))
    }

    /// Whether anything but a plain `allow` was said.
    pub fn is_notable(&self) -> bool {
        self.rejected > 0
            || self
                .told
                .keys()
                .any(|decision| *decision != Decision::Allow)
    }

    /// When something else than a plain `allow` was first said.
    pub fn first_notable_at(&self) -> Option<Time> {
        let notable = self
            .told
            .iter()
            .filter(|(decision, _)| **decision != Decision::Allow);
        notable.map(|(_, told)| told.first_at).min()
    }

    /// One more answer.
    pub(super) fn add(
        &mut self,
        standing: &Standing,
        currency: Option<&str>,
        at: Time,
        quantity: Total,
    ) {
        let told = self.told.entry(standing.decision);
        let told = told.or_insert(Told {
            events: 0,
            first_at: at,
            quantity: Total::default(),
        });
        told.events = told.events.saturating_add(1);
        told.first_at = told.first_at.min(at);
        told.quantity = plus(told.quantity, quantity);
        if let Some((overage, cost)) = standing.overage {
            self.overage = plus(self.overage, overage);
            if let Some(cost) = cost {
                let sum = self
                    .cost
                    .entry(currency.unwrap_or_default().to_owned())
                    .or_default();
                *sum = plus(*sum, cost);
            }
        }
    }

    /// Adds what another account was told about the same resource.
    pub fn merge(&mut self, other: &Self) {
        for (decision, more) in &other.told {
            self.told
                .entry(*decision)
                .and_modify(|told| {
                    told.events = told.events.saturating_add(more.events);
                    told.first_at = told.first_at.min(more.first_at);
                    told.quantity = plus(told.quantity, more.quantity);
                })
                .or_insert(*more);
        }
        self.rejected = self.rejected.saturating_add(other.rejected);
        self.overage = plus(self.overage, other.overage);
        for (currency, more) in &other.cost {
            let sum = self.cost.entry(currency.clone()).or_default();
            *sum = plus(*sum, *more);
        }
    }
}

fn plus(one: Total, other: Total) -> Total {
    Total(one.0.saturating_add(other.0))
}
