//! Commands as tests ask them: what matters is an argument, the rest is usual.

use crate::world::quantity;
use mec_kernel::*;

pub(crate) fn new_account(parent: Option<AccountId>) -> CreateAccount {
    CreateAccount {
        parent,
        account_type: "organization".into(),
        external_id: None,
        display_name: "Acme Corp".into(),
        email: None,
        time_zone: None,
        metadata: None,
        status: AccountStatus::Active,
    }
}

pub(crate) fn provision_of(account: AccountId, plan: &str) -> Provision {
    Provision {
        account,
        plan: plan.into(),
        start: None,
        quantity: None,
        reference: "".into(),
        until: None,
        migrate: false,
    }
}

/// A grant by hand; `None` is unlimited.
pub(crate) fn grant_of(account: AccountId, resource: &str, limit: Option<&str>) -> Grant {
    Grant {
        account,
        resource: resource.into(),
        scope: None,
        limit_kind: None,
        quantity: limit.map(quantity),
        window: None,
        source: Source::Manual,
        priority: 0,
        valid_from: None,
        valid_until: None,
        metadata: None,
    }
}

pub(crate) fn check_of(account: AccountId, resource: &str, asked: Option<&str>) -> Check {
    Check {
        account,
        resource: resource.into(),
        scope: None,
        quantity: asked.map(quantity),
        unit: None,
        attributes: Attributes::new(),
        explain: false,
    }
}

pub(crate) fn consume_of(account: AccountId, resource: &str, amount: &str, key: &str) -> Consume {
    Consume {
        check: check_of(account, resource, Some(amount)),
        key: key.into(),
        details: None,
    }
}

pub(crate) fn meter_of(account: AccountId, resource: &str, amount: &str, key: &str) -> Meter {
    Meter {
        key: key.into(),
        account,
        resource: resource.into(),
        scope: None,
        quantity: quantity(amount),
        unit: None,
        occurred_at: None,
        details: None,
        is_correction: false,
        corrects: None,
        attributes: Attributes::new(),
    }
}

pub(crate) fn acquire_of(account: AccountId, token: Option<&str>, ttl_seconds: i64) -> Acquire {
    Acquire {
        account,
        resource: "concurrent_users".into(),
        scope: None,
        token: token.map(Code::from),
        quantity: Quantity::whole(1),
        ttl_seconds,
        attributes: Attributes::new(),
    }
}
