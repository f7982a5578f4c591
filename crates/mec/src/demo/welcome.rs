//! What a visitor is told: where the demo answers, who is in it and how they stand now, what to
//! try, how to stop.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use mec_engine::Mec;
use mec_kernel::{AccountId, Check, Decision, Quantity, Reason, Time};

use super::cast::{CAST, Player};
use super::fill::{FillError, caller, in_step, known, node};
use super::history;

/// Where the data is.
pub(super) enum Home<'a> {
    /// Removed when the demo stops.
    Temporary(&'a Path),
    /// Stays there.
    Kept(String),
}

/// How one account stands.
struct Standing {
    external_id: &'static str,
    plan: String,
    resource: &'static str,
    decision: Decision,
    reason: Reason,
}

/// The text printed once connections are accepted on `address`; its first line holds the URL.
pub(super) async fn text(
    mec: &Mec,
    address: SocketAddr,
    home: &Home<'_>,
) -> Result<String, FillError> {
    let url = url(address);
    let mut lines = vec![format!("mec demo answers on {url}"), String::new()];
    if !address.ip().is_loopback() {
        lines.push(format!("OPEN: whoever reaches {address} can read and change everything; nobody is asked who they are."));
        lines.push(String::new());
    }
    let standings = standings(mec).await?;
    if standings.is_empty() {
        lines.push("The data is not the demo's own; it was left as it is.".to_owned());
    } else {
        lines.push("May they have one more?".to_owned());
        lines.extend(table(&standings));
    }
    lines.extend([String::new(), "Try:".to_owned()]);
    lines.extend(
        requests(mec, &url)
            .await?
            .iter()
            .map(|request| format!("  {request}")),
    );
    lines.push(String::new());
    lines.push(match home {
        Home::Temporary(path) => {
            format!("Ctrl-C stops it and removes its data ({}).", path.display())
        }
        Home::Kept(place) => format!("Ctrl-C stops it; its data stays in {place}."),
    });
    Ok(lines.join("\n"))
}

/// The URL by which this machine reaches `address`.
fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Everybody with a state of their own, as it is now.
async fn standings(mec: &Mec) -> Result<Vec<Standing>, FillError> {
    let mut standings = vec![];
    for Player {
        external_id,
        shows_at,
        ..
    } in CAST
    {
        let (Some(resource), Some(id)) = (shows_at, known(mec, external_id).await?) else {
            continue;
        };
        let node = node(mec, id).await.map_err(in_step(external_id))?;
        let plan = node
            .current_plan(mec.now())
            .or(node.plans.last().map(|plan| &**plan));
        let check = mec
            .check(Check::of(id, resource, Some(Quantity::whole(1))), &caller())
            .await
            .map_err(in_step(external_id))?;
        standings.push(Standing {
            external_id,
            plan: plan.map_or("-", |plan| &plan.plan).to_owned(),
            resource,
            decision: check.decision,
            reason: check.reason,
        });
    }
    Ok(standings)
}

fn table(standings: &[Standing]) -> Vec<String> {
    let width = |cell: fn(&Standing) -> &str| {
        standings
            .iter()
            .map(|standing| cell(standing).len())
            .max()
            .unwrap_or_default()
    };
    let account = width(|standing| standing.external_id);
    let plan = width(|standing| &standing.plan);
    let resource = width(|standing| standing.resource);
    let decision = width(|standing| standing.decision.code());
    let line = |s: &Standing| {
        format!(
            "  {:account$}  {:plan$}  {:resource$}  {:decision$}  {}",
            s.external_id,
            s.plan,
            s.resource,
            s.decision.code(),
            s.reason
        )
    };
    standings.iter().map(line).collect()
}

/// Three requests to type, each with what it needs to work as it is.
async fn requests(mec: &Mec, url: &str) -> Result<Vec<String>, FillError> {
    let (near, large) = (
        known(mec, "demo_birch").await?,
        known(mec, "demo_juniper").await?,
    );
    let (Some(near), Some(large)) = (near, large) else {
        return Ok(vec![
            format!("curl {url}/health"),
            format!("curl '{url}/api/plans'"),
            format!("curl '{url}/api/accounts?limit=3'"),
        ]);
    };
    Ok(vec![
        check(url, near),
        consume(url, near),
        usage(url, large, history::days_before(mec.now(), history::DAYS)),
    ])
}

fn check(url: &str, account: AccountId) -> String {
    let arguments = format!(
        r#"{{"p_account_id": "{account}", "p_resource_type": "benchmark_runs", "p_requested_qty": 1}}"#
    );
    post(url, "check_entitlement", &arguments)
}

fn consume(url: &str, account: AccountId) -> String {
    let arguments = format!(
        r#"{{"p_account_id": "{account}", "p_resource_type": "benchmark_runs", "p_quantity": 1, "p_idempotency_key": "my-first-run"}}"#
    );
    post(url, "consume", &arguments)
}

fn usage(url: &str, account: AccountId, from: Time) -> String {
    let (from, of) = (
        from.date(),
        format!("p_account_id={account}&p_resource_type=gpu_hours"),
    );
    format!("curl '{url}/api/rpc/get_usage?{of}&p_group_by=week&p_from={from}T00:00:00Z'")
}

fn post(url: &str, function: &str, arguments: &str) -> String {
    format!("curl {url}/api/rpc/{function} -H 'Content-Type: application/json' -d '{arguments}'")
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn the_url_is_one_that_this_machine_reaches() {
        let cases = [
            ("127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("0.0.0.0:8000", "http://127.0.0.1:8000"),
            ("[::]:80", "http://[::1]:80"),
            ("10.1.2.3:8000", "http://10.1.2.3:8000"),
        ];
        for (address, expected) in cases {
            assert_eq!(url(address.parse().expect("an address")), expected);
        }
    }
}
