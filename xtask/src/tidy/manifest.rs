//! Which room may know which: read from the `Cargo.toml` of every crate.

use super::Finding;

const KERNEL_MAY: [&str; 4] = ["jiff", "rpds", "sha2", "uuid"];

/// The rooms, and below each what it may depend on. What is not named here may not depend on a
/// room.
const ARROWS: [(&str, &[&str]); 6] = [
    ("mec-kernel", &[]),
    ("mec-query", &[]),
    ("mec-fuzz", &["mec-query"]),
    ("mec-store", &["mec-kernel", "mec-query"]),
    ("mec-engine", &["mec-store", "mec-kernel", "mec-query"]),
    (
        "mec",
        &["mec-engine", "mec-store", "mec-kernel", "mec-query"],
    ),
];

/// What one `Cargo.toml` says about dependencies.
#[derive(Debug, PartialEq)]
pub(crate) struct Manifest {
    path: String,
    package: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, PartialEq)]
struct Dependency {
    /// Of the package, where it is renamed.
    name: String,
    is_dev: bool,
    line: usize,
}

impl Manifest {
    /// Reads the tables of dependencies and the package's name; everything else is passed over.
    pub(crate) fn read(path: &str, text: &str) -> Manifest {
        let mut manifest = Manifest {
            path: path.to_owned(),
            package: String::new(),
            dependencies: Vec::new(),
        };
        let mut table = Table::Other;
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(header) = line.strip_prefix('[') {
                table = Table::read(header.trim_end_matches(']'));
                if let Table::OneDependency { name, is_dev } = &table {
                    manifest.dependencies.push(Dependency {
                        name: name.clone(),
                        is_dev: *is_dev,
                        line: index + 1,
                    });
                }
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            match &table {
                Table::Package if key == "name" => manifest.package = unquote(value),
                Table::Dependencies { is_dev } => manifest.dependencies.push(Dependency {
                    name: renamed(value).unwrap_or_else(|| unquote(first_key(key))),
                    is_dev: *is_dev,
                    line: index + 1,
                }),
                Table::OneDependency { .. } if key == "package" => {
                    if let Some(dependency) = manifest.dependencies.last_mut() {
                        dependency.name = unquote(value);
                    }
                }
                _ => {}
            }
        }
        manifest
    }

    fn finding(&self, dependency: &Dependency, what: String) -> Finding {
        Finding {
            path: self.path.clone(),
            line: dependency.line,
            what,
        }
    }
}

/// The kernel decides with values; whatever else it could call would be an effect.
pub(crate) fn the_kernel_depends_on_little(manifest: &Manifest) -> Vec<Finding> {
    if manifest.package != "mec-kernel" {
        return Vec::new();
    }
    let foreign = manifest
        .dependencies
        .iter()
        .filter(|dependency| !dependency.is_dev && !KERNEL_MAY.contains(&dependency.name.as_str()));
    let what = |name: &str| {
        format!(
            "mec-kernel may not depend on {name}, only on {}",
            KERNEL_MAY.join(", ")
        )
    };
    foreign
        .map(|dependency| manifest.finding(dependency, what(&dependency.name)))
        .collect()
}

/// mec → engine → store → {query, kernel}, and nothing the other way, for tests neither.
pub(crate) fn arrows_point_down(manifest: &Manifest) -> Vec<Finding> {
    let package = manifest.package.as_str();
    let may = ARROWS
        .iter()
        .find(|(room, _)| *room == package)
        .map_or(&[][..], |(_, may)| may);
    let is_room = |name: &str| ARROWS.iter().any(|(room, _)| *room == name);
    let against = manifest.dependencies.iter().filter(|dependency| {
        let name = dependency.name.as_str();
        is_room(name) && name != package && !may.contains(&name)
    });
    let what = |name: &str| {
        format!("{package} may not know {name}: move what is needed down, or pass it in")
    };
    against
        .map(|dependency| manifest.finding(dependency, what(&dependency.name)))
        .collect()
}

