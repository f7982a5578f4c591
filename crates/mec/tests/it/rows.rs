//! Rows as the table API answers them.

use mec_query::{Column, Table, Value};

/// The values of all rows in an answer's text that has every column of the table.
pub(crate) fn rows_of(table: &Table, text: &str) -> Vec<Vec<Value>> {
    type Row = serde_json::Map<String, serde_json::Value>;
    let rows: Vec<Row> = serde_json::from_str(text).expect("rows");
    let value = |row: &Row, column: &Column| {
        let read = column.ty.read_json(&row[column.name], 0);
        read.expect("a value of the column's type")
    };
    rows.iter()
        .map(|row| {
            table
                .columns
                .iter()
                .map(|column| value(row, column))
                .collect()
        })
        .collect()
}
