//! What the program says of itself, and command lines that it does not understand.

use std::fs;
use std::path::Path;

use crate::shell::Shell;

#[test]
fn help_lists_every_command_and_the_exit_codes() {
    let help = Shell::new().done("--help");
    let commands = [
        "serve", "demo", "migrate", "catalog", "import", "export", "check", "meter", "plan",
        "copy", "backup", "restore", "verify", "prune", "config", "doctor",
    ];
    for command in commands {
        assert!(
            help.lines()
                .any(|line| line.trim_start().starts_with(command)),
            "{command} is missing in {help}"
        );
    }
    for code in [
        "0  done",
        "1  the answer is no",
        "2  ",
        "65  ",
        "66  ",
        "69  ",
        "74  ",
        "78  ",
    ] {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(code)),
            "{code} is missing in {help}"
        );
    }
}

#[test]
fn the_reference_in_the_docs_names_every_command_flag_and_exit_code() {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md"))
        .unwrap();
    let shell = Shell::new();
    let commands = [
        "",
        "serve",
        "demo",
        "migrate",
        "catalog apply",
        "catalog diff",
        "catalog export",
        "import",
        "export",
        "check",
        "meter",
        "plan list",
        "plan show",
        "plan migrate",
        "plan simulate",
        "copy",
        "backup",
        "restore",
        "verify",
        "prune",
        "config",
        "doctor",
    ];
    for command in commands {
        assert!(
            docs.contains(&format!("mec {command}")),
            "docs/cli.md does not show mec {command}"
        );
        let help = shell.done(&format!("{command} --help"));
        for flag in help
            .split(|c: char| c.is_whitespace() || "[],`".contains(c))
            .filter(|word| word.starts_with("--"))
        {
            assert!(
                docs.contains(flag),
                "docs/cli.md does not name {flag} of mec {command}"
            );
        }
    }
    for code in [0, 1, 2, 65, 66, 69, 74, 78] {
        assert!(
            docs.contains(&format!("| {code} |")),
            "docs/cli.md does not list exit code {code}"
        );
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let shell = Shell::new();
    for line in [
        "",
        "srve",
        "serve --stor x",
        "check",
        "check acme runs --quantity many",
        "catalog apply",
        "catalog apply f --demo",
    ] {
        assert_eq!(shell.run(line).code, Some(2), "mec {line}");
    }
}
