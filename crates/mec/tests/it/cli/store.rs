//! Stores as commands make them, find them and leave them.

use std::fs;
use std::process::Command;

use crate::server::Server;
use crate::shell::Shell;

#[test]
fn migrate_makes_a_store_once() {
    let shell = Shell::new();
    assert_eq!(
        shell.done("migrate --store sqlite:new.db"),
        "sqlite:new.db migrated from schema 0 to 1\n"
    );
    assert_eq!(
        shell.done("migrate --store sqlite:new.db"),
        "sqlite:new.db has schema 1 already\n"
    );
    shell.write(
        "other.db",
        "not a database, but long enough to be looked at as one",
    );
    assert_eq!(shell.run("migrate --store sqlite:other.db").code, Some(74));
    shell
        .run("migrate --store mysql:x")
        .failed(78, "\"mysql:x\" is not a store", "sqlite:PATH");
    for flags in ["--distributed", "--app-role mec_app"] {
        shell
            .run(&format!("migrate --store sqlite:new.db {flags}"))
            .failed(78, "--app-role and --distributed are for", "postgres://");
    }
}

#[test]
fn a_schema_that_is_not_this_programs_is_refused_with_what_to_do() {
    let shell = Shell::new();
    shell.done("migrate");
    let file = shell.path("mec.db");
    let fresh = fs::read(&file).unwrap();
    let cases = [
        (
            99,
            69,
            "has schema 99, this program knows up to 1",
            "newer mec",
        ),
        (0, 69, "has schema 0, this program reads 1", "mec migrate"),
    ];
    for (version, code, error, hint) in cases {
        // The schema's version stands in the header of the file.
        let mut bytes = fresh.clone();
        bytes[60..64].copy_from_slice(&u32::to_be_bytes(version));
        fs::write(&file, bytes).unwrap();
        for line in ["verify", "export"] {
            shell
                .run(line)
                .failed(code, &format!("{} {error}", file.display()), hint);
        }
    }
    shell.write("notes.db", &"These are notes and no database. ".repeat(100));
    assert_eq!(shell.run("verify --store sqlite:notes.db").code, Some(74));
}

/// A wrong path closes no other program's file.
#[test]
fn a_file_of_another_program_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let shell = Shell::new();
    shell.write(
        "notes.txt",
        &"These are notes and no database. ".repeat(100),
    );
    rusqlite::Connection::open(shell.path("other.db"))
        .and_then(|other| other.execute_batch("CREATE TABLE birds (name TEXT)"))
        .unwrap();
    for name in ["notes.txt", "other.db"] {
        let path = shell.path(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let ran = shell.run(&format!("check a b --store sqlite:{name}"));
        assert!(ran.code.is_some_and(|code| code > 63), "{ran:?}");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(format!("{:o}", mode & 0o777), "644", "{name}");
    }
}

/// Whatever the process gives to new files.
#[test]
fn a_store_and_what_is_written_of_it_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let shell = Shell::new();
    let commands = "umask 000; \"$1\" migrate --store sqlite:mec.db && \"$1\" export --store sqlite:mec.db --output out.ndjson";
    let mut run = Command::new("sh");
    run.args(["-c", commands, "sh", env!("CARGO_BIN_EXE_mec")])
        .current_dir(shell.path(""))
        .env_remove("MEC_STORE");
    let done = run.output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    for name in ["mec.db", "mec.db.lock", "out.ndjson"] {
        let mode = fs::metadata(shell.path(name)).unwrap().permissions().mode();
        assert_eq!(format!("{:o}", mode & 0o777), "600", "{name}");
    }
}

#[test]
fn the_doctor_finds_a_healthy_installation_healthy() {
    let (shell, _) = Shell::with_acme();
    let doctor = shell.run("doctor --listen 127.0.0.1:0 -o json");
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    assert_eq!(
        doctor.column("what"),
        [
            "configuration",
            "store",
            "schema",
            "disk space",
            "fsync",
            "clock",
            "SQLite",
            "listen"
        ]
    );
    let server = Server::serve(&shell.path("mec.db"));
    let shown = shell.done(&format!("doctor --listen {}", server.address()));
    assert!(
        shown.contains("is in use by the mec that serves this store"),
        "{shown}"
    );
}
