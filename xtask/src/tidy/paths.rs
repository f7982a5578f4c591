//! Which file of a crate uses which: read from its `use` declarations and the paths in its code.
//!
//! A name is followed through the files that import it to the one that declares it, so a file that
//! only hands names on is not taken for what it hands on.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// A name in a crate, from its root: `["plan", "template"]` is `crate::plan::template`.
pub(crate) type Path = Vec<String>;

/// The imports of imports that are followed at most.
const DEPTH_MAX: usize = 8;

/// A `use` of one name.
#[derive(Debug, PartialEq)]
struct Import {
    path: Path,
    /// What it is called here.
    name: String,
}

/// The files of a crate that are not tests, by their modules.
pub(crate) struct Crate<'a> {
    modules: BTreeMap<Path, Module<'a>>,
}

struct Module<'a> {
    source: &'a Source,
    imports: Vec<Import>,
    /// Every path of the code, imported or not, and where it stands.
    paths: Vec<(Path, usize)>,
}

/// A file's use of another.
pub(crate) struct Arrow<'a> {
    pub(crate) from: &'a Path,
    pub(crate) to: Path,
    /// The file that uses, and where.
    pub(crate) source: &'a Source,
    pub(crate) at: usize,
}

impl<'a> Crate<'a> {
    /// The crate whose sources are these; of other crates' it takes none.
    pub(crate) fn read(name: &str, sources: &'a [Source]) -> Crate<'a> {
        let root = format!("crates/{name}/src/");
        let inside = sources.iter().filter_map(|source| {
            let file = source.path.strip_prefix(&root)?.strip_suffix(".rs")?;
            let is_test = source.is_test(0) && file != "lib";
            (!is_test).then(|| (module_of(file), Module::read(source)))
        });
        Crate {
            modules: inside.collect(),
        }
    }

    /// Every use of one file by another, once for each pair.
    pub(crate) fn arrows(&self) -> Vec<Arrow<'_>> {
        let mut seen = BTreeSet::new();
        let mut arrows = Vec::new();
        for (from, module) in &self.modules {
            for (path, at) in &module.paths {
                let Some(to) = self.declares(from, path, 0) else {
                    continue;
                };
                if to != *from && seen.insert((from, to.clone())) {
                    arrows.push(Arrow {
                        from,
                        to,
                        source: module.source,
                        at: *at,
                    });
                }
            }
        }
        arrows
    }

    /// Everything that the files take directly from another crate, and where.
    pub(crate) fn uses_of(&self, other: &str) -> Vec<(&str, &Source, usize)> {
        let mut uses = Vec::new();
        for module in self.modules.values() {
            for (path, at) in &module.paths {
                if let [first, name, ..] = &path[..]
                    && first == other
                {
                    uses.push((name.as_str(), module.source, *at));
                }
            }
        }
        uses
    }

    /// The file that declares what a path in a module names; none where it is another crate's.
    fn declares(&self, module: &[String], path: &[String], depth: usize) -> Option<Path> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => parent(module),
            _ => {
                rest = path;
                module.to_vec()
            }
        };
        let is_relative = rest.len() == path.len();
        for (index, segment) in rest.iter().enumerate() {
            if segment == "super" {
                at = parent(&at);
                continue;
            }
            let child: Path = at.iter().chain([segment]).cloned().collect();
            if self.modules.contains_key(&child) {
                at = child;
                continue;
            }
            let imports = &self.modules.get(&at)?.imports;
            let import = imports.iter().find(|import| import.name == *segment);
            match import {
                Some(import) if depth < DEPTH_MAX && import.path != path => {
                    at = self.declares(&at, &import.path, depth + 1)?;
                }
                _ if index == 0 && is_relative => return None,
                _ => return Some(at),
            }
        }
        Some(at)
    }
}

