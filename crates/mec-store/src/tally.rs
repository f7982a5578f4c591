//! What a commit adds up to: usage by hour, and which windows stay. Computed once, here, for every
//! store.

use std::collections::BTreeMap;

use mec_kernel::{AccountId, HourSum, Time, TreeId, WindowKey, WindowTotal, Write};

use crate::Commit;
use crate::rows::HourKey;

/// What the events among `writes` add to each hour, on their accounts and on those above them.
pub(crate) fn hours(writes: &[Write]) -> BTreeMap<HourKey, HourSum> {
    let mut hours: BTreeMap<HourKey, HourSum> = BTreeMap::new();
    for write in writes {
        let Write::Event { event, path } = write else {
            continue;
        };
        for (account, sum) in HourSum::of(event, path) {
            let key = (
                account,
                event.resource.clone(),
                event.scope.clone(),
                event.unit.clone(),
                event.occurred_at.hour(),
            );
            let entry = hours.entry(key).or_default();
            *entry = entry.plus(sum);
        }
    }
    hours
}

/// One account's window.
pub(crate) type WindowOf<'a> = (AccountId, &'a WindowKey);

/// The windows that moved, each as it is after the batch.
pub(crate) struct Windows<'a> {
    /// What is still open is stored.
    pub(crate) open: Vec<(WindowOf<'a>, &'a WindowTotal)>,
    /// A closed one is dropped and counted anew should anybody ask.
    pub(crate) closed: Vec<WindowOf<'a>>,
}

impl<'a> Windows<'a> {
    pub(crate) fn of(commit: &'a Commit, at: &dyn Fn(TreeId) -> Time) -> Self {
        let last: BTreeMap<WindowOf<'a>, &'a WindowTotal> = commit
            .windows
            .iter()
            .map(|(account, key, total)| ((*account, key), total))
            .collect();
        let (closed, open): (Vec<_>, Vec<_>) = last
            .into_iter()
            .partition(|((account, key), _)| key.window.is_over(at(account.tree())));
        Self {
            open,
            closed: closed.into_iter().map(|(of, _)| of).collect(),
        }
    }
}
