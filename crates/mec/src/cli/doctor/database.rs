//! What the doctor looks at of a PostgreSQL database.

use std::time::Instant;

use mec_engine::Clock;
use mec_kernel::Time;
use mec_store::postgres::{Inspection, inspect};

use super::{CLOCK_MIN, Line, schema};
use crate::config::{Config, masked};

/// Missing rights that are named one by one.
const RIGHTS_SHOWN: usize = 3;

/// Whether the server answers and may be written to, has the schema this program writes, and lets a
/// node do its work.
pub(super) fn lines(config: &Config) -> Vec<Line> {
    let (began, name) = (Instant::now(), masked(&config.settings.store));
    let found = match inspect(&config.settings.store) {
        Ok(found) => found,
        Err(error) => return vec![Line::of("store", error.into())],
    };
    let here = Clock::machine().now();
    let answered = format!(
        "{name} answers (PostgreSQL {}, {} ms)",
        found.server_version,
        began.elapsed().as_millis()
    );
    vec![
        Line::ok("store", answered),
        schema(found.schema_version, found.schema_version_newest),
        commits(&found),
        role(&found),
        clock(found.now, here),
        connections(&found, config.options("", false).connections_max()),
    ]
}

/// `fsync` is on: the look refuses a server where it is not.
fn commits(found: &Inspection) -> Line {
    let said = match found.synchronous_commit.as_str() {
        "on" => "synchronous_commit is on".to_owned(),
        other => format!("synchronous_commit is {other} here and on in every commit of mec"),
    };
    let followed = match found.synchronous_standby_names.as_str() {
        "" => "no standby is waited for".to_owned(),
        names => format!("commits wait for {names}"),
    };
    Line::ok("commits", format!("fsync is on, {said}; {followed}"))
}

fn role(found: &Inspection) -> Line {
    let role = &found.role;
    let missing = found.rights_missing.len();
    if missing > 0 {
        let mut named = found.rights_missing[..missing.min(RIGHTS_SHOWN)].join(", ");
        if missing > RIGHTS_SHOWN {
            named.push_str(&format!(" and {} more", missing - RIGHTS_SHOWN));
        }
        let advice = format!("as the owner of the schema: mec migrate --app-role {role}");
        return Line::fail(
            "role",
            format!("{role} lacks what a node does: {named}"),
            advice,
        );
    }
    if found.schema_version == 0 {
        return Line::ok("role", format!("it is {role}, who would own the schema"));
    }
    if found.may_change_ledger {
        return Line::warn(
            "role",
            format!("{role} may also change rows of the ledger"),
            "serve as a role of its own that may not: mec migrate --app-role ROLE",
        );
    }
    Line::ok(
        "role",
        format!("{role} may record, and may not change what is recorded"),
    )
}

fn clock(now: Time, here: Time) -> Line {
    if now < CLOCK_MIN {
        return Line::fail(
            "clock",
            format!("the database's says {now}"),
            "set the clock of its machine",
        );
    }
    let apart = now.micros().saturating_sub(here.micros()) / 1_000;
    let side = if apart < 0 { "behind" } else { "ahead of" };
    Line::ok(
        "clock",
        format!(
            "the database's, which counts, is {} ms {side} this machine's",
            apart.unsigned_abs()
        ),
    )
}

fn connections(found: &Inspection, of_a_node: usize) -> Line {
    let Inspection {
        connections_max: most,
        connections: open,
        ..
    } = found;
    let of_a_node = i64::try_from(of_a_node).unwrap_or(i64::MAX);
    let told = format!(
        "a node makes at most {of_a_node} of the {most} that {} may have; {open} are open",
        found.role
    );
    if of_a_node <= *most {
        Line::ok("connections", told)
    } else {
        Line::warn(
            "connections",
            told,
            "raise max_connections, or the limit of the role or the database; or set lanes lower",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn found() -> Inspection {
        Inspection {
            server_version: "17.2".to_owned(),
            schema_version: 1,
            schema_version_newest: 1,
            synchronous_commit: "on".to_owned(),
            synchronous_standby_names: String::new(),
            role: "mec_app".to_owned(),
            rights_missing: vec![],
            may_change_ledger: false,
            connections_max: 97,
            connections: 12,
            now: CLOCK_MIN,
        }
    }

    fn told(line: &Line) -> (Verdict, &str) {
        (line.verdict, &line.found)
    }

    #[test]
    fn every_commit_is_durable_whatever_the_server_is_set_to() {
        let lax = Inspection {
            synchronous_commit: "off".to_owned(),
            ..found()
        };
        let followed = Inspection {
            synchronous_standby_names: "ANY 1 (a, b)".to_owned(),
            ..found()
        };
        for (of, what) in [
            (
                &found(),
                "fsync is on, synchronous_commit is on; no standby is waited for",
            ),
            (
                &lax,
                "fsync is on, synchronous_commit is off here and on in every commit of mec; no standby is waited for",
            ),
            (
                &followed,
                "fsync is on, synchronous_commit is on; commits wait for ANY 1 (a, b)",
            ),
        ] {
            assert_eq!(told(&commits(of)), (Verdict::Ok, what));
        }
    }

    #[test]
    fn a_role_may_do_what_a_node_does_and_no_more() {
        let lacking = |rights: &[&str]| Inspection {
            rights_missing: rights.iter().map(|right| (*right).to_owned()).collect(),
            ..found()
        };
        let unmade = Inspection {
            schema_version: 0,
            ..found()
        };
        let owner = Inspection {
            may_change_ledger: true,
            ..found()
        };
        for (of, expected) in [
            (
                &found(),
                (
                    Verdict::Ok,
                    "mec_app may record, and may not change what is recorded",
                ),
            ),
            (
                &unmade,
                (Verdict::Ok, "it is mec_app, who would own the schema"),
            ),
            (
                &owner,
                (Verdict::Warn, "mec_app may also change rows of the ledger"),
            ),
            (
                &lacking(&["INSERT on units"]),
                (
                    Verdict::Fail,
                    "mec_app lacks what a node does: INSERT on units",
                ),
            ),
            (
                &lacking(&["a", "b", "c", "d", "e"]),
                (
                    Verdict::Fail,
                    "mec_app lacks what a node does: a, b, c and 2 more",
                ),
            ),
        ] {
            assert_eq!(told(&role(of)), expected);
        }
    }

    #[test]
    fn the_databases_clock_counts() {
        let here = CLOCK_MIN.plus_micros(5_000_000);
        for (now, what) in [
            (
                CLOCK_MIN.plus_micros(5_001_999),
                "the database's, which counts, is 1 ms ahead of this machine's",
            ),
            (
                CLOCK_MIN.plus_micros(2_000_000),
                "the database's, which counts, is 3000 ms behind this machine's",
            ),
        ] {
            assert_eq!(told(&clock(now, here)), (Verdict::Ok, what));
        }
        assert_eq!(clock(Time::from_micros(0), here).verdict, Verdict::Fail);
    }

    #[test]
    fn a_node_has_room_for_its_connections() {
        let what = "a node makes at most 97 of the 97 that mec_app may have; 12 are open";
        assert_eq!(told(&connections(&found(), 97)), (Verdict::Ok, what));
        assert_eq!(connections(&found(), 98).verdict, Verdict::Warn);
    }
}
