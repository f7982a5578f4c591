//! What a verification tells: what it went through, and what does not agree.

/// What `verify` went through and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Trees recomputed.
    pub trees: u64,
    /// Ledger rows read.
    pub events: u64,
    /// Stored sums and open windows compared.
    pub counters: u64,
    /// Open windows among them.
    pub windows: u64,
    /// What does not agree; at most [`Report::FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub findings_more: u64,
}

impl Report {
    /// Findings that are kept; further ones are only counted.
    pub const FINDINGS_MAX: usize = 1_000;

    /// Whether everything agrees.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    pub(crate) fn find(&mut self, table: &'static str, key: String, problem: String) {
        if self.findings.len() < Self::FINDINGS_MAX {
            self.findings.push(Finding {
                table,
                key,
                problem,
            });
        } else {
            self.findings_more += 1;
        }
    }
}

/// A row that does not say what the ledger says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub table: &'static str,
    /// Which row, for people.
    pub key: String,
    /// What was expected and what was found.
    pub problem: String,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Trees done.
    pub trees: u64,
    /// Trees there are.
    pub trees_total: u64,
    /// Ledger rows read.
    pub events: u64,
    /// Ledger rows there should be, as the trees' heads say.
    pub events_total: u64,
}