impl<'a> Module<'a> {
    fn read(source: &'a Source) -> Module<'a> {
        let code = source.code();
        let (mut imports, mut paths, mut read) = (Vec::new(), Vec::new(), Vec::new());
        for start in source.code_places("use") {
            if source.is_test(start) {
                continue;
            }
            let mut found = Vec::new();
            let length = tree(&code[start + "use".len()..], &[], &mut found);
            read.push(start..start + "use".len() + length);
            paths.extend(found.iter().map(|import| (import.path.clone(), start)));
            imports.extend(found);
        }
        let starts = ["crate", "super", "self", "mec_kernel"];
        for start in starts.map(|word| source.code_places(word)) {
            for start in start {
                let is_read = read.iter().any(|range| range.contains(&start));
                if is_read || source.is_test(start) || code[..start].ends_with("::") {
                    continue;
                }
                let path = plain(&code[start..]);
                if path.len() > 1 {
                    paths.push((path, start));
                }
            }
        }
        Module {
            source,
            imports,
            paths,
        }
    }
}

/// The module of a file, named from the crate's `src` without its ending.
fn module_of(file: &str) -> Path {
    let file = file.strip_suffix("/mod").unwrap_or(file);
    match file {
        "lib" | "main" | "mod" => Vec::new(),
        file => file.split('/').map(str::to_owned).collect(),
    }
}

fn parent(module: &[String]) -> Path {
    module[..module.len().saturating_sub(1)].to_vec()
}

/// Reads the names after `use` into `found` and answers how many bytes they take.
fn tree(text: &str, before: &[String], found: &mut Vec<Import>) -> usize {
    let rest = text.trim_start();
    let mut at = text.len() - rest.len();
    if rest.starts_with('{') {
        at += 1;
        loop {
            at += tree(&text[at..], before, found);
            at += text[at..].len() - text[at..].trim_start().len();
            let is_next = text[at..].starts_with(',');
            at += usize::from(is_next || text[at..].starts_with('}'));
            if !is_next {
                return at;
            }
        }
    }
    let word = word(rest);
    at += word.len();
    if word.is_empty() {
        // `*`, or the end of a list with a comma behind its last name.
        return at + usize::from(rest.starts_with('*'));
    }
    if let Some(rest) = text[at..].strip_prefix("::") {
        let path: Path = before.iter().cloned().chain([word.to_owned()]).collect();
        return at + "::".len() + tree(rest, &path, found);
    }
    let path: Path = match word {
        "self" => before.to_vec(),
        word => before.iter().cloned().chain([word.to_owned()]).collect(),
    };
    let mut name = path.last().cloned().unwrap_or_default();
    if let Some(rest) = text[at..].strip_prefix(" as ") {
        name = self::word(rest).to_owned();
        at += " as ".len() + name.len();
    }
    found.push(Import { path, name });
    at
}

/// The path that a text begins with.
fn plain(text: &str) -> Path {
    let mut path = Vec::new();
    let mut rest = text;
    loop {
        let word = word(rest);
        if word.is_empty() {
            return path;
        }
        path.push(word.to_owned());
        match rest[word.len()..].strip_prefix("::") {
            Some(more) => rest = more,
            None => return path,
        }
    }
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(files: &[(&str, &str)]) -> Vec<String> {
        let source = |(path, text): &(&str, &str)| {
            Source::read(&format!("crates/x/src/{path}"), (*text).to_owned())
        };
        let sources: Vec<Source> = files.iter().map(source).collect();
        let read = Crate::read("x", &sources);
        let shown = read.arrows();
        let shown = shown
            .iter()
            .map(|arrow| format!("{} > {}", arrow.from.join("::"), arrow.to.join("::")));
        shown.collect()
    }

    #[test]
    fn a_name_is_followed_to_the_file_that_declares_it() {
        let files = [
            (
                "lib.rs",
                "mod a; mod b; pub use a::{One, c::Two as Three}; pub use std::fmt;",
            ),
            (
                "a.rs",
                "pub(crate) mod c; use self::c::Two; pub struct One;",
            ),
            ("a/c.rs", "use super::One; pub struct Two;"),
            (
                "b.rs",
                "use crate::{One, Three, fmt}; fn f() { super::a::c::g() }",
            ),
        ];
        assert_eq!(
            arrows(&files),
            [
                " > a", " > a::c", "a > a::c", "a::c > a", "b > a", "b > a::c"
            ]
        );
    }

    #[test]
    fn tests_and_other_crates_are_passed_over() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            (
                "a.rs",
                "use other::b::C; #[cfg(test)] mod tests { use crate::b::D; }",
            ),
            ("a/tests.rs", "use crate::b::D;"),
            ("b.rs", "// use crate::a::X;\nfn f() { \"crate::a::X\" }"),
        ];
        assert_eq!(arrows(&files), [] as [&str; 0]);
    }
}
