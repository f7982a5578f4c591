//! Rows that must agree with others: reservations with their events, amounts with their quantities,
//! entitlements with their audit, keys and details with the events they stand beside.

use mec_kernel::{
    Amount, EntitlementId, LedgerEvent, Quantity, Reservation, ReservationStatus, key_hash,
};
use serde_json::Value;

use super::evidence::{Counted, Evidence};
use super::verification::{Verification, differs};
use crate::StoreError;

impl<E: Evidence> Verification<'_, E> {
    /// Every event was looked up by its key; where that found every key there is, none is left
    /// over.
    pub(super) fn keys_that_lead_nowhere(&mut self) -> Result<(), StoreError> {
        let evidence = self.evidence;
        if evidence.count(Counted::Keys)? == self.keys {
            return Ok(());
        }
        evidence.all_keys(&mut |(hash, tree, row)| {
            let problem = match &row.found {
                None => differs("event", "one in the ledger", "none"),
                Some((_, key)) if key_hash(tree, key) != hash => {
                    differs("key_hash", key_hash(tree, key), hash)
                }
                Some(_) => return Ok(()),
            };
            self.find(
                "ledger_keys",
                format!("tree {tree}, hash {hash}, event {}", row.event),
                problem,
            );
            Ok(())
        })
    }

    pub(super) fn details_of_no_event(&mut self) -> Result<(), StoreError> {
        let evidence = self.evidence;
        evidence.details_of_no_event(&mut |(tree, event)| {
            let key = format!("tree {tree}, event {event}");
            self.find(
                "consumption_event_details",
                key,
                differs("event", "one in the ledger", "none"),
            );
            Ok(())
        })
    }

    /// A settled one has its event, another has none; what is held is its quantity.
    pub(super) fn reservations(&mut self) -> Result<(), StoreError> {
        let evidence = self.evidence;
        evidence.reservations(&mut |row| {
            match row {
                Ok(held) => self.reservation(&held)?,
                Err((key, problem)) => self.find("reservations", key, problem),
            }
            Ok(())
        })
    }

    fn reservation(&mut self, held: &Reservation) -> Result<(), StoreError> {
        let mut problems = Vec::new();
        let amount = Amount::of(held.quantity, self.catalog.factor(&held.unit));
        if held.amount != amount {
            problems.push(differs("amount", amount.0, held.amount.0));
        }
        match (held.status, held.event) {
            (ReservationStatus::Settled, None) => {
                problems.push(differs("event_id", "an event", "none"))
            }
            (ReservationStatus::Settled, Some(id)) => match self.evidence.event(id)? {
                Ok(Some(event)) => {
                    let expected = (
                        Some(held.id),
                        held.account,
                        &held.resource,
                        &held.scope,
                        &held.unit,
                        held.reserved_at,
                    );
                    let LedgerEvent {
                        reservation,
                        account,
                        resource,
                        scope,
                        unit,
                        occurred_at,
                        ..
                    } = &event;
                    if expected != (*reservation, *account, resource, scope, unit, *occurred_at) {
                        problems.push(format!(
                            "event_id: expected an event of what was held, found {id}"
                        ));
                    }
                }
                Ok(None) => problems.push(differs("event_id", "an event in the ledger", id)),
                // The ledger's own walk tells of a row that cannot be read.
                Err(_) => {}
            },
            (status, Some(id)) => {
                problems.push(differs("event_id", format_args!("none while {status}"), id))
            }
            (_, None) => {}
        }
        if !problems.is_empty() {
            self.find(
                "reservations",
                format!("reservation {}", held.id),
                problems.join("; "),
            );
        }
        Ok(())
    }

    /// What a lease takes is its quantity in the resource's canonical unit.
    pub(super) fn leases(&mut self) -> Result<(), StoreError> {
        let evidence = self.evidence;
        evidence.leases(&mut |row| {
            let lease = match row {
                Ok(lease) => lease,
                Err((key, problem)) => {
                    self.find("concurrency_leases", key, problem);
                    return Ok(());
                }
            };
            let key = || format!("lease {}", lease.id);
            let Some(resource) = self.catalog.resources.get(&lease.resource) else {
                self.find(
                    "concurrency_leases",
                    key(),
                    differs("resource_type_code", "one of the catalog", &lease.resource),
                );
                return Ok(());
            };
            let amount = amount_of(lease.quantity, self.catalog, resource);
            if lease.amount != amount {
                self.find(
                    "concurrency_leases",
                    key(),
                    differs("amount", amount.0, lease.amount.0),
                );
            }
            Ok(())
        })
    }

    /// The last audit row of every entitlement shows it as it is.
    pub(super) fn entitlements(&mut self) -> Result<(), StoreError> {
        let evidence = self.evidence;
        evidence.entitlements(&mut |(id, shown, audited)| {
            match shown {
                Ok(shown) => self.audit(id, audited, shown.as_ref()),
                Err(problem) => self.find("entitlements", format!("entitlement {id}"), problem),
            }
            Ok(())
        })
    }

    fn audit(&mut self, id: EntitlementId, audited: Option<String>, row: Option<&Value>) {
        let key = format!("entitlement {id}");
        let problem = match (audited, row) {
            (None, None) => return,
            (None, Some(_)) => differs("audit row", "one that shows it", "none"),
            (Some(_), None) => differs("row", "one, as its last audit row shows", "none"),
            (Some(text), Some(row)) => match serde_json::from_str::<Value>(&text) {
                Ok(audited) => match different(&audited, row) {
                    problems if problems.is_empty() => return,
                    problems => problems.join("; "),
                },
                Err(_) => "its last audit row: expected JSON, found other text".to_owned(),
            },
        };
        self.find("entitlements", key, problem);
    }
}

/// The columns in which the row is not as its audit shows it.
fn different(audited: &Value, row: &Value) -> Vec<String> {
    let (Some(audited), Some(row)) = (audited.as_object(), row.as_object()) else {
        return vec!["its last audit row: expected an object, found other JSON".to_owned()];
    };
    let names = audited
        .keys()
        .chain(row.keys().filter(|name| !audited.contains_key(*name)));
    names
        .filter(|name| audited.get(*name) != row.get(*name))
        .map(|name| {
            let shown = |value: Option<&Value>| {
                value.map_or_else(|| "nothing".to_owned(), Value::to_string)
            };
            differs(name, shown(audited.get(name)), shown(row.get(name)))
        })
        .collect()
}

fn amount_of(
    quantity: Quantity,
    catalog: &mec_kernel::Catalog,
    resource: &mec_kernel::Resource,
) -> Amount {
    Amount::of(quantity, catalog.canonical(resource))
}
