//! One tree's ledger, row by row: sequence, chain, fingerprint, details, key.

use mec_kernel::{Chain, Content, EventId, Head, LedgerEvent, Time, TreeId, details_hash, key_hash};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::counters::Counters;
use super::{Verification, differs, unreadable};
use crate::StoreError;
use crate::sqlite::rows::{self, sql};

const EVENTS_BETWEEN_TELLING: u64 = 20_000;

sql!(
    EVENTS = "SELECT ",
    rows::EVENT,
    " FROM consumption_ledger l INDEXED BY consumption_ledger_seq \
     LEFT JOIN consumption_event_details d ON d.event_id = l.event_id AND d.tree = l.tree \
     WHERE l.tree = ?1 ORDER BY l.tree_seq",
);
const KEYS: &str = "SELECT k.event_id, l.tree_seq, l.idempotency_key FROM ledger_keys k \
     LEFT JOIN consumption_ledger l ON l.event_id = k.event_id AND l.tree = k.tree WHERE k.key_hash = ?1 AND k.tree = ?2";

/// Where a walk through a tree's ledger is.
pub(super) struct Walk {
    tree: TreeId,
    head: Option<Head>,
    next_seq: i64,
    chain: Chain,
    /// A row is missing or unreadable before this one: its link cannot be recomputed.
    is_cut: bool,
}

pub(super) fn head(connection: &Connection, tree: TreeId) -> rusqlite::Result<Option<Head>> {
    let sql = "SELECT version, stamp, last_at, next_seq, next_token, chain FROM account_trees WHERE tree = ?1";
    let read = |row: &Row<'_>| {
        Ok(Head {
            tree,
            version: row.get(0)?,
            stamp: row.get(1)?,
            last_at: rows::time(row, 2)?,
            next_seq: row.get(3)?,
            next_token: row.get(4)?,
            chain: row.get(5)?,
        })
    };
    connection.prepare_cached(sql)?.query_row(params![tree.0], read).optional()
}

impl Walk {
    pub(super) fn new(tree: TreeId, head: Option<Head>) -> Self {
        Self { tree, head, next_seq: 1, chain: Head::new(tree).chain, is_cut: false }
    }

    /// Checks every row and shows it to `counters`.
    pub(super) fn through(mut self, of: &mut Verification<'_>, counters: &mut Counters) -> Result<(), StoreError> {
        let connection = of.connection;
        let mut statement = connection.prepare_cached(&EVENTS)?;
        let mut found = statement.query(params![self.tree.0])?;
        while let Some(row) = found.next()? {
            of.report.events += 1;
            of.progress.events += 1;
            if of.progress.events.is_multiple_of(EVENTS_BETWEEN_TELLING) {
                of.told();
            }
            match rows::event(row, of.catalogue) {
                Ok(event) => {
                    let problems = self.problems(of, &event)?;
                    if !problems.is_empty() {
                        of.find("consumption_ledger", name(self.tree, event.tree_seq, event.id), problems.join("; "));
                    }
                    counters.add(of, &event);
                }
                Err(error) => self.pass(of, row, unreadable(error)?)?,
            }
        }
        self.end(of);
        Ok(())
    }

