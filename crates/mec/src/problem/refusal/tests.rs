//! Every code is mapped, says what to do, and has its section in the documents.

use std::collections::BTreeSet;

use mec_kernel::LimitKind;

use super::*;
use crate::problem::hints;

fn every_refusal() -> Vec<Refusal> {
    let text = || "x".to_owned();
    vec![
        Refusal::AccountNotFound { account: text() },
        Refusal::ParentNotFound { account: text() },
        Refusal::TooDeep,
        Refusal::ExternalIdTaken {
            external_id: text(),
        },
        Refusal::AccountClosed,
        Refusal::TooManyRows {
            what: "entitlements",
            max: 200,
        },
        Refusal::ResourceNotFound { resource: text() },
        Refusal::UnitNotFound { unit: text() },
        Refusal::UnitNotAllowed {
            unit: text(),
            resource: text(),
            allowed: vec![text()],
        },
        Refusal::PlanNotFound { plan: text() },
        Refusal::PlanInactive { plan: text() },
        Refusal::TrialUsed { plan: text() },
        Refusal::AddonNoPool {
            plan: text(),
            resource: text(),
        },
        Refusal::BadQuantity {
            argument: "quantity",
            error: QuantityError::NotANumber,
        },
        Refusal::QuantityNotPositive {
            argument: "quantity",
        },
        Refusal::WrongLimitKind {
            resource: text(),
            kind: LimitKind::Concurrency,
            operation: "consume",
        },
        Refusal::OccurredInFuture {
            ahead_seconds_max: 300,
        },
        Refusal::OccurredTooLate {
            late_seconds_max: 300,
        },
        Refusal::BadKey,
        Refusal::IdempotencyConflict {
            key: text(),
            argument: "quantity",
        },
        Refusal::BelowZero { resource: text() },
        Refusal::EventNotFound { event: text() },
        Refusal::BadCorrection {
            argument: "unit_code",
        },
        Refusal::BadTtl,
        Refusal::ReservationNotFound {
            reservation: text(),
        },
        Refusal::ReservationClosed { status: "released" },
        Refusal::EntitlementNotFound {
            entitlement: text(),
        },
        Refusal::EntitlementExpired,
        Refusal::BadValue {
            column: "to",
            must: "be after from".to_owned(),
        },
        Refusal::NotPresent {
            column: "plan_id",
            value: text(),
        },
        Refusal::InUse {
            what: text(),
            by: text(),
        },
    ]
}

#[test]
fn every_code_is_mapped_with_a_message_and_a_hint() {
    let mut mapped = BTreeSet::new();
    for refusal in every_refusal() {
        let error = of_refusal(&refusal, None);
        assert_eq!(error.code, refusal.code());
        assert!(
            !error.message.is_empty() && error.hint.as_ref().is_some_and(|hint| !hint.is_empty()),
            "{error:?}"
        );
        let is_unfound = refusal.code().ends_with("NOT_FOUND");
        assert_eq!(
            error.status == StatusCode::NOT_FOUND,
            is_unfound,
            "{error:?}"
        );
        assert!(error.status.is_client_error());
        mapped.insert(refusal.code());
    }
    let codes: BTreeSet<&str> = Refusal::CODES.iter().copied().collect();
    assert_eq!(mapped, codes);
}

#[test]
fn every_code_has_a_section_in_the_documents() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
    let page = std::fs::read_to_string(path).expect("docs/errors.md is there");
    let sections: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .flat_map(|title| title.split(", "))
        .map(|code| code.trim_matches('`'))
        .collect();
    // A list kept by hand would miss those that nobody put into it.
    let written = codes_written();
    assert!(
        written.len() >= Refusal::CODES.len(),
        "the sources were read"
    );
    let told = written
        .iter()
        .map(String::as_str)
        .chain(Refusal::CODES.iter().chain(OWN_CODES).copied());
    let known: BTreeSet<&str> = told
        .chain(hints::HINTS.iter().map(|(code, _)| *code))
        .collect();
    let undocumented: Vec<_> = known.difference(&sections).collect();
    assert!(undocumented.is_empty(), "no section for {undocumented:?}");
    let unknown: Vec<_> = sections.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "sections for codes that do not exist: {unknown:?}"
    );
}

