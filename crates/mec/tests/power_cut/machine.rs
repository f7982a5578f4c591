//! A machine: a disk, on PostgreSQL its database server, and `mec`. Its power can be cut.

use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::cluster;
use crate::disk::{CutDisk, Disk};
use crate::orders::{Order, Orders};
use crate::process::Process;
use crate::request::address_in;

/// What the store is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Sqlite,
    Postgres,
}

impl Kept {
    /// The size of its disk.
    const fn megabytes(self) -> u64 {
        match self {
            Self::Sqlite => 32,
            Self::Postgres => 128,
        }
    }
}

/// What all machines of a test share.
pub(crate) struct Place {
    pub(crate) kept: Kept,
    pub(crate) orders: Orders,
    /// Where a database server listens: the path must be short.
    sockets: tempfile::TempDir,
    dir: tempfile::TempDir,
}

pub(crate) struct Machine<'a> {
    place: &'a Place,
    server: Option<Process>,
    database: Option<Process>,
    pub(crate) address: SocketAddr,
    disk: Disk,
}

impl Place {
    pub(crate) fn new(kept: Kept) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("mec-power")
            .tempdir()
            .unwrap();
        let sockets = tempfile::Builder::new().prefix("mec-pg").tempdir().unwrap();
        let orders = Orders::new(dir.path());
        Self {
            kept,
            orders,
            sockets,
            dir,
        }
    }

    /// The address of the store on a disk.
    fn store(&self, disk: &Disk) -> String {
        match self.kept {
            Kept::Sqlite => format!("sqlite:{}", disk.path().join("mec.db").display()),
            Kept::Postgres => {
                format!(
                    "postgres://mec@{}:5432/postgres",
                    self.sockets
                        .path()
                        .display()
                        .to_string()
                        .replace('/', "%2F")
                )
            }
        }
    }

    fn start_database(&self, disk: &Disk) -> Option<Process> {
        if self.kept == Kept::Sqlite {
            return None;
        }
        let mut command = cluster::as_nobody(Path::new("sh"));
        command
            .args(["-c", "exec \"$@\" 2>&1", "sh"])
            .arg(cluster::programs().join("postgres"));
        command
            .arg("-D")
            .arg(disk.path().join("data"))
            .arg("-k")
            .arg(self.sockets.path());
        for setting in [
            "listen_addresses=",
            "wal_level=minimal",
            "max_wal_senders=0",
            "shared_buffers=16MB",
            "max_wal_size=32MB",
        ] {
            command.args(["-c", setting]);
        }
        self.orders.hold_for(&mut command);
        let mut database = Process::start(&command);
        is_ready(&mut database);
        Some(database)
    }
}

/// Waits until a database server serves.
fn is_ready(database: &mut Process) {
    let mut told = String::new();
    let ready = database.line(|line| {
        told.push_str(&line);
        told.push('\n');
        line.contains("database system is ready to accept ")
            .then_some(())
    });
    assert!(ready.is_some(), "the database server has ended:\n{told}");
}

/// `mec` with arguments, in no surroundings.
fn mec(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mec"));
    command
        .args(arguments)
        .env_remove("MEC_STORE")
        .env_remove("MEC_LISTEN")
        .env_remove("MEC_CONFIG");
    // A row of the log would sync what came before it.
    command.env("MEC_DECISION_LOG", "off");
    command
}

fn done(command: &mut Command) -> Result<String, String> {
    let done = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    if done.status.success() {
        Ok(said)
    } else {
        Err(format!("{command:?}: {said}"))
    }
}

impl<'a> Machine<'a> {
    /// A new one that serves the demo's catalog.
    pub(crate) fn make(place: &'a Place) -> Result<Self, String> {
        let disk = Disk::make(place.dir.path(), place.kept.megabytes());
        if place.kept == Kept::Postgres {
            for owned in [disk.path(), place.sockets.path()] {
                cluster::own(owned);
            }
            let mut make = cluster::as_nobody(&cluster::programs().join("initdb"));
            make.args([
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--wal-segsize=1",
                "--username=mec",
                "-D",
            ]);
            done(make.arg(disk.path().join("data")).current_dir("/"))?;
        }
        let database = place.start_database(&disk);
        let store = place.store(&disk);
        done(&mut mec(&["catalog", "apply", "--demo", "--store", &store]))?;
        let mut machine = Self {
            place,
            server: None,
            database,
            address: ([127, 0, 0, 1], 0).into(),
            disk,
        };
        machine.serve()?;
        Ok(machine)
    }

    /// The machine with this disk, switched on again: everything is verified before anybody is
    /// served.
    pub(crate) fn switch_on(place: &'a Place, disk: CutDisk) -> Result<Self, String> {
        let disk = disk.mount();
        let database = place.start_database(&disk);
        let store = place.store(&disk);
        let mut machine = Self {
            place,
            server: None,
            database,
            address: ([127, 0, 0, 1], 0).into(),
            disk,
        };
        machine.serve()?;
        done(&mut mec(&["verify", "--store", &store]))?;
        Ok(machine)
    }

    /// Starts `mec`.
    pub(crate) fn serve(&mut self) -> Result<(), String> {
        let store = self.store();
        let mut command = mec(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "warn",
            "--store",
            &store,
        ]);
        self.place.orders.hold_for(&mut command);
        let mut server = Process::start(&command);
        match server.line(|line| address_in(&line)) {
            Some(address) => (self.address, self.server) = (address, Some(server)),
            None => return Err(format!("mec serve does not start: {}", server.kill())),
        }
        Ok(())
    }

    /// Waits until the database server, one of whose processes has ended, has begun again by
    /// itself.
    pub(crate) fn database_began_again(&mut self) {
        self.database.iter_mut().for_each(is_ready);
    }

    pub(crate) fn store(&self) -> String {
        self.place.store(&self.disk)
    }

    /// Waits until `mec` has ended by itself.
    pub(crate) fn server_ended(&mut self) -> String {
        self.server
            .take()
            .map(|mut server| {
                server.ended();
                server.kill()
            })
            .unwrap_or_default()
    }

    /// The whole ledger.
    pub(crate) fn export(&self) -> Result<String, String> {
        done(&mut mec(&["export", "--store", &self.store()]))
    }

    /// Takes all room on the disk, or gives it back.
    pub(crate) fn fill_disk(&self, is_full: bool) {
        let filler = self.disk.path().join("filler");
        if !is_full {
            return std::fs::remove_file(filler).expect("it is removed");
        }
        let mut file = std::fs::File::create(filler).expect("it is made");
        let mut bytes = vec![1; 1 << 20];
        while !bytes.is_empty() {
            match file.write_all(&bytes) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => {
                    bytes.truncate(bytes.len() / 2)
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Cuts the power: what was not synced is gone, and so is everything that ran.
    pub(crate) fn cut(mut self, number: usize) -> CutDisk {
        for process in self.server.iter().chain(&self.database) {
            process.stop();
        }
        let left = self.disk.after_power_cut(self.place.dir.path(), number);
        self.place.orders.give(Order::Done);
        for process in [self.server.take(), self.database.take()]
            .into_iter()
            .flatten()
        {
            drop(process.kill());
        }
        left
    }
}
