//! `cargo xtask clients`: the clients people already have, unchanged, against a running `mec` over
//! each store: `mec demo` on a file, and `mec serve` on a PostgreSQL server of this run's own.
//!
//! Each lives in `sdk-tests/` with its versions pinned, and does what a user of this product would
//! do. They are installed from their registries; nothing of theirs is part of this repository.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cluster::Cluster;
use crate::step;

/// Tools without which none of it runs.
pub(crate) const PROGRAMS: [&str; 3] = ["node", "npm", "python3"];

/// Runs every client against a server over each store; without PostgreSQL's programs on a file
/// only.
pub(crate) fn run(root: &Path, has_postgres: bool) -> Result<()> {
    let tests = root.join("sdk-tests");
    let (javascript, python) = (tests.join("js"), tests.join("python"));
    step::cargo(root, &["build", "--quiet", "--locked", "--package", "mec"])?;
    step::run(
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(&javascript),
    )?;
    let interpreter = install(&python)?;
    let against = |url: &str| -> Result<()> {
        step::run(
            Command::new("node")
                .args(["--test", "clients.test.mjs"])
                .env("MEC_URL", url)
                .current_dir(&javascript),
        )?;
        step::run(
            Command::new(&interpreter)
                .arg("product.py")
                .env("MEC_URL", url)
                .current_dir(&python),
        )?;
        rust(root, &tests.join("rust"), url)
    };
    eprintln!("clients over SQLite");
    against(&Server::demo(root)?.url)?;
    if !has_postgres {
        eprintln!("clients over PostgreSQL: skipped");
        return Ok(());
    }
    eprintln!("clients over PostgreSQL");
    let cluster = Cluster::start(&[]);
    against(&Server::on_postgres(root, &cluster)?.url)
}

/// The interpreter of an environment that has the client.
fn install(directory: &Path) -> Result<PathBuf> {
    let python = directory.join(".venv/bin/python");
    if !python.exists() {
        step::run(
            Command::new("python3")
                .args(["-m", "venv", ".venv"])
                .current_dir(directory),
        )?;
    }
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "-r",
        "requirements.txt",
    ];
    step::run(Command::new(&python).args(install).current_dir(directory))?;
    Ok(python)
}

fn rust(root: &Path, directory: &Path, url: &str) -> Result<()> {
    let mut run = Command::new(step::cargo_program());
    run.args(["run", "--quiet", "--locked"])
        .current_dir(directory);
    step::run(
        run.env("CARGO_TARGET_DIR", root.join("target/sdk-tests"))
            .env("MEC_URL", url),
    )
}

/// A server that ends, and whose data goes, with this value.
struct Server {
    process: Child,
    data: Option<PathBuf>,
    url: String,
}

impl Server {
    fn demo(root: &Path) -> Result<Self> {
        let data = root.join("target/sdk-tests-data");
        if data.exists() {
            fs::remove_dir_all(&data)
                .with_context(|| format!("cannot remove {}", data.display()))?;
        }
        let mut demo = mec(root);
        demo.args(["demo", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data);
        Self::start(demo, Some(data))
    }

    /// One with the demo's catalog and nothing else.
    fn on_postgres(root: &Path, cluster: &Cluster) -> Result<Self> {
        let store = cluster.database();
        step::run(
            mec(root)
                .args(["catalog", "apply", "--demo", "--yes", "--store", &store])
                .stdout(Stdio::null()),
        )?;
        let mut serve = mec(root);
        serve.args(["serve", "--listen", "127.0.0.1:0", "--store", &store]);
        Self::start(serve, None)
    }

    fn start(mut command: Command, data: Option<PathBuf>) -> Result<Self> {
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let mut server = Self {
            process,
            data,
            url: String::new(),
        };
        let Some(stdout) = server.process.stdout.take() else {
            bail!("the server has no output")
        };
        let mut lines = BufReader::new(stdout).lines().map_while(|line| line.ok());
        let Some(url) = lines.find_map(|line| url_in(&line)) else {
            bail!("the server ended before it listened")
        };
        server.url = url;
        // Read to its end: a full pipe would stop the program.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(server)
    }
}

/// On Unix cargo becomes the program it runs, so that ending the one ends the other.
fn mec(root: &Path) -> Command {
    let mut command = Command::new(step::cargo_program());
    command
        .args(["run", "--quiet", "--locked", "--package", "mec", "--"])
        .current_dir(root);
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and its data may be gone: neither changes what the clients
        // found.
        drop(self.process.kill());
        drop(self.process.wait());
        if let Some(data) = &self.data {
            drop(fs::remove_dir_all(data));
        }
    }
}

fn url_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then(|| format!("http://127.0.0.1:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_that_names_it() {
        assert_eq!(
            url_in("listening on http://127.0.0.1:4123/api").as_deref(),
            Some("http://127.0.0.1:4123")
        );
        assert_eq!(url_in("http://127.0.0.1:"), None);
        assert_eq!(url_in("filling the store"), None);
    }
}
