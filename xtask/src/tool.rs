//! What the tests need beyond a Rust toolchain: how it is found, where it comes from, and what has
//! to be skipped without it.
//!
//! A new need (a PostgreSQL server, Node, a browser) is a new row of [`TOOLS`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::step;

/// Something the tests need.
#[derive(Debug, PartialEq)]
pub(crate) struct Tool {
    /// The program's name.
    pub(crate) program: &'static str,
    /// Directories to look in besides those of `PATH`.
    also_in: &'static [&'static str],
    /// What it is asked with, and must answer with success, to be good enough; nothing: being there
    /// is.
    probe: &'static [&'static str],
    source: Source,
    /// What cannot be done without it, as the end of "skipped: …".
    pub(crate) skipped: &'static str,
    /// Parts of the names of the tests that need it, for `cargo test -- --skip`.
    pub(crate) tests: &'static [&'static str],
}

/// Where a tool comes from.
#[derive(Debug, PartialEq)]
enum Source {
    /// A Debian package.
    Apt(&'static str),
    /// A component of the Rust toolchain.
    Rustup(&'static str),
    /// Whoever runs the machine: it is of use to root alone, and to nobody where there are no loop
    /// devices.
    Machine,
}

const GUIDES: &str = "the commands of the guides";
const CLIENTS: &str = "PostgREST's clients against a running server";
const GUIDE_TESTS: &[&str] = &["guide_runs_as_written"];

const POWER_CUTS: &str = "power cuts under load, on both stores, and a full disk";
const POWER_CUT_TESTS: &[&str] = &["a_power_cut_", "a_full_disk_"];

/// The tests that start a PostgreSQL server of their own.
const POSTGRES: &str = "the same tests on PostgreSQL";
const POSTGRES_TESTS: &[&str] = &["on_postgres"];
/// Where Debian keeps a server's programs, which it leaves out of `PATH`.
const POSTGRES_BIN: &[&str] = &[
    "/usr/lib/postgresql/18/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
];

/// Where the programs of root are, which not everybody's `PATH` names.
const SYSTEM_BIN: &[&str] = &["/usr/sbin", "/sbin"];

/// Any version will do.
const ANY: &[&str] = &[];
/// rustup leaves a file of that name even if the component is not installed.
const VERSION: &[&str] = &["--version"];
/// The clients' packages ask for Node 20.
const NODE_20: &[&str] = &[
    "-e",
    "process.exit(Number(process.versions.node.split('.')[0]) >= 20 ? 0 : 1)",
];
const VENV: &[&str] = &["-c", "import venv, ensurepip"];

/// Everything the tests need beyond `cargo` and `rustc`.
pub(crate) const TOOLS: [Tool; 14] = [
    Tool {
        program: "cargo-fmt",
        also_in: &[],
        probe: VERSION,
        source: Source::Rustup("rustfmt"),
        skipped: "the check of the format",
        tests: &[],
    },
    Tool {
        program: "cargo-clippy",
        also_in: &[],
        probe: VERSION,
        source: Source::Rustup("clippy"),
        skipped: "the lints",
        tests: &[],
    },
    Tool {
        program: "sh",
        also_in: &[],
        probe: ANY,
        source: Source::Apt("dash"),
        skipped: GUIDES,
        tests: &["guide_runs_as_written", "asked_to_stop"],
    },
    Tool {
        program: "curl",
        also_in: &[],
        probe: ANY,
        source: Source::Apt("curl"),
        skipped: GUIDES,
        tests: GUIDE_TESTS,
    },
    Tool {
        program: "jq",
        also_in: &[],
        probe: ANY,
        source: Source::Apt("jq"),
        skipped: GUIDES,
        tests: GUIDE_TESTS,
    },
    Tool {
        program: "postgres",
        also_in: POSTGRES_BIN,
        probe: ANY,
        source: Source::Apt("postgresql"),
        skipped: POSTGRES,
        tests: POSTGRES_TESTS,
    },
    Tool {
        program: "psql",
        also_in: POSTGRES_BIN,
        probe: ANY,
        source: Source::Apt("postgresql"),
        skipped: POSTGRES,
        tests: POSTGRES_TESTS,
    },
    Tool {
        program: "node",
        also_in: &[],
        probe: NODE_20,
        source: Source::Apt("nodejs"),
        skipped: CLIENTS,
        tests: &[],
    },
    Tool {
        program: "npm",
        also_in: &[],
        probe: ANY,
        source: Source::Apt("npm"),
        skipped: CLIENTS,
        tests: &[],
    },
    // Debian's Python comes without the modules that make an environment of its own.
    Tool {
        program: "python3",
        also_in: &[],
        probe: VENV,
        source: Source::Apt("python3-venv"),
        skipped: CLIENTS,
        tests: &[],
    },
    Tool {
        program: "c++",
        also_in: &[],
        probe: ANY,
        source: Source::Apt("g++"),
        skipped: "the fuzzing of the grammar",
        tests: &[],
    },
    Tool {
        program: "cc",
        also_in: &[],
        probe: ANY,
        source: Source::Apt("gcc"),
        skipped: POWER_CUTS,
        tests: POWER_CUT_TESTS,
    },
    Tool {
        program: "mkfs.ext4",
        also_in: SYSTEM_BIN,
        probe: ANY,
        source: Source::Apt("e2fsprogs"),
        skipped: POWER_CUTS,
        tests: POWER_CUT_TESTS,
    },
    Tool {
        program: "losetup",
        also_in: SYSTEM_BIN,
        probe: &["--find"],
        source: Source::Machine,
        skipped: POWER_CUTS,
        tests: POWER_CUT_TESTS,
    },
];

/// The rows of [`TOOLS`] that this machine lacks.
pub(crate) fn missing() -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| !tool.is_there()).collect()
}

