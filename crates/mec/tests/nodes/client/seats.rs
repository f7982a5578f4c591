//! Seats: taken and given back.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::{Client, Lease, demand};
use crate::told::count;
use crate::world::SEATS;

const TTL_SECONDS: u32 = 3_600;

impl<'a> Client<'a> {
    pub(super) fn acquire(&mut self) -> Result<(), String> {
        let (user, token) = (self.user(), self.key());
        let world = &self.shared.world;
        let body = json!({"p_account_id": world.accounts[user].id, "p_resource_type": SEATS, "p_session_token": token,
            "p_ttl_seconds": TTL_SECONDS});
        world.add(user, |account| &account.asked, 1);
        let path = &world.accounts[user].path;
        let mut ended = vec![];
        let answer = self.ask("/api/rpc/acquire_lease", &body, || {
            ended = path
                .iter()
                .map(|at| world.accounts[*at].ended.load(Ordering::SeqCst))
                .collect();
        })?;
        let row = &answer.body[0];
        let wrong = |what: &str| {
            format!(
                "a lease of session {token}: {what}: {}: {}",
                answer.status, answer.body
            )
        };
        if answer.is_late {
            self.shared
                .told
                .open_sessions
                .lock()
                .unwrap()
                .insert(token.clone());
        }
        let is_held = row["success"].as_bool().ok_or_else(|| wrong("no answer"))?;
        if !is_held {
            demand(row["decision"] == json!("block"), || {
                wrong("another reason")
            })?;
            // As many as were asked for but for those that had ended before, and this one.
            let is_full = |(at, ended): (&usize, &u64)| {
                let account = &world.accounts[*at];
                account.asked.load(Ordering::SeqCst) - 1 - ended >= account.seats
            };
            demand(path.iter().zip(&ended).any(is_full), || {
                wrong("refused although there is a seat")
            })?;
            count(&self.shared.told.figures.refused);
            count(&self.shared.told.figures.full);
            if !answer.is_late {
                world.add(user, |account| &account.ended, 1);
            }
            return Ok(());
        }
        let lease = row["lease_id"]
            .as_str()
            .ok_or_else(|| wrong("no lease"))?
            .to_owned();
        for at in path {
            let account = &world.accounts[*at];
            let held = account.held.fetch_add(1, Ordering::SeqCst) + 1;
            demand(held <= account.seats, || {
                wrong(&format!("{held} seats of {}", account.seats))
            })?;
        }
        self.shared
            .told
            .leases
            .lock()
            .unwrap()
            .insert(lease.clone(), user);
        self.leases.push(Lease {
            id: lease,
            account: user,
            is_late: answer.is_late,
        });
        Ok(())
    }

    pub(super) fn release(&mut self) -> Result<(), String> {
        let Lease {
            id: lease,
            account: user,
            is_late,
        } = self.leases.swap_remove(self.dice.index(self.leases.len()));
        let world = &self.shared.world;
        for at in &world.accounts[user].path {
            world.accounts[*at].held.fetch_sub(1, Ordering::SeqCst);
        }
        self.shared.told.leases.lock().unwrap().remove(&lease);
        let answer = self.ask(
            "/api/rpc/release_lease",
            &json!({"p_lease_id": lease}),
            || {},
        )?;
        let wrong = || {
            format!(
                "lease {lease} is released: {}: {}",
                answer.status, answer.body
            )
        };
        demand(
            answer
                .body
                .as_bool()
                .is_some_and(|released| released || answer.is_late),
            wrong,
        )?;
        if !is_late {
            world.add(user, |account| &account.ended, 1);
        }
        Ok(())
    }
}
