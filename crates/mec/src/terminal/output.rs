//! What a command says on stdout: a table for people, JSON for programs, and never a panic when
//! nobody reads on.

use std::fs::File;
use std::io::{self, BufRead as _, BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::failure::Failure;

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Print {
    /// For people.
    #[default]
    Table,
    /// One JSON value, for programs.
    Json,
}

/// Where a command writes its answer.
pub(crate) type Out = BufWriter<Box<dyn Write>>;

/// Stdout.
pub(crate) fn stdout() -> Out {
    BufWriter::new(Box::new(io::stdout()))
}

/// The file at `path`, made anew, or stdout.
pub(crate) fn file_or_stdout(path: Option<&Path>) -> Result<Out, Failure> {
    let Some(path) = path else {
        return Ok(stdout());
    };
    Ok(BufWriter::new(Box::new(private_file(path)?)))
}

/// The file at `path`, made anew. It holds what customers do, so a new one is its owner's alone; of
/// one that is there, and of a pipe or a device, the mode stays.
///
/// # Errors
/// It cannot be made.
pub(crate) fn private_file(path: &Path) -> Result<File, Failure> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.map_err(|error| Failure::cannot_write(path, &error))
}

/// One line.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    let mut out = stdout();
    // Lines are ours; what stands in them may be anybody's.
    let lines: Vec<String> = text.to_string().split('\n').map(escaped).collect();
    writeln!(out, "{}", lines.join("\n"))?;
    Ok(out.flush()?)
}

/// One JSON value, indented on a terminal.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    line(if io::stdout().is_terminal() {
        format!("{value:#}")
    } else {
        value.to_string()
    })
}

/// Rows under a head, for people. No colours, so `NO_COLOR` has nothing to switch off.
pub(crate) fn table<'a>(
    head: &[&str],
    rows: impl IntoIterator<Item = Vec<String>> + 'a,
) -> Result<(), Failure> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    if !head.is_empty() {
        table.set_header(head);
    }
    table.add_rows(
        rows.into_iter()
            .map(|row| row.iter().map(|cell| escaped(cell)).collect::<Vec<_>>()),
    );
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    let mut out = stdout();
    for row in text.lines() {
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(out.flush()?)
}

/// Whether a change is asked about first: by people at a terminal who have not agreed yet.
pub(crate) fn asks(yes: bool, dry_run: bool, print: Print) -> bool {
    !yes && !dry_run && print == Print::Table && io::stdin().is_terminal()
}

/// Asks on the terminal, and takes nothing but a yes for one.
pub(crate) fn agreed(question: &str) -> Result<bool, Failure> {
    let mut out = stdout();
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::io("stdin", &error))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// A text of somebody else's without what would steer the terminal.
pub(crate) fn escaped(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut shown, char| {
            if char.is_control() {
                shown.extend(char.escape_default())
            } else {
                shown.push(char)
            }
            shown
        })
}

/// A JSON value as a cell: text without quotes, null as a dash.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_steers_no_terminal() {
        assert_eq!(
            escaped("Zoë\u{1b}[31m\r\u{9b}2J"),
            r"Zoë\u{1b}[31m\r\u{9b}2J"
        );
    }
}
