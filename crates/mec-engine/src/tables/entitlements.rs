//! Entitlements over the table API: granted by hand (`manual`, `override`), any row changed, none
//! deleted.

use std::sync::Arc;

use mec_kernel::{
    AccountId, Entitlement, EntitlementId, EntitlementPatch, EntitlementStatus, Grant, LimitKind,
    Making, Refusal, Ruling, Source, View, WindowKind, WindowRule, grant, patch_entitlement,
};
use mec_query::{Delete, Filter, Insert, QueryError, Table, Update, Value};

use super::given::{Given, account_of, entitlement_of};
use crate::committed::Committed;
use crate::error::MecError;
use crate::steps::{RowKey, Step, Steps};
use crate::tree_numbers::tree_of;

/// The grant an insert of one row makes.
pub(super) fn new_grant(given: &Given) -> Result<Grant, MecError> {
    if given.text("status").as_str() != EntitlementStatus::Active.code() {
        let must = "be active when it is made; change it with PATCH afterwards".to_owned();
        return Err(Refusal::BadValue {
            column: "status",
            must,
        }
        .into());
    }
    let window = WindowGiven::of(given)?;
    Ok(Grant {
        account: given
            .optional_account("account_id")
            .flatten()
            .unwrap_or(AccountId(0)),
        resource: given.text("resource_type_code"),
        scope: given.optional_text("resource_scope").flatten(),
        limit_kind: given
            .member("limit_kind_code", LimitKind::from_code)?
            .flatten(),
        quantity: given.optional_quantity("quantity_allowed").flatten(),
        window: window.is_given().then(|| window.over(WindowRule::LIFETIME)),
        source: Source::from_code(&given.text("source")).unwrap_or(Source::Manual),
        priority: given.int4("priority"),
        valid_from: given.optional_time("valid_from").flatten(),
        valid_until: given.optional_time("valid_until").flatten(),
        metadata: given.optional_text("metadata").flatten(),
    })
}

pub(super) fn insert(insert: &Insert) -> Result<Steps, MecError> {
    let step = |given: &Given| {
        let new = new_grant(given)?;
        let tree = tree_of(new.account)?;
        let decide = move |view: &View<'_>, making: &mut Making<'_>| {
            let ruling = grant(view, making, &new)?;
            Ok(Ruling {
                answer: vec![Value::Uuid(ruling.answer.id.0)],
                writes: ruling.writes,
            })
        };
        Ok(Step {
            tree,
            is_new_tree: false,
            decide: Box::new(decide),
        })
    };
    let trees = Given::of_insert(insert)
        .iter()
        .map(step)
        .collect::<Result<Vec<_>, MecError>>()?;
    let rows = trees.iter().map(|_| RowKey::OfStep).collect();
    Ok(Steps {
        inserted: trees.len(),
        trees,
        rows,
        ..Steps::default()
    })
}

pub(super) fn update(committed: &mut Committed<'_>, update: &Update) -> Result<Steps, MecError> {
    let given = Given::of_update(update);
    let window = WindowGiven::of(&given)?;
    let patch = EntitlementPatch {
        quantity: given.optional_quantity("quantity_allowed"),
        window: None,
        status: given
            .optional_text("status")
            .flatten()
            .and_then(|code| EntitlementStatus::from_code(&code)),
        priority: given.value("priority").map(|_| given.int4("priority")),
        valid_from: given.optional_time("valid_from").flatten(),
        valid_until: given.optional_time("valid_until"),
        conditions: None,
        metadata: given.optional_text("metadata"),
    };
    // `valid_from` has no default but the present, which only the lane knows.
    let starts_now = update.set.iter().any(|(at, cell)| {
        update.table.columns[*at].name == "valid_from" && matches!(cell, mec_query::Cell::Default)
    });
    let columns =
        ["entitlement_id", "account_id", "metadata"].map(|name| super::column(&update.table, name));
    let columns = columns.into_iter().collect::<Result<Vec<_>, _>>()?;
    let found = committed.rows(&update.table, &columns, update.filter.clone())?;
    let found = found.iter().filter_map(|row| match row.as_slice() {
        [id, account, metadata] => {
            Some((entitlement_of(id)?, account_of(account)?, metadata.clone()))
        }
        _ => None,
    });
    let step = |(id, account, metadata): (EntitlementId, AccountId, Value)| {
        let mut patch = patch.clone();
        // The kernel does not keep it, so whether this changes anything is seen here.
        patch.metadata = patch
            .metadata
            .take()
            .filter(|new| new.as_deref() != metadata_text(&metadata));
        let decide = move |view: &View<'_>, making: &mut Making<'_>| {
            let row = row(view, account, id)?;
            let window = window.is_given().then(|| window.over(row.window));
            let valid_from = if starts_now {
                Some(view.now)
            } else {
                patch.valid_from
            };
            let patch = EntitlementPatch {
                window,
                valid_from,
                ..patch.clone()
            };
            let ruling = patch_entitlement(view, making, account, id, &patch)?;
            Ok(Ruling {
                answer: vec![Value::Uuid(id.0)],
                writes: ruling.writes,
            })
        };
        Ok(Step {
            tree: tree_of(account)?,
            is_new_tree: false,
            decide: Box::new(decide),
        })
    };
    let trees = found.map(step).collect::<Result<Vec<_>, MecError>>()?;
    let rows = trees.iter().map(|_| RowKey::OfStep).collect();
    Ok(Steps {
        trees,
        rows,
        ..Steps::default()
    })
}

