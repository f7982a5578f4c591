//! `mec plan`: versions, moving accounts to the newest, and a changed catalog on the use there was.

use serde_json::{Value, json};

use crate::home::{Home, on_both};
use crate::server::Server;
use crate::shell::Shell;

on_both!(
    plans_are_listed_and_shown_with_who_is_on_which_version,
    accounts_move_to_the_newest_version_and_keep_their_use,
    whom_something_keeps_back_keeps_nobody_else,
    an_add_on_moves_with_its_quantity_and_its_name,
    a_changed_catalog_is_told_what_it_would_have_refused,
    what_would_be_billed_is_told_in_its_currency,
    a_simulation_refuses_what_applying_the_file_would_refuse,
);

/// Plan starter of the demo catalog with another limit for its runs.
fn starter(runs: &str) -> String {
    format!(
        r#"[plans.starter]
name = "Starter"
price = "99"
currency = "USD"
period = "month"
sort_order = 2
grants = [
    {{ resource = "benchmark_runs", quantity = "{runs}", window = "month" }},
    {{ resource = "concurrent_users", quantity = "3" }},
    {{ resource = "gpu_hours", quantity = "25", window = "month" }},
    {{ resource = "server_configs", quantity = "2" }},
    {{ resource = "server_instances", quantity = "10" }},
]
"#
    )
}

fn use_runs(shell: &Shell, account: &str, events: usize) {
    for number in 0..events {
        shell.done(&format!(
            "meter {account} benchmark_runs 10 --key {account}-{number}"
        ));
    }
}

/// What a check of one more run says.
fn standing(shell: &Shell, account: &str) -> Value {
    shell
        .run(&format!(
            "check {account} benchmark_runs --quantity 1 -o json"
        ))
        .json()
}

/// How often each decision was made.
fn decisions(tally: &Value) -> Vec<(&str, u64)> {
    let told = tally["decisions"].as_object().unwrap();
    told.iter()
        .map(|(decision, told)| (decision.as_str(), told["events"].as_u64().unwrap()))
        .collect()
}

fn plans_are_listed_and_shown_with_who_is_on_which_version(home: fn() -> Home) {
    let (shell, _) = Shell::with_acme_on(home());
    let listed = shell.done("plan list");
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines[0].starts_with("PLAN")
            && lines[1].starts_with("trial-14d")
            && lines[2].starts_with("starter"),
        "{listed}"
    );
    assert_eq!(
        shell.run("plan list -o json").json()[1]["version"],
        json!(1)
    );
    shell.write("more.toml", &starter("200"));
    shell.done("catalog apply more.toml");
    shell.add_account("globex");
    let shown = shell.done("plan show starter");
    assert!(
        shown.contains("benchmark_runs") && shown.contains("1 on version 1\n"),
        "{shown}"
    );
    assert!(
        shown.contains("`mec plan migrate starter` moves all of them"),
        "{shown}"
    );
    let json = shell.run("plan show starter -o json").json();
    assert_eq!(
        json["plan_entitlement_templates"].as_array().unwrap().len(),
        5
    );
    shell
        .run("plan show gold")
        .failed(65, "there is no plan \"gold\"", "mec plan list");
}

fn accounts_move_to_the_newest_version_and_keep_their_use(home: fn() -> Home) {
    let (shell, _) = Shell::with_acme_on(home());
    use_runs(&shell, "acme", 3);
    shell.write("more.toml", &starter("200"));
    shell.done("catalog apply more.toml");
    let dry = shell.done("plan migrate starter --dry-run");
    assert!(
        dry.contains("acme")
            && dry.ends_with("1 account would be moved to version 2, 0 already there, 0 refused\n"),
        "{dry}"
    );
    assert_eq!(standing(&shell, "acme")["quantity_allowed"], json!(100));
    let moved = shell.run("plan migrate starter --yes -o json");
    assert_eq!(moved.code, Some(0), "{moved:?}");
    let account = &moved.json()["accounts"][0];
    assert_eq!(
        (&account["outcome"], &account["from"], &account["to"]),
        (&json!("moved"), &json!(1), &json!(2))
    );
    let now = standing(&shell, "acme");
    assert_eq!(
        (&now["quantity_allowed"], &now["quantity_used"]),
        (&json!(200), &json!(30))
    );
    assert_eq!(
        shell.done("plan migrate starter"),
        "0 accounts moved to version 2, 1 already there, 0 refused\n"
    );
    assert!(
        shell
            .done("plan migrate starter --account acme")
            .ends_with("1 already there, 0 refused\n")
    );
}

