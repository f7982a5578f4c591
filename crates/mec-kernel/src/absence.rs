//! Why an entitlement does not apply to a request.

use crate::catalog::LimitKind;
use crate::decision::Reason;
use crate::entitlement::{Entitlement, EntitlementStatus};
use crate::request::Request;
use crate::time::Time;
use crate::window::Zone;

/// Which instants rows are asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    /// Rows that are in force then; what is suspended now was so then.
    pub(crate) in_force: Time,
    /// Their windows, their conditions and the account's plan are those of then.
    pub(crate) at: Time,
}

impl When {
    pub(crate) const fn at(at: Time) -> Self {
        Self { in_force: at, at }
    }
}

/// Why no row applies, in the order in which it is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Absence {
    Suspended,
    ConditionNotMet,
    StartsAt(Time),
    Expired,
    OtherScope,
    Nothing,
}

/// Why a row does not apply to a request; `None`: it does.
pub(crate) fn absence(
    row: &Entitlement,
    request: &Request<'_>,
    zone: &Zone,
    when: When,
    now: Time,
) -> Option<Absence> {
    if row.scope.is_some() && row.scope.as_ref() != request.scope {
        Some(Absence::OtherScope)
    } else if row.is_over_at(when.in_force, now) {
        Some(Absence::Expired)
    } else if row.starts_at() > when.in_force {
        Some(Absence::StartsAt(row.starts_at()))
    } else if row.status == EntitlementStatus::Suspended {
        Some(Absence::Suspended)
    } else if !row
        .conditions
        .iter()
        .all(|condition| condition.test.is_met(request.attributes, zone, when.at))
    {
        Some(Absence::ConditionNotMet)
    } else {
        None
    }
}

pub(crate) fn absence_reason(absence: &Absence, kind: LimitKind) -> Reason {
    match absence {
        Absence::Suspended => Reason::EntitlementSuspended,
        Absence::ConditionNotMet => Reason::ConditionNotMet,
        Absence::StartsAt(at) => Reason::EntitlementStarts(*at),
        Absence::Expired if kind == LimitKind::TimeAccess => Reason::AccessExpired,
        Absence::Expired => Reason::EntitlementExpired,
        Absence::OtherScope => Reason::NoEntitlementForScope,
        Absence::Nothing => Reason::NoEntitlement,
    }
}
