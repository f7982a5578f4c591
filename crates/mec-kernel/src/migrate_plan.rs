//! Moving an account to the newest version of a plan it is on: if it has left the plan in the
//! meantime, it stays where it went.

use std::sync::Arc;

use crate::account::AccountPlan;
use crate::cancel::{Cancel, cancel};
use crate::code::Code;
use crate::command::{Making, Ruling, View};
use crate::entitlement::Entitlement;
use crate::facts::Facts;
use crate::id::AccountId;
use crate::need::Halt;
use crate::node::Node;
use crate::provision::{Provision, provision};
use crate::refusal::Refusal;

/// Which account is moved on which of its plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigratePlan {
    /// Who.
    pub account: AccountId,
    /// The plan or add-on.
    pub plan: Code,
    /// The add-on's name where it was bought; empty where it has none.
    pub reference: Code,
    /// Only find out what would happen.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanMigration {
    /// It is on the newest version now (or would be). Its use is kept, and so are quantity, anchor
    /// and end.
    Moved {
        /// The version it was on.
        from: i32,
        /// The newest.
        to: i32,
        /// How many entitlements it has from the plan now.
        entitlements: i64,
    },
    /// It was already.
    Newest {
        /// The version.
        version: i32,
    },
    /// It is not on the plan (any more, or yet).
    NotOnPlan,
    /// It is on the plan, but every row of it was ended by hand: moving it would grant anew what
    /// somebody took away.
    NothingInForce,
}

/// Moves the account, or, dry, only answers what would come of it.
///
/// # Errors
/// An unknown account or plan, a plan that is not given any more, what [`provision`] refuses.
pub fn migrate_plan(
    view: &View<'_>,
    making: &mut Making<'_>,
    command: &MigratePlan,
) -> Result<Ruling<PlanMigration>, Halt> {
    let ruling = migrated(view, making, command)?;
    Ok(if command.dry_run {
        Ruling::unchanged(ruling.answer)
    } else {
        ruling
    })
}

fn migrated(
    view: &View<'_>,
    making: &mut Making<'_>,
    command: &MigratePlan,
) -> Result<Ruling<PlanMigration>, Halt> {
    let path = view.path(command.account)?;
    let newest = view.catalog.plans.get(&command.plan);
    let newest = newest.ok_or_else(|| Refusal::PlanNotFound {
        plan: command.plan.to_string(),
    })?;
    let Some((node, held)) = path
        .first()
        .and_then(|node| Some((*node, held(node, command, view)?)))
    else {
        return Ok(Ruling::unchanged(PlanMigration::NotOnPlan));
    };
    if held.version >= newest.version {
        return Ok(Ruling::unchanged(PlanMigration::Newest {
            version: held.version,
        }));
    }
    let reference = Some(&command.reference).filter(|reference| !reference.is_empty());
    let is_its = |row: &Entitlement| {
        row.plan.as_ref() == Some(&command.plan) && row.source_ref.as_ref() == reference
    };
    if !node
        .entitlements
        .iter()
        .any(|row| is_its(row) && row.is_standing(view.now))
    {
        return Ok(Ruling::unchanged(PlanMigration::NothingInForce));
    }
    let anew = Provision {
        quantity: Some(held.quantity),
        reference: held.reference.clone(),
        migrate: true,
        ..Provision::new(command.account, &command.plan)
    };
    let Ruling {
        answer: entitlements,
        writes,
    } = if held.is_addon {
        addon(view, making, held, anew)?
    } else {
        provision(view, making, &anew)?
    };
    let answer = PlanMigration::Moved {
        from: held.version,
        to: newest.version,
        entitlements,
    };
    Ok(Ruling { answer, writes })
}

/// What the account has of the plan now.
fn held<'a>(
    node: &'a Node,
    command: &MigratePlan,
    view: &View<'_>,
) -> Option<&'a Arc<AccountPlan>> {
    let is_it = |held: &&Arc<AccountPlan>| {
        held.plan == command.plan
            && held.reference == command.reference
            && held.is_current(view.now)
    };
    node.plans
        .iter()
        .filter(is_it)
        .max_by_key(|held| held.starts_at)
}

/// An add-on is taken away and given again, both in one step.
fn addon(
    view: &View<'_>,
    making: &mut Making<'_>,
    held: &AccountPlan,
    anew: Provision,
) -> Result<Ruling<i64>, Halt> {
    let gone = Cancel {
        account: anew.account,
        plan: anew.plan.clone(),
        reference: Some(anew.reference.clone()),
        at: None,
    };
    let mut writes = cancel(view, making, &gone)?.writes;
    let mut tree = view.tree.clone();
    writes.iter().for_each(|write| tree.apply(write, view.now));
    let between = View {
        tree: &tree,
        facts: &Facts::default(),
        catalog: view.catalog,
        now: view.now,
    };
    let given = provision(
        &between,
        making,
        &Provision {
            until: held.ends_at,
            ..anew
        },
    )?;
    writes.extend(given.writes);
    Ok(Ruling {
        answer: given.answer,
        writes,
    })
}
