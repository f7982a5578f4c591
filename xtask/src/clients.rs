//! `cargo xtask clients`: the clients people already have, unchanged, against a running `mec demo`.
//!
//! Each lives in `sdk-tests/` with its versions pinned, and does what a user of this product would do. They are
//! installed from their registries; nothing of theirs is part of this repository.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::step;

/// Tools without which none of it runs.
pub(crate) const PROGRAMS: [&str; 3] = ["node", "npm", "python3"];

/// Starts a server on data of its own and runs every client against it.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tests = root.join("sdk-tests");
    let server = Server::start(root)?;
    javascript(&tests.join("js"), &server.url)?;
    python(&tests.join("python"), &server.url)?;
    rust(root, &tests.join("rust"), &server.url)
}

fn javascript(directory: &Path, url: &str) -> Result<()> {
    step::run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(directory))?;
    step::run(Command::new("node").args(["--test", "clients.test.mjs"]).env("MEC_URL", url).current_dir(directory))
}

fn python(directory: &Path, url: &str) -> Result<()> {
    let python = directory.join(".venv/bin/python");
    if !python.exists() {
        step::run(Command::new("python3").args(["-m", "venv", ".venv"]).current_dir(directory))?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", "requirements.txt"];
    step::run(Command::new(&python).args(install).current_dir(directory))?;
    step::run(Command::new(&python).arg("product.py").env("MEC_URL", url).current_dir(directory))
}

fn rust(root: &Path, directory: &Path, url: &str) -> Result<()> {
    let mut run = Command::new(step::cargo_program());
    run.args(["run", "--quiet", "--locked"]).current_dir(directory);
    step::run(run.env("CARGO_TARGET_DIR", root.join("target/sdk-tests")).env("MEC_URL", url))
}

/// A demo that ends, and whose data goes, with this value.
struct Server {
    process: Child,
    data: PathBuf,
    url: String,
}

impl Server {
    fn start(root: &Path) -> Result<Self> {
        step::cargo(root, &["build", "--quiet", "--locked", "--package", "mec"])?;
        let data = root.join("target/sdk-tests-data");
        if data.exists() {
            fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
        }
        // On Unix cargo becomes the program it runs, so that ending the one ends the other.
        let mut demo = Command::new(step::cargo_program());
        demo.args(["run", "--quiet", "--locked", "--package", "mec", "--", "demo", "--listen", "127.0.0.1:0", "--data"]);
        demo.arg(&data).current_dir(root).stdin(Stdio::null()).stdout(Stdio::piped());
        let process = demo.spawn().context("cannot start the demo")?;
        let mut server = Self { process, data, url: String::new() };
        let Some(stdout) = server.process.stdout.take() else { bail!("the demo has no output") };
        let mut lines = BufReader::new(stdout).lines().map_while(|line| line.ok());
        let Some(url) = lines.find_map(|line| url_in(&line)) else { bail!("the demo ended before it listened") };
        server.url = url;
        // Read to its end: a full pipe would stop the program.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and its data may be gone: neither changes what the clients found.
        drop(self.process.kill());
        drop(self.process.wait());
        drop(fs::remove_dir_all(&self.data));
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
        assert_eq!(url_in("listening on http://127.0.0.1:4123/api").as_deref(), Some("http://127.0.0.1:4123"));
        assert_eq!(url_in("http://127.0.0.1:"), None);
        assert_eq!(url_in("filling the store"), None);
    }
}
