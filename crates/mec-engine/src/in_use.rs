//! What of the catalog customers' rows refer to. Finding out takes a look at all of them, while
//! every command waits; so that is done only where a change may be refused for it.

use mec_kernel::{Catalog, CatalogChange, InUse};
use mec_store::{StoreError, Writer};

/// What is in use, as far as it matters to `changes`.
pub(crate) async fn in_use(
    writer: &mut Writer,
    catalog: &Catalog,
    changes: &[CatalogChange],
) -> Result<InUse, StoreError> {
    if changes.iter().any(|change| may_be_fixed(catalog, change)) {
        writer.in_use().await
    } else {
        Ok(InUse::default())
    }
}

/// Whether it removes something, or changes of it what is fixed once it is used.
pub(crate) fn may_be_fixed(catalog: &Catalog, change: &CatalogChange) -> bool {
    match change {
        CatalogChange::PutUnit(unit) => {
            let held = catalog.units.get(&unit.code);
            held.is_some_and(|held| {
                (held.factor, &held.dimension) != (unit.factor, &unit.dimension)
            })
        }
        CatalogChange::PutResource(resource) => {
            let held = catalog.resources.get(&resource.code);
            held.is_some_and(|held| {
                (held.limit_kind, &held.unit) != (resource.limit_kind, &resource.unit)
            })
        }
        CatalogChange::PutPlan(plan) => catalog
            .plans
            .get(&plan.id)
            .is_some_and(|held| held.is_addon != plan.is_addon),
        CatalogChange::PutRule(_)
        | CatalogChange::RemoveRule(_)
        | CatalogChange::PutAccountType { .. }
        | CatalogChange::PutSettings(_) => false,
        CatalogChange::RemoveUnit(_)
        | CatalogChange::RemoveResource(_)
        | CatalogChange::RemovePlan(_)
        | CatalogChange::RemoveAccountType(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use mec_kernel::{Factor, LimitKind, Plan, Resource};

    use super::*;
    use crate::catalog_file;

    #[tokio::test]
    async fn only_a_change_that_may_be_refused_for_it_looks_at_what_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("mec.db").display());
        let demo = catalog_file::parse(catalog_file::DEMO)
            .unwrap()
            .changes(&Catalog::default(), false);
        let options = crate::Options {
            catalog: demo.clone(),
            ..crate::Options::default()
        };
        let catalog = crate::Mec::open(&url, options).await.unwrap().catalog();
        assert!(
            demo.iter()
                .all(|change| !may_be_fixed(&Catalog::default(), change)),
            "a new row is in no use"
        );
        assert!(
            demo.iter().all(|change| !may_be_fixed(&catalog, change)),
            "what stays as it is may stay"
        );
        let mut unit = catalog.units["minute"].clone();
        unit.name = "Another name".into();
        assert!(!may_be_fixed(
            &catalog,
            &CatalogChange::PutUnit(unit.clone())
        ));
        unit.factor = Factor::new(61).unwrap();
        let mut resource = Resource::clone(&catalog.resources["benchmark_runs"]);
        resource.description = Some("Another text".into());
        assert!(!may_be_fixed(
            &catalog,
            &CatalogChange::PutResource(resource.clone())
        ));
        resource.limit_kind = LimitKind::Inventory;
        let mut plan = Plan::clone(&catalog.plans["starter"]);
        plan.templates.clear();
        assert!(!may_be_fixed(
            &catalog,
            &CatalogChange::PutPlan(plan.clone())
        ));
        plan.is_addon = true;
        for change in [
            CatalogChange::PutUnit(unit),
            CatalogChange::PutResource(resource),
            CatalogChange::PutPlan(plan),
            CatalogChange::RemoveUnit("minute".into()),
            CatalogChange::RemoveResource("benchmark_runs".into()),
            CatalogChange::RemovePlan("starter".into()),
            CatalogChange::RemoveAccountType("team".into()),
        ] {
            assert!(may_be_fixed(&catalog, &change), "{change:?}");
        }
    }
}
