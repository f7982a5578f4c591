//! The dearest requests that a caller who may read can think of.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::client::Request;
use crate::world::World;

/// What a caller does with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Reads,
    /// Hangs up as soon as the request is sent.
    Leaves,
    /// Keeps the connection, and takes nothing of the body.
    NeverReads,
}

/// A kind of request, and the answers that show that it struck.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) request: Request,
    pub(crate) manner: Manner,
    pub(crate) strikes: &'static [(u16, &'static str)],
}

const DONE: (u16, &str) = (200, "");
const LARGE: (u16, &str) = (400, "MEC_ANSWER_TOO_LARGE");
const PATTERN: (u16, &str) = (400, "MEC_PATTERN_TOO_LARGE");
const LATE: (u16, &str) = (504, "MEC_TIMED_OUT");

fn listed<T: std::fmt::Display>(items: impl Iterator<Item = T>) -> String {
    let mut text = String::new();
    for (at, item) in items.enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(text, "{comma}{item}").expect("a text takes it");
    }
    text
}

/// All of them.
pub(crate) fn all(world: &World) -> Vec<Attack> {
    let (account, planted) = (&world.account, &world.planted);
    let of_planted =
        |rest: &str| Request::get(&format!("/api/accounts?account_id=eq.{planted}&{rest}"));
    let attack = |name, request, strikes| Attack {
        name,
        request,
        manner: Manner::Reads,
        strikes,
    };
    let cycle = "/api/consumption_ledger?select=*,accounts(*,consumption_ledger(*))";
    let aliases = listed((0..250).map(|at| format!("a{at}:metadata")));
    let paths = listed((0..250).map(|at| format!("a{at}:metadata-%3Emany-%3E{at}")));
    let orders = listed((0..250).map(|at| format!("metadata-%3Ea{at}")));
    let regexes: Vec<String> = (0..200)
        .map(|at| format!("display_name=match.%5Cw%7B20%7Dx{at}"))
        .collect();
    let likes = listed((0..200).map(|at| format!("%25a_a%25b_b%25b_a%25x{at}")));
    let searches = listed((0..200).map(|at| format!("(a|b)*ab.x{at}")));
    let sums =
        listed((0..200).map(|at| format!("reason.like.%25x%25y{at}%25,quantity.gt.{at}000000")));
    let numbers = listed(0..5_000);
    let names = vec!["benchmark_runs"; 300_000];
    let attributes: Vec<Value> = vec![json!({"a": 0}); 900_000];
    let asked = json!({"p_account_id": account, "p_resource_type": "benchmark_runs"});
    let with = |name: &str, value: Value| {
        let mut asked = asked.clone();
        asked[name] = value;
        Request::post("/api/rpc/check_entitlement", &asked)
    };
    let large = "/api/consumption_ledger?select=*,accounts(*)&limit=3000";
    vec![
        attack("a cycle of embeds", Request::get(cycle), &[LARGE]),
        attack(
            "a cycle of embeds as CSV",
            Request::get(cycle).with("Accept: text/csv"),
            &[LARGE],
        ),
        attack(
            "a large value under many names",
            of_planted(&format!("select={aliases}")),
            &[LARGE],
        ),
        attack(
            "many paths into a large value",
            of_planted(&format!("select={paths}")),
            &[DONE, LATE, LARGE],
        ),
        attack(
            "many paths to order by",
            Request::get(&format!("/api/accounts?select=account_id&order={orders}")),
            &[DONE, LATE, (400, "54000")],
        ),
        attack(
            "many regular expressions",
            Request::get(&format!("/api/accounts?{}", regexes.join("&"))),
            &[PATTERN],
        ),
        attack(
            "patterns on a long text",
            of_planted(&format!("metadata-%3E%3Etext=like(any).%7B{likes}%7D")),
            &[LATE],
        ),
        attack(
            "regular expressions on a long text",
            of_planted(&format!("metadata-%3E%3Etext=match(any).%7B{searches}%7D")),
            &[LATE, PATTERN],
        ),
        attack(
            "a count of all rows",
            Request::get(&format!(
                "/api/consumption_ledger?select=event_id&limit=1&or=({sums})"
            ))
            .with("Prefer: count=exact"),
            &[DONE, (206, ""), LATE],
        ),
        attack(
            "a long list",
            Request::get(&format!(
                "/api/consumption_ledger?select=event_id&quantity=in.({numbers})"
            )),
            &[DONE],
        ),
        attack(
            "one name many times",
            Request::post(
                "/api/rpc/check_entitlements",
                &json!({"p_account_id": account, "p_resource_types": names}),
            ),
            &[DONE],
        ),
        attack(
            "attributes that are large",
            with("p_attributes", json!({ "a": attributes })),
            &[(400, "54000")],
        ),
        attack("a large answer", Request::get(large), &[DONE]),
        Attack {
            name: "an answer that nobody reads",
            request: Request::get(large),
            manner: Manner::NeverReads,
            strikes: &[DONE],
        },
        Attack {
            name: "a caller who leaves",
            request: of_planted(&format!("metadata-%3E%3Etext=like(any).%7B{likes}%7D")),
            manner: Manner::Leaves,
            strikes: &[DONE],
        },
    ]
}
