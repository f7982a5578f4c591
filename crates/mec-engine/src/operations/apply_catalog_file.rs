//! Makes the catalog as a file says.

use mec_kernel::{Catalog, CatalogChange, KeptRow};

use crate::caller::Caller;
use crate::catalog_file::CatalogFile;
use crate::committed::Committed;
use crate::error::MecError;
use crate::mec::Mec;
use crate::steps::{Intent, Steps, Written};

/// What applying a catalog file came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What changed, or would change.
    pub changes: Vec<CatalogChange>,
    /// What the file does not name and is still there, because something refers to it.
    pub kept: Vec<KeptRow>,
}

impl Mec {
    /// Makes the catalog as a file says, all of it or nothing, or shows what that would come to.
    /// With `prune` also removes what the file does not name, as far as nothing refers to it.
    ///
    /// # Errors
    /// As [`Mec::change_catalog`], of what the file says.
    pub async fn apply_catalog_file(
        &self,
        caller: &Caller,
        file: CatalogFile,
        prune: bool,
        intent: Intent,
    ) -> Result<Applied, MecError> {
        let plan = move |catalog: &Catalog, _: &mut Committed<'_>| {
            let removals = if prune { file.left(catalog) } else { vec![] };
            Ok(Steps {
                removals,
                intent,
                ..Steps::of_catalog(file.changes(catalog, false))
            })
        };
        let Written {
            catalog: changes,
            kept,
            ..
        } = self.write_table(caller, plan).await?;
        Ok(Applied { changes, kept })
    }
}
