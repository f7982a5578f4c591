//! Reads a guide's Markdown into the commands it asks for and the answers it shows.
//!
//! It refuses what it does not understand, with the line, so that a command can never be left out
//! by accident. It runs nothing and knows no ids: `ACCOUNT_ID` and `"..."` stay as written.
//!
//! A command is `curl`, or a shell function that the page defined before: `rpc() { … }`.
//! `NAME=$(…)` keeps what a command printed for those after it.

use std::iter::Peekable;
use std::slice;

use super::pattern::Sequence;

const COMMAND: &str = "**Command:**";
const RESPONSE: &str = "**Expected Response:**";
const EXPECTED_COMMENT: &str = "# Expected:";
/// An answer of several lines goes on like this.
const EXPECTED_MORE: &str = "#  ";
/// They start and stop the service, which is the test's own business.
const SKIPPED: [&str; 3] = ["cd", "docker", "cargo"];
const METHODS: [&str; 3] = ["GET", "POST", "PATCH"];

/// One thing the guide's reader does.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    /// The nearest heading above.
    pub(crate) section: String,
    /// Where in the file, counted from 1.
    pub(crate) line: usize,
    pub(crate) action: Action,
    /// What the guide shows as the answer, where it shows one.
    pub(crate) shown: Option<Shown>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// For `sh`, as written.
    Shell(String),
    /// A shell function, as written.
    Define(String),
    /// A variable, and the command that gives its value.
    Keep { name: String, command: String },
    /// `POST /path` with a JSON body below, in the scenarios.
    Request {
        method: String,
        path: String,
        body: String,
    },
}

/// An answer as shown and as understood.
#[derive(Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) text: String,
    pub(crate) pattern: Sequence,
}

/// The steps of a guide in order, or the first line that is not understood.
pub(crate) fn read(markdown: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut section = String::new();
    let mut announced = Announced::Nothing;
    let mut defined = Vec::new();
    let lines: Vec<&str> = markdown.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let (line, number) = (lines[at].trim(), at + 1);
        at += 1;
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                if announced != Announced::Nothing {
                    return Err(format!("line {number}: expected a code block here"));
                }
                announced = Announced::by(line);
            }
            if line.starts_with('#') {
                section = line.trim_start_matches('#').trim().to_owned();
            }
            continue;
        };
        let length = lines[at..].iter().position(|line| line.trim() == "```");
        let Some(length) = length else {
            return Err(format!("line {number}: this code block does not end"));
        };
        let block = &lines[at..at + length];
        match (std::mem::take(&mut announced), language) {
            (Announced::Command | Announced::Nothing, "bash") => {
                steps.extend(commands(block, number + 1, &section, &mut defined)?);
            }
            (Announced::Response, "json") => {
                let step = steps.last_mut();
                let step = step.ok_or(format!("line {number}: an answer to no command"))?;
                step.show(&block.join("\n"), number)?;
            }
            (Announced::Nothing, _) => {}
            (_, other) => return Err(format!("line {number}: did not expect {other:?} here")),
        }
        at += length + 1;
    }
    if announced != Announced::Nothing {
        return Err("the last line announces a code block that does not follow".to_owned());
    }
    Ok(steps)
}

/// What the line above a code block says the block is.
#[derive(Debug, Default, PartialEq)]
enum Announced {
    #[default]
    Nothing,
    Command,
    Response,
}

impl Announced {
    fn by(line: &str) -> Announced {
        match line {
            COMMAND => Announced::Command,
            RESPONSE => Announced::Response,
            _ => Announced::Nothing,
        }
    }
}

impl Step {
    fn show(&mut self, text: &str, number: usize) -> Result<(), String> {
        let pattern = Sequence::parse(text).map_err(|why| format!("line {number}: {why}"))?;
        let text = text.trim().to_owned();
        if self.shown.replace(Shown { text, pattern }).is_some() {
            return Err(format!("line {number}: a second answer to one command"));
        }
        Ok(())
    }
}

type Lines<'a> = Peekable<slice::Iter<'a, &'a str>>;

