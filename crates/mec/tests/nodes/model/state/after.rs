//! What each call does.

use super::{State, expiry, moment};
use crate::model::accounts::{Accounts, Instant};
use crate::model::call::{Answer, Call};

/// Entitlements of an account: one for each resource.
const OF_A_PLAN: u64 = 2;

impl<'a> State<'a> {
    /// What a call does at an instant, if its answer is right then.
    pub(crate) fn after(
        &self,
        accounts: &Accounts,
        call: &'a Call,
        answer: &'a Answer,
        at: Instant,
    ) -> Option<Self> {
        let mut next = self.clone();
        if !matches!(call, Call::Check { .. }) {
            next.now = moment(at.max(self.now));
        }
        let is_unknown = *answer == Answer::Unknown;
        let fits = match call {
            Call::Consume {
                key,
                account,
                quantity,
            } => next.consume(accounts, key, (*account, *quantity), answer),
            Call::Check { account, resource } => {
                self.check(accounts, *account, *resource, at, answer)
            }
            Call::Reserve {
                key,
                account,
                quantity,
                seconds,
            } => next.reserve(
                accounts,
                key,
                (*account, *quantity),
                expiry(at, *seconds),
                answer,
            ),
            Call::Settle { key, quantity } => next.settle(accounts, key, *quantity, answer),
            Call::GiveBack { key } => next.give_back(key, at, answer),
            Call::Correct {
                key,
                event,
                quantity,
            } => next.correct(accounts, key, event, *quantity, answer),
            Call::Acquire {
                session,
                account,
                seconds,
            } => next.acquire(accounts, session, *account, expiry(at, *seconds), answer),
            Call::Renew { session, seconds } => match next
                .leases
                .get(session.as_str())
                .filter(|lease| at < lease.expires)
            {
                None => matches!(answer, Answer::Unknown | Answer::Over),
                Some(_) => next.extend(accounts, session, expiry(at, *seconds), answer, true),
            },
            Call::Release { session } => next.release(session, at, answer),
            Call::Limit {
                account,
                resource,
                limit,
            } => {
                next.rows.get_mut(&(*account, *resource))?.limit = *limit;
                matches!(answer, Answer::Unknown | Answer::Done)
            }
            Call::Suspend {
                account,
                resource,
                is_suspended,
            } => {
                next.rows.get_mut(&(*account, *resource))?.is_suspended = *is_suspended;
                matches!(answer, Answer::Unknown | Answer::Done)
            }
            Call::Provision { account, plan } => {
                if next.plans.insert(*account, *plan) != Some(*plan) {
                    next.entitle(*account, Some(accounts.plans[*plan]));
                }
                is_unknown || *answer == Answer::Changed(OF_A_PLAN)
            }
            Call::Cancel { account, plan } => {
                let has_it = next.plans.get(account) == Some(plan);
                if has_it {
                    next.plans.remove(account);
                    next.entitle(*account, None);
                }
                is_unknown || *answer == Answer::Changed(if has_it { OF_A_PLAN } else { 0 })
            }
        };
        fits.then_some(next)
    }
}