enum Table {
    Package,
    /// `[dependencies]` and its kind, also of one target.
    Dependencies {
        is_dev: bool,
    },
    /// `[dependencies.name]`.
    OneDependency {
        name: String,
        is_dev: bool,
    },
    Other,
}

impl Table {
    fn read(header: &str) -> Table {
        if header == "package" {
            return Table::Package;
        }
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let is_dev = kind == "dev-dependencies";
            let Some(at) = header.rfind(kind) else {
                continue;
            };
            let (before, after) = (&header[..at], &header[at + kind.len()..]);
            // Not the end of another kind's name, nor the workspace's table of versions.
            if !(before.is_empty() || before.ends_with('.')) || before == "workspace." {
                continue;
            }
            return match after.strip_prefix('.') {
                Some(name) => Table::OneDependency {
                    name: unquote(name),
                    is_dev,
                },
                None => Table::Dependencies { is_dev },
            };
        }
        Table::Other
    }
}

/// `name` of `name.workspace`.
fn first_key(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}

/// The package of `{ package = "name", … }`.
fn renamed(value: &str) -> Option<String> {
    let (_, after) = value.split_once("package")?;
    let quoted = after.trim_start().strip_prefix('=')?.trim_start();
    quoted.split('"').nth(1).map(str::to_owned)
}

fn unquote(text: &str) -> String {
    text.trim().trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(check: fn(&Manifest) -> Vec<Finding>, text: &str) -> Vec<usize> {
        let findings = check(&Manifest::read("crates/x/Cargo.toml", text));
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn dependencies_are_read_in_every_way_they_are_written() {
        let text = "[package]\nname = \"mec\" # here\n[dependencies]\na = \"1\"\nb.workspace = true\n\
            c = { version = \"1\", features = [\"x\"] }\nd = { package = \"dd\", version = \"1\" }\n\
            # e = \"1\"\n[dev-dependencies]\nf = \"1\"\n[dependencies.g]\nversion = \"1\"\n\
            [target.'cfg(unix)'.dependencies]\nh = \"1\"\n[build-dependencies.i]\npackage = \"ii\"\n\
            [features]\nj = []\n[lints]\nworkspace = true\n[workspace.dependencies]\nk = \"1\"\n";
        let manifest = Manifest::read("Cargo.toml", text);
        let read = manifest.dependencies.iter();
        let read = read.map(|one| (one.name.as_str(), one.is_dev, one.line));
        assert_eq!(manifest.package, "mec");
        assert_eq!(
            read.collect::<Vec<_>>(),
            [
                ("a", false, 4),
                ("b", false, 5),
                ("c", false, 6),
                ("dd", false, 7),
                ("f", true, 10),
                ("g", false, 11),
                ("h", false, 14),
                ("ii", false, 15),
            ]
        );
    }

    #[test]
    fn the_kernel_may_not_depend_on_serde() {
        let text = "[package]\nname = \"mec-kernel\"\n[dependencies]\njiff = \"1\"\nserde = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n";
        assert_eq!(lines(the_kernel_depends_on_little, text), [5]);
        let other = text.replace("mec-kernel", "mec-query");
        assert_eq!(
            lines(the_kernel_depends_on_little, &other),
            [] as [usize; 0]
        );
    }

    #[test]
    fn no_room_knows_the_one_above_it() {
        let rows = [
            ("mec", "mec-engine", true),
            ("mec-engine", "mec-store", true),
            ("mec-store", "mec-kernel", true),
            ("mec-store", "serde", true),
            ("mec-kernel", "mec-query", false),
            ("mec-query", "mec-kernel", false),
            ("mec-store", "mec-engine", false),
            ("mec-engine", "mec", false),
            ("xtask", "mec-kernel", false),
        ];
        for (package, dependency, may) in rows {
            for table in ["dependencies", "dev-dependencies"] {
                let text = format!(
                    "[package]\nname = \"{package}\"\n[{table}]\n{dependency}.workspace = true\n"
                );
                let found: &[usize] = if may { &[] } else { &[4] };
                assert_eq!(lines(arrows_point_down, &text), found, "{text}");
            }
        }
    }
}
