//! README's own commands run: read out of its text, given to `sh`, and compared with the answers it
//! shows.

use std::path::Path;

use crate::guide::shell::Shell;
use crate::server::Server;

const README: &str = include_str!("../../../../README.md");
/// The demo is started by the test, from the program as it was built; the project's own checks run
/// themselves.
const NOT_RUN: [&str; 2] = ["cargo run --release -- demo", "cargo xtask test"];

/// A command and the comment behind it that shows its answer.
struct Shown {
    command: String,
    answer: String,
}

#[test]
fn the_readmes_commands_answer_as_it_says() {
    let commands = commands(README);
    let data = tempfile::tempdir().unwrap();
    let server = Server::demo(Path::new(data.path()));
    let shell = Shell::new(data.path());
    let mut ran = 0;
    for Shown { command, answer } in &commands {
        if NOT_RUN.iter().any(|known| command.starts_with(known)) {
            continue;
        }
        assert!(
            command.contains("localhost:8000"),
            "what does this command ask? {command}"
        );
        let printed = shell
            .run(&command.replace("localhost:8000", &server.address()))
            .unwrap();
        let mut rest = printed.as_str();
        for part in parts(answer) {
            let at = rest.find(part).unwrap_or_else(|| {
                panic!("{command}\nshould answer {answer}\nand answers {printed}")
            });
            rest = &rest[at + part.len()..];
        }
        ran += 1;
    }
    assert_eq!((ran, commands.len()), (4, 4 + NOT_RUN.len()));
}

/// The commands of all `bash` blocks, each with the comment lines that follow it.
fn commands(text: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let (mut is_inside, mut goes_on) = (false, false);
    for line in text.lines() {
        match line {
            "```bash" => is_inside = true,
            "```" => (is_inside, goes_on) = (false, false),
            _ if !is_inside || line.trim().is_empty() => {}
            line => {
                let last = found.last_mut();
                match (line.strip_prefix("# "), last) {
                    (Some(comment), Some(shown)) => shown.answer.push_str(comment),
                    (None, Some(shown)) if goes_on => shown.command.push_str(&format!("\n{line}")),
                    _ => found.push(Shown {
                        command: line.to_owned(),
                        answer: String::new(),
                    }),
                }
                goes_on = line.ends_with('\\');
            }
        }
    }
    found
}

/// What must stand in an answer, in this order: between the dots, without ids and without the
/// remark behind several blanks.
fn parts(answer: &str) -> impl Iterator<Item = &str> {
    let answer = answer.split("   ").next().unwrap_or_default();
    assert!(!answer.is_empty(), "a command without an answer");
    answer
        .split('…')
        .map(|part| part.find("_id\":\"01").map_or(part, |at| &part[..at + 6]))
}
