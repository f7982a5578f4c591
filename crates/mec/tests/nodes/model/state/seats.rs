//! Seats, which leases take.

use super::{Lease, Standing, State, is_named};
use crate::model::accounts::{Accounts, Instant, Resource};
use crate::model::call::{Answer, Level};

impl<'a> State<'a> {
    pub(super) fn acquire(
        &mut self,
        accounts: &Accounts,
        session: &'a str,
        account: usize,
        expires: Instant,
        answer: &'a Answer,
    ) -> bool {
        if self
            .leases
            .get(session)
            .is_some_and(|lease| self.now < lease.expires)
        {
            return self.extend(accounts, session, expires, answer, false);
        }
        let is_unknown = *answer == Answer::Unknown;
        match self.standing(accounts, account, Resource::Seats, self.now) {
            Standing::Denied(_) => {
                return is_unknown
                    || *answer
                        == Answer::Denied {
                            account: None,
                            kept: None,
                        };
            }
            Standing::Levels(levels) if levels.iter().all(|level| level.fits(1)) => {}
            Standing::Levels(_) => return is_unknown || *answer == Answer::Full { kept: None },
        }
        let mut lease = Lease {
            id: None,
            account,
            fencing: None,
            expires,
        };
        let fits = match answer {
            Answer::Leased {
                id,
                fencing: Some(fencing),
                expires: told,
            } => {
                (lease.id, lease.fencing) = (Some(id.as_str()), Some(*fencing));
                let is_newer = *fencing > self.fencing;
                self.fencing = *fencing;
                *told == expires && is_newer
            }
            _ => is_unknown,
        };
        self.leases.insert(session, lease);
        fits
    }

    pub(super) fn release(&mut self, session: &str, at: Instant, answer: &Answer) -> bool {
        let was_live = self
            .leases
            .remove(session)
            .is_some_and(|lease| at < lease.expires);
        *answer == Answer::Unknown || *answer == Answer::Released(was_live)
    }

    /// A live lease is extended if its seat is free of those that outlast it.
    pub(super) fn extend(
        &mut self,
        accounts: &Accounts,
        session: &str,
        wanted: Instant,
        answer: &'a Answer,
        is_kept_told: bool,
    ) -> bool {
        let Some(lease) = self.leases.get(session) else {
            return false;
        };
        let (now, expires, account) = (self.now, lease.expires, lease.account);
        let kept = is_kept_told.then_some(expires);
        let is_unknown = *answer == Answer::Unknown;
        match self.standing(accounts, account, Resource::Seats, now) {
            Standing::Denied(_) => {
                return is_unknown
                    || *answer
                        == Answer::Denied {
                            account: None,
                            kept,
                        };
            }
            Standing::Levels(levels) => {
                let fits = |level: &Level| {
                    self.seats_after(accounts, level.account, expires) < level.limit
                };
                if !levels.iter().all(fits) {
                    return is_unknown || *answer == Answer::Full { kept };
                }
            }
        }
        let Some(lease) = self.leases.get_mut(session) else {
            return false;
        };
        lease.expires = expires.max(wanted);
        match answer {
            Answer::Leased {
                id,
                fencing,
                expires,
            } => {
                self.fencing = self.fencing.max(fencing.unwrap_or_default());
                let is_same_token =
                    fencing.is_none_or(|told| *lease.fencing.get_or_insert(told) == told);
                *expires == lease.expires && is_same_token && is_named(&mut lease.id, id)
            }
            _ => is_unknown,
        }
    }
}
