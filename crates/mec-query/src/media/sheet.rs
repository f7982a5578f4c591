//! An answer as it is written: in parts, within its budget.

use crate::{Budget, QueryError};

/// The length from which a part is complete.
const PART_BYTES: usize = 64 << 10;

/// The text written so far.
pub(super) struct Sheet<'a> {
    budget: &'a Budget,
    parts: Vec<String>,
    /// The part that is being written.
    pub(super) text: String,
    /// The bytes of what is complete, and of what this sheet is written for.
    bytes: usize,
}

impl<'a> Sheet<'a> {
    pub(super) fn of(budget: &'a Budget) -> Self {
        Self {
            budget,
            parts: vec![],
            text: String::new(),
            bytes: 0,
        }
    }

    /// One whose text becomes a part of this one's.
    pub(super) fn inner(&self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(self.text.len()),
            ..Self::of(self.budget)
        }
    }

    /// Looks at the budget after a value.
    pub(super) fn check(&mut self) -> Result<(), QueryError> {
        let bytes = self.bytes.saturating_add(self.text.len());
        self.budget
            .check_bytes(u64::try_from(bytes).unwrap_or(u64::MAX))?;
        // After every value: to find one in a large document takes long.
        self.budget.check()?;
        if self.text.len() >= PART_BYTES {
            self.bytes = bytes;
            self.parts.push(std::mem::take(&mut self.text));
            self.text.reserve(PART_BYTES + PART_BYTES / 8);
        }
        Ok(())
    }

    /// All of it; at least one part.
    pub(super) fn parts(mut self) -> Vec<String> {
        if self.parts.is_empty() || !self.text.is_empty() {
            self.text.shrink_to_fit();
            self.parts.push(self.text);
        }
        self.parts
    }
}
