//! `release_reservation`: give a hold back.

use std::sync::Arc;

use crate::command::{Ruling, View};
use crate::id::ReservationId;
use crate::need::Halt;
use crate::reservation::{Reservation, ReservationStatus};
use crate::write::Write;

/// Gives a hold back: `true` once, then `false`; also for one that is expired or unknown.
pub fn release_reservation(
    view: &View<'_>,
    reservation: ReservationId,
) -> Result<Ruling<bool>, Halt> {
    let held = view
        .facts
        .reservation(reservation)?
        .filter(|held| held.holds(view.now));
    let Some(held) = held else {
        return Ok(Ruling::unchanged(false));
    };
    let path = view.path(held.account)?;
    let released = Reservation {
        status: ReservationStatus::Released,
        ..Reservation::clone(held)
    };
    Ok(Ruling {
        answer: true,
        writes: vec![Write::reservation(
            &path,
            Some(held.clone()),
            Arc::new(released),
        )],
    })
}
