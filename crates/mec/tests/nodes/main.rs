//! Several `mec` processes on one PostgreSQL, and everything that can happen to them: clients that
//! repeat what is not answered, nodes that are killed and stopped, a server that is started again,
//! connections that are cut.
//!
//! Nothing here sleeps, uses a fixed port or leaves a process behind.

mod audit;
#[path = "../../../mec-store/tests/chance/mod.rs"]
mod chance;
mod chaos;
mod client;
#[path = "../../../mec-store/tests/cluster/mod.rs"]
mod cluster;
mod dice;
mod doctored;
mod gate;
mod judge;
mod model;
mod node;
mod proxy;
mod request;
mod standby;
mod told;
mod witness;
mod witnessed;
mod world;

use std::sync::atomic::AtomicUsize;
use std::thread;

use mec_store::postgres::{MigrateOptions, migrate};
use serde_json::json;

use audit::verify;
use chaos::{Chaos, LASTING};
use client::{Client, Shared};
use cluster::{APP_ROLE, Cluster, name_of};
use dice::Dice;
use gate::{Gate, StopOnDrop};
use node::Node;
use proxy::{AtCommit, Proxy};
use request::request;
use standby::{FOLLOWED, Servers};
use told::Told;
use witness::Witness;
use witnessed::Witnessed;
use world::World;

/// In so many rounds every trouble comes as often as it must.
const ROUNDS: u64 = 100;
const NODES: usize = 3;
const CLIENTS: usize = 24;
/// How many of them are witnesses where histories are judged.
const WITNESSES: usize = 10;

/// A new database with the demo's catalog, for its owner.
fn database(cluster: &Cluster) -> String {
    let url = cluster.database();
    let options = MigrateOptions {
        app_role: Some(APP_ROLE.to_owned()),
        ..MigrateOptions::default()
    };
    migrate(&url, &options).unwrap();
    let mut apply = std::process::Command::new(env!("CARGO_BIN_EXE_mec"));
    apply
        .args(["catalog", "apply", "--demo", "--store", &url])
        .env_remove("MEC_STORE");
    let applied = apply.output().unwrap();
    assert!(
        applied.status.success(),
        "{}",
        String::from_utf8_lossy(&applied.stderr)
    );
    url
}

/// A node that reaches the database by this way.
fn start(database: &str, proxy: &Proxy) -> Node {
    let node = Node::on(&proxy.url(APP_ROLE, name_of(database)));
    assert!(node.start(), "it does not start: {}", node.said());
    node
}

/// Nodes, each with a way of its own, and their clients' world.
fn nodes(database: &str, proxies: &[Proxy]) -> Shared {
    let nodes: Vec<Node> = proxies.iter().map(|proxy| start(database, proxy)).collect();
    let (world, witnessed) = (World::make(&nodes[0]), Witnessed::make(&nodes[0]));
    Shared {
        world,
        told: Told::default(),
        gate: Gate::default(),
        nodes,
        witnessed,
        away: AtomicUsize::new(0),
    }
}

/// Runs clients while `test` does, and tells what the nodes said where something is wrong.
fn with_clients(
    shared: &Shared,
    seed: u64,
    witnesses: usize,
    test: impl FnOnce() -> Result<(), String>,
) {
    let outcome = thread::scope(|scope| {
        let _stop = StopOnDrop(&shared.gate);
        for number in 0..CLIENTS {
            if number < CLIENTS - witnesses {
                scope.spawn(move || Client::new(number, seed, shared).run());
            } else {
                scope.spawn(move || Witness::new(number, seed, shared).run());
            }
        }
        test()
    });
    println!("{}", shared.told);
    if let Err(what) = outcome {
        for (number, node) in shared.nodes.iter().enumerate() {
            println!("node {number} said:\n{}", node.said());
        }
        panic!("{what}");
    }
}

#[test]
fn three_nodes_on_postgres_lose_and_double_nothing_whatever_happens_to_them() {
    // A history that another run has kept is judged again.
    if let Some(path) = std::env::var_os("MEC_NODES_HISTORY") {
        return witnessed::judge_kept(path.to_str().expect("it is text")).unwrap();
    }
    let seed = chance::seed("MEC_NODES_SEED");
    let cluster = Cluster::start(&[]);
    let database = database(&cluster);
    let proxies: Vec<Proxy> = (0..NODES)
        .map(|_| Proxy::before(&cluster.socket()))
        .collect();
    let shared = nodes(&database, &proxies);
    with_clients(&shared, seed, WITNESSES, || {
        let rounds = chance::number("MEC_NODES_ROUNDS").unwrap_or(ROUNDS);
        let is_whole = rounds >= ROUNDS;
        let dice = Dice::of(seed);
        let mut chaos = Chaos {
            cluster: &cluster,
            database: &database,
            proxies: &proxies,
            shared: &shared,
            clients: CLIENTS,
            dice,
            lasting: None,
            deck: vec![],
            decks: 0,
            to_last: if is_whole { LASTING.to_vec() } else { vec![] },
        };
        chaos.run(rounds)?;
        Witness::new(CLIENTS, seed, &shared).look_at_everything()?;
        let happened = shared.witnessed.judge()?;
        if is_whole {
            shared.witnessed.enough(happened).and(chaos.enough())
        } else {
            Ok(())
        }
    });
}

#[test]
fn a_standby_that_takes_over_on_postgres_has_everything_that_was_acknowledged() {
    let seed = chance::seed("MEC_NODES_SEED");
    let primary = Cluster::start(&FOLLOWED);
    let database = database(&primary);
    let proxies: Vec<Proxy> = (0..NODES)
        .map(|_| Proxy::before(&primary.socket()))
        .collect();
    let shared = nodes(&database, &proxies);
    let mut servers = Servers {
        primary,
        database,
        proxies: &proxies,
        shared: &shared,
        clients: CLIENTS,
    };
    with_clients(&shared, seed, 0, || {
        servers.fail_over()?;
        servers.fail_over_without_what_was_cancelled()
    });
}

/// A commit takes so long here that whoever lost its connection looks while it is on its way.
#[test]
fn an_account_whose_commit_is_not_answered_is_made_once_on_postgres() {
    let cluster = Cluster::start(&["commit_delay=100000", "commit_siblings=0"]);
    let database = database(&cluster);
    let proxies = [Proxy::before(&cluster.socket())];
    let node = start(&database, &proxies[0]);
    let address = node.address().unwrap();
    for (number, trap) in [AtCommit::Sent, AtCommit::Answered, AtCommit::Before]
        .repeat(3)
        .into_iter()
        .enumerate()
    {
        let name = format!("cus_{number}");
        let body = json!({"external_id": name, "display_name": "Acme Corp"});
        proxies[0].trap(&[trap]);
        let made = request(address, "POST", "/api/accounts", &body, gate::PATIENCE).unwrap();
        assert_eq!(
            made.status,
            201,
            "{trap:?}: {}; it said:\n{}",
            made.body,
            node.said()
        );
        let kept = cluster.sql(
            name_of(&database),
            &format!("SELECT account_id FROM accounts WHERE external_id = '{name}'"),
        );
        assert_eq!(json!(kept), json!([made.body[0]["account_id"]]), "{trap:?}");
    }
    verify(&database).unwrap();
}
