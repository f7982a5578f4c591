//! Notes of limits that use is above: where grace periods run from.

use std::collections::BTreeMap;

use crate::counter::WindowKey;
use crate::judge::Judged;
use crate::pool::Pool;
use crate::quantity::Amount;
use crate::time::Time;
use crate::write::Write;

/// Notes of pools that are above their limit once `amount` is added at `at`, or no longer: where
/// grace periods run from. Pools that share a counter share its note: the tightest of them keeps
/// it.
pub(crate) fn marks(pools: &[Judged<'_>], amount: Amount, at: Time, now: Time) -> Vec<Write> {
    let mut writes = Vec::new();
    let mut keepers: BTreeMap<(usize, &WindowKey), &Pool<'_>> = BTreeMap::new();
    for Judged { pool, .. } in pools {
        let keeper = keepers.entry((pool.level, &pool.key)).or_insert(pool);
        if pool.keeps_note_of(keeper) {
            *keeper = pool;
        }
    }
    for judged in pools {
        let pool = &judged.pool;
        if keepers
            .get(&(pool.level, &pool.key))
            .is_some_and(|keeper| keeper.keeps_note_of(pool))
        {
            continue;
        }
        let amount = if pool.key.window.counts(at, now) {
            amount
        } else {
            Amount::ZERO
        };
        let over_since = if pool.is_over(judged.used.plus(amount)) {
            judged.over_since.or(Some(now))
        } else {
            None
        };
        if over_since == pool.noted() {
            continue;
        }
        writes.push(Write::Mark {
            account: pool.node.account.id,
            key: pool.key.clone(),
            over_since,
        });
    }
    writes
}