/// Installs what can be installed here and now; what cannot is left missing.
pub(crate) fn install(missing: &[&Tool]) -> Result<()> {
    let packages = packages(missing);
    if !packages.is_empty() && is_root_on_debian() {
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.env("DEBIAN_FRONTEND", "noninteractive");
            step::run(command.args(arguments))
        };
        apt(&["update"])?;
        let install = ["install", "--yes", "--no-install-recommends"];
        apt(&[&install[..], &packages].concat())?;
    }
    let components = components(missing);
    if !components.is_empty() && in_path("rustup").is_some() {
        let add = ["component", "add"];
        step::run(Command::new("rustup").args([&add[..], &components].concat()))
            .context("rustup could not add what is missing")?;
    }
    Ok(())
}

/// The commands that get what is missing, for a person to type.
pub(crate) fn advice(missing: &[&Tool]) -> Vec<String> {
    let mut commands = Vec::new();
    let packages = packages(missing).join(" ");
    if !packages.is_empty() {
        commands.push(format!(
            "sudo apt-get update && sudo apt-get install --yes {packages}"
        ));
    }
    let components = components(missing).join(" ");
    if !components.is_empty() {
        commands.push(format!("rustup component add {components}"));
    }
    if missing.iter().any(|tool| tool.is_of_machine()) {
        commands.push("run the tests as root, on Linux with /dev/loop-control".to_owned());
    }
    commands
}

impl Tool {
    /// Whether it is the machine that lacks it, and not what is installed there.
    pub(crate) fn is_of_machine(&self) -> bool {
        self.source == Source::Machine
    }

    fn is_there(&self) -> bool {
        if self.is_of_machine() && !is_root() {
            return false;
        }
        let elsewhere = self.also_in.iter().map(PathBuf::from);
        let Some(program) = in_path(self.program).or_else(|| first_file(elsewhere, self.program))
        else {
            return false;
        };
        if self.probe.is_empty() {
            return true;
        }
        let answer = Command::new(program).args(self.probe).output();
        answer.is_ok_and(|answer| answer.status.success())
    }
}

fn packages(missing: &[&Tool]) -> Vec<&'static str> {
    let names = missing.iter().filter_map(|tool| match tool.source {
        Source::Apt(package) => Some(package),
        Source::Rustup(_) | Source::Machine => None,
    });
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

fn components(missing: &[&Tool]) -> Vec<&'static str> {
    let names = missing.iter().filter_map(|tool| match tool.source {
        Source::Rustup(component) => Some(component),
        Source::Apt(_) | Source::Machine => None,
    });
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    first_file(std::env::split_paths(&path), program)
}

fn first_file(mut places: impl Iterator<Item = PathBuf>, program: &str) -> Option<PathBuf> {
    places.find_map(|place| {
        let file = place.join(program);
        file.is_file().then_some(file)
    })
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn is_root_on_debian() -> bool {
    is_root() && Path::new("/etc/debian_version").exists() && in_path("apt-get").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(programs: &[&str]) -> Vec<&'static Tool> {
        let wanted = |tool: &&Tool| programs.contains(&tool.program);
        TOOLS.iter().filter(wanted).collect()
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_gets_it() {
        let rows: [(&[&str], &[&str]); 3] = [
            (&[], &[]),
            (
                &["jq", "curl"],
                &["sudo apt-get update && sudo apt-get install --yes curl jq"],
            ),
            (
                &["jq", "cargo-clippy"],
                &[
                    "sudo apt-get update && sudo apt-get install --yes jq",
                    "rustup component add clippy",
                ],
            ),
        ];
        for (programs, commands) in rows {
            assert_eq!(advice(&tools(programs)), commands);
        }
    }

    #[test]
    fn a_program_is_found_in_a_directory_that_has_it() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let places = || [here.join("src"), here.to_owned()].into_iter();
        assert_eq!(
            first_file(places(), "Cargo.toml"),
            Some(here.join("Cargo.toml"))
        );
        assert_eq!(first_file(places(), "no-such-program"), None);
        assert_eq!(first_file(places(), "src"), None);
    }

    #[test]
    fn a_program_that_fails_its_probe_is_missing() {
        let sh = |probe| Tool {
            program: "sh",
            also_in: &[],
            probe,
            source: Source::Apt("dash"),
            skipped: "nothing",
            tests: &[],
        };
        assert!(sh(ANY).is_there());
        assert!(sh(&["-c", "exit 0"]).is_there());
        assert!(!sh(&["-c", "exit 1"]).is_there());
    }

    #[test]
    fn every_tool_says_what_is_skipped_without_it() {
        for tool in &TOOLS {
            assert!(!tool.skipped.is_empty(), "{tool:?}");
        }
    }
}
