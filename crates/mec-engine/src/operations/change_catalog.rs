//! Changes the catalog.

use mec_kernel::{Catalog, CatalogChange};

use crate::caller::Caller;
use crate::committed::Committed;
use crate::error::MecError;
use crate::mec::Mec;
use crate::steps::Steps;

impl Mec {
    /// Changes the catalog, all of it or nothing; answers what really changed. `changes` is given
    /// the catalog as it is, and nothing else changes it in between.
    ///
    /// # Errors
    /// A row that would not be right; a removal of something used.
    pub async fn change_catalog<F>(
        &self,
        caller: &Caller,
        mut changes: F,
    ) -> Result<Vec<CatalogChange>, MecError>
    where
        F: FnMut(&Catalog) -> Vec<CatalogChange> + Send + 'static,
    {
        let plan =
            move |catalog: &Catalog, _: &mut Committed<'_>| Ok(Steps::of_catalog(changes(catalog)));
        Ok(self.write_table(caller, plan).await?.catalog)
    }
}
