//! Accounts: made once under a fixed parent, changed by patches. Closed is final.

use std::sync::Arc;

use crate::account::{Account, AccountStatus, LEVELS_MAX};
use crate::code::Code;
use crate::command::{Ruling, View};
use crate::id::{AccountId, IdSource};
use crate::need::Halt;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::write::Write;

/// A new account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateAccount {
    /// The account above it; `None` makes a root, and with it a tree.
    pub parent: Option<AccountId>,
    /// `organization`, `team`, `user`.
    pub account_type: Code,
    /// Its name in another system, unique among all accounts.
    pub external_id: Option<Code>,
    /// For people.
    pub display_name: Code,
    /// For people.
    pub email: Option<Code>,
    /// IANA name; `None` inherits.
    pub time_zone: Option<Code>,
    /// Free JSON text.
    pub metadata: Option<Code>,
    /// Whether it may use anything.
    pub status: AccountStatus,
}

/// What to change of an account; `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountPatch {
    /// Its type's code.
    pub account_type: Option<Code>,
    /// Its name in another system; `Some(None)` takes it away.
    pub external_id: Option<Option<Code>>,
    /// For people.
    pub display_name: Option<Code>,
    /// For people.
    pub email: Option<Option<Code>>,
    /// Whether it may use anything; closed is final.
    pub status: Option<AccountStatus>,
    /// IANA name.
    pub time_zone: Option<Option<Code>>,
    /// Free JSON text.
    pub metadata: Option<Option<Code>>,
}

/// Makes an account.
pub fn create_account(
    view: &View<'_>,
    ids: &mut IdSource,
    create: &CreateAccount,
) -> Result<Ruling<Account>, Halt> {
    let root = match create.parent {
        Some(parent) => {
            if view.facts.absent.contains_key(&parent) {
                return Err(Refusal::ParentNotFound {
                    account: parent.to_string(),
                }
                .into());
            }
            let path = view.tree.path(parent)?;
            check_open(&path)?;
            if path.len() >= LEVELS_MAX {
                return Err(Refusal::TooDeep.into());
            }
            path.last().map(|root| root.account.id)
        }
        None => None,
    };
    check_references(view, Some(&create.account_type), create.time_zone.as_ref())?;
    if let Some(external_id) = &create.external_id {
        check_link(view, external_id, None)?;
    }
    let id = AccountId(ids.draw());
    let account = Account {
        id,
        parent: create.parent,
        root: root.unwrap_or(id),
        account_type: create.account_type.clone(),
        external_id: create.external_id.clone(),
        display_name: create.display_name.clone(),
        email: create.email.clone(),
        status: create.status,
        time_zone: create.time_zone.clone(),
        metadata: create.metadata.clone(),
        created_at: view.now,
        updated_at: view.now,
    };
    Ok(Ruling {
        answer: account.clone(),
        writes: vec![Write::Account(account)],
    })
}

/// Changes an account.
pub fn patch_account(
    view: &View<'_>,
    id: AccountId,
    patch: &AccountPatch,
) -> Result<Ruling<Account>, Halt> {
    let path = view.path(id)?;
    let Some(node) = path.first() else {
        return Err(Refusal::AccountNotFound {
            account: id.to_string(),
        }
        .into());
    };
    let before = &node.account;
    if before.status == AccountStatus::Closed
        && patch
            .status
            .is_some_and(|status| status != AccountStatus::Closed)
    {
        return Err(Refusal::AccountClosed.into());
    }
    check_references(
        view,
        patch.account_type.as_ref(),
        patch.time_zone.as_ref().and_then(Option::as_ref),
    )?;
    if let Some(Some(external_id)) = &patch.external_id {
        check_link(view, external_id, Some(id))?;
    }
    if let Some(given_up) = before
        .external_id
        .as_ref()
        .filter(|_| patch.external_id.is_some())
    {
        // Looked up, so that the facts know of it when it is free again.
        view.facts.link(given_up)?;
    }
    let account = Account {
        account_type: patch
            .account_type
            .clone()
            .unwrap_or_else(|| before.account_type.clone()),
        external_id: patch
            .external_id
            .clone()
            .unwrap_or_else(|| before.external_id.clone()),
        display_name: patch
            .display_name
            .clone()
            .unwrap_or_else(|| before.display_name.clone()),
        email: patch.email.clone().unwrap_or_else(|| before.email.clone()),
        status: patch.status.unwrap_or(before.status),
        time_zone: patch
            .time_zone
            .clone()
            .unwrap_or_else(|| before.time_zone.clone()),
        metadata: patch
            .metadata
            .clone()
            .unwrap_or_else(|| before.metadata.clone()),
        updated_at: view.now,
        ..before.clone()
    };
    Ok(Ruling {
        answer: account.clone(),
        writes: vec![Write::Account(account)],
    })
}

/// Nothing new for an account that is closed, itself or by one above it.
pub(crate) fn check_open(path: &[&Arc<Node>]) -> Result<(), Halt> {
    if path
        .iter()
        .any(|node| node.account.status == AccountStatus::Closed)
    {
        return Err(Refusal::AccountClosed.into());
    }
    Ok(())
}

fn check_references(
    view: &View<'_>,
    account_type: Option<&Code>,
    time_zone: Option<&Code>,
) -> Result<(), Halt> {
    if let Some(code) = account_type.filter(|code| !view.catalog.account_types.contains_key(*code))
    {
        return Err(Refusal::NotPresent {
            column: "account_type_code",
            value: code.to_string(),
        }
        .into());
    }
    if let Some(name) = time_zone.filter(|name| !view.catalog.zones.contains_key(*name)) {
        let must = format!("be an IANA time zone such as Europe/Zurich, not {name}");
        return Err(Refusal::BadValue {
            column: "time_zone",
            must,
        }
        .into());
    }
    Ok(())
}

fn check_link(view: &View<'_>, external_id: &Code, own: Option<AccountId>) -> Result<(), Halt> {
    if external_id.is_empty() {
        // An unset variable of a caller would otherwise name somebody.
        let must = "have at least one character; null is none".to_owned();
        return Err(Refusal::BadValue {
            column: "external_id",
            must,
        }
        .into());
    }
    match view.facts.link(external_id)? {
        Some(other) if Some(other) != own => Err(Refusal::ExternalIdTaken {
            external_id: external_id.to_string(),
        }
        .into()),
        _ => Ok(()),
    }
}
