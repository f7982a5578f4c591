//! Usage: consumed, checked, reserved, settled and corrected.

use serde_json::json;

use super::{Sent, Witness};
use crate::model::{Answer, Call, Resource, SETTLED};
use crate::witnessed::code;
use crate::world::RUNS;

impl<'a> Witness<'a> {
    pub(super) fn consume(&mut self) -> Result<(), String> {
        let (tree, account, id) = self.somebody();
        let (key, quantity) = (self.name(), 1 + self.dice.roll(2));
        let body = json!({"p_account_id": id, "p_resource_type": RUNS, "p_quantity": quantity, "p_idempotency_key": key});
        let call = Call::Consume {
            key: key.clone(),
            account,
            quantity,
        };
        if let Answer::Recorded { id, .. } =
            self.ask(&Sent::function(tree, call, "consume", body))?
        {
            self.events.push((tree, key, id, quantity));
        }
        Ok(())
    }

    pub(super) fn check(&mut self) -> Result<(), String> {
        let (tree, account, _) = self.somebody();
        let resource = self.dice.one_of(&[Resource::Runs, Resource::Seats]);
        self.look(tree, account, resource)
    }

    fn look(&mut self, tree: usize, account: usize, resource: Resource) -> Result<(), String> {
        let id = &self.tree_of(tree).accounts[account];
        let body = json!({"p_account_id": id, "p_resource_type": code(resource), "p_requested_qty": 1, "p_explain": true});
        self.ask(&Sent::function(
            tree,
            Call::Check { account, resource },
            "check_entitlement",
            body,
        ))
        .map(drop)
    }

    /// Asks what everybody has in every tree, so that the end is judged too: nothing is under way
    /// any more.
    pub(crate) fn look_at_everything(&mut self) -> Result<(), String> {
        for (tree, made) in self.shared.witnessed.trees().iter().enumerate() {
            for account in 0..made.accounts.len() {
                self.look(tree, account, Resource::Runs)?;
                self.look(tree, account, Resource::Seats)?;
            }
        }
        Ok(())
    }

    pub(super) fn reserve(&mut self) -> Result<(), String> {
        let (tree, account, id) = self.somebody();
        let (key, quantity, seconds) = (self.name(), 1 + self.dice.roll(3), self.seconds());
        let body = json!({"p_account_id": id, "p_resource_type": RUNS, "p_quantity": quantity, "p_idempotency_key": key,
            "p_ttl_seconds": seconds});
        let call = Call::Reserve {
            key: key.clone(),
            account,
            quantity,
            seconds,
        };
        if let Answer::Held { id, .. } = self.ask(&Sent::function(tree, call, "reserve", body))? {
            self.holds.push((tree, key, id, quantity));
        }
        Ok(())
    }

    /// With no more than is held, or nothing, also when the hold has expired; some are forgotten.
    pub(super) fn close_hold(&mut self) -> Result<(), String> {
        // Often the newest, which has not expired.
        let newest = self.holds.len() - 1;
        let at = if self.dice.happens(50) {
            newest
        } else {
            self.dice.index(self.holds.len())
        };
        let (tree, key, id, held) = self.holds.swap_remove(at);
        if self.dice.happens(15) {
            return Ok(());
        }
        if self.dice.happens(35) {
            let body = json!({"p_reservation_id": id});
            return self
                .ask(&Sent::function(
                    tree,
                    Call::GiveBack { key },
                    "release_reservation",
                    body,
                ))
                .map(drop);
        }
        // Again, sometimes with another amount: that changes nothing.
        for _ in 0..1 + self.dice.roll(4) / 3 {
            let quantity = self.dice.roll(held + 1);
            let body = json!({"p_reservation_id": id, "p_quantity": quantity});
            let call = Call::Settle {
                key: key.clone(),
                quantity,
            };
            if let Answer::Event(id) =
                self.ask(&Sent::function(tree, call, "settle_reservation", body))?
            {
                let event = (tree, format!("{SETTLED}{key}"), id, quantity);
                if !self.events.contains(&event) {
                    self.events.push(event);
                }
            }
        }
        Ok(())
    }

    /// Takes back some of an event or all of it, which makes room again.
    pub(super) fn correct(&mut self) -> Result<(), String> {
        let (tree, event, id, before) = self.events.swap_remove(self.dice.index(self.events.len()));
        let (key, quantity) = (self.name(), self.dice.roll(before));
        let body = json!({"p_event_id": id, "p_quantity": quantity, "p_idempotency_key": key, "p_reason": "a test"});
        let call = Call::Correct {
            key,
            event,
            quantity,
        };
        self.ask(&Sent::function(tree, call, "correct_consumption", body))
            .map(drop)
    }
}
