//! Tables of cases, written as text so that they stay aligned and anybody can read and extend them.
//!
//! ```text
//! | asked | decision |
//! | 1     | allow    |
//! ```

use std::fmt;

/// One row of a table: its cells by the name of their column.
#[derive(Clone, Debug)]
pub(crate) struct Row<'a> {
    columns: Vec<(&'a str, &'a str)>,
    line: &'a str,
}

impl<'a> Row<'a> {
    /// The cell under `column`.
    pub(crate) fn cell(&self, column: &str) -> &'a str {
        let cell = self.columns.iter().find(|(name, _)| *name == column);
        cell.unwrap_or_else(|| panic!("no column {column} in {self}"))
            .1
    }

    /// The cell under `column`, where it says something: `-` says nothing.
    pub(crate) fn given(&self, column: &str) -> Option<&'a str> {
        Some(self.cell(column)).filter(|cell| *cell != "-")
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.line)
    }
}

/// The rows of a table whose first line names the columns.
pub(crate) fn rows(text: &str) -> Vec<Row<'_>> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let names = split(lines.next().expect("a table has a head"));
    let row = |line| {
        let cells = split(line);
        assert_eq!(
            names.len(),
            cells.len(),
            "as many cells as columns in {line}"
        );
        Row {
            columns: names.iter().copied().zip(cells).collect(),
            line,
        }
    };
    lines.map(row).collect()
}

fn split(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}