fn metadata_text(value: &Value) -> Option<&str> {
    if let Value::Json(text) = value {
        Some(text)
    } else {
        None
    }
}

pub(super) fn delete(committed: &mut Committed<'_>, delete: &Delete) -> Result<Steps, MecError> {
    match of_accounts(committed, &delete.table, delete.filter.clone())?.first() {
        None => Ok(Steps::default()),
        Some((id, _)) => {
            let constraint = "entitlements_audit_entitlement_id_fkey";
            Err(QueryError::still_referenced(
                "entitlements",
                constraint,
                "entitlement_id",
                &id.to_string(),
                "entitlements_audit",
            )
            .with_hint("End it instead: PATCH with {\"status\": \"expired\"}")
            .into())
        }
    }
}

/// The rows that pass, each with its account.
pub(super) fn of_accounts(
    committed: &mut Committed<'_>,
    table: &Arc<Table>,
    filter: Filter,
) -> Result<Vec<(EntitlementId, AccountId)>, MecError> {
    let columns = [
        super::column(table, "entitlement_id")?,
        super::column(table, "account_id")?,
    ];
    let row = |row: &Vec<Value>| {
        Some((
            row.first().and_then(entitlement_of)?,
            row.get(1).and_then(account_of)?,
        ))
    };
    Ok(committed
        .rows(table, &columns, filter)?
        .iter()
        .filter_map(row)
        .collect())
}

/// An entitlement of an account as it is in the tree.
pub(super) fn row<'a>(
    view: &View<'a>,
    account: AccountId,
    id: EntitlementId,
) -> Result<&'a Arc<Entitlement>, mec_kernel::Halt> {
    let path = view.path(account)?;
    let found = path
        .first()
        .and_then(|node| node.entitlements.iter().find(|row| row.id == id));
    found.ok_or_else(|| {
        Refusal::EntitlementNotFound {
            entitlement: id.to_string(),
        }
        .into()
    })
}

/// What is given of a window, which is five columns together.
#[derive(Clone, Copy)]
struct WindowGiven {
    kind: Option<Option<WindowKind>>,
    anchor: Option<Option<mec_kernel::Time>>,
    seconds: Option<Option<i64>>,
    start: Option<Option<mec_kernel::Time>>,
    end: Option<Option<mec_kernel::Time>>,
}

impl WindowGiven {
    fn of(given: &Given) -> Result<Self, MecError> {
        Ok(Self {
            kind: given.member("window_type_code", WindowKind::from_code)?,
            anchor: given.optional_time("window_anchor"),
            seconds: given.optional_int("window_seconds"),
            start: given.optional_time("period_start"),
            end: given.optional_time("period_end"),
        })
    }

    fn is_given(&self) -> bool {
        self.kind.is_some()
            || self.anchor.is_some()
            || self.seconds.is_some()
            || self.start.is_some()
            || self.end.is_some()
    }

    /// The window `held`, with what is given in its place. What another kind of window needs falls
    /// away.
    fn over(&self, held: WindowRule) -> WindowRule {
        let kind = self
            .kind
            .map_or(held.kind, |kind| kind.unwrap_or(WindowKind::Lifetime));
        let takes_anchor = matches!(
            kind,
            WindowKind::BillingMonth | WindowKind::BillingYear | WindowKind::Lifetime
        );
        let start = self.start.unwrap_or(held.period.map(|(start, _)| start));
        let end = self.end.unwrap_or(held.period.map(|(_, end)| end));
        WindowRule {
            kind,
            anchor: self.anchor.unwrap_or(held.anchor).filter(|_| takes_anchor),
            seconds: self
                .seconds
                .unwrap_or(held.seconds)
                .filter(|_| kind == WindowKind::Rolling),
            period: start.zip(end).filter(|_| kind == WindowKind::Period),
        }
    }
}
