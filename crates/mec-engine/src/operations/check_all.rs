//! Where an account stands with everything it was granted, or with what is asked for.

use std::collections::BTreeSet;

use mec_kernel::{AccountId, Attributes, Check, Code, Halt, Standing, View};
use mec_store::Operation;

use super::check::check_traced;
use crate::caller::Caller;
use crate::decision_log::Entry;
use crate::error::MecError;
use crate::mec::Mec;

/// Where an account stands with one resource, or with one scope of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingOf {
    /// Which resource.
    pub resource: Code,
    /// Which scope of it; `None`: the whole.
    pub scope: Option<Code>,
    /// Where it stands.
    pub standing: Standing,
}

impl Mec {
    /// Where the account stands with each of `resources`, or with everything it or an account above
    /// it was granted, all at one instant; in the order given, or of their names. Each scope that
    /// was granted of a resource has its own standing, and so has the whole of it, if it was
    /// granted or no scope was.
    ///
    /// # Errors
    /// An unknown account or resource.
    pub async fn check_all(
        &self,
        account: AccountId,
        resources: Option<Vec<Code>>,
        attributes: Attributes,
        caller: &Caller,
    ) -> Result<Vec<StandingOf>, MecError> {
        let log = self.log.clone();
        // A name is answered once, however often it was asked for.
        let resources = resources.map(|mut resources| {
            let mut seen = BTreeSet::new();
            resources.retain(|resource| seen.insert(resource.clone()));
            resources
        });
        let (standings, at) = self
            .look(account, caller, move |view| {
                let granted = granted(view, account)?;
                let parts: Vec<(Code, Option<Code>)> = match &resources {
                    Some(resources) => resources
                        .iter()
                        .flat_map(|resource| parts_of(resource, &granted))
                        .collect(),
                    None => granted.into_iter().collect(),
                };
                let standing_of = |(resource, scope): (Code, Option<Code>)| {
                    let attributes = attributes.clone();
                    let question = Check {
                        attributes,
                        scope: scope.clone(),
                        ..Check::of(account, &resource, None)
                    };
                    let (standing, trace) = check_traced(view, &question, &log)?;
                    Ok((
                        StandingOf {
                            resource,
                            scope,
                            standing,
                        },
                        trace,
                    ))
                };
                parts
                    .into_iter()
                    .map(standing_of)
                    .collect::<Result<Vec<_>, Halt>>()
            })
            .await?;
        let catalog = self.catalog();
        let logged = standings.into_iter().map(|(standing_of, trace)| {
            let question = Check {
                scope: standing_of.scope.clone(),
                ..Check::of(account, &standing_of.resource, None)
            };
            let entry = Entry::of_check(
                &question,
                Operation::Check,
                caller.request_id.clone(),
                &catalog,
            );
            self.log_check(entry, &standing_of.standing, trace, at);
            standing_of
        });
        Ok(logged.collect())
    }
}

/// Everything that was granted to the account or one above it: resources, and scopes of them.
fn granted(view: &View<'_>, account: AccountId) -> Result<BTreeSet<(Code, Option<Code>)>, Halt> {
    let path = view.path(account)?;
    let rows = path.iter().flat_map(|node| &node.entitlements);
    Ok(rows
        .map(|row| (row.resource.clone(), row.scope.clone()))
        .collect())
}

/// What was granted of one resource; the whole of it where nothing was.
fn parts_of(
    resource: &Code,
    granted: &BTreeSet<(Code, Option<Code>)>,
) -> Vec<(Code, Option<Code>)> {
    let parts: Vec<_> = granted
        .iter()
        .filter(|(of, _)| of == resource)
        .cloned()
        .collect();
    if parts.is_empty() {
        vec![(resource.clone(), None)]
    } else {
        parts
    }
}