/// The commands of one `bash` block. `# Expected: …` shows the answer to the command above it.
fn commands(
    block: &[&str],
    first: usize,
    section: &str,
    defined: &mut Vec<String>,
) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines: Lines<'_> = block.iter().peekable();
    loop {
        let number = first + block.len() - lines.len();
        let Some(line) = lines.next() else {
            return Ok(steps);
        };
        let line = line.trim();
        if let Some(shown) = line.strip_prefix(EXPECTED_COMMENT) {
            let step = steps.last_mut();
            let step = step.ok_or(format!("line {number}: an answer to no command"))?;
            let mut shown = shown.to_owned();
            while let Some(more) = lines.next_if(|line| line.starts_with(EXPECTED_MORE)) {
                shown.push('\n');
                shown.push_str(more.trim_start_matches('#'));
            }
            step.show(&shown, number)?;
            continue;
        }
        let word = line.split(' ').next().unwrap_or_default();
        if line.is_empty() || word.starts_with('#') || SKIPPED.contains(&word) {
            continue;
        }
        let action = if let Some(name) = word.strip_suffix("()") {
            defined.push(name.to_owned());
            whole(line, &mut lines).map(Action::Define)
        } else if let Some((name, _)) = line.split_once("=$(").filter(|(name, _)| is_name(name)) {
            whole(line, &mut lines).map(|command| Action::Keep {
                name: name.to_owned(),
                command,
            })
        } else if word == "curl" || defined.iter().any(|name| name == word) {
            whole(line, &mut lines).map(Action::Shell)
        } else if METHODS.contains(&word) {
            request(line, &mut lines)
        } else {
            Err(format!("{word:?} is not something to run"))
        };
        steps.push(Step {
            section: section.to_owned(),
            line: number,
            action: action.map_err(|why| format!("line {number}: {why}"))?,
            shown: None,
        });
    }
}

