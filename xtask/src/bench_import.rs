//! `cargo xtask bench-import`: generated events into a new store, then the same file again, then
//! `mec verify`.
//!
//! Says how fast, how much memory over time, and fails when the second run records anything.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::step;

const ACCOUNTS: u64 = 1_000;
/// Events lie in the last so many days: fewer than the late limit of 90.
const DAYS: u64 = 88;
const SAMPLED_EVERY: Duration = Duration::from_millis(200);

/// Generates `events` events and runs them through.
pub(crate) fn run(root: &Path, events: u64) -> Result<()> {
    step::run(Command::new("cargo").current_dir(root).args([
        "build",
        "--release",
        "--locked",
        "--bin",
        "mec",
    ]))?;
    let directory = root.join("target/bench-import");
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    let bench = Bench {
        mec: root.join("target/release/mec"),
        store: format!("sqlite:{}", directory.join("mec.db").display()),
    };
    bench.mec(&["catalog", "apply", "--demo", "--yes"])?;
    bench.make_accounts()?;
    let file = directory.join("events.csv");
    generate(&file, events)?;
    let file = file.display().to_string();
    let first = bench.measured(&["import", &file])?;
    let second = bench.measured(&["import", &file])?;
    bench.measured(&["verify"])?;
    ensure!(
        first.contains(&format!("{events} recorded")),
        "the first import did not record every event: {first}"
    );
    ensure!(
        second.contains(" 0 recorded"),
        "the second import recorded something: {second}"
    );
    Ok(())
}

struct Bench {
    mec: PathBuf,
    store: String,
}

impl Bench {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.mec);
        command.args(arguments).args(["--store", &self.store]);
        command
    }

    fn mec(&self, arguments: &[&str]) -> Result<()> {
        step::run(self.command(arguments).stdout(Stdio::null()))
    }

    /// Over HTTP, as a product would.
    fn make_accounts(&self) -> Result<()> {
        let mut server = self
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()?;
        let made = accounts_over_http(&mut server);
        // Whether the accounts were made says more than how the server ended.
        drop(
            Command::new("sh")
                .args(["-c", "kill -TERM \"$1\"", "sh", &server.id().to_string()])
                .status(),
        );
        server.wait()?;
        made
    }

    /// Runs a command and prints what it says, how long it took and its memory over that time.
    fn measured(&self, arguments: &[&str]) -> Result<String> {
        let begin = Instant::now();
        let mut child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut samples = Vec::new();
        while child.try_wait()?.is_none() {
            samples.extend(resident_kilobytes(&child));
            thread::sleep(SAMPLED_EVERY);
        }
        let mut said = String::new();
        child
            .stdout
            .take()
            .context("no output")?
            .read_to_string(&mut said)?;
        let status = child.wait()?;
        ensure!(
            status.success(),
            "mec {}: {status}\n{said}",
            arguments.join(" ")
        );
        println!(
            "mec {}: {:.1} s",
            arguments[0],
            begin.elapsed().as_secs_f64()
        );
        println!("  {}", said.trim());
        let quarters: Vec<String> = samples
            .chunks(samples.len().div_ceil(4).max(1))
            .map(|quarter| {
                format!(
                    "{} MB",
                    quarter.iter().max().copied().unwrap_or_default() / 1_024
                )
            })
            .collect();
        println!(
            "  most memory in each quarter of that time: {}",
            quarters.join(", ")
        );
        Ok(said)
    }
}

fn accounts_over_http(server: &mut Child) -> Result<()> {
    let stdout = server.stdout.take().context("no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line
        .split_once("http://")
        .map(|(_, address)| address.trim())
        .context("the server names no address")?;
    let rows: Vec<String> = (0..ACCOUNTS)
        .map(|number| {
            format!(r#"{{"external_id":"cus_{number}","display_name":"Customer {number}"}}"#)
        })
        .collect();
    let body = format!("[{}]", rows.join(","));
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /api/accounts HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if !answer.starts_with("HTTP/1.0 201") && !answer.starts_with("HTTP/1.1 201") {
        bail!("the accounts were not made: {answer}");
    }
    Ok(())
}

/// Seeded, and the same for every run but for the present instant.
fn generate(path: &Path, events: u64) -> Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "events end now; no decision is made here"
    )]
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs();
    let mut seed = 1_u64;
    let mut draw = |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(
        file,
        "idempotency_key,external_id,resource_type,quantity,unit_code,occurred_at"
    )?;
    for number in 0..events {
        let at = rfc_3339(now - 3_600 - draw(DAYS * 86_400));
        let account = draw(ACCOUNTS);
        let (resource, quantity, unit) = if number % 3 == 0 {
            ("gpu_hours", 1 + draw(300), "minute")
        } else {
            ("benchmark_runs", 1 + draw(4), "")
        };
        writeln!(
            file,
            "ev-{number},cus_{account},{resource},{quantity},{unit},{at}"
        )?;
    }
    Ok(file.flush()?)
}

/// Seconds since the epoch as a date and time. Days to a date by Howard Hinnant's
/// `civil_from_days`.
fn rfc_3339(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `None` where the system does not tell (or the process is gone).
fn resident_kilobytes(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[test]
fn dates_are_those_of_the_calendar() {
    assert_eq!(rfc_3339(0), "1970-01-01T00:00:00Z");
    assert_eq!(rfc_3339(951_782_399), "2000-02-28T23:59:59Z");
    assert_eq!(rfc_3339(951_782_400), "2000-02-29T00:00:00Z");
    assert_eq!(rfc_3339(1_798_761_599), "2026-12-31T23:59:59Z");
}
