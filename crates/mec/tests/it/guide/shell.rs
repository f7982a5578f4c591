//! Runs the commands of a page with `sh`, as its reader would: what was defined and kept before is
//! there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A shell that remembers.
pub(crate) struct Shell {
    /// For curl's settings.
    home: PathBuf,
    /// The functions defined so far.
    functions: String,
    /// The variables kept so far.
    variables: Vec<(String, String)>,
}

impl Shell {
    /// A shell with nothing in it; `home` is where curl looks for its settings.
    pub(crate) fn new(home: &Path) -> Shell {
        Shell {
            home: home.to_owned(),
            functions: String::new(),
            variables: Vec::new(),
        }
    }

    /// The command's output, or why it failed.
    pub(crate) fn run(&self, command: &str) -> Result<String, String> {
        // Without the settings and proxies of whoever runs the test, and without waiting for ever.
        let settings = self.home.join(".curlrc");
        fs::write(settings, "max-time = 60\n").map_err(|why| why.to_string())?;
        let output = Command::new("sh")
            .args(["-c", &format!("{}{command}", self.functions)])
            .env("CURL_HOME", &self.home)
            .env("NO_PROXY", "*")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .map_err(|why| format!("sh: {why}"))?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(printed);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "command:\n{command}\nended with {}:\n{printed}{complaint}",
            output.status
        ))
    }

    /// Remembers a function.
    pub(crate) fn define(&mut self, function: &str) {
        self.functions.push_str(function);
        self.functions.push('\n');
    }

    /// Runs `NAME=$(…)` and remembers the value; nothing, or `null`, is an error.
    pub(crate) fn keep(&mut self, name: &str, command: &str) -> Result<(), String> {
        let value = self.run(&format!("{command}\nprintf %s \"${name}\""))?;
        if value.is_empty() || value == "null" {
            return Err(format!("command:\n{command}\ngave {name} no value"));
        }
        self.variables.push((name.to_owned(), value));
        Ok(())
    }
}

/// What a command printed, as JSON documents.
pub(crate) fn documents(printed: &str) -> Result<Vec<Value>, String> {
    let documents = serde_json::Deserializer::from_str(printed).into_iter();
    let documents: Result<_, _> = documents.collect();
    documents.map_err(|why| format!("that is not JSON: {why}"))
}

#[test]
fn a_shell_remembers_functions_and_values() {
    let home = tempfile::tempdir().unwrap();
    let mut shell = Shell::new(home.path());
    shell.define("twice() { printf %s \"$1$1\"; }");
    shell.keep("WORD", "WORD=$(twice ab)").unwrap();
    assert_eq!(shell.run("twice \"$WORD\"").as_deref(), Ok("abababab"));
    assert!(shell.keep("EMPTY", "EMPTY=$(printf '')").is_err());
    assert!(shell.keep("NULL", "NULL=$(printf null)").is_err());
    assert!(shell.run("exit 3").is_err());
}
