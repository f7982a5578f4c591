//! Where everybody in the demo stands.

use mec_engine::Mec;
use mec_kernel::Decision;

use super::{DAY, at, check};

/// Everybody's state: who, what is asked for, the answer, and what it says.
const STATES: &[(&str, &str, Decision, &str)] = &[
    (
        "demo_alder",
        "benchmark_runs",
        Decision::Allow,
        "Within entitlement",
    ),
    (
        "demo_birch",
        "benchmark_runs",
        Decision::Warn,
        "Usage at 87.0% of limit",
    ),
    (
        "demo_cedar",
        "benchmark_runs",
        Decision::Block,
        "Limit reached",
    ),
    (
        "demo_cedar",
        "concurrent_users",
        Decision::Block,
        "Limit reached",
    ),
    (
        "demo_dogwood",
        "benchmark_runs",
        Decision::Grace,
        "In grace: 13 of 25 used",
    ),
    (
        "demo_elm",
        "benchmark_runs",
        Decision::Overage,
        "Over limit by 41, will be billed",
    ),
    (
        "demo_fir",
        "benchmark_runs",
        Decision::Allow,
        "Within entitlement",
    ),
    (
        "demo_ginkgo",
        "benchmark_runs",
        Decision::Deny,
        "Entitlement expired",
    ),
    (
        "demo_ginkgo",
        "platform_access",
        Decision::Deny,
        "Access expired",
    ),
    (
        "demo_hazel",
        "benchmark_runs",
        Decision::Deny,
        "Account suspended",
    ),
    (
        "demo_juniper",
        "benchmark_runs",
        Decision::Allow,
        "Unlimited",
    ),
    (
        "demo_ivy",
        "benchmark_runs",
        Decision::Allow,
        "Within entitlement",
    ),
    (
        "demo_ivy_research",
        "benchmark_runs",
        Decision::Warn,
        "Usage at 90.0% of limit",
    ),
    (
        "demo_ivy_ada",
        "benchmark_runs",
        Decision::Warn,
        "Usage at 90.0% of limit",
    ),
    (
        "demo_ivy_chen",
        "benchmark_runs",
        Decision::Allow,
        "Within entitlement",
    ),
    (
        "demo_ivy_ada",
        "concurrent_users",
        Decision::Allow,
        "Within entitlement",
    ),
    (
        "demo_ivy_teaching",
        "concurrent_users",
        Decision::Block,
        "Limit reached",
    ),
    (
        "demo_ivy_eve",
        "concurrent_users",
        Decision::Block,
        "Limit reached",
    ),
];

/// Everybody's state, at `now`, whose trial began nine days before `told_at`.
pub(super) async fn assert_states(mec: &Mec, now: &str, told_at: &str) {
    for (external_id, resource, decision, reason) in STATES {
        let standing = check(mec, external_id, resource).await;
        let said = (standing.decision, standing.reason.to_string());
        assert_eq!(
            said,
            (*decision, (*reason).to_owned()),
            "{now}: {external_id}, {resource}"
        );
    }
    let access = check(mec, "demo_fir", "platform_access").await;
    let until = at(told_at).plus_seconds(5 * DAY).date();
    assert_eq!(
        (access.decision, access.reason.to_string()),
        (Decision::Allow, format!("Access valid until {until}")),
        "{now}"
    );
}
