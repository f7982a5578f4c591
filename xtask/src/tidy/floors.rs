//! The floors inside the crates: a file is understood without the files above it.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::paths::{Arrow, Crate, Path};
use super::source::Source;

/// Files that use one another in a circle are one thing to learn, and so is a pair.
const CIRCLE_MAX: usize = 2;

const CRATES: [&str; 4] = ["mec-kernel", "mec-engine", "mec", "mec-oracle"];

/// The rooms of a crate from the bottom up. A room uses those before it; rooms of one floor do not
/// use each other. The crate's root and files that are not named stand on top.
const FLOORS: [(&str, &[&[&str]]); 1] = [(
    "mec",
    &[
        &["problem"],
        &["terminal"],
        &["http"],
        &["config"],
        &["api"],
        &["server"],
        &["client"],
        &["import", "demo"],
        &["cli"],
    ],
)];

/// What breaks a floor in any crate.
pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in CRATES {
        let read = Crate::read(name, sources);
        let arrows = read.arrows();
        findings.extend(circles(&arrows));
        if name == "mec" {
            findings.extend(rules_called(&read));
        }
        let floors = FLOORS.iter().filter(|(of, _)| *of == name);
        findings.extend(floors.flat_map(|(_, floors)| run_back(&arrows, floors)));
    }
    findings
}

/// The program shows what the engine did: a function of the kernel is a rule, and what calls it
/// would be a second place that decides.
fn rules_called(read: &Crate<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, source, at) in read.uses_of("mec_kernel") {
        if name.starts_with(|c: char| c.is_lowercase()) {
            let what = format!("{name} is a rule of the kernel: let the engine call it");
            findings.push(source.finding(at, what));
        }
    }
    findings
}

/// Each circle that is too large, told at the first of its arrows.
fn circles(arrows: &[Arrow<'_>]) -> Vec<Finding> {
    let mut below: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
    for arrow in arrows {
        below.entry(arrow.from).or_default().insert(&arrow.to);
    }
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = below
        .keys()
        .map(|from| (*from, reached(from, &below)))
        .collect();
    let mut findings = Vec::new();
    let mut told: BTreeSet<&Path> = BTreeSet::new();
    for (from, all) in &reached {
        let is_back = |to: &&&Path| reached.get(**to).is_some_and(|back| back.contains(*from));
        let circle: Vec<&Path> = all.iter().filter(is_back).copied().collect();
        if circle.len() <= CIRCLE_MAX || told.contains(*from) {
            continue;
        }
        told.extend(&circle);
        let names: Vec<String> = circle.iter().map(|path| path.join("::")).collect();
        if let Some(arrow) = arrows
            .iter()
            .find(|arrow| arrow.from == *from && circle.contains(&&arrow.to))
        {
            let what = format!(
                "a circle of {} files ({}): put what they share below them",
                names.len(),
                names.join(", ")
            );
            findings.push(arrow.source.finding(arrow.at, what));
        }
    }
    findings
}

/// Everything that is used, directly or through others.
fn reached<'a>(
    from: &'a Path,
    below: &BTreeMap<&'a Path, BTreeSet<&'a Path>>,
) -> BTreeSet<&'a Path> {
    let mut found = BTreeSet::new();
    let mut left = vec![from];
    while let Some(path) = left.pop() {
        for next in below.get(path).into_iter().flatten() {
            if found.insert(*next) {
                left.push(next);
            }
        }
    }
    found
}

/// The arrows from a lower floor to a higher, or between rooms of one.
fn run_back(arrows: &[Arrow<'_>], floors: &[&[&str]]) -> Vec<Finding> {
    let floor = |path: &Path| {
        let room = path.first().map_or("", String::as_str);
        let found = floors.iter().position(|floor| floor.contains(&room));
        (found.unwrap_or(floors.len()), room.to_owned())
    };
    let finding = |arrow: &Arrow<'_>| {
        let ((from, room), (to, used)) = (floor(arrow.from), floor(&arrow.to));
        let is_back = to > from || (to == from && room != used && from < floors.len());
        is_back.then(|| {
            let what = format!("{room} is below {used}, or beside it, and must not use it");
            arrow.source.finding(arrow.at, what)
        })
    };
    arrows.iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Vec<Source> {
        let source = |(path, text): &(&str, &str)| {
            Source::read(&format!("crates/mec/src/{path}"), (*text).to_owned())
        };
        files.iter().map(source).collect()
    }

    #[test]
    fn a_circle_of_three_files_is_found_and_one_of_two_is_not() {
        let two = [
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::a::A; use crate::c::C;"),
            ("c.rs", "pub struct C;"),
        ];
        assert_eq!(check(&sources(&two)), []);
        let three = [two[0], two[1], ("c.rs", "use crate::a::A;")];
        let found = check(&sources(&three));
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("3 files (a, b, c)"), "{}", found[0]);
    }

    #[test]
    fn a_rule_of_the_kernel_in_the_program_is_found() {
        let rows = [
            ("use mec_kernel::{Time, window_at};", 1),
            ("fn f() { mec_kernel::check(view) }", 1),
            ("use mec_kernel::Time; fn f(at: mec_kernel::Code) {}", 0),
        ];
        for (text, findings) in rows {
            assert_eq!(check(&sources(&[("a.rs", text)])).len(), findings, "{text}");
        }
    }

    #[test]
    fn an_arrow_that_runs_back_is_found() {
        let rows = [
            ("api.rs", "use crate::server::X;", 1),
            ("server.rs", "use crate::api::X;", 0),
            ("demo.rs", "use crate::import::X;", 1),
            ("http/a.rs", "use crate::problem::X; use super::b::Y;", 0),
        ];
        for (path, text, findings) in rows {
            let files = [
                (path, text),
                ("server/x.rs", ""),
                ("problem.rs", ""),
                ("import.rs", ""),
                ("http/b.rs", ""),
            ];
            let mut files: Vec<_> = files.to_vec();
            if path != "server.rs" {
                files.push(("server.rs", ""));
            }
            if path != "api.rs" {
                files.push(("api.rs", ""));
            }
            assert_eq!(check(&sources(&files)).len(), findings, "{path}");
        }
    }
}
