//! Usage: consumed, checked and metered.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{Client, demand};
use crate::told::{Event, Outcome, count};
use crate::world::{GPU, RUNS, World};

impl<'a> Client<'a> {
    pub(super) fn consume(&mut self) -> Result<(), String> {
        let (user, key) = (self.user(), self.key());
        let quantity = 1 + self.dice.roll(10) / 8;
        let world = &self.shared.world;
        let path = &world.accounts[user].path;
        world.add(user, |account| &account.sent, quantity);
        let body = json!({"p_account_id": world.accounts[user].id, "p_resource_type": RUNS, "p_quantity": quantity,
            "p_idempotency_key": key});
        let mut least = vec![];
        let answer = self.ask("/api/rpc/consume", &body, || {
            least = used_at_least(world, path);
        })?;
        let row = &answer.body[0];
        let wrong = |what: &str| {
            format!(
                "consume {key} of {quantity}: {what}: {}: {}",
                answer.status, answer.body
            )
        };
        demand(answer.is_late || !answer.is_replayed, || {
            wrong("told of something earlier")
        })?;
        let binding = row["binding_account_id"]
            .as_str()
            .and_then(|id| world.of_id(id))
            .ok_or_else(|| wrong("no answer"))?;
        let (used, limit) = self
            .used_of_limit(row, binding, path, &least)
            .map_err(|what| wrong(&what))?;
        let outcome = match row["event_id"].as_str() {
            Some(event) => {
                demand(row["allowed"] == json!(true), || {
                    wrong("recorded but not allowed")
                })?;
                world.add(user, |account| &account.recorded, quantity);
                Outcome::Recorded(event.to_owned())
            }
            None => {
                demand(row["reason_code"] == json!("limit_reached"), || {
                    wrong("another reason")
                })?;
                demand(used + quantity > limit, || {
                    wrong("refused although there is room")
                })?;
                count(&self.shared.told.figures.refused);
                if answer.is_late {
                    Outcome::Open
                } else {
                    for at in path {
                        world.accounts[*at]
                            .sent
                            .fetch_sub(quantity, Ordering::SeqCst);
                    }
                    Outcome::Refused
                }
            }
        };
        self.tell(
            key,
            Event {
                account: user,
                resource: RUNS,
                quantity,
                unit: "count",
                outcome,
            },
        );
        Ok(())
    }

    /// The use and the limit that are told of an account on this path, where the limit is right and
    /// the use is one that the account may have had since the question was sent.
    fn used_of_limit(
        &self,
        row: &Value,
        at: usize,
        path: &[usize],
        least: &[u64],
    ) -> Result<(u64, u64), String> {
        let level = path.iter().position(|of| *of == at);
        let least = least[level.ok_or("another's limit")?];
        let account = &self.shared.world.accounts[at];
        let used = row["quantity_used"].as_u64().ok_or("no quantity")?;
        let most = account.sent.load(Ordering::SeqCst);
        demand((least..=most).contains(&used), || {
            format!("{used} used, and it was between {least} and {most}")
        })?;
        account.seen.fetch_max(used, Ordering::SeqCst);
        let limit = account.limit.load(Ordering::SeqCst);
        demand(row["quantity_allowed"] == json!(limit), || {
            format!("the limit is {limit}")
        })?;
        demand(used <= limit, || "more than the limit".to_owned())?;
        Ok((used, limit))
    }

    pub(super) fn check(&mut self) -> Result<(), String> {
        let user = self.user();
        let world = &self.shared.world;
        let path = &world.accounts[user].path;
        let body = json!({"p_account_id": world.accounts[user].id, "p_resource_type": RUNS, "p_requested_qty": 1,
            "p_explain": true});
        let mut least = vec![];
        let answer = self.ask("/api/rpc/check_entitlement", &body, || {
            least = used_at_least(world, path);
        })?;
        let row = &answer.body[0];
        let wrong = |what: &str| format!("a check: {what}: {}: {}", answer.status, answer.body);
        let limits = row["limits"].as_array().ok_or_else(|| wrong("no limits"))?;
        demand(limits.len() == path.len(), || wrong("not every level"))?;
        let mut has_room = true;
        for pool in limits {
            let at = pool["account_id"]
                .as_str()
                .and_then(|id| world.of_id(id))
                .ok_or_else(|| wrong("an unknown account"))?;
            let (used, limit) = self
                .used_of_limit(pool, at, path, &least)
                .map_err(|what| wrong(&what))?;
            has_room &= used < limit;
        }
        demand(row["allowed"] == json!(has_room), || {
            wrong("not what its limits say")
        })?;
        count(&self.shared.told.figures.checks);
        Ok(())
    }

    pub(super) fn meter(&mut self) -> Result<(), String> {
        let events: Vec<(String, usize, u64, &'static str)> = (0..2 + self.dice.roll(5))
            .map(|number| {
                let (quantity, unit) = (
                    1 + self.dice.roll(9),
                    self.dice.one_of(&["hour", "minute", "second"]),
                );
                (
                    format!("{}-{number}", self.key()),
                    self.user(),
                    quantity,
                    unit,
                )
            })
            .collect();
        let world = &self.shared.world;
        let sent: Vec<Value> = events
            .iter()
            .map(|(key, user, quantity, unit)| {
                json!({"account_id": world.accounts[*user].id, "resource_type": GPU, "quantity": quantity, "unit_code": unit,
                    "idempotency_key": key})
            })
            .collect();
        let body = json!({"p_events": sent});
        let mut ids: Vec<Option<String>> = vec![None; events.len()];
        while ids.iter().any(Option::is_none) {
            let answer = self.ask("/api/rpc/meter_batch", &body, || {})?;
            let wrong = |what: &str| format!("a batch: {what}: {}: {}", answer.status, answer.body);
            let results = answer.body.as_array().ok_or_else(|| wrong("no answer"))?;
            demand(results.len() == events.len(), || {
                wrong("not one answer an event")
            })?;
            for (id, result) in ids.iter_mut().zip(results) {
                match (result["status"].as_str(), result["event_id"].as_str()) {
                    (Some("recorded" | "replayed"), Some(event)) => {
                        let first = id.get_or_insert_with(|| event.to_owned());
                        demand(first == event, || wrong("another event of the same key"))?;
                    }
                    (Some("unknown"), _) => self.shared.told.figures.error("an event unknown"),
                    (Some("rejected"), _) if passes(result) => {
                        self.shared.told.figures.error("an event not done")
                    }
                    _ => return Err(wrong("rejected")),
                }
            }
        }
        for ((key, account, quantity, unit), id) in
            events.into_iter().zip(ids.into_iter().flatten())
        {
            self.tell(
                key,
                Event {
                    account,
                    resource: GPU,
                    quantity,
                    unit,
                    outcome: Outcome::Recorded(id),
                },
            );
        }
        Ok(())
    }
}

/// What each account of a path has used, as far as anybody knows.
fn used_at_least(world: &World, path: &[usize]) -> Vec<u64> {
    path.iter()
        .map(|at| world.accounts[*at].used_at_least())
        .collect()
}

/// An event that was not recorded because the store could not, which another attempt changes.
fn passes(result: &Value) -> bool {
    let code = result["error"]["code"]
        .as_str()
        .or(result["error"].as_str())
        .unwrap_or_default();
    ["MEC_NOT_DONE", "MEC_BUSY", "MEC_STOPPED"]
        .iter()
        .any(|passing| code.contains(passing))
}
