//! What an answer says.

use serde_json::Value;

use super::{Sent, Witness};
use crate::model::{Answer, Call, Instant, Level};
use crate::request;

impl<'a> Witness<'a> {
    /// What an answer says; `Some(None)`: that nothing has happened. `None`: it cannot be read.
    pub(super) fn read(&self, sent: &Sent, told: &request::Answer) -> Option<Option<Answer>> {
        let request::Answer { status, body, .. } = told;
        match status {
            200 => self.read_done(sent, body).map(Some),
            409 if body["code"] == "MEC_RESERVATION_CLOSED"
                && matches!(sent.call, Call::Settle { .. }) =>
            {
                Some(Some(Answer::Closed))
            }
            503 | 504 => {
                let code = body["code"].as_str()?;
                self.shared.told.figures.error(code);
                match code {
                    "MEC_NOT_DONE" | "MEC_BUSY" | "MEC_STOPPED" => Some(None),
                    "MEC_OUTCOME_UNKNOWN" => Some(Some(Answer::Unknown)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn read_done(&self, sent: &Sent, body: &Value) -> Option<Answer> {
        let row = &body[0];
        let tree = self.tree_of(sent.tree);
        let place = |id: &Value| tree.place_of(id);
        // What is told of a limit; a repeat is told of none while it would be denied.
        let level = |row: &Value, account: &str| {
            let figure = |of: &str| row[of].as_u64();
            let (limit, used, reserved) = (
                figure("quantity_allowed")?,
                figure("quantity_used")?,
                figure("quantity_reserved")?,
            );
            Some(Level {
                account: place(&row[account])?,
                limit,
                used,
                reserved,
            })
        };
        let is_told = !row["quantity_used"].is_null();
        let text = |id: &Value| id.as_str().map(str::to_owned);
        let binding = || level(row, "binding_account_id");
        let is_suspended = row["reason"] == "Entitlement suspended";
        let refused = || match row["decision"].as_str()? {
            "block" => Some(Answer::Refused(binding()?)),
            "deny" if is_suspended => Some(Answer::Denied {
                account: Some(place(&row["binding_account_id"])?),
                kept: None,
            }),
            _ => None,
        };
        let told_level = || {
            if is_told {
                binding().map(Some)
            } else {
                Some(None)
            }
        };
        match &sent.call {
            Call::Consume { .. } if row["event_id"].is_null() => refused(),
            Call::Consume { .. } => Some(Answer::Recorded {
                id: text(&row["event_id"])?,
                level: told_level()?,
            }),
            Call::Check { .. } if row["decision"] == "deny" => refused(),
            Call::Check { .. } => {
                // Accounts that have nothing, or whose plan has ended, are listed too.
                let has_none = |limit: &&Value| {
                    ["no_entitlement", "entitlement_expired"]
                        .map(Value::from)
                        .contains(&limit["reason_code"])
                };
                let limits = row["limits"]
                    .as_array()?
                    .iter()
                    .filter(|limit| !has_none(limit));
                let levels = limits.map(|limit| level(limit, "account_id"));
                Some(Answer::Checked {
                    levels: levels.collect::<Option<_>>()?,
                    is_allowed: row["allowed"].as_bool()?,
                })
            }
            Call::Reserve { .. } if row["reservation_id"].is_null() => refused(),
            Call::Reserve { .. } => {
                let (id, expires) = (text(&row["reservation_id"])?, instant(&row["expires_at"])?);
                Some(Answer::Held {
                    id,
                    expires,
                    is_held: row["success"].as_bool()?,
                    level: told_level()?,
                })
            }
            Call::Settle { quantity: 0, .. } if body.is_null() => Some(Answer::Done),
            Call::Settle { .. } | Call::Correct { .. } => text(body).map(Answer::Event),
            Call::GiveBack { .. } | Call::Release { .. } => body.as_bool().map(Answer::Released),
            Call::Acquire { .. } | Call::Renew { .. } if row["success"] == true => {
                let fencing = match sent.call {
                    Call::Acquire { .. } => Some(row["fencing_token"].as_i64()?),
                    _ => None,
                };
                Some(Answer::Leased {
                    id: text(&row["lease_id"])?,
                    fencing,
                    expires: instant(&row["expires_at"])?,
                })
            }
            Call::Acquire { .. } | Call::Renew { .. } => {
                let kept = if row["expires_at"].is_null() {
                    None
                } else {
                    Some(instant(&row["expires_at"])?)
                };
                match (row["decision"].as_str()?, row["reason"].as_str()?) {
                    ("block", "Limit reached") => Some(Answer::Full { kept }),
                    ("deny", "Lease is over") => Some(Answer::Over),
                    ("deny", _) if is_suspended => Some(Answer::Denied {
                        account: None,
                        kept,
                    }),
                    _ => None,
                }
            }
            Call::Limit { .. } | Call::Suspend { .. } => {
                (body.as_array()?.len() == 1).then_some(Answer::Done)
            }
            Call::Provision { .. } | Call::Cancel { .. } => body.as_u64().map(Answer::Changed),
        }
    }
}

fn instant(told: &Value) -> Option<Instant> {
    Some(told.as_str()?.parse::<mec_kernel::Time>().ok()?.micros())
}
