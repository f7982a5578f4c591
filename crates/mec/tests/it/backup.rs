//! Backups: what `docs/backup.md` tells is what happens.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::server::Server;
use crate::shell::Shell;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/backup.md");

#[test]
fn a_backup_beside_a_server_is_whole_and_its_owners_alone_and_overwrites_nothing() {
    let (shell, _) = Shell::with_acme();
    shell.done("meter acme benchmark_runs 2 --key run-1");
    let server = Server::serve(&shell.path("mec.db"));
    // What is recorded now is in the log beside the file.
    shell.done("meter acme benchmark_runs 3 --key run-2");
    let told = shell.done("backup backup.db");
    assert!(
        told.starts_with("backup.db holds ") && told.contains(" bytes"),
        "{told}"
    );
    drop(server);
    let mode = fs::metadata(shell.path("backup.db"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(format!("{:o}", mode & 0o777), "600");
    assert!(
        shell
            .done("verify --store sqlite:backup.db")
            .starts_with("everything agrees: 2 events")
    );
    let bytes = fs::read(shell.path("backup.db")).unwrap();
    shell
        .run("backup backup.db")
        .failed(69, "backup.db is there already", "name another file");
    assert!(
        fs::read(shell.path("backup.db")).unwrap() == bytes,
        "it was overwritten"
    );
    std::os::unix::fs::symlink("nowhere", shell.path("link.db")).unwrap();
    shell
        .run("backup link.db")
        .failed(69, "link.db is there already", "name another file");
    let told: serde_json::Value =
        serde_json::from_str(&shell.done("backup second.db -o json")).unwrap();
    assert_eq!(told["file"], json!("second.db"));
    shell.run("backup missing/backup.db").failed(
        74,
        "missing/backup.db.partial: No such file",
        "make its directory first",
    );
    let left: Vec<_> = fs::read_dir(shell.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().contains("partial")),
        "{left:?}"
    );
    Shell::new()
        .run("backup backup.db")
        .failed(66, "mec.db does not exist", "--store");
}

#[test]
fn a_restored_store_is_the_one_that_was_backed_up_and_takes_nobodys_place() {
    let (shell, _) = Shell::with_acme();
    shell.done("meter acme benchmark_runs 2 --key run-1");
    shell.done("backup backup.db");
    shell.done("meter acme benchmark_runs 3 --key run-2");
    shell
        .run("restore backup.db")
        .failed(69, "mec.db is there already", "name another file");
    let told = shell.done("restore backup.db --store sqlite:restored.db");
    assert!(
        told.starts_with("everything agrees: 1 events") && told.contains("restored.db is restored"),
        "{told}"
    );
    assert_eq!(
        shell
            .done("export --store sqlite:restored.db")
            .lines()
            .count(),
        1
    );
    // Sent again, what came after the backup is recorded once.
    shell.done("meter acme benchmark_runs 3 --key run-2 --store sqlite:restored.db");
    shell.done("meter acme benchmark_runs 2 --key run-1 --store sqlite:restored.db");
    assert!(
        shell
            .done("verify --store sqlite:restored.db")
            .starts_with("everything agrees: 2 events")
    );
    // The log of a file that is gone would be taken for the new one's.
    shell.write("other.db-wal", "left behind");
    shell
        .run("restore backup.db --store sqlite:other.db")
        .failed(69, "other.db-wal is there already", "name another file");
    shell.run("restore gone.db --store sqlite:new.db").failed(
        66,
        "gone.db does not exist",
        "mec backup",
    );
    shell.write("words.db", "no database");
    let ran = shell.run("restore words.db --store sqlite:new.db");
    assert_eq!(ran.code, Some(74), "{ran:?}");
    assert!(!shell.path("new.db").exists());
}

#[test]
fn a_backup_in_which_not_everything_agrees_is_not_restored() {
    let (shell, _) = Shell::with_acme();
    shell.done("meter acme benchmark_runs 2 --key run-1");
    shell.done("backup backup.db");
    let outside = rusqlite::Connection::open(shell.path("backup.db")).unwrap();
    outside
        .execute_batch("UPDATE usage_windows SET used = used + 1")
        .unwrap();
    drop(outside);
    let ran = shell.run("restore backup.db --store sqlite:restored.db");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stdout.contains("not everything agrees") && ran.stderr.contains("was not restored"),
        "{ran:?}"
    );
    assert!(!shell.path("restored.db").exists());
}

#[test]
fn of_a_database_its_own_programs_are_named() {
    let shell = Shell::new();
    shell
        .run("backup backup.db --store postgres://mec:secret@db/mec")
        .failed(65, "postgres://", "pg_dump");
    let ran = shell.run("restore backup.db --store postgres://mec:secret@db/mec");
    ran.failed(65, "postgres://", "pg_restore");
    assert!(!ran.stderr.contains("secret"), "{ran:?}");
}

/// The page's commands for SQLite, one after the other in a directory that has a store with a
/// server.
#[test]
fn the_page_about_backups_runs_as_written() {
    let (shell, _) = Shell::with_acme();
    shell.done("meter acme benchmark_runs 2 --key run-1");
    let text = fs::read_to_string(PAGE).unwrap();
    let (_, sqlite) = text.split_once("## SQLite").expect("a part about SQLite");
    let (sqlite, _) = sqlite
        .split_once("## PostgreSQL")
        .expect("a part about PostgreSQL");
    let blocks: Vec<&str> = sqlite
        .split("```sh\n")
        .skip(1)
        .filter_map(|part| part.split("```").next())
        .collect();
    assert!(blocks.len() >= 3, "{blocks:?}");
    let program = Path::new(env!("CARGO_BIN_EXE_mec"))
        .parent()
        .unwrap()
        .display()
        .to_string();
    let mut run = Command::new("sh");
    run.args(["-euc", &blocks.concat()])
        .current_dir(shell.path(""))
        .env_remove("MEC_STORE");
    run.env(
        "PATH",
        format!("{program}:{}", std::env::var("PATH").unwrap()),
    );
    let done = run.output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(done.status.success(), "{said}");
    assert_eq!(said.matches("everything agrees").count(), 3, "{said}");
}
