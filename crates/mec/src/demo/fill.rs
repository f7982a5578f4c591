//! Fills a store with the demo: through the ordinary operations, so that everything is audited,
//! chained and verified like any other data.
//!
//! Every step looks first whether it was done, and every event has its key: a fill that was cut off
//! is completed by the next one. Never touches a store that holds anything else.

use std::sync::Arc;

use mec_engine::catalog_file::{self, CatalogFileError};
use mec_engine::{Caller, Mec, MecError, NewAccount};
use mec_kernel::{
    AccountId, AccountPatch, AccountStatus, Acquire, Attributes, CreateAccount, Grant, LimitKind,
    Node, Provision, Quantity, Refusal, Rule, Ruling, Source, TTL_SECONDS_MAX, Time, WindowKind,
    WindowRule,
};

use super::cast::{Beyond, CAST, FIRST, LAST, Player};
use super::history;

/// What a store turned out to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Nothing, or a demo that had been cut off: it is filled now.
    Filled(Filled),
    /// A whole demo, as its users left it.
    Demo,
    /// Something else: it was left as it is.
    Other,
}

/// What a fill did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Accounts of the demo.
    pub accounts: usize,
    /// Usage events recorded now.
    pub recorded: usize,
    /// Usage events that an earlier fill had recorded.
    pub replayed: usize,
    /// Usage events that were not recorded by the earlier fill and have become too old since.
    pub too_old: usize,
}

/// Why the demo cannot be filled.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The embedded catalog cannot be read.
    #[error("the demo's catalog: {0}")]
    Catalog(#[from] CatalogFileError),
    /// A step was refused or its store failed.
    #[error("the demo's {step}: {error}")]
    Step {
        /// Which.
        step: String,
        /// Why.
        error: MecError,
    },
}

/// Fills an empty store, completes a fill that was cut off, and leaves every other store alone.
///
/// # Errors
/// The step that failed; the next call goes on from there.
pub async fn fill(mec: &Mec) -> Result<Contents, FillError> {
    let catalog = catalog_file::parse(catalog_file::DEMO)?;
    if known(mec, LAST).await?.is_some() {
        return Ok(Contents::Demo);
    }
    if known(mec, FIRST).await?.is_none() {
        let current = mec.catalog();
        let is_demo = catalog.changes(&current, true).is_empty();
        if has_accounts(mec).await? || !(current.plans.is_empty() || is_demo) {
            return Ok(Contents::Other);
        }
    }
    let changed = mec
        .change_catalog(&caller(), move |current| catalog.changes(current, false))
        .await;
    changed.map_err(in_step("catalog"))?;
    let mut filled = Filled::default();
    let mut told_at = mec.now();
    for player in CAST {
        let id = account(mec, player).await?;
        let node = node(mec, id).await.map_err(in_step(player.external_id))?;
        if player.external_id == FIRST {
            told_at = node.account.created_at;
        }
        let scene = Scene {
            mec,
            player,
            id,
            told_at,
        };
        scene
            .play(&node, &mut filled)
            .await
            .map_err(in_step(player.external_id))?;
        filled.accounts += 1;
    }
    Ok(Contents::Filled(filled))
}

/// The demo's door, which the ledger and the audit name.
pub(super) fn caller() -> Caller {
    Caller::new("demo", "demo")
}

/// One account's part.
struct Scene<'a> {
    mec: &'a Mec,
    player: &'a Player,
    id: AccountId,
    told_at: Time,
}

