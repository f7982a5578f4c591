//! Reads the tables of a Markdown page, with the line of every row.
//!
//! It skips nothing: what looks like a table and is none is an error, and so is a row with too few
//! or too many cells. A line `Given: resource `gpu_hours`, has `25 a month`.` above a table gives
//! all its rows those cells.

/// One table.
#[derive(Debug)]
pub(super) struct Table {
    /// The nearest heading above.
    pub(super) title: String,
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    /// The names of its columns.
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// One row: its cells by the name of their column, those of the `Given:` line first.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) cells: Vec<(String, String)>,
}

/// What says that a cell holds nothing.
pub(super) const NOTHING: &str = "—";

impl Row {
    /// The cell of a column, where the table has it.
    pub(super) fn cell(&self, column: &str) -> Option<&str> {
        self.cells
            .iter()
            .find(|(name, _)| name == column)
            .map(|(_, cell)| cell.as_str())
    }

    /// The cell of a column, where it says something.
    pub(super) fn given(&self, column: &str) -> Option<&str> {
        self.cell(column).filter(|cell| *cell != NOTHING)
    }
}

/// The tables of a page in order, or the first line that is not understood.
pub(super) fn tables(page: &str) -> Result<Vec<Table>, String> {
    let mut tables = Vec::new();
    let (mut title, mut given) = (String::new(), Vec::new());
    let mut is_code = false;
    let mut lines = (1..).zip(page.lines().map(str::trim)).peekable();
    while let Some((number, line)) = lines.next() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
        } else if line.starts_with('#') {
            title = line.trim_start_matches('#').trim().to_owned();
            given.clear();
        } else if let Some(text) = line.strip_prefix("Given:") {
            given = givens(text).map_err(|why| format!("{number}: {why}"))?;
        } else if line.starts_with('|') {
            let columns: Vec<String> = cells(line)
                .map(|name| name.trim_start_matches("→ ").to_owned())
                .collect();
            match lines.next() {
                Some((_, rule))
                    if rule.starts_with("|-") && cells(rule).count() == columns.len() => {}
                _ => {
                    return Err(format!(
                        "{number}: a table has a line of dashes below its head"
                    ));
                }
            }
            let mut table = Table {
                title: title.clone(),
                line: number,
                columns,
                rows: Vec::new(),
            };
            while let Some((line, text)) = lines.next_if(|(_, text)| text.starts_with('|')) {
                table.rows.push(row(&table.columns, &given, line, text)?);
            }
            if table.rows.is_empty() {
                return Err(format!("{number}: a table without rows"));
            }
            tables.push(table);
        }
    }
    Ok(tables)
}

fn row(
    columns: &[String],
    given: &[(String, String)],
    line: usize,
    text: &str,
) -> Result<Row, String> {
    let found: Vec<&str> = cells(text).collect();
    if found.len() != columns.len() {
        return Err(format!(
            "{line}: {} cells under {} columns",
            found.len(),
            columns.len()
        ));
    }
    if found.contains(&"") {
        return Err(format!(
            "{line}: an empty cell; write {NOTHING} for nothing"
        ));
    }
    let mut cells = given.to_vec();
    cells.extend(
        columns
            .iter()
            .cloned()
            .zip(found.into_iter().map(str::to_owned)),
    );
    for (place, (name, _)) in cells.iter().enumerate() {
        if cells.iter().skip(place + 1).any(|(other, _)| other == name) {
            return Err(format!("{line}: {name:?} is given twice"));
        }
    }
    Ok(Row { line, cells })
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    let line = line.strip_prefix('|').unwrap_or(line);
    line.strip_suffix('|')
        .unwrap_or(line)
        .split('|')
        .map(|cell| cell.trim().trim_matches('`'))
}

/// `resource `gpu_hours`, has `25 a month`.`: names and, in backticks, what they hold.
fn givens(text: &str) -> Result<Vec<(String, String)>, String> {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return Err("a backtick is missing".to_owned());
    }
    let pair = |pair: &[&str]| {
        (
            pair[0].trim_start_matches([',', '.']).trim().to_owned(),
            pair[1].to_owned(),
        )
    };
    Ok(parts.chunks_exact(2).map(pair).collect())
}

#[test]
fn what_is_no_table_is_refused_with_its_line() {
    let refused = [
        ("text\n| a | b |\n| 1 | 2 |\n", "2:"),
        ("| a | b |\n|---|---|\n", "1:"),
        ("| a | b |\n|---|---|\n| 1 |\n", "3:"),
        ("| a | b |\n|---|---|\n| 1 |  |\n", "3:"),
        ("Given: a `1`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "5:"),
        ("Given: a `1\n", "1:"),
    ];
    for (page, line) in refused {
        let why = tables(page).expect_err(page);
        assert!(why.starts_with(line), "{page:?}: {why}");
    }
}

#[test]
fn a_row_knows_its_cells_and_its_line() {
    let page = "# One\n\nGiven: x `5, 6`, y `7`.\n\n| a | → b |\n|---|---|\n| `1` | — |\n\n```\n| not | this |\n```\n";
    let found = tables(page).unwrap();
    assert_eq!(
        (found.len(), found[0].title.as_str(), found[0].line),
        (1, "One", 5)
    );
    let row = &found[0].rows[0];
    assert_eq!(
        (row.line, row.cell("x"), row.cell("y"), row.cell("a")),
        (7, Some("5, 6"), Some("7"), Some("1"))
    );
    assert_eq!(
        (row.cell("b"), row.given("b"), row.cell("c")),
        (Some("—"), None, None)
    );
}
