//! Applying, comparing and exporting catalog files.

use std::fs;

use serde_json::json;

use crate::shell::Shell;

#[test]
fn the_demo_catalog_is_applied_once() {
    let shell = Shell::new();
    let first = shell.done("catalog apply --demo");
    assert!(
        first.contains("+ plan starter") && first.ends_with("applied\n"),
        "{first}"
    );
    assert_eq!(
        shell.done("catalog apply --demo"),
        "the catalog is as the file says\n"
    );
    assert_eq!(
        shell.done("catalog apply --demo --prune"),
        "the catalog is as the file says\n"
    );
}

#[test]
fn a_dry_run_shows_the_difference_and_changes_nothing() {
    let shell = Shell::new();
    assert!(
        shell
            .done("catalog apply --demo --dry-run")
            .contains("+ plan starter")
    );
    let diff = shell.run("catalog diff --demo -o json");
    assert_eq!(diff.code, Some(1));
    assert_eq!(diff.json()["applied"], json!(false));
    assert!(diff.json()["changes"].as_array().unwrap().len() > 10);
}

#[test]
fn an_exported_catalog_differs_in_nothing() {
    let (shell, _) = Shell::with_acme();
    shell.done("catalog export --output catalog.toml");
    assert_eq!(
        fs::read_to_string(shell.path("catalog.toml")).unwrap(),
        shell.done("catalog export")
    );
    assert_eq!(
        shell.done("catalog diff catalog.toml --prune"),
        "the catalog is as the file says\n"
    );
}

#[test]
fn pruning_removes_what_the_file_does_not_name_and_nothing_that_is_used() {
    let (shell, _) = Shell::with_acme();
    shell.done("catalog export --output all.toml");
    let all = fs::read_to_string(shell.path("all.toml")).unwrap();
    shell.write(
        "more.toml",
        &format!("{all}\n[units.pallet]\nname = \"Pallet\"\ndimension = \"pallet\"\nfactor = 1\n"),
    );
    assert_eq!(
        shell.done("catalog apply more.toml"),
        "+ unit pallet: name = \"Pallet\", dimension = \"pallet\", factor = 1\napplied\n"
    );
    let stays = "everything in the file is in the catalog as the file says\n\
                 not in the file, and still in force (--prune removes it):\n= unit pallet\n";
    assert_eq!(shell.done("catalog apply all.toml"), stays);
    assert_eq!(
        shell.done("catalog apply all.toml --prune"),
        "- unit pallet\napplied\n"
    );
    // What is used stays, each with what uses it; the rest goes, as it was shown before.
    shell.write("nothing.toml", "");
    let shown = shell.run("catalog diff nothing.toml --prune");
    assert_eq!(shown.code, Some(1), "{shown:?}");
    let pruned = shell.done("catalog apply nothing.toml --prune");
    assert_eq!(pruned, format!("{}applied\n", shown.stdout));
    assert!(
        pruned.contains("- plan enterprise\n") && pruned.contains("- account type team\n"),
        "{pruned}"
    );
    let kept = "not in the file, and kept because something refers to it:\n\
                = plan starter: plan starter is in use by accounts that have or had it";
    assert!(pruned.contains(kept), "{pruned}");
    assert!(
        pruned.contains("= unit hour: ") && pruned.contains("= account type organization: "),
        "{pruned}"
    );
    let left = shell.done("catalog export");
    assert!(
        left.contains("[plans.starter]") && !left.contains("[plans.enterprise]"),
        "{left}"
    );
    let again = shell.done("catalog apply nothing.toml --prune");
    assert!(
        again.starts_with("everything in the file is in the catalog as the file says\n"),
        "{again}"
    );
    let stays = shell
        .run("catalog diff nothing.toml --prune -o json")
        .json()["stays"]
        .clone();
    assert!(
        stays
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["reason"].is_string()),
        "{stays}"
    );
    assert!(
        shell
            .done("catalog apply all.toml")
            .contains("+ plan enterprise")
    );
}

#[test]
fn a_rule_that_is_not_in_the_file_shows_in_the_difference() {
    let (shell, _) = Shell::with_acme();
    shell.done("catalog export --output all.toml");
    let all = fs::read_to_string(shell.path("all.toml")).unwrap();
    let rule = "[[rules]]\nresource = 'gpu_hours'\naction = 'warn'\npriority = 7\n";
    shell.write("more.toml", &format!("{all}\n{rule}"));
    shell.done("catalog apply more.toml");
    let shown = shell.run("catalog diff all.toml");
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(
        shown.stdout.contains("still in force") && shown.stdout.contains("= rule gpu_hours"),
        "{shown:?}"
    );
    let stays = shell.run("catalog diff all.toml -o json").json();
    assert_eq!(
        (
            stays["changes"].as_array().unwrap().len(),
            stays["stays"].as_array().unwrap().len()
        ),
        (0, 1),
        "{stays}"
    );
    assert!(
        shell
            .done("catalog apply all.toml --prune")
            .contains("- rule gpu_hours")
    );
    assert_eq!(
        shell.done("catalog diff all.toml"),
        "the catalog is as the file says\n"
    );
}

#[test]
fn a_wrong_catalog_file_is_told_with_its_line() {
    let shell = Shell::new();
    shell.done("migrate");
    shell.write("bad.toml", "[units.hour]\nnmae = 'Hour'\n");
    shell
        .run("catalog apply bad.toml")
        .failed(65, "line 2, units.hour.nmae: unknown key", "name");
    let missing = shell.run("catalog apply absent.toml");
    assert_eq!(missing.code, Some(66), "{missing:?}");
}