/// Every code that stands in the sources of the product's crates (not in their tests); variables of
/// the environment look alike and are none.
fn codes_written() -> BTreeSet<String> {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config.rs");
    let variables = codes_in(&std::fs::read_to_string(config).expect("the settings"));
    let mut codes = BTreeSet::new();
    let mut folders: Vec<std::path::PathBuf> =
        ["mec", "mec-engine", "mec-store", "mec-kernel", "mec-query"]
            .iter()
            .map(|room| {
                [env!("CARGO_MANIFEST_DIR"), "..", room, "src"]
                    .iter()
                    .collect()
            })
            .collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                codes.extend(codes_in(&std::fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    codes.difference(&variables).cloned().collect()
}

/// The texts of a source that are a word beginning with `MEC_` and nothing else.
fn codes_in(source: &str) -> BTreeSet<String> {
    let is_code = |text: &&str| {
        let word = text.strip_prefix("MEC_").unwrap_or_default();
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    source
        .split('"')
        .filter(is_code)
        .map(str::to_owned)
        .collect()
}

#[test]
fn our_faults_are_5xx_and_say_whether_it_may_be_sent_again() {
    let catalog = Catalog::default();
    for (error, status, code) in [
        (MecError::Busy, 503, "MEC_BUSY"),
        (MecError::TimedOut, 504, "MEC_TIMED_OUT"),
        (MecError::NotDone("disk".into()), 503, "MEC_NOT_DONE"),
        (MecError::Overran, 503, "MEC_OVERRAN"),
        (
            MecError::OutcomeUnknown("disk".into()),
            503,
            "MEC_OUTCOME_UNKNOWN",
        ),
        (MecError::Rejected("unique".into()), 500, "MEC_INTERNAL"),
        (MecError::Stopped, 503, "MEC_STOPPED"),
    ] {
        let shown = of_error(error, &catalog, Repeat::Key);
        assert_eq!((shown.status.as_u16(), shown.code.as_ref()), (status, code));
        let text = String::from_utf8(shown.to_json()).expect("UTF-8");
        assert!(
            !text.contains("disk") && !text.contains("unique"),
            "causes are for the log: {text}"
        );
        assert!(shown.hint.is_some());
    }
    let hints: BTreeSet<&str> = crate::api::rpc::VERBS
        .iter()
        .map(|verb| verb.repeat.hint())
        .collect();
    assert_eq!(hints.len(), 4);
}

#[test]
fn too_much_for_one_write_is_the_callers_mistake() {
    let told = |error| {
        let shown = of_error(error, &Catalog::default(), Repeat::Look);
        assert!(shown.hint.is_some(), "{shown:?}");
        format!("{} {} {}", shown.status.as_u16(), shown.code, shown.message)
    };
    assert_eq!(
        told(MecError::TooManyRows { max: 1_000 }),
        "413 MEC_TOO_MANY_ROWS One request writes at most 1000 rows"
    );
    assert_eq!(
        told(MecError::AcrossShards),
        "400 MEC_ACROSS_SHARDS The rows of the request are on several shards of the database; one request writes on one"
    );
    assert_eq!(
        told(MecError::RowTwice),
        "400 21000 ON CONFLICT DO UPDATE command cannot affect row a second time"
    );
}

#[test]
fn an_unknown_name_is_answered_with_the_one_meant_or_with_all_there_are() {
    let file = mec_engine::catalog_file::parse(mec_engine::catalog_file::DEMO)
        .expect("the demo's catalog");
    let changes = file.changes(&Catalog::default(), false);
    let mut catalog = Catalog::default();
    for change in changes {
        if let mec_kernel::CatalogChange::PutResource(resource) = change {
            catalog
                .resources
                .insert(resource.code.clone(), std::sync::Arc::new(resource));
        }
    }
    let hint = |asked: &str| {
        of_refusal(
            &Refusal::ResourceNotFound {
                resource: asked.to_owned(),
            },
            Some(&catalog),
        )
        .hint
    };
    assert_eq!(
        hint("benchmark_run").as_deref(),
        Some("Perhaps you meant \"benchmark_runs\"")
    );
    let all = "There are: benchmark_runs, concurrent_users, gpu_hours, platform_access, server_configs, server_instances";
    assert_eq!(hint("zzz").as_deref(), Some(all));
}
