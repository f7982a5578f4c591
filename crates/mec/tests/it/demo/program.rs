//! `mec demo` as a process.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::server::{Server, ask_to_stop};

#[test]
fn a_named_directory_is_filled_once_and_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let accounts = "/api/accounts?select=account_id,external_id&order=account_id";
    let server = Server::demo(directory.path());
    assert_eq!(
        server.get("/health"),
        (200, r#"{"status": "healthy"}"#.to_owned())
    );
    let (status, before) = server.get(accounts);
    assert_eq!(
        (status, before.matches("\"demo_").count()),
        (200, 17),
        "{before}"
    );
    assert!(server.stop().success());

    let server = Server::demo(directory.path());
    assert_eq!(server.get("/health").0, 200);
    assert_eq!(server.get(accounts), (200, before));
}

#[test]
fn a_temporary_directory_is_there_while_it_runs_and_gone_afterwards() {
    let parent = tempfile::tempdir().unwrap();
    let (demo, said) = Demo::start(&["--listen", "127.0.0.1:0"], parent.path());
    assert!(
        said.lines().next().unwrap().contains("http://127.0.0.1:"),
        "{said}"
    );
    for (external_id, decision) in [
        ("demo_birch", "warn"),
        ("demo_cedar", "block"),
        ("demo_ginkgo", "deny"),
        ("demo_elm", "overage"),
    ] {
        let row = said
            .lines()
            .find(|line| line.contains(external_id))
            .unwrap_or_else(|| panic!("{external_id} in {said}"));
        assert!(row.contains(decision), "{row}");
    }
    assert_eq!(
        said.lines()
            .filter(|line| line.starts_with("  curl "))
            .count(),
        3,
        "{said}"
    );
    assert!(!said.contains("OPEN"), "{said}");
    assert_eq!(entries(parent.path()), 1);
    assert!(demo.stop().success());
    assert_eq!(entries(parent.path()), 0);
}

#[test]
fn an_address_that_others_reach_needs_open_and_says_so() {
    let parent = tempfile::tempdir().unwrap();
    let mut command = Demo::command(&["--listen", "0.0.0.0:0"], parent.path());
    let refused = command.output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("--open") && refused.stdout.is_empty(),
        "{said}"
    );
    assert_eq!(entries(parent.path()), 0);

    let (demo, said) = Demo::start(&["--listen", "0.0.0.0:0", "--open"], parent.path());
    assert!(
        said.contains("http://127.0.0.1:") && said.contains("OPEN"),
        "{said}"
    );
    assert!(demo.stop().success());
}

/// `mec demo` without a directory of its own.
struct Demo(Child);

impl Demo {
    fn command(arguments: &[&str], temporary: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mec"));
        command
            .arg("demo")
            .args(arguments)
            .env("TMPDIR", temporary)
            .env_remove("MEC_LISTEN")
            .env_remove("MEC_CONFIG");
        command.current_dir(temporary).stdin(Stdio::null());
        command
    }

    /// Starts it and reads all it says before it waits.
    fn start(arguments: &[&str], temporary: &Path) -> (Self, String) {
        let mut command = Self::command(arguments, temporary);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let demo = Self(child);
        let mut said = String::new();
        for line in lines {
            let line = line.unwrap();
            said.push_str(&line);
            said.push('\n');
            if line.starts_with("Ctrl-C") {
                return (demo, said);
            }
        }
        panic!("it ended; it said:\n{said}");
    }

    fn stop(mut self) -> ExitStatus {
        ask_to_stop(&self.0);
        self.0.wait().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended unless a test failed.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn entries(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}
