//! A library between a process and its fsyncs, which does with them what a file says.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What becomes of an fsync below the test's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is done.
    Done,
    /// Nothing is synced, and it says that all is well.
    Lie,
    /// The same of the log alone.
    LieOfLog,
    /// At the log's next one the process ends, or gets an error; then the second order holds.
    Strike(Fault, AfterStrike),
}

/// What strikes inside an fsync, before anything is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill,
    Error,
}

/// The order that follows a strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterStrike {
    /// What could not be synced is not synced later either: the system has forgotten that it should
    /// be.
    Lie,
    /// The database server begins again by itself, and has to sync what it reads.
    Done,
}

#[derive(Debug)]
pub(crate) struct Orders {
    library: PathBuf,
    file: PathBuf,
    root: PathBuf,
}

impl Orders {
    /// Builds the library.
    pub(crate) fn new(root: &Path) -> Self {
        let (library, file) = (root.join("fsync.so"), root.join("orders"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power_cut/fsync.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .output();
        let built = built.expect("cc runs (Debian: apt-get install gcc libc6-dev)");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let orders = Self {
            library,
            file,
            root: root.to_owned(),
        };
        orders.give(Order::Done);
        // A database server runs as somebody else.
        for (path, mode) in [
            (root, 0o777),
            (orders.library.as_path(), 0o755),
            (orders.file.as_path(), 0o666),
        ] {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("the mode is set");
        }
        orders
    }

    /// Lets a process's fsyncs be ordered.
    pub(crate) fn hold_for(&self, process: &mut Command) {
        process
            .env("LD_PRELOAD", &self.library)
            .env("MEC_TEST_ORDERS", &self.file)
            .env("MEC_TEST_ROOT", &self.root);
    }

    pub(crate) fn give(&self, order: Order) {
        let text = match order {
            Order::Done => "ok".to_owned(),
            Order::Lie => "lie".to_owned(),
            Order::LieOfLog => "lie-log".to_owned(),
            Order::Strike(fault, then) => {
                let fault = if fault == Fault::Kill { "kill" } else { "eio" };
                format!(
                    "{fault} {}",
                    if then == AfterStrike::Lie {
                        "lie"
                    } else {
                        "ok"
                    }
                )
            }
        };
        std::fs::write(&self.file, text).expect("the order is written");
    }

    /// Whether an ordered strike has come.
    pub(crate) fn has_struck(&self) -> bool {
        let text = std::fs::read_to_string(&self.file).expect("the order is read");
        matches!(text.as_str(), "lie" | "ok")
    }
}
