//! An installation moved from a file to a database: everything, as it is.
//!
//! The file is its owner's, so it stands still meanwhile; the database is marked before the first
//! row, and while it is, nobody opens it as a store. Rows travel table by table, the trees' heads
//! last, and each batch writes down with its rows how far it came: a copy that broke off goes on
//! there. The mark goes when every row has been read back and is what was sent, and everything that
//! follows from the ledger has been computed anew.

pub(crate) mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mec_kernel::Time;
use sha2::{Digest as _, Sha256};

use crate::postgres::copy::{Batch, Target, TargetTable};
use crate::sqlite::copy::{Source, SourceTable};
use crate::{Report, StoreError};

/// How it is copied.
#[derive(Clone, Debug)]
pub struct CopyOptions {
    /// What to tell a process that finds the file owned meanwhile.
    pub note: String,
    /// The instant at which windows are open or over, for the verification.
    pub now: Time,
    /// The most rows of one commit.
    pub batch_rows_max: usize,
}

impl CopyOptions {
    /// Batches of a size that makes neither commits nor memory matter.
    pub fn at(now: Time, note: &str) -> Self {
        Self {
            note: note.to_owned(),
            now,
            batch_rows_max: 10_000,
        }
    }
}

/// What a copy is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStage {
    /// Rows are sent.
    Copying,
    /// Rows are read back.
    Comparing,
    /// What follows from the ledger is computed anew.
    Verifying,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyProgress {
    /// With what.
    pub stage: CopyStage,
    /// Rows done (events where they are verified), those of an earlier run included.
    pub done: u64,
    /// Rows there are.
    pub total: u64,
    /// Rows that an earlier run had sent.
    pub of_earlier: u64,
}

/// One table in both stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name.
    pub name: String,
    /// The file's rows.
    pub from: CopiedRows,
    /// The database's.
    pub to: CopiedRows,
}

impl CopiedTable {
    /// Whether they are the same rows, to the byte.
    pub fn is_same(&self) -> bool {
        self.from == self.to
    }
}

/// What rows are, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopiedRows {
    /// How many.
    pub count: u64,
    /// Of the ledger: all quantities added up, in millionths.
    pub used: i128,
    /// The sum of the rows' hashes.
    pub sum: u128,
}

impl CopiedRows {
    /// Adds a row in the database's binary form, which says that so much was used.
    fn add(&mut self, row: &[u8], used: i128) {
        let hash = Sha256::digest(row);
        let first = hash.first_chunk::<16>().copied().unwrap_or_default();
        self.count += 1;
        self.used = self.used.saturating_add(used);
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(first));
    }
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Copied {
    /// Every table, in the order they were copied in.
    pub tables: Vec<CopiedTable>,
    /// Rows that an earlier run had sent.
    pub of_earlier: u64,
    /// The verification of the database.
    pub report: Report,
}

impl Copied {
    /// Whether both stores hold the same and it is right. Otherwise the database stays marked.
    pub fn is_whole(&self) -> bool {
        self.is_same() && self.report.is_clean()
    }

    /// Whether both stores hold the same, right or wrong.
    pub fn is_same(&self) -> bool {
        self.tables.iter().all(CopiedTable::is_same)
    }
}

/// Tells how far a copy is; an error ends it.
pub type Tell<'a> = dyn FnMut(CopyProgress) -> Result<(), StoreError> + 'a;

/// Copies the installation in the file at `from` to the database at `to`, brought to this program's
/// schema where it is not. What `tell` answers ends it, and the same copy goes on where this one
/// ended.
///
/// # Errors
/// [`StoreError::Unusable`] with a sentence that says what to do: somebody uses the file or it has
/// another schema, the database holds something else, or its role may not make tables. A row that a
/// database refuses.
pub fn copy(
    from: &Path,
    to: &str,
    options: &CopyOptions,
    tell: &mut Tell<'_>,
) -> Result<Copied, StoreError> {
    let source = Source::open(from, &options.note)?;
    let target = Target::open(to)?;
    let tables = paired(source.tables()?, target.tables()?)?;
    let identity = source.identity(tables.iter().map(|(of_source, _)| of_source))?;
    let begun = target.begin(&identity, tables.iter().map(|(_, of_target)| of_target))?;
    let of_earlier = begun.values().sum();
    let mut work = Work {
        source,
        target,
        tables,
        options,
        total: 0,
        done: of_earlier,
        of_earlier,
        tell,
    };
    let copied = work.run(&begun)?;
    work.source.close()?;
    Ok(copied)
}

