//! Rows beside the ledger that stand for none of its events: keys and details.

use mec_kernel::{EventId, TreeId, key_hash};

use super::{Verification, count, differs};
use crate::StoreError;
use crate::sqlite::rows;

impl Verification<'_> {
    /// Every event was looked up by its key; where that found every key there is, none is left over.
    pub(super) fn keys_that_lead_nowhere(&mut self) -> Result<(), StoreError> {
        let connection = self.connection;
        if count(connection, "SELECT count(*) FROM ledger_keys")? == self.keys {
            return Ok(());
        }
        let mut statement = connection.prepare(
            "SELECT k.key_hash, k.tree, k.event_id, l.idempotency_key FROM ledger_keys k \
             LEFT JOIN consumption_ledger l ON l.event_id = k.event_id AND l.tree = k.tree",
        )?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let (hash, tree, event): (i64, _, _) = (row.get(0)?, TreeId(row.get(1)?), EventId(rows::id(row, 2)?));
            let problem = match rows::optional_text(row, 3)? {
                None => differs("event", "one in the ledger", "none"),
                Some(key) if key_hash(tree, key) != hash => differs("key_hash", key_hash(tree, key), hash),
                Some(_) => continue,
            };
            self.find("ledger_keys", format!("tree {tree}, hash {hash}, event {event}"), problem);
        }
        Ok(())
    }

    pub(super) fn details_of_no_event(&mut self) -> Result<(), StoreError> {
        let connection = self.connection;
        let mut statement = connection.prepare(
            "SELECT d.event_id, d.tree FROM consumption_event_details d WHERE NOT EXISTS \
             (SELECT 1 FROM consumption_ledger l WHERE l.event_id = d.event_id AND l.tree = d.tree)",
        )?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let key = format!("tree {}, event {}", row.get::<_, u32>(1)?, EventId(rows::id(row, 0)?));
            self.find("consumption_event_details", key, differs("event", "one in the ledger", "none"));
        }
        Ok(())
    }
}
