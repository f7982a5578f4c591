//! Where settings come from, and how wrong ones are told.

use std::fs;

use serde_json::json;

use crate::shell::{Ran, Shell};

#[test]
fn settings_come_from_flag_environment_file_and_default_in_this_order() {
    let shell = Shell::new();
    shell.write(
        "mec.toml",
        "store = \"sqlite:of-file.db\"\nlisten = \"127.0.0.1:1\"\nlog = \"warn\"\n",
    );
    let mut command = shell.command(&["config", "-o", "json", "--store", "sqlite:of-flag.db"]);
    command
        .env("MEC_STORE", "sqlite:of-environment.db")
        .env("MEC_LISTEN", "127.0.0.1:2");
    let settings = Ran::of(command).json();
    let cases = [
        ("store", "sqlite:of-flag.db", "--store"),
        ("listen", "127.0.0.1:2", "MEC_LISTEN"),
        ("log", "warn", "mec.toml"),
        ("log_format", "text", "default"),
    ];
    for (name, value, from) in cases {
        let expected = json!({ "name": name, "value": value, "from": from });
        assert!(
            settings.as_array().unwrap().contains(&expected),
            "{expected} is not in {settings}"
        );
    }
}

#[test]
fn a_password_is_not_shown() {
    let shown = Shell::new().done("config --store postgres://mec:s3cret@db/mec");
    assert!(
        shown.contains("postgres://mec:***@db/mec") && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[test]
fn the_printed_example_is_a_configuration_that_changes_nothing() {
    let shell = Shell::new();
    let defaults = shell.run("config -o json").column("value");
    shell.write("mec.toml", &shell.done("config --example"));
    assert_eq!(shell.run("config -o json").column("value"), defaults);
}

#[test]
fn a_wrong_configuration_is_told_with_its_line() {
    let shell = Shell::new();
    shell.write(
        "typo.toml",
        "store = \"sqlite:a.db\"\nlsten = \"127.0.0.1:1\"\n",
    );
    shell.run("config --config typo.toml").failed(
        78,
        "typo.toml, line 2: there is no setting lsten",
        "--example",
    );
    shell.write("value.toml", "log_format = \"xml\"\n");
    shell.run("config --config value.toml").failed(
        78,
        "log_format is \"xml\" (value.toml)",
        "text or json",
    );
    assert_eq!(shell.run("config --config absent.toml").code, Some(66));
}

#[test]
fn every_page_is_let_in_only_where_callers_are_asked() {
    let shell = Shell::new();
    fs::write(shell.path("mec.toml"), "cors_origins = \"*\"\n").unwrap();
    shell
        .run("config")
        .failed(78, "cors_origins (", "jwt_secret");
}