fn whom_something_keeps_back_keeps_nobody_else(home: fn() -> Home) {
    let (shell, acme) = Shell::with_acme_on(home());
    let globex = shell.add_account("globex");
    shell.write("more.toml", &starter("200"));
    shell.done("catalog apply more.toml");
    let server = Server::on(&shell.store());
    // Somebody took everything away from the one.
    let path = format!("/api/entitlements?account_id=eq.{globex}");
    let (status, _) =
        crate::server::request(&server.address(), "PATCH", &path, r#"{"status":"expired"}"#)
            .unwrap();
    assert_eq!(status, 204);
    let moved = shell.run("plan migrate starter -o json");
    assert_eq!(moved.code, Some(1), "{moved:?}");
    let moved = moved.json();
    assert_eq!((&moved["moved"], &moved["refused"]), (&json!(1), &json!(1)));
    let of = |id: &str| {
        moved["accounts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|account| account["account_id"] == id)
            .unwrap()
            .clone()
    };
    assert_eq!(of(&acme.to_string())["outcome"], json!("moved"));
    assert_eq!(
        of(&globex.to_string())["code"],
        json!("MEC_NOTHING_IN_FORCE")
    );
    assert_eq!(shell.run("plan migrate pro --account acme").code, Some(1));
    shell.run("plan migrate pro --account nobody").failed(
        65,
        "there is no account \"nobody\"",
        "external_id",
    );
    shell
        .run("plan migrate gold")
        .failed(65, "there is no plan \"gold\"", "mec plan list");
}

fn an_add_on_moves_with_its_quantity_and_its_name(home: fn() -> Home) {
    let (shell, acme) = Shell::with_acme_on(home());
    let addon = |each: u32| {
        format!(
            "[plans.more]\nname = 'More runs'\nis_addon = true\n\
             grants = [{{ resource = 'benchmark_runs', quantity = '{each}', window = 'month' }}]\n"
        )
    };
    shell.write("addon.toml", &addon(10));
    shell.done("catalog apply addon.toml");
    let server = Server::on(&shell.store());
    let bought = json!({"p_account_id": acme.to_string(), "p_plan_id": "more", "p_quantity": 3, "p_ref": "si_1"});
    assert_eq!(server.post("/api/rpc/provision_plan", &bought).0, 200);
    assert_eq!(standing(&shell, "acme")["quantity_allowed"], json!(130));
    shell.write("addon.toml", &addon(20));
    shell.done("catalog apply addon.toml");
    assert!(
        shell
            .done("plan migrate more")
            .contains("1 account moved to version 2")
    );
    assert_eq!(standing(&shell, "acme")["quantity_allowed"], json!(160));
    let held = format!(
        "/api/account_plans?plan_id=eq.more&ends_at=is.null&select=ref,quantity,version&account_id=eq.{acme}"
    );
    assert_eq!(
        server.get(&held).1,
        r#"[{"ref":"si_1","quantity":3,"version":2}]"#
    );
}

fn a_changed_catalog_is_told_what_it_would_have_refused(home: fn() -> Home) {
    let (shell, acme) = Shell::with_acme_on(home());
    use_runs(&shell, "acme", 5);
    shell.add_account("globex");
    use_runs(&shell, "globex", 1);
    let before = shell.done("export");
    shell.write("less.toml", &starter("30"));
    // The server goes on while its store is read.
    let server = Server::on(&shell.store());
    let simulated = shell.run("plan simulate --plan less.toml -o json");
    assert_eq!(simulated.code, Some(0), "{simulated:?}");
    let simulated = simulated.json();
    assert_eq!(simulated["events"], json!(6));
    // 30 a month: three of acme's five uses of 10 are within it; the other account stays within
    // both.
    let accounts = simulated["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!(
        (&accounts[0]["account_id"], &accounts[0]["external_id"]),
        (&json!(acme.to_string()), &json!("acme"))
    );
    assert_eq!(decisions(&accounts[0]["present"]), [("allow", 5)]);
    assert_eq!(
        decisions(&accounts[0]["changed"]),
        [("allow", 3), ("block", 2)]
    );
    assert_eq!(accounts[0]["changed"]["refused_quantity"], json!(20));
    let total = &simulated["totals"][0];
    assert_eq!(
        (&total["accounts_present"], &total["accounts_changed"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(decisions(&total["changed"]), [("allow", 4), ("block", 2)]);
    let table = shell.done("plan simulate --plan less.toml --account acme");
    assert!(
        table.contains("5 → 3") && table.contains("0 → 2") && table.contains("0 → 20"),
        "{table}"
    );
    assert!(
        shell
            .done("plan simulate --plan less.toml --account globex --all")
            .contains("globex")
    );
    assert!(
        shell
            .done("plan simulate --plan less.toml --since 2100-01-01")
            .contains("nothing was used in that time")
    );
    // Nothing was written.
    assert_eq!(shell.done("export"), before);
    assert_eq!(standing(&shell, "acme")["quantity_allowed"], json!(100));
    assert!(server.stop().success());
}

fn what_would_be_billed_is_told_in_its_currency(home: fn() -> Home) {
    let (shell, _) = Shell::with_acme_on(home());
    use_runs(&shell, "acme", 5);
    let rule = "[[rules]]\nresource = 'benchmark_runs'\naction = 'overage'\noverage_limit = 'unlimited'\noverage_unit_price = '0.25'\ncurrency = 'EUR'\n";
    shell.write("bill.toml", &(starter("30") + rule));
    let simulated = shell.run("plan simulate --plan bill.toml -o json").json();
    let changed = &simulated["accounts"][0]["changed"];
    assert_eq!(decisions(changed), [("allow", 3), ("overage", 2)]);
    assert_eq!(
        (&changed["overage_quantity"], &changed["overage_cost"]),
        (&json!(20), &json!({"EUR": 5}))
    );
    assert!(
        shell
            .done("plan simulate --plan bill.toml")
            .contains("0 → 5 EUR")
    );
}

fn a_simulation_refuses_what_applying_the_file_would_refuse(home: fn() -> Home) {
    let (shell, _) = Shell::with_acme_on(home());
    use_runs(&shell, "acme", 1);
    shell.write("bad.toml", "[units.count]\nnmae = 'Count'\n");
    shell.run("plan simulate --plan bad.toml").failed(
        65,
        "line 2, units.count.nmae: unknown key",
        "name",
    );
    // Its kind is fixed once something was used.
    let exported = shell.done("catalog export");
    let (head, rest) = exported.split_once("[resources.benchmark_runs]").unwrap();
    let rest = rest.replacen("cumulative", "inventory", 1);
    shell.write(
        "kind.toml",
        &format!("{head}[resources.benchmark_runs]{rest}"),
    );
    assert_eq!(shell.run("plan simulate --plan kind.toml").code, Some(65));
    assert_eq!(
        shell.run("plan simulate --plan nothing.toml").code,
        Some(66)
    );
    assert_eq!(shell.run("plan simulate").code, Some(2));
}

#[test]
fn a_simulation_wants_a_store() {
    let shell = Shell::new();
    shell.write("less.toml", &starter("30"));
    shell
        .run("plan simulate --plan less.toml")
        .failed(66, "mec.db does not exist", "--store");
}
