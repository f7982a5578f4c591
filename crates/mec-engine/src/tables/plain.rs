//! Writes of tables without rules: nothing is decided, so no lane is asked. MEC's own tables are never written here.

use std::sync::Arc;

use mec_query::Table;
use mec_store::plain::{PlainTables, RowWrite, RowWriteError};

use super::{Expected, Touched};
use crate::error::MecError;
use crate::mec::Mec;

impl Mec {
    /// The plain tables, where `table` is one of them.
    pub(super) fn plain_with(&self, table: &Table) -> Option<Arc<PlainTables>> {
        self.plain.clone().filter(|plain| plain.contains(table.name))
    }

    pub(super) async fn write_plain(
        &self,
        plain: Arc<PlainTables>,
        write: RowWrite,
        expected: Expected,
    ) -> Result<Touched, MecError> {
        let written = tokio::task::spawn_blocking(move || plain.write(&write, |rows| expected.check(rows))).await;
        match written.map_err(|error| MecError::OutcomeUnknown(format!("the write ended early: {error}")))? {
            Ok(written) => Ok(Touched { keys: written.keys, inserted: written.inserted, shown: written.shown }),
            Err(RowWriteError::Refused(error)) => Err(error.into()),
            Err(RowWriteError::Store(error)) => Err(error.into()),
        }
    }
}
