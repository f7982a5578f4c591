//! A process that can be made to stand still, and ends with its test, however that ends.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// Says the number of the process that is its command, and kills it when its input ends.
const KEEPER: &str =
    "\"$@\" & echo $!; exec >/dev/null; read -r _; kill -KILL $! 2>/dev/null; wait $!";

pub(crate) struct Process {
    pub(crate) pid: i32,
    keeper: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: Option<JoinHandle<String>>,
}

impl Process {
    /// Runs `command` below a shell with its environment.
    pub(crate) fn start(command: &Command) -> Self {
        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", KEEPER, "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir("/");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => keeper.env(name, value),
                None => keeper.env_remove(name),
            };
        }
        keeper
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut keeper = keeper.spawn().expect("a shell runs");
        let mut lines = BufReader::new(keeper.stdout.take().expect("it is piped")).lines();
        let pid = lines
            .next()
            .and_then(Result::ok)
            .and_then(|line| line.parse().ok())
            .expect("the shell says its number");
        let mut stderr = keeper.stderr.take().expect("it is piped");
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            drop(stderr.read_to_string(&mut said));
            said
        });
        Self {
            pid,
            keeper,
            lines,
            said: Some(said),
        }
    }

    /// The first line it prints that `found` makes something of; `None`: it has ended.
    pub(crate) fn line<T>(&mut self, found: impl FnMut(String) -> Option<T>) -> Option<T> {
        self.lines.by_ref().map_while(Result::ok).find_map(found)
    }

    /// Itself and every process below it.
    fn family(&self) -> Vec<i32> {
        let mut family = vec![self.pid];
        let mut at = 0;
        while at < family.len() {
            let children =
                std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", family[at]))
                    .unwrap_or_default();
            family.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            );
            at += 1;
        }
        family
    }

    /// Makes it and every process below it stand still, none of them inside a system call.
    pub(crate) fn stop(&self) {
        loop {
            let family = self.family();
            family.iter().for_each(|pid| signal(*pid, Signal::STOP));
            while !family.iter().all(|pid| stands_still(*pid)) {
                std::thread::yield_now();
            }
            // Nobody was born meanwhile.
            if self.family() == family {
                return;
            }
        }
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self) {
        while self.line(|_| Some(())).is_some() {}
        while std::fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .is_ok_and(|stat| state(&stat) != Some('Z'))
        {
            std::thread::yield_now();
        }
    }

    /// Ends it at once, and tells what it said on stderr.
    pub(crate) fn kill(mut self) -> String {
        self.end();
        self.said
            .take()
            .and_then(|said| said.join().ok())
            .unwrap_or_default()
    }

    fn end(&mut self) {
        let family = self.family();
        for pid in family.iter().rev() {
            signal(*pid, Signal::KILL);
        }
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
        while family
            .iter()
            .any(|pid| PathBuf::from(format!("/proc/{pid}/fd/0")).is_symlink())
        {
            std::thread::yield_now();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.said.is_some() {
            self.end();
        }
    }
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        match kill_process(pid, signal) {
            // It may have ended meanwhile.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => panic!("{signal:?}: {error}"),
        }
    }
}

fn stands_still(pid: i32) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    tasks.filter_map(Result::ok).all(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat"));
        stat.map_or(true, |stat| {
            matches!(state(&stat), Some('T' | 't' | 'Z' | 'X'))
        })
    })
}

/// The letter after the name in parentheses.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}