impl Scene<'_> {
    /// Limits and rules first, because overage and grace are noted when use is recorded.
    async fn play(&self, node: &Node, filled: &mut Filled) -> Result<(), MecError> {
        if let Some((plan, days_ago)) = self.player.plan.filter(|_| node.plans.is_empty()) {
            let start = Some(history::days_before(self.told_at, days_ago));
            self.mec
                .provision(
                    Provision {
                        start,
                        ..Provision::new(self.id, plan)
                    },
                    &caller(),
                )
                .await?;
        }
        if let Some(beyond) = self.player.beyond.filter(|_| node.rules.is_empty()) {
            self.rule(beyond).await?;
        }
        for (resource, quantity) in self.player.caps {
            if node
                .entitlements
                .iter()
                .all(|row| *row.resource != **resource)
            {
                self.mec
                    .grant(self.cap(resource, *quantity), &caller())
                    .await?;
            }
        }
        self.sign_in().await?;
        self.record(filled).await?;
        if self.player.is_suspended && node.account.status == AccountStatus::Active {
            let patch = AccountPatch {
                status: Some(AccountStatus::Suspended),
                ..AccountPatch::default()
            };
            self.mec.patch_account(self.id, patch, &caller()).await?;
        }
        Ok(())
    }

    async fn rule(&self, beyond: Beyond) -> Result<(), MecError> {
        let account = self.id;
        let rule = move |id, now| Rule {
            id,
            resource: "benchmark_runs".into(),
            limit_kind: LimitKind::Cumulative,
            account: Some(account),
            plan: None,
            window: None,
            action: beyond.action,
            warn_at: None,
            grace_quantity: beyond.grace_quantity,
            grace_seconds: beyond.grace_seconds,
            overage_limit: beyond.overage_limit,
            overage_price: beyond.overage_price,
            currency: beyond.overage_price.map(|_| "USD".to_owned()),
            priority: 0,
            is_active: true,
            created_at: now,
            updated_at: now,
        };
        self.mec.put_rule(account, rule, &caller()).await
    }

    fn cap(&self, resource: &str, quantity: i32) -> Grant {
        Grant {
            account: self.id,
            resource: resource.into(),
            scope: None,
            limit_kind: None,
            quantity: Some(Quantity::whole(quantity)),
            // As the plans have it; what does not add up over time has none.
            window: Some(WindowRule::of(WindowKind::Month)),
            source: Source::Manual,
            priority: 0,
            valid_from: Some(history::days_before(self.told_at, history::DAYS)),
            valid_until: None,
            metadata: None,
        }
    }

    /// People sign in for as long as a lease may last. The same session again is the same lease.
    async fn sign_in(&self) -> Result<(), MecError> {
        for person in 1..=self.player.signed_in {
            let acquire = Acquire {
                account: self.id,
                resource: "concurrent_users".into(),
                scope: None,
                token: Some(format!("{}/session/{person}", self.player.external_id).into()),
                quantity: Quantity::whole(1),
                ttl_seconds: TTL_SECONDS_MAX,
                attributes: Attributes::default(),
            };
            self.mec.acquire(acquire, &caller()).await?;
        }
        Ok(())
    }

    async fn record(&self, filled: &mut Filled) -> Result<(), MecError> {
        let events = history::events(self.player, self.id, self.told_at);
        for outcome in self.mec.meter_batch(events, &caller()).await {
            match outcome {
                Ok(recorded) if recorded.replayed => filled.replayed += 1,
                Ok(_) => filled.recorded += 1,
                // The first fill was cut off days ago: the history begins later.
                Err(MecError::Refused(Refusal::OccurredTooLate { .. })) => filled.too_old += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

async fn account(mec: &Mec, player: &Player) -> Result<AccountId, FillError> {
    if let Some(id) = known(mec, player.external_id).await? {
        return Ok(id);
    }
    let parent = match player.parent {
        Some(parent) => Some(mec.account_of(parent).await.map_err(in_step(parent))?),
        None => None,
    };
    let new = NewAccount::named(player.name).0;
    let email = parent.is_none().then(|| {
        format!(
            "billing@{}.example",
            player.external_id.trim_start_matches("demo_")
        )
        .into()
    });
    let external_id = Some(player.external_id.into());
    let new = CreateAccount {
        parent,
        account_type: player.account_type.into(),
        external_id,
        email,
        ..new
    };
    Ok(mec
        .create_account(NewAccount(new), &caller())
        .await
        .map_err(in_step(player.external_id))?
        .id)
}

/// The demo account of this name, where it is there.
pub(super) async fn known(mec: &Mec, external_id: &str) -> Result<Option<AccountId>, FillError> {
    match mec.account_of(external_id).await {
        Ok(id) => Ok(Some(id)),
        Err(MecError::Refused(Refusal::AccountNotFound { .. })) => Ok(None),
        Err(error) => Err(in_step(external_id)(error)),
    }
}

async fn has_accounts(mec: &Mec) -> Result<bool, FillError> {
    let accounts = mec_store::tables::tables()
        .into_iter()
        .find(|table| table.name == "accounts");
    let Some(accounts) = accounts else {
        return Ok(false);
    };
    let count = mec
        .count(Arc::new(accounts), mec_query::Filter::All(vec![]))
        .await;
    Ok(count.map_err(in_step("accounts"))? > 0)
}

pub(super) async fn node(mec: &Mec, id: AccountId) -> Result<Arc<Node>, MecError> {
    mec.run(id, &caller(), move |view, _| {
        Ok(Ruling::unchanged(view.tree.node(id)?.clone()))
    })
    .await
}

pub(super) fn in_step(step: &str) -> impl FnOnce(MecError) -> FillError {
    let step = step.to_owned();
    |error| FillError::Step { step, error }
}
