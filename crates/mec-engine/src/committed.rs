//! What is stored while a table write is planned.

use std::sync::Arc;

use mec_kernel::TreeId;
use mec_query::{Budget, Expr, Fetched, Filter, OrderBy, OrderTerm, Page, Read, Table, Value};
use mec_store::Writer;

use crate::error::MecError;
use crate::tree_numbers::draw_tree;
use crate::turns::{ANSWER_BYTES_MAX, ANSWER_ROWS_MAX};

/// Rows one write of the table API may touch.
pub(crate) const ROWS_MAX: usize = 1_000;

/// The newest state, and nobody else writes meanwhile. The lane reads it itself, so that it never waits for those who read tables.
pub(crate) struct Committed<'a> {
    writer: &'a mut Writer,
    /// Numbers for new trees, the same ones when rows are picked again.
    drawn: &'a mut Vec<TreeId>,
    given: usize,
}

impl<'a> Committed<'a> {
    pub(crate) const fn of(writer: &'a mut Writer, drawn: &'a mut Vec<TreeId>) -> Self {
        Self {
            writer,
            drawn,
            given: 0,
        }
    }

    /// A number for the next new tree; whether it is free, the lane sees.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn new_tree(&mut self) -> Result<TreeId, MecError> {
        while self.drawn.len() <= self.given {
            let tree = draw_tree()?;
            if !self.drawn.contains(&tree) {
                self.drawn.push(tree);
            }
        }
        self.given += 1;
        Ok(self.drawn[self.given - 1])
    }

    /// `columns` of the rows of `table` that pass `filter`, in the order of the primary key.
    ///
    /// # Errors
    /// More than [`ROWS_MAX`] rows; a store that cannot be read.
    pub(crate) fn rows(
        &mut self,
        table: &Arc<Table>,
        columns: &[usize],
        filter: Filter,
    ) -> Result<Vec<Vec<Value>>, MecError> {
        let key = |column| OrderTerm {
            by: OrderBy::Own(Expr::column(table, column)),
            descending: false,
            nulls_first: false,
        };
        let read = Read {
            table: table.clone(),
            fetch: columns.to_vec(),
            outputs: vec![],
            filter,
            order: table.key_positions().into_iter().map(key).collect(),
            page: Page {
                offset: 0,
                limit: Some(ROWS_MAX as u64 + 1),
            },
            embeds: vec![],
        };
        let rows = self.writer.fetch(&read, &Budget::unlimited())?.rows;
        if rows.len() > ROWS_MAX {
            Err(MecError::TooManyRows { max: ROWS_MAX })
        } else {
            Ok(rows)
        }
    }

    /// What `read` shows, as it is before the write.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub(crate) fn fetch(&mut self, read: &Read) -> Result<Fetched, MecError> {
        Ok(self.writer.fetch(
            read,
            &Budget::new(ANSWER_ROWS_MAX, ANSWER_BYTES_MAX, || None),
        )?)
    }
}
