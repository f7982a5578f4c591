//! The binary. The commands are the next step; until then it says so and fails.

fn main() -> std::process::ExitCode {
    eprintln!("mec: this build has no commands yet; the rules, the query language and the HTTP floor are libraries so far");
    std::process::ExitCode::from(2)
}