/// A command goes on while a quote is open or the line ends in a backslash.
fn whole(line: &str, rest: &mut Lines<'_>) -> Result<String, String> {
    let mut command = line.to_owned();
    while goes_on(&command) {
        let line = rest.next().ok_or("the command does not end")?;
        command.push('\n');
        command.push_str(line);
    }
    Ok(command)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

fn goes_on(command: &str) -> bool {
    let mut quote = None;
    let mut escaped = false;
    for c in command.chars() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (None | Some('"'), '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    quote.is_some() || escaped
}

/// `METHOD /path` with the body on the lines below, or `METHOD /path → resource type` for a check.
fn request(line: &str, rest: &mut Lines<'_>) -> Result<Action, String> {
    let mut body = String::new();
    while let Some(line) = rest.next_if(|line| !ends_body(line)) {
        body.push_str(line.trim());
    }
    let words: Vec<&str> = line.split(' ').collect();
    let (method, path) = match words[..] {
        [method, path] => (method, path),
        [method, path, "→", resource] if path.ends_with("/check_entitlement") => {
            if !body.is_empty() {
                return Err("a body below a request that names its resource".to_owned());
            }
            body = format!(r#"{{"p_account_id": "...", "p_resource_type": "{resource}"}}"#);
            (method, path)
        }
        _ => return Err(format!("{line:?} is not `METHOD /path`")),
    };
    if !path.starts_with('/') {
        return Err(format!("{path:?} is not a path"));
    }
    if method != "GET" && body.is_empty() {
        return Err(format!("{line:?} has no body"));
    }
    Ok(Action::Request {
        method: method.to_owned(),
        path: path.to_owned(),
        body,
    })
}

fn ends_body(line: &str) -> bool {
    let line = line.trim();
    let word = line.split(' ').next().unwrap_or_default();
    line.is_empty() || line.starts_with('#') || word == "curl" || METHODS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell_step(section: &str, line: usize, command: &str) -> Step {
        Step {
            section: section.to_owned(),
            line,
            action: Action::Shell(command.to_owned()),
            shown: None,
        }
    }

    fn shown(text: &str) -> Option<Shown> {
        Some(Shown {
            text: text.to_owned(),
            pattern: Sequence::parse(text).unwrap(),
        })
    }

    #[test]
    fn a_command_and_its_answer_belong_together() {
        let guide = "# Guide\n\n### Step 4: Plan\n\n**Command:**\n```bash\n# Replace it\n\
            curl -s http://localhost:8000/x \\\n  -d '{\n    \"a\": 1\n  }' | jq .\n```\n\n\
            **Expected Response:**\n```json\n5\n```\n(A number)\n\n```sql\nDROP TABLE x\n```\n";
        let command = "curl -s http://localhost:8000/x \\\n  -d '{\n    \"a\": 1\n  }' | jq .";
        let mut step = shell_step("Step 4: Plan", 8, command);
        step.shown = shown("5");
        assert_eq!(read(guide).unwrap(), [step]);
    }

    #[test]
    fn the_quick_start_shows_its_answer_in_a_comment() {
        let guide = "## Start\n```bash\ncd /some/where\ndocker compose up -d\n\n# Verify\n\
            curl http://localhost:8000/health\n# Expected: {\"status\": \"healthy\"}\n```\n";
        let mut step = shell_step("Start", 7, "curl http://localhost:8000/health");
        step.shown = shown("{\"status\": \"healthy\"}");
        assert_eq!(read(guide).unwrap(), [step]);
    }

    #[test]
    fn a_scenario_is_a_list_of_requests() {
        let guide = "### Scenario C\n```bash\n# 1. Create\nPOST /api/accounts\n{\"a\":\n  1}\n\n\
            POST /api/rpc/check_entitlement → gpu_hours\nPATCH /api/x?id=eq.xxx\n{\"b\": 2}\n\
            # 2. Done\n```\n";
        let request = |line, method: &str, path: &str, body: &str| Step {
            section: "Scenario C".to_owned(),
            line,
            action: Action::Request {
                method: method.to_owned(),
                path: path.to_owned(),
                body: body.to_owned(),
            },
            shown: None,
        };
        let check = r#"{"p_account_id": "...", "p_resource_type": "gpu_hours"}"#;
        assert_eq!(
            read(guide).unwrap(),
            [
                request(4, "POST", "/api/accounts", r#"{"a":1}"#),
                request(8, "POST", "/api/rpc/check_entitlement", check),
                request(9, "PATCH", "/api/x?id=eq.xxx", r#"{"b": 2}"#),
            ]
        );
    }

    #[test]
    fn one_block_may_hold_several_commands() {
        let guide = "```bash\ncurl a \\\n  b\ncurl \"it's\" 'a \"b'\ncurl \"say \\\"\n\"\n```";
        let steps = read(guide).unwrap();
        let commands: Vec<&Action> = steps.iter().map(|step| &step.action).collect();
        let expected = [
            "curl a \\\n  b",
            "curl \"it's\" 'a \"b'",
            "curl \"say \\\"\n\"",
        ]
        .map(|command| Action::Shell(command.to_owned()));
        assert_eq!(commands, expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_page_may_define_functions_and_keep_answers() {
        let page = "```bash\nrpc() { curl \"$1\"; }\nID=$(rpc \\\n  x)\nrpc \"$ID\"\n\
            # Expected: 1\n#           2\n# a remark\n```\n";
        let steps = read(page).unwrap();
        let actions: Vec<&Action> = steps.iter().map(|step| &step.action).collect();
        let define = Action::Define("rpc() { curl \"$1\"; }".to_owned());
        let keep = Action::Keep {
            name: "ID".to_owned(),
            command: "ID=$(rpc \\\n  x)".to_owned(),
        };
        assert_eq!(
            actions,
            [&define, &keep, &Action::Shell("rpc \"$ID\"".to_owned())]
        );
        assert_eq!(steps[2].shown, shown("1\n           2"));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        let rows = [
            ("```bash\ncurl x\n", "line 1:"),
            ("```bash\nrm -r x\n```", "line 2:"),
            ("```bash\nrpc x\n```", "line 2:"),
            ("```bash\nid=$(curl x)\n```", "line 2:"),
            ("```bash\ncurl 'x\n```", "line 2:"),
            ("```bash\nPOST /x\n```", "line 2:"),
            ("```bash\nPOST x\n{}\n```", "line 2:"),
            ("```bash\nPOST /x and more\n{}\n```", "line 2:"),
            ("```bash\nPOST /api/rpc/consume → gpu_hours\n```", "line 2:"),
            ("```bash\n# Expected: 5\n```", "line 2:"),
            ("**Expected Response:**\n```json\n5\n```", "line 2:"),
            ("**Expected Response:**\nnothing\n", "line 2:"),
            ("**Command:**\n```json\n5\n```", "line 2:"),
            (
                "```bash\ncurl x\n```\n**Expected Response:**\n```text\n5\n```",
                "line 5:",
            ),
            (
                "```bash\ncurl x\n```\n**Expected Response:**\n```json\n(5)\n```",
                "line 5:",
            ),
            (
                "```bash\ncurl x\n# Expected: 5\n# Expected: 5\n```",
                "line 4:",
            ),
            ("text\n\n**Command:**\n", "the last line"),
        ];
        for (guide, place) in rows {
            let why = read(guide).expect_err(guide);
            assert!(why.starts_with(place), "{guide:?}: {why}");
        }
    }
}