    fn problems(&mut self, of: &mut Verification<'_>, event: &LedgerEvent) -> Result<Vec<String>, StoreError> {
        let mut problems = Vec::new();
        if event.tree_seq != self.next_seq {
            problems.push(differs("tree_seq", self.next_seq, event.tree_seq));
        } else if !self.is_cut {
            let link = event.link(&self.chain);
            if link != event.chain {
                problems.push(differs("chain", hex(&link), hex(&event.chain)));
            }
        }
        (self.next_seq, self.chain, self.is_cut) = (event.tree_seq.saturating_add(1), event.chain, false);
        if event.id.tree() != self.tree || event.account.tree() != self.tree {
            problems.push(differs(
                "tree of its ids",
                self.tree,
                format_args!("{} and {}", event.id.tree(), event.account.tree()),
            ));
        }
        if !of.catalogue.units.contains_key(&event.unit) {
            problems.push(format!("unit_code: expected a unit of the catalogue, found {}", event.unit));
        }
        match (&event.details, &event.details_hash) {
            (Some(details), Some(hash)) if details_hash(details) != *hash => {
                problems.push(differs("details_hash", hex(&details_hash(details)), hex(hash)));
            }
            (Some(_), None) => problems.push("details: expected none, found some".to_owned()),
            // Details that were erased cannot be hashed again.
            (None, Some(_)) => {}
            _ if !is_fingerprint_of(event) => {
                problems.push("fingerprint: expected the one of the row's content, found another".to_owned());
            }
            _ => {}
        }
        self.check_key(of, event, &mut problems)?;
        Ok(problems)
    }

    /// The key leads to the event, and to no earlier one.
    fn check_key(&self, of: &mut Verification<'_>, event: &LedgerEvent, problems: &mut Vec<String>) -> Result<(), StoreError> {
        let connection = of.connection;
        let mut statement = connection.prepare_cached(KEYS)?;
        let mut found = statement.query(params![key_hash(self.tree, &event.key), self.tree.0])?;
        let mut leads_here = false;
        while let Some(row) = found.next()? {
            if rows::id(row, 0)? == event.id.0 {
                leads_here = true;
                of.keys += 1;
            } else if rows::optional_text(row, 2)? == Some(&*event.key)
                && row.get::<_, Option<i64>>(1)?.is_some_and(|seq| seq < event.tree_seq)
            {
                let seq: i64 = row.get(1)?;
                problems.push(format!("idempotency_key: expected one event, found also tree_seq {seq}"));
            }
        }
        if !leads_here {
            let key = format!("tree {}, key \"{}\"", self.tree, event.key);
            of.find("ledger_keys", key, differs("event_id", event.id, "no row"));
        }
        Ok(())
    }

    /// Goes on behind a row that cannot be read.
    fn pass(&mut self, of: &mut Verification<'_>, row: &Row<'_>, problem: String) -> Result<(), StoreError> {
        let seq: i64 = row.get(1)?;
        of.find("consumption_ledger", name(self.tree, seq, EventId(rows::id(row, 0)?)), problem);
        (self.next_seq, self.is_cut) = (seq.saturating_add(1), true);
        if let Ok(chain) = row.get(21) {
            (self.chain, self.is_cut) = (chain, false);
        }
        Ok(())
    }

    /// The head continues from the last row.
    fn end(&self, of: &mut Verification<'_>) {
        let key = format!("tree {}", self.tree);
        let Some(head) = self.head else {
            if self.next_seq > 1 {
                of.find("account_trees", key, differs("row", "one", "none"));
            }
            return;
        };
        let mut problems = Vec::new();
        if head.next_seq != self.next_seq {
            problems.push(differs("next_seq", self.next_seq, head.next_seq));
        }
        if head.chain != self.chain && !self.is_cut {
            problems.push(differs("chain", hex(&self.chain), hex(&head.chain)));
        }
        if !problems.is_empty() {
            of.find("account_trees", key, problems.join("; "));
        }
    }
}

/// Whether the fingerprint is that of the row's content: with its instant, or without where the caller named none.
fn is_fingerprint_of(event: &LedgerEvent) -> bool {
    let of = |occurred_at: Option<Time>| {
        let content = Content {
            account: event.account,
            resource: &event.resource,
            scope: event.scope.as_deref(),
            quantity: event.quantity,
            unit: &event.unit,
            occurred_at,
            is_correction: event.is_correction,
            corrects: event.corrects,
            details: event.details.as_deref(),
        };
        content.fingerprint() == event.fingerprint
    };
    of(None) || of(Some(event.occurred_at))
}

fn name(tree: TreeId, seq: i64, event: EventId) -> String {
    format!("tree {tree}, tree_seq {seq}, event {event}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
