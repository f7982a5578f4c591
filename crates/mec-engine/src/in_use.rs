//! What of the catalogue customers' rows refer to. Finding out takes a look at all of them, while every command waits;
//! so that is done only where a change may be refused for it.

use mec_kernel::{Catalogue, CatalogueChange, InUse};
use mec_store::{StoreError, Writer};

/// What is in use, as far as it matters to `changes`.
pub(crate) async fn in_use(writer: &mut Writer, catalogue: &Catalogue, changes: &[CatalogueChange]) -> Result<InUse, StoreError> {
    if changes.iter().any(|change| may_be_fixed(catalogue, change)) { writer.in_use().await } else { Ok(InUse::default()) }
}

/// Whether it removes something, or changes of it what is fixed once it is used.
pub(crate) fn may_be_fixed(catalogue: &Catalogue, change: &CatalogueChange) -> bool {
    match change {
        CatalogueChange::PutUnit(unit) => {
            let held = catalogue.units.get(&unit.code);
            held.is_some_and(|held| (held.factor, &held.dimension) != (unit.factor, &unit.dimension))
        }
        CatalogueChange::PutResource(resource) => {
            let held = catalogue.resources.get(&resource.code);
            held.is_some_and(|held| (held.limit_kind, &held.unit) != (resource.limit_kind, &resource.unit))
        }
        CatalogueChange::PutPlan(plan) => catalogue.plans.get(&plan.id).is_some_and(|held| held.is_addon != plan.is_addon),
        CatalogueChange::PutRule(_)
        | CatalogueChange::RemoveRule(_)
        | CatalogueChange::PutAccountType { .. }
        | CatalogueChange::PutSettings(_) => false,
        CatalogueChange::RemoveUnit(_)
        | CatalogueChange::RemoveResource(_)
        | CatalogueChange::RemovePlan(_)
        | CatalogueChange::RemoveAccountType(_) => true,
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
        let demo = catalog_file::parse(catalog_file::DEMO).unwrap().changes(&Catalogue::default(), false);
        let options = crate::Options { catalogue: demo.clone(), ..crate::Options::default() };
        let catalogue = crate::Mec::open(&url, options).await.unwrap().catalogue();
        assert!(demo.iter().all(|change| !may_be_fixed(&Catalogue::default(), change)), "a new row is in no use");
        assert!(demo.iter().all(|change| !may_be_fixed(&catalogue, change)), "what stays as it is may stay");
        let mut unit = catalogue.units["minute"].clone();
        unit.name = "Another name".into();
        assert!(!may_be_fixed(&catalogue, &CatalogueChange::PutUnit(unit.clone())));
        unit.factor = Factor::new(61).unwrap();
        let mut resource = Resource::clone(&catalogue.resources["benchmark_runs"]);
        resource.description = Some("Another text".into());
        assert!(!may_be_fixed(&catalogue, &CatalogueChange::PutResource(resource.clone())));
        resource.limit_kind = LimitKind::Inventory;
        let mut plan = Plan::clone(&catalogue.plans["starter"]);
        plan.templates.clear();
        assert!(!may_be_fixed(&catalogue, &CatalogueChange::PutPlan(plan.clone())));
        plan.is_addon = true;
        for change in [
            CatalogueChange::PutUnit(unit),
            CatalogueChange::PutResource(resource),
            CatalogueChange::PutPlan(plan),
            CatalogueChange::RemoveUnit("minute".into()),
            CatalogueChange::RemoveResource("benchmark_runs".into()),
            CatalogueChange::RemovePlan("starter".into()),
            CatalogueChange::RemoveAccountType("team".into()),
        ] {
            assert!(may_be_fixed(&catalogue, &change), "{change:?}");
        }
    }
}
