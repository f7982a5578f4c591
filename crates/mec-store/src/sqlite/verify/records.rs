//! Rows that must agree with others: reservations with their events, amounts with their quantities, entitlements with
//! their audit.

use mec_kernel::{Amount, EntitlementId, Quantity, ReservationStatus};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::Value;

use super::{Verification, differs, unreadable};
use crate::StoreError;
use crate::sqlite::entitlement;
use crate::sqlite::rows::{self, sql};

sql!(RESERVATIONS = "SELECT ", rows::RESERVATION, " FROM reservations ORDER BY reservation_id");
sql!(LEASES = "SELECT ", rows::LEASE, " FROM concurrency_leases ORDER BY lease_id");
sql!(EVENT = "SELECT ", rows::EVENT, " FROM ", rows::EVENT_FROM, " WHERE l.event_id = ?1 AND l.tree = ?2");
const LAST_AUDIT: &str = "SELECT new_row FROM entitlements_audit WHERE entitlement_id = ?1 ORDER BY audit_id DESC LIMIT 1";
const AUDITED_ONLY: &str = "SELECT DISTINCT a.entitlement_id FROM entitlements_audit a WHERE NOT EXISTS \
     (SELECT 1 FROM entitlements e WHERE e.entitlement_id = a.entitlement_id)";

impl Verification<'_> {
    /// A settled one has its event, another has none; what is held is its quantity.
    pub(super) fn reservations(&mut self) -> Result<(), StoreError> {
        let connection = self.connection;
        let mut statement = connection.prepare(&RESERVATIONS)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let held = match rows::reservation(row) {
                Ok(held) => held,
                Err(error) => {
                    self.find("reservations", key_of(row), unreadable(error)?);
                    continue;
                }
            };
            let mut problems = Vec::new();
            let amount = Amount::of(held.quantity, self.catalogue.factor(&held.unit));
            if held.amount != amount {
                problems.push(differs("amount", amount.0, held.amount.0));
            }
            match (held.status, held.event) {
                (ReservationStatus::Settled, None) => problems.push(differs("event_id", "an event", "none")),
                (ReservationStatus::Settled, Some(id)) => {
                    let read = |row: &rusqlite::Row<'_>| rows::event(row, self.catalogue);
                    let event =
                        connection.prepare_cached(&EVENT)?.query_row(params![rows::Id(id.0), held.id.tree().0], read).optional();
                    match event {
                        Ok(Some(event)) => {
                            let expected = (held.account, &held.resource, &held.scope, &held.unit, held.reserved_at);
                            if expected != (event.account, &event.resource, &event.scope, &event.unit, event.occurred_at) {
                                problems.push(format!("event_id: expected an event of what was held, found {id}"));
                            }
                        }
                        Ok(None) => problems.push(differs("event_id", "an event in the ledger", id)),
                        // The ledger's own walk tells of a row that cannot be read.
                        Err(error) => drop(unreadable(error)?),
                    }
                }
                (status, Some(id)) => problems.push(differs("event_id", format_args!("none while {status}"), id)),
                (_, None) => {}
            }
            if !problems.is_empty() {
                self.find("reservations", format!("reservation {}", held.id), problems.join("; "));
            }
        }
        Ok(())
    }

    /// What a lease takes is its quantity in the resource's canonical unit.
    pub(super) fn leases(&mut self) -> Result<(), StoreError> {
        let connection = self.connection;
        let mut statement = connection.prepare(&LEASES)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let lease = match rows::lease(row) {
                Ok(lease) => lease,
                Err(error) => {
                    self.find("concurrency_leases", key_of(row), unreadable(error)?);
                    continue;
                }
            };
            let key = || format!("lease {}", lease.id);
            let Some(resource) = self.catalogue.resources.get(&lease.resource) else {
                self.find("concurrency_leases", key(), differs("resource_type_code", "one of the catalogue", &lease.resource));
                continue;
            };
            let amount = amount_of(lease.quantity, self.catalogue, resource);
            if lease.amount != amount {
                self.find("concurrency_leases", key(), differs("amount", amount.0, lease.amount.0));
            }
        }
        Ok(())
    }

    /// The last audit row of every entitlement shows it as it is.
    pub(super) fn entitlements(&mut self) -> Result<(), StoreError> {
        let connection = self.connection;
        let mut statement = connection.prepare("SELECT entitlement_id FROM entitlements ORDER BY entitlement_id")?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let id = EntitlementId(rows::id(row, 0)?);
            match entitlement::shown(connection, id) {
                Ok(shown) => self.audit(connection, id, shown.as_ref())?,
                Err(error) => self.find("entitlements", format!("entitlement {id}"), unreadable(error)?),
            }
        }
        let mut statement = connection.prepare(AUDITED_ONLY)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            self.audit(connection, EntitlementId(rows::id(row, 0)?), None)?;
        }
        Ok(())
    }

    fn audit(&mut self, connection: &Connection, id: EntitlementId, row: Option<&Value>) -> Result<(), StoreError> {
        let audited: Option<Option<String>> =
            connection.prepare_cached(LAST_AUDIT)?.query_row(params![rows::Id(id.0)], |row| row.get(0)).optional()?;
        let key = format!("entitlement {id}");
        let problem = match (audited.flatten(), row) {
            (None, None) => return Ok(()),
            (None, Some(_)) => differs("audit row", "one that shows it", "none"),
            (Some(_), None) => differs("row", "one, as its last audit row shows", "none"),
            (Some(text), Some(row)) => match serde_json::from_str::<Value>(&text) {
                Ok(audited) => match different(&audited, row) {
                    problems if problems.is_empty() => return Ok(()),
                    problems => problems.join("; "),
                },
                Err(_) => "its last audit row: expected JSON, found other text".to_owned(),
            },
        };
        self.find("entitlements", key, problem);
        Ok(())
    }
}

/// The columns in which the row is not as its audit shows it.
fn different(audited: &Value, row: &Value) -> Vec<String> {
    let (Some(audited), Some(row)) = (audited.as_object(), row.as_object()) else {
        return vec!["its last audit row: expected an object, found other JSON".to_owned()];
    };
    let names = audited.keys().chain(row.keys().filter(|name| !audited.contains_key(*name)));
    names
        .filter(|name| audited.get(*name) != row.get(*name))
        .map(|name| {
            let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
            differs(name, shown(audited.get(name)), shown(row.get(name)))
        })
        .collect()
}

fn amount_of(quantity: Quantity, catalogue: &mec_kernel::Catalogue, resource: &mec_kernel::Resource) -> Amount {
    Amount::of(quantity, catalogue.canonical(resource))
}

/// The primary key of a row that cannot be read as a whole.
fn key_of(row: &rusqlite::Row<'_>) -> String {
    rows::id(row, 0).map_or_else(|_| "a row".to_owned(), |id| EntitlementId(id).to_string())
}
