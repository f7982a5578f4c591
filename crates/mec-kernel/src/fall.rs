//! Limits that fall by themselves: an entitlement ends, or a smaller one begins, and what was used
//! before is too much. No write notes the excess then, so it is found by when the entitlements
//! begin and end.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::absence::When;
use crate::command::View;
use crate::level::levels;
use crate::node::Node;
use crate::pool::Pool;
use crate::quantity::Amount;
use crate::request::Request;
use crate::time::Time;
use crate::window::Window;

/// The instant in the pool's window since which its limit is below what is `used` now, status and
/// conditions of the rows being what they are now. `None`: no row begins or ends there.
pub(crate) fn fell_at<'a>(
    view: &View<'a>,
    request: &Request<'a>,
    path: &[&'a Arc<Node>],
    pool: &Pool<'a>,
    used: Amount,
) -> Option<Time> {
    let start = match pool.key.window {
        Window::Fixed { start, .. } => start,
        Window::Rolling { seconds } => view.now.plus_seconds(seconds.saturating_neg()),
    };
    let rows = path
        .iter()
        .flat_map(|node| &node.entitlements)
        .filter(|row| row.resource == request.resource.code);
    let bounds = rows
        .flat_map(|row| [Some(row.starts_at()), row.valid_until])
        .flatten();
    let bounds: BTreeSet<Time> = bounds
        .filter(|bound| start <= *bound && *bound <= view.now)
        .collect();
    let is_low = |at: Time| {
        let pools = levels(
            view,
            request,
            path,
            When {
                in_force: at,
                at: view.now,
            },
        )
        .pools;
        let of_counter = pools
            .into_iter()
            .filter(|of| (of.level, &of.key) == (pool.level, &pool.key));
        of_counter
            .filter_map(|of| of.limit)
            .min()
            .is_some_and(|limit| used > limit)
    };
    let fell = bounds
        .iter()
        .rev()
        .copied()
        .take_while(|bound| is_low(*bound))
        .last()?;
    // Low from the window's start on, it did not fall in it.
    let is_low_throughout = fell > start && bounds.first() == Some(&fell) && is_low(start);
    Some(fell).filter(|_| !is_low_throughout)
}
