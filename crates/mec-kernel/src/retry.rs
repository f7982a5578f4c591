//! When what a limit refuses now would be let through, if nothing else happens (design 1.3).

use crate::catalog::{LimitAction, LimitKind};
use crate::counter::WindowTotal;
use crate::lease::Lease;
use crate::pool::Pool;
use crate::quantity::{Amount, Factor};
use crate::request::{Request, smallest};
use crate::time::Time;
use crate::window::{Window, step_end};

/// The first instant after `now` at which a pool that refuses the request lets it through, as
/// things stand. `None`: it never does by itself.
pub(crate) fn fits_at(
    pool: &Pool<'_>,
    request: &Request<'_>,
    canonical: Factor,
    now: Time,
) -> Option<Time> {
    let kind = request.resource.limit_kind;
    let asked = request.amount.unwrap_or_else(|| smallest(kind, canonical));
    let room = room(pool, canonical)?;
    if room <= Amount::ZERO || asked > room {
        return None;
    }
    let total = pool.node.windows.get(&pool.key)?;
    let mut instants = if kind == LimitKind::Concurrency {
        pool.node
            .seats_of(&pool.key.resource, pool.key.scope.as_ref())?
            .expiries(now)
            .collect()
    } else {
        falls_at(total, pool.key.window, now)
    };
    instants.sort_unstable();
    // What is taken only ever falls by itself.
    let place = instants
        .partition_point(|at| taken_at(pool, total, kind, request.extends, *at).plus(asked) > room);
    instants.get(place).copied()
}

/// The limit with what its rule lets through beyond it without an end in time.
fn room(pool: &Pool<'_>, canonical: Factor) -> Option<Amount> {
    let limit = pool.limit?;
    let is_billed =
        pool.rule.action == LimitAction::Overage && !(pool.is_override && limit <= Amount::ZERO);
    let further = pool.rule.overage_limit().filter(|_| is_billed);
    Some(further.map_or(limit, |further| limit.plus(Amount::of(further, canonical))))
}

/// Instants at which what is used or held in a window becomes less by itself.
fn falls_at(total: &WindowTotal, window: Window, now: Time) -> Vec<Time> {
    let mut instants: Vec<Time> = total.held.expiries(now).collect();
    match window {
        Window::Fixed { end, .. } => instants.extend(Some(end).filter(|end| end.is_bounded())),
        Window::Rolling { seconds } => {
            instants.extend(total.steps.keys().map(|step| step_end(*step, seconds)))
        }
    }
    instants.retain(|at| *at > now);
    instants
}

fn taken_at(
    pool: &Pool<'_>,
    total: &WindowTotal,
    kind: LimitKind,
    extends: Option<&Lease>,
    at: Time,
) -> Amount {
    if kind == LimitKind::Concurrency {
        let own = extends
            .filter(|lease| lease.is_live(at))
            .map_or(Amount::ZERO, |lease| lease.amount);
        return pool.seats_at(at).minus(own);
    }
    if pool.key.window.is_over(at) {
        return Amount::ZERO;
    }
    total.used_at(pool.key.window, at).plus(total.held.live(at))
}
