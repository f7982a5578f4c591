//! One tree's ledger, row by row: sequence, chain, fingerprint, details, key.

use mec_kernel::{
    Chain, Content, EventId, Head, LedgerEvent, Time, TreeId, details_hash, key_hash,
};

use super::counters::Counters;
use super::evidence::{EventRow, Evidence, KeyRow};
use super::verification::{Verification, differs};
use crate::StoreError;

const EVENTS_BETWEEN_TELLING: u64 = 20_000;

/// Where a walk through a tree's ledger is.
pub(super) struct Walk {
    tree: TreeId,
    head: Option<Head>,
    next_seq: i64,
    chain: Chain,
    /// A row is missing or unreadable before this one: its link cannot be recomputed.
    is_cut: bool,
}

impl Walk {
    pub(super) fn new(tree: TreeId, head: Option<Head>) -> Self {
        Self {
            tree,
            head,
            next_seq: 1,
            chain: Head::new(tree).chain,
            is_cut: false,
        }
    }

    /// Checks every row and shows it to `counters`.
    pub(super) fn through<E: Evidence>(
        mut self,
        of: &mut Verification<'_, E>,
        counters: &mut Counters,
    ) -> Result<(), StoreError> {
        let evidence = of.evidence;
        evidence.events(self.tree, &mut |rows| {
            let hashes: Vec<i64> = rows
                .iter()
                .filter_map(|row| match row {
                    EventRow::Read(event) => Some(key_hash(self.tree, &event.key)),
                    EventRow::Unreadable { .. } => None,
                })
                .collect();
            let mut keys = evidence.keys(self.tree, &hashes)?.into_iter();
            for row in rows {
                of.report.events += 1;
                of.progress.events += 1;
                if of.progress.events.is_multiple_of(EVENTS_BETWEEN_TELLING) {
                    of.told();
                }
                match row {
                    EventRow::Read(event) => {
                        let problems = self.problems(of, &event, &keys.next().unwrap_or_default());
                        if !problems.is_empty() {
                            of.find(
                                "consumption_ledger",
                                name(self.tree, event.tree_seq, event.id),
                                problems.join("; "),
                            );
                        }
                        counters.add(of, &event);
                    }
                    EventRow::Unreadable {
                        seq,
                        event,
                        chain,
                        problem,
                    } => {
                        of.find("consumption_ledger", name(self.tree, seq, event), problem);
                        self.pass(seq, chain);
                    }
                }
            }
            Ok(())
        })?;
        self.end(of);
        Ok(())
    }

    fn problems<E>(
        &mut self,
        of: &mut Verification<'_, E>,
        event: &LedgerEvent,
        keys: &[KeyRow],
    ) -> Vec<String> {
        let mut problems = Vec::new();
        if event.tree_seq != self.next_seq {
            problems.push(differs("tree_seq", self.next_seq, event.tree_seq));
        } else if !self.is_cut {
            let link = event.link(&self.chain);
            if link != event.chain {
                problems.push(differs("chain", hex(&link), hex(&event.chain)));
            }
        }
        (self.next_seq, self.chain, self.is_cut) =
            (event.tree_seq.saturating_add(1), event.chain, false);
        if event.id.tree() != self.tree || event.account.tree() != self.tree {
            problems.push(differs(
                "tree of its ids",
                self.tree,
                format_args!("{} and {}", event.id.tree(), event.account.tree()),
            ));
        }
        if !of.catalog.units.contains_key(&event.unit) {
            problems.push(format!(
                "unit_code: expected a unit of the catalog, found {}",
                event.unit
            ));
        }
        match (&event.details, &event.details_hash) {
            (Some(details), Some(hash)) if details_hash(details) != *hash => {
                problems.push(differs(
                    "details_hash",
                    hex(&details_hash(details)),
                    hex(hash),
                ));
            }
            (Some(_), None) => problems.push("details: expected none, found some".to_owned()),
            // Details that were erased cannot be hashed again.
            (None, Some(_)) => {}
            _ if !is_fingerprint_of(event) => {
                problems.push(
                    "fingerprint: expected the one of the row's content, found another".to_owned(),
                );
            }
            _ => {}
        }
        self.check_key(of, event, keys, &mut problems);
        problems
    }

    /// The key leads to the event, and to no earlier one; to a settlement none does.
    fn check_key<E>(
        &self,
        of: &mut Verification<'_, E>,
        event: &LedgerEvent,
        keys: &[KeyRow],
        problems: &mut Vec<String>,
    ) {
        let mut leads_here = false;
        for row in keys {
            if row.event == event.id {
                leads_here = true;
                of.keys += 1;
            } else if let Some((seq, key)) = &row.found
                // A settlement's key is in a space of its own.
                && event.reservation.is_none()
                && **key == *event.key
                && *seq < event.tree_seq
            {
                problems.push(format!(
                    "idempotency_key: expected one event, found also tree_seq {seq}"
                ));
            }
        }
        let key = || format!("tree {}, key \"{}\"", self.tree, event.key);
        match (leads_here, event.reservation) {
            (false, None) => of.find(
                "ledger_keys",
                key(),
                differs("event_id", event.id, "no row"),
            ),
            (true, Some(_)) => of.find(
                "ledger_keys",
                key(),
                differs("event_id", "no settlement", event.id),
            ),
            _ => {}
        }
    }

    /// Goes on behind a row that cannot be read.
    fn pass(&mut self, seq: i64, chain: Option<Chain>) {
        (self.next_seq, self.is_cut) = (seq.saturating_add(1), chain.is_none());
        self.chain = chain.unwrap_or(self.chain);
    }

    /// The head continues from the last row.
    fn end<E>(&self, of: &mut Verification<'_, E>) {
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

/// Whether the fingerprint is that of the row's content: with its instant, or without where the
/// caller named none.
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
