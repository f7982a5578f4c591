//! What a verification carries along, from tree to tree.

use mec_kernel::Catalog;

use super::report::{Progress, Report};

/// What a verification carries along.
pub(super) struct Verification<'a, E> {
    pub(super) evidence: &'a E,
    pub(super) catalog: &'a Catalog,
    pub(super) report: Report,
    /// Keys that lead to their event: as many as there are rows in `ledger_keys`, or some lead
    /// nowhere.
    pub(super) keys: u64,
    pub(super) progress: Progress,
    pub(super) tell: &'a mut dyn FnMut(Progress),
}

impl<E> Verification<'_, E> {
    pub(super) fn find(&mut self, table: &'static str, key: String, problem: String) {
        self.report.find(table, key, problem);
    }

    pub(super) fn told(&mut self) {
        (self.tell)(self.progress);
    }
}

/// `expected … found …`, the words of every finding that compares.
pub(super) fn differs(
    what: &str,
    expected: impl std::fmt::Display,
    found: impl std::fmt::Display,
) -> String {
    format!("{what}: expected {expected}, found {found}")
}
