//! What happens in a property of counters: steps drawn by chance.

use mec_kernel::*;
use proptest::prelude::*;

/// One thing that happens. Numbers pick among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Pass(i64),
    Meter {
        account: usize,
        resource: usize,
        scope: usize,
        unit: usize,
        amount: i64,
        age: i64,
        key: u8,
    },
    Consume {
        account: usize,
        resource: usize,
        scope: usize,
        amount: i64,
        key: u8,
    },
    Correct {
        event: usize,
        amount: Option<i64>,
    },
    Return {
        account: usize,
        amount: i64,
    },
    Acquire {
        account: usize,
        scope: usize,
        token: Option<u8>,
        ttl_seconds: i64,
    },
    Renew {
        lease: usize,
        ttl_seconds: i64,
    },
    Release {
        lease: usize,
    },
    Reserve {
        account: usize,
        resource: usize,
        amount: i64,
        ttl_seconds: i64,
        key: u8,
    },
    Settle {
        reservation: usize,
        amount: i64,
    },
    GiveBack {
        reservation: usize,
    },
    Provision {
        account: usize,
        plan: usize,
        ahead: Option<i64>,
    },
    Cancel {
        account: usize,
        plan: usize,
    },
    Limit {
        row: usize,
        amount: i64,
    },
    Suspend {
        row: usize,
        is_active: bool,
    },
}

pub(crate) const ACCOUNTS: usize = 5;

pub(crate) const METERED: &[&str] = &["benchmark_runs", "gpu_hours", "server_instances"];

pub(crate) const SCOPES: &[Option<&str>] = &[None, Some("eu"), Some("us")];

pub(crate) const PLANS: &[&str] = &[
    "trial-14d",
    "starter",
    "pro",
    "enterprise",
    "more-runs",
    "more-gpu",
];

pub(crate) fn steps() -> impl Strategy<Value = Step> {
    let account = || 0..ACCOUNTS;
    let resource = || 0..METERED.len();
    let scope = || prop_oneof![3 => Just(0), 1 => 0..SCOPES.len()];
    // Thousandths of a unit.
    let amount = || prop_oneof![1..60_000_i64, 1..5_i64.pow(4)];
    let ttl_seconds = || 1..4_000_i64;
    prop_oneof![
        4 => prop_oneof![1..100_000_000_i64, 1..40 * 86_400 * SECOND].prop_map(Step::Pass),
        6 => (account(), resource(), scope(), 0..3_usize, amount(), -100_i64..40 * 86_400, any::<u8>()).prop_map(
            |(account, resource, scope, unit, amount, age, key)| Step::Meter { account, resource, scope, unit, amount, age, key }
        ),
        6 => (account(), resource(), scope(), amount(), any::<u8>())
            .prop_map(|(account, resource, scope, amount, key)| Step::Consume { account, resource, scope, amount, key }),
        4 => (any::<usize>(), prop::option::of(amount())).prop_map(|(event, amount)| Step::Correct { event, amount }),
        1 => (account(), amount()).prop_map(|(account, amount)| Step::Return { account, amount }),
        3 => (account(), scope(), prop::option::of(0..3_u8), ttl_seconds())
            .prop_map(|(account, scope, token, ttl_seconds)| Step::Acquire { account, scope, token, ttl_seconds }),
        2 => (any::<usize>(), ttl_seconds()).prop_map(|(lease, ttl_seconds)| Step::Renew { lease, ttl_seconds }),
        1 => any::<usize>().prop_map(|lease| Step::Release { lease }),
        3 => (account(), resource(), amount(), ttl_seconds(), any::<u8>()).prop_map(
            |(account, resource, amount, ttl_seconds, key)| Step::Reserve { account, resource, amount, ttl_seconds, key }
        ),
        2 => (any::<usize>(), prop_oneof![Just(0), amount()])
            .prop_map(|(reservation, amount)| Step::Settle { reservation, amount }),
        1 => any::<usize>().prop_map(|reservation| Step::GiveBack { reservation }),
        1 => (account(), 0..PLANS.len(), prop::option::of(1..40 * 86_400_i64))
            .prop_map(|(account, plan, ahead)| Step::Provision { account, plan, ahead }),
        1 => (account(), 0..PLANS.len()).prop_map(|(account, plan)| Step::Cancel { account, plan }),
        1 => (any::<usize>(), 0..200_000_i64).prop_map(|(row, amount)| Step::Limit { row, amount }),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(row, is_active)| Step::Suspend { row, is_active }),
    ]
}
