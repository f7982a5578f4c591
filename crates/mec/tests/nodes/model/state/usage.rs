//! What is used and held: events, reservations, settlements and corrections.

use super::{Event, Hold, Standing, State, is_named};
use crate::model::accounts::{Accounts, Instant, Resource};
use crate::model::call::{Answer, Level, SETTLED};

impl<'a> State<'a> {
    /// Whether what a repeat is told of the limits is so.
    fn is_told_again(&self, accounts: &Accounts, account: usize, told: Option<&Level>) -> bool {
        match self.standing(accounts, account, Resource::Runs, self.now) {
            Standing::Denied(_) => told.is_none(),
            Standing::Levels(_) => {
                told.is_some_and(|told| self.is_so(accounts, told, Resource::Runs, self.now))
            }
        }
    }

    /// Whether that is what a check for one more is told.
    pub(super) fn check(
        &self,
        accounts: &Accounts,
        account: usize,
        resource: Resource,
        at: Instant,
        answer: &Answer,
    ) -> bool {
        let right = match self.standing(accounts, account, resource, at) {
            Standing::Denied(by) => Answer::Denied {
                account: Some(by),
                kept: None,
            },
            Standing::Levels(levels) => {
                let is_allowed = levels.iter().all(|level| level.fits(1));
                Answer::Checked { levels, is_allowed }
            }
        };
        *answer == Answer::Unknown || *answer == right
    }

    /// Whether so much may be used; else whether the answer is that.
    fn is_let_through(
        &self,
        accounts: &Accounts,
        account: usize,
        quantity: u64,
        answer: &Answer,
    ) -> Result<(), bool> {
        let is_unknown = *answer == Answer::Unknown;
        match self.standing(accounts, account, Resource::Runs, self.now) {
            Standing::Denied(by) => Err(is_unknown
                || *answer
                    == Answer::Denied {
                        account: Some(by),
                        kept: None,
                    }),
            Standing::Levels(levels) if levels.iter().all(|level| level.fits(quantity)) => Ok(()),
            Standing::Levels(levels) => {
                let binds = |told: &Level| !told.fits(quantity) && levels.contains(told);
                Err(is_unknown || matches!(answer, Answer::Refused(told) if binds(told)))
            }
        }
    }

    pub(super) fn consume(
        &mut self,
        accounts: &Accounts,
        key: &'a str,
        (account, quantity): (usize, u64),
        answer: &'a Answer,
    ) -> bool {
        if let Some(event) = self.events.get_mut(key) {
            return match answer {
                Answer::Recorded { id, level } => {
                    is_named(&mut event.id, id)
                        && self.is_told_again(accounts, account, level.as_ref())
                }
                _ => *answer == Answer::Unknown,
            };
        }
        if let Err(is_told) = self.is_let_through(accounts, account, quantity, answer) {
            return is_told;
        }
        self.add(accounts, account, quantity, 0);
        let id = match answer {
            Answer::Recorded {
                id,
                level: Some(level),
            } if self.is_so(accounts, level, Resource::Runs, self.now) => Some(id.as_str()),
            Answer::Unknown => None,
            _ => return false,
        };
        self.events.insert(
            key,
            Event {
                id,
                account,
                quantity,
            },
        );
        true
    }

    pub(super) fn reserve(
        &mut self,
        accounts: &Accounts,
        key: &'a str,
        (account, quantity): (usize, u64),
        expires: Instant,
        answer: &'a Answer,
    ) -> bool {
        if let Some(hold) = self.holds.get_mut(key) {
            let holds = hold.settled.is_none() && self.now < hold.expires;
            return match answer {
                Answer::Held {
                    id,
                    expires: told,
                    is_held,
                    level,
                } => {
                    (*told, *is_held) == (hold.expires, holds)
                        && is_named(&mut hold.id, id)
                        && self.is_told_again(accounts, account, level.as_ref())
                }
                _ => *answer == Answer::Unknown,
            };
        }
        if let Err(is_told) = self.is_let_through(accounts, account, quantity, answer) {
            return is_told;
        }
        self.holds.insert(
            key,
            Hold {
                id: None,
                account,
                quantity,
                expires,
                settled: None,
            },
        );
        match answer {
            Answer::Held {
                id,
                expires: told,
                is_held: true,
                level: Some(level),
            } => {
                self.holds
                    .entry(key)
                    .and_modify(|hold| hold.id = Some(id.as_str()));
                *told == expires && self.is_so(accounts, level, Resource::Runs, self.now)
            }
            _ => *answer == Answer::Unknown,
        }
    }

    pub(super) fn settle(
        &mut self,
        accounts: &Accounts,
        key: &'a str,
        quantity: u64,
        answer: &'a Answer,
    ) -> bool {
        let Some(hold) = self.holds.get_mut(key) else {
            return *answer == Answer::Unknown;
        };
        if let Some(event) = &mut hold.settled {
            return match answer {
                Answer::Event(id) => {
                    event.quantity == quantity && quantity > 0 && is_named(&mut event.id, id)
                }
                Answer::Done => (event.quantity, quantity) == (0, 0),
                Answer::Closed => event.quantity != quantity,
                _ => *answer == Answer::Unknown,
            };
        }
        let id = match answer {
            Answer::Event(id) if quantity > 0 => Some(id.as_str()),
            Answer::Done if quantity == 0 => None,
            Answer::Unknown => None,
            _ => return false,
        };
        let account = hold.account;
        hold.settled = Some(Event {
            id,
            account,
            quantity,
        });
        self.add(accounts, account, quantity, 0);
        true
    }

    pub(super) fn give_back(&mut self, key: &str, at: Instant, answer: &Answer) -> bool {
        let hold = self
            .holds
            .get_mut(key)
            .filter(|hold| hold.settled.is_none() && at < hold.expires);
        let is_given = hold.is_some_and(|hold| {
            hold.settled = Some(Event {
                id: None,
                account: hold.account,
                quantity: 0,
            });
            true
        });
        *answer == Answer::Unknown || *answer == Answer::Released(is_given)
    }

    pub(super) fn correct(
        &mut self,
        accounts: &Accounts,
        key: &'a str,
        event: &str,
        quantity: u64,
        answer: &'a Answer,
    ) -> bool {
        if let Some(correction) = self.events.get_mut(key) {
            return match answer {
                Answer::Event(id) => is_named(&mut correction.id, id),
                _ => *answer == Answer::Unknown,
            };
        }
        // What settled a hold stays as it was told: settling again goes by the amount it was
        // settled with.
        let corrected = match event.strip_prefix(SETTLED) {
            Some(hold) => self.holds.get(hold).and_then(|hold| hold.settled.as_ref()),
            None => self.events.get(event),
        };
        let Some(Event {
            account,
            quantity: before,
            ..
        }) = corrected.cloned()
        else {
            return *answer == Answer::Unknown;
        };
        self.add(accounts, account, quantity, before);
        let id = match answer {
            Answer::Event(id) => Some(id.as_str()),
            Answer::Unknown => None,
            _ => return false,
        };
        self.events.insert(
            key,
            Event {
                id,
                account,
                quantity,
            },
        );
        true
    }
}
