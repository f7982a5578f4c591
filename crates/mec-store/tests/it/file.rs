//! A file is owned by one process, and one that is not this program's is left as it is.

use mec_store::{OpenOptions, Store, sqlite};

use crate::sqlite::open;

#[test]
fn a_file_in_use_is_refused_with_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let _owned = open(&dir).unwrap();
    let refused = open(&dir).unwrap_err().to_string();
    assert!(
        refused.contains(&format!(
            "in use by another process (pid {})",
            std::process::id()
        )),
        "{refused}"
    );
}

#[test]
fn a_file_in_use_is_refused_under_every_name_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let _owned = open(&dir).unwrap();
    let name = dir.path().join("other.db");
    std::os::unix::fs::symlink(dir.path().join("mec.db"), &name).unwrap();
    let refused = Store::open(
        &format!("sqlite:{}", name.display()),
        &OpenOptions::default(),
    )
    .unwrap_err()
    .to_string();
    assert!(
        refused.contains(&format!(
            "in use by another process (pid {})",
            std::process::id()
        )),
        "{refused}"
    );
    assert_eq!(
        sqlite::owner(&name).unwrap(),
        Some(format!("pid {}", std::process::id()))
    );
}

#[test]
fn a_file_with_two_names_is_refused_because_each_would_have_a_log_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir).unwrap());
    std::fs::hard_link(dir.path().join("mec.db"), dir.path().join("other.db")).unwrap();
    let refused = open(&dir).unwrap_err().to_string();
    assert!(refused.contains("has 2 names"), "{refused}");
}

#[test]
fn a_link_to_nothing_is_refused_and_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join("mec.db")).unwrap();
    let refused = open(&dir).unwrap_err().to_string();
    assert!(
        refused.contains("is a link to a file that does not exist"),
        "{refused}"
    );
    assert!(!dir.path().join("elsewhere").exists());
}

#[test]
fn a_store_is_a_path_and_no_address_of_sqlites_own() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir).unwrap());
    let file = dir.path().join("mec.db").display().to_string();
    for name in [
        format!("file:{file}"),
        format!("file:{file}?vfs=unix-none"),
        format!("{file}?vfs=unix-none"),
        ":memory:".into(),
    ] {
        let options = OpenOptions {
            create: false,
            ..OpenOptions::default()
        };
        for refused in [
            Store::open(&format!("sqlite:{name}"), &OpenOptions::default()).unwrap_err(),
            Store::open(&format!("sqlite:{name}"), &options).unwrap_err(),
            Store::open_read_only(&format!("sqlite:{name}")).unwrap_err(),
        ] {
            assert!(
                refused.to_string().contains("write sqlite:PATH"),
                "{name}: {refused}"
            );
        }
    }
    assert_eq!(
        std::fs::read_dir(dir.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count(),
        0
    );
}

#[test]
fn a_store_and_what_lies_beside_it_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let mode = |name: &str| {
        std::fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    let check = || {
        for name in ["mec.db", "mec.db-wal", "mec.db-shm", "mec.db.lock"] {
            assert_eq!(format!("{:o}", mode(name)), "600", "{name}");
        }
    };
    let owned = open(&dir).unwrap();
    check();
    drop(owned);
    // One that an older version or a copy has left open to others.
    std::fs::set_permissions(
        dir.path().join("mec.db"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let _owned = open(&dir).unwrap();
    check();
}

#[test]
fn a_planted_lock_is_neither_followed_nor_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let (target, lock) = (dir.path().join("target"), dir.path().join("mec.db.lock"));
    std::fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, &lock).unwrap();
    drop(open(&dir).unwrap());
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    assert!(!lock.is_symlink());
    // Whoever may read the lock may take it.
    let planted = std::fs::File::open(&lock).unwrap();
    planted.lock().unwrap();
    let _owned = open(&dir).unwrap();
    assert_eq!(
        sqlite::owner(&dir.path().join("mec.db")).unwrap(),
        Some(format!("pid {}", std::process::id()))
    );
}

#[test]
fn a_newer_schema_and_a_foreign_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir).unwrap());
    let file = dir.path().join("mec.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let refused = open(&dir).unwrap_err().to_string();
    assert!(refused.contains("schema 99"), "{refused}");
    let other = tempfile::tempdir().unwrap();
    let foreign = rusqlite::Connection::open(other.path().join("mec.db")).unwrap();
    foreign
        .execute_batch("CREATE TABLE notes (text TEXT)")
        .unwrap();
    let refused = open(&other).unwrap_err().to_string();
    assert!(refused.contains("another program"), "{refused}");
}

#[test]
fn a_store_that_may_not_be_made_is_neither_made_nor_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mec.db");
    let url = format!("sqlite:{}", file.display());
    let options = OpenOptions {
        create: false,
        ..OpenOptions::default()
    };
    let refused = Store::open(&url, &options).unwrap_err().to_string();
    assert!(
        refused.contains("does not exist; `mec migrate"),
        "{refused}"
    );
    assert!(!file.exists());
    std::fs::write(&file, "").unwrap();
    let refused = Store::open(&url, &options).unwrap_err().to_string();
    assert!(
        refused.contains("has schema 0") && refused.contains("run `mec migrate` first"),
        "{refused}"
    );
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 0);
    drop(open(&dir).unwrap());
    Store::open(&url, &options).unwrap();
}

#[test]
fn a_foreign_file_is_refused_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mec.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch("CREATE TABLE notes (text TEXT)")
        .unwrap();
    let before = std::fs::read(&file).unwrap();
    open(&dir).unwrap_err();
    assert_eq!(std::fs::read(&file).unwrap(), before);
}
