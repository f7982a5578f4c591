//! The concept pages run as written: every command of `docs/concepts` is given to `sh` against a
//! `mec demo` of its own, and every answer compared with the one shown.

use std::fs;
use std::path::{Path, PathBuf};

use crate::guide::script::{self, Action, Shown, Step};
use crate::guide::shell::{Shell, documents};
use crate::home::{Home, on_both};
use crate::server::Server;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/concepts");
const INDEX: &str = "README.md";
/// What every page tells, as the headings below its title.
const SECTIONS: [&str; 4] = ["Rules", "What it never does", "Example", "Pitfalls"];

/// By this name the check's command leaves them out where `curl` or `jq` is missing, as it does the
/// guides.
mod guide_runs_as_written {
    use super::*;

    // Its own server is what each page takes time for, so on the other store one reader follows
    // them all.
    on_both!(a_reader_may_follow_all_pages_on_one_server_and_the_index_names_each);

    #[test]
    fn limit_kinds_run_as_written() {
        on_a_server_of_its_own("limit-kinds.md");
    }

    #[test]
    fn windows_run_as_written() {
        on_a_server_of_its_own("windows.md");
    }

    #[test]
    fn pools_and_hierarchy_run_as_written() {
        on_a_server_of_its_own("pools-and-hierarchy.md");
    }

    #[test]
    fn decisions_run_as_written() {
        on_a_server_of_its_own("decisions.md");
    }

    #[test]
    fn ledger_and_corrections_run_as_written() {
        on_a_server_of_its_own("ledger-and-corrections.md");
    }

    #[test]
    fn reservations_run_as_written() {
        on_a_server_of_its_own("reservations.md");
    }

    #[test]
    fn leases_run_as_written() {
        on_a_server_of_its_own("leases.md");
    }

    #[test]
    fn plans_run_as_written() {
        on_a_server_of_its_own("plans.md");
    }

    fn a_reader_may_follow_all_pages_on_one_server_and_the_index_names_each(home: fn() -> Home) {
        let index = fs::read_to_string(Path::new(PAGES).join(INDEX)).unwrap();
        let (home, directory) = (home(), tempfile::tempdir().unwrap());
        let server = Server::demo_on(&home);
        let pages = pages();
        assert_eq!(
            pages.len(),
            8,
            "{pages:?}: a page has a test of its own above"
        );
        for page in pages {
            let name = page.file_name().unwrap().to_string_lossy().into_owned();
            assert!(
                index.contains(&format!("]({name})")),
                "docs/concepts/{INDEX} does not lead to {name}"
            );
            follow(&page, &server, directory.path());
        }
    }
}

/// Every page but the index, in order.
pub(crate) fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(PAGES).unwrap_or_else(|why| panic!("{PAGES}: {why}"));
    let mut pages: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with(INDEX))
        .collect();
    pages.sort();
    pages
}

/// The answers that a page shows, all of which are compared when it runs.
pub(crate) fn shown(page: &Path) -> Vec<Shown> {
    steps(page)
        .into_iter()
        .filter_map(|step| step.shown)
        .collect()
}

fn on_a_server_of_its_own(page: &str) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::demo(&directory.path().join("data"));
    follow(&Path::new(PAGES).join(page), &server, directory.path());
}

fn steps(page: &Path) -> Vec<Step> {
    let text = fs::read_to_string(page).unwrap_or_else(|why| panic!("{}: {why}", page.display()));
    script::read(&text).unwrap_or_else(|why| panic!("{}: {why}", page.display()))
}

/// Does everything a page says and reports every answer that differs.
fn follow(page: &Path, server: &Server, home: &Path) {
    let text = fs::read_to_string(page).unwrap_or_else(|why| panic!("{}: {why}", page.display()));
    for section in SECTIONS {
        assert!(
            text.lines().any(|line| line == format!("## {section}")),
            "{} has no section {section:?}",
            page.display()
        );
    }
    let steps = steps(page);
    let compared = steps.iter().filter(|step| step.shown.is_some()).count();
    assert!(
        compared >= 8,
        "{} shows only {compared} answers",
        page.display()
    );
    let mut shell = Shell::new(home);
    let mut failures = Vec::new();
    for step in &steps {
        if let Err(why) = take(step, &mut shell, &server.address()) {
            failures.push(format!("{}:{}\n{why}", page.display(), step.line));
        }
    }
    let (failed, all) = (failures.len(), steps.len());
    assert!(
        failures.is_empty(),
        "{failed} of {all} steps went otherwise:\n\n{}\n\n{}",
        failures.join("\n\n"),
        server.said()
    );
}

fn take(step: &Step, shell: &mut Shell, address: &str) -> Result<(), String> {
    let here = |command: &str| command.replace("localhost:8000", address);
    let command = match &step.action {
        Action::Define(function) => {
            shell.define(&here(function));
            return Ok(());
        }
        Action::Keep { name, command } => return shell.keep(name, &here(command)),
        Action::Shell(command) => here(command),
        Action::Request { method, path, .. } => {
            return Err(format!("write {method} {path} as a command"));
        }
    };
    let Shown { text, pattern } = step
        .shown
        .as_ref()
        .ok_or(format!("no answer is shown to\n{command}"))?;
    let printed = shell.run(&command)?;
    let verdict = documents(&printed)
        .and_then(|answer| pattern.check(&answer).map_err(|why| why.to_string()));
    verdict.map_err(|why| format!("command:\n{command}\nexpected:\n{text}\ngot:\n{printed}\n{why}"))
}
