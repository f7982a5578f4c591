//! Seats: taken, renewed and given back.

use serde_json::json;

use super::{Sent, Witness};
use crate::model::{Answer, Call};
use crate::world::SEATS;

impl<'a> Witness<'a> {
    pub(super) fn acquire(&mut self) -> Result<(), String> {
        let (tree, account, id) = self.somebody();
        let (session, seconds) = (self.name(), self.seconds());
        let body = json!({"p_account_id": id, "p_resource_type": SEATS, "p_session_token": session, "p_ttl_seconds": seconds});
        let call = Call::Acquire {
            session: session.clone(),
            account,
            seconds,
        };
        if let Answer::Leased { id, .. } =
            self.ask(&Sent::function(tree, call, "acquire_lease", body))?
        {
            self.leases.push((tree, session, id));
        }
        Ok(())
    }

    /// Renews what it has in a tree: the limit might be another now.
    pub(super) fn renew_in(&mut self, tree: usize) -> Result<(), String> {
        for at in (0..self.leases.len()).rev() {
            if self.leases[at].0 == tree {
                self.renew_at(at)?;
            }
        }
        Ok(())
    }

    pub(super) fn renew(&mut self) -> Result<(), String> {
        let at = self.dice.index(self.leases.len());
        self.renew_at(at)
    }

    fn renew_at(&mut self, at: usize) -> Result<(), String> {
        let (tree, session, id) = self.leases[at].clone();
        let seconds = self.seconds();
        let body = json!({"p_lease_id": id, "p_ttl_seconds": seconds});
        if self.ask(&Sent::function(
            tree,
            Call::Renew { session, seconds },
            "renew_lease",
            body,
        ))? == Answer::Over
        {
            self.leases.swap_remove(at);
        }
        Ok(())
    }

    pub(super) fn release(&mut self) -> Result<(), String> {
        let (tree, session, id) = self.leases.swap_remove(self.dice.index(self.leases.len()));
        let body = json!({"p_lease_id": id});
        self.ask(&Sent::function(
            tree,
            Call::Release { session },
            "release_lease",
            body,
        ))
        .map(drop)
    }
}