/// Every table of both stores, in the order they are copied in: what belongs to no tree first, the
/// trees' heads last.
fn paired(
    source: Vec<SourceTable>,
    target: Vec<TargetTable>,
) -> Result<Vec<(SourceTable, TargetTable)>, StoreError> {
    let mut source: BTreeMap<String, SourceTable> = source
        .into_iter()
        .map(|table| (table.name.clone(), table))
        .collect();
    let mut pairs = Vec::with_capacity(target.len());
    for of_target in target {
        let name = &of_target.name;
        let of_source = source
            .remove(name)
            .ok_or_else(|| StoreError::Stopped(format!("the file has no table {name}")))?;
        let columns: BTreeSet<&str> = of_source.columns.iter().map(String::as_str).collect();
        if columns != of_target.columns().collect() {
            return Err(StoreError::Stopped(format!(
                "{name} has not the same columns in the file and in the database"
            )));
        }
        pairs.push((of_source, of_target));
    }
    if let Some(name) = source.into_keys().next() {
        return Err(StoreError::Stopped(format!(
            "the database has no table {name}"
        )));
    }
    pairs.sort_by_key(|(_, table)| {
        (
            table.name == "account_trees",
            table.columns().any(|column| column == "tree"),
        )
    });
    Ok(pairs)
}

/// A copy that has begun.
struct Work<'a, 'b> {
    source: Source,
    target: Target,
    tables: Vec<(SourceTable, TargetTable)>,
    options: &'a CopyOptions,
    total: u64,
    done: u64,
    of_earlier: u64,
    tell: &'a mut Tell<'b>,
}

impl Work<'_, '_> {
    fn run(&mut self, begun: &BTreeMap<String, u64>) -> Result<Copied, StoreError> {
        let tables = std::mem::take(&mut self.tables);
        self.total = tables.iter().map(|(table, _)| table.rows).sum();
        let sent: Result<Vec<CopiedRows>, StoreError> = tables
            .iter()
            .map(|pair| self.send(pair, begun.get(&pair.0.name).copied().unwrap_or_default()))
            .collect();
        let (sent, mut copied) = (sent?, Vec::with_capacity(tables.len()));
        self.done = 0;
        for ((_, table), sent) in tables.iter().zip(sent) {
            let found = self.read_back(table)?;
            let name = table.name.clone();
            copied.push(CopiedTable {
                name,
                from: sent,
                to: found,
            });
        }
        let copied = Copied {
            tables: copied,
            of_earlier: self.of_earlier,
            report: self.verify()?,
        };
        if copied.is_whole() {
            self.target.finish(tables.iter().map(|(_, table)| table))?;
        }
        Ok(copied)
    }

    /// Sends the rows of a table after the first `already`, and answers what all of them are.
    fn send(
        &mut self,
        (of_source, of_target): &(SourceTable, TargetTable),
        already: u64,
    ) -> Result<CopiedRows, StoreError> {
        let Self {
            source,
            target,
            options,
            total,
            done,
            of_earlier,
            tell,
            ..
        } = self;
        let (mut rows, mut batch) = (CopiedRows::default(), Batch::of(of_target));
        let mut flush = |batch: &mut Batch<'_>, sent: u64| {
            *done += u64::try_from(batch.rows()).unwrap_or(u64::MAX);
            target.write(batch, sent)?;
            tell(CopyProgress {
                stage: CopyStage::Copying,
                done: *done,
                total: *total,
                of_earlier: *of_earlier,
            })
        };
        source.each_row(of_source, of_target.columns(), &mut |values| {
            let row = batch.add(values)?;
            rows.add(row, of_target.used(row)?);
            if rows.count <= already {
                batch.take_back();
                return Ok(());
            }
            if batch.rows() >= options.batch_rows_max || batch.is_full() {
                flush(&mut batch, rows.count)
            } else {
                Ok(())
            }
        })?;
        if batch.rows() > 0 {
            flush(&mut batch, rows.count)?;
        }
        Ok(rows)
    }

    fn read_back(&mut self, table: &TargetTable) -> Result<CopiedRows, StoreError> {
        let Self {
            target,
            total,
            done,
            of_earlier,
            tell,
            ..
        } = self;
        let mut rows = CopiedRows::default();
        target.each_batch(table, &mut |batch| {
            for row in &batch {
                rows.add(row, table.used(row)?);
                *done += 1;
            }
            tell(CopyProgress {
                stage: CopyStage::Comparing,
                done: *done,
                total: *total,
                of_earlier: *of_earlier,
            })
        })?;
        Ok(rows)
    }

    fn verify(&mut self) -> Result<Report, StoreError> {
        let Self {
            target,
            of_earlier,
            tell,
            options,
            ..
        } = self;
        let mut told = Ok(());
        let report = target.verify(options.now, &mut |at| {
            if told.is_ok() {
                let (done, total) = (at.events, at.events_total);
                told = tell(CopyProgress {
                    stage: CopyStage::Verifying,
                    done,
                    total,
                    of_earlier: *of_earlier,
                });
            }
        })?;
        told.map(|()| report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_rows_are_the_same_in_any_order() {
        let of = |rows: &[&str]| {
            let mut all = CopiedRows::default();
            rows.iter().for_each(|row| all.add(row.as_bytes(), 0));
            all
        };
        assert_eq!(of(&["a", "b", "c"]), of(&["c", "a", "b"]));
        for other in [
            &["a", "b"][..],
            &["a", "b", "b"],
            &["a", "b", "c", "c"],
            &["a", "bc", ""],
        ] {
            assert_ne!(of(&["a", "b", "c"]), of(other), "{other:?}");
        }
    }
}
