//! The catalog file: what it says, what it changes, what it is refused for, and that it can be
//! written and read.

use mec_engine::catalog_file::{self, CatalogFile, DEMO, EXAMPLE, diff, parse, render};
use mec_kernel::{
    Catalog, CatalogChange, IdSource, InUse, LimitAction, LimitKind, Percent, Plan, Quantity, Rule,
    Settings, Time, TreeId, WindowKind, change_catalog,
};

const NOW: Time = Time::from_micros(1_800_000_000_000_000);

fn apply(catalog: &Catalog, changes: &[CatalogChange]) -> Catalog {
    let mut ids = IdSource::new(
        TreeId::CATALOG,
        NOW,
        u16::try_from(catalog.version).unwrap(),
    );
    let ruling = change_catalog(catalog, changes, &InUse::default(), NOW, &mut ids);
    ruling
        .unwrap_or_else(|refusal| panic!("{refusal:?}"))
        .catalog
}

/// The catalog a file makes of nothing.
fn made(text: &str) -> Catalog {
    apply(
        &Catalog::default(),
        &file(text).changes(&Catalog::default(), false),
    )
}

fn file(text: &str) -> CatalogFile {
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn told(current: &Catalog, changes: &[CatalogChange]) -> Vec<String> {
    diff(current, changes)
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// What applying `new` to what `old` made would change.
fn difference(old: &str, new: &str) -> Vec<String> {
    let current = made(old);
    told(&current, &file(new).changes(&current, true))
}

fn amounts(plan: &Plan) -> Vec<(&str, Option<String>)> {
    let amount = |quantity: Quantity| quantity.to_string();
    plan.templates
        .iter()
        .map(|template| (template.resource.as_str(), template.quantity.map(amount)))
        .collect()
}

#[test]
fn the_demo_catalog_is_the_guides() {
    let catalog = made(DEMO);
    let mut plans: Vec<&Plan> = catalog.plans.values().map(|plan| &**plan).collect();
    plans.sort_by_key(|plan| plan.sort_order);
    let sold: Vec<_> = plans
        .iter()
        .map(|plan| {
            (
                plan.id.as_str(),
                plan.name.as_str(),
                plan.is_trial,
                plan.trial_days,
            )
        })
        .collect();
    assert_eq!(
        sold,
        [
            ("trial-14d", "14-Day Free Trial", true, Some(14)),
            ("starter", "Starter", false, None),
            ("pro", "Pro", false, None),
            ("enterprise", "Enterprise", false, None),
        ]
    );
    let price = |plan: &&Plan| plan.price_amount.map(|price| price.to_string());
    let prices: Vec<_> = plans.iter().map(price).collect();
    assert_eq!(
        prices,
        [
            Some("0".to_owned()),
            Some("99".to_owned()),
            Some("299".to_owned()),
            None
        ]
    );
    let dollars_a_month = |plan: &&Plan| {
        plan.price_currency.as_deref() == Some("USD")
            && plan.price_period.as_deref() == Some("month")
    };
    assert!(
        plans.iter().all(dollars_a_month)
            && plans.iter().all(|plan| plan.is_active && !plan.is_addon)
    );

    let five = [
        "benchmark_runs",
        "concurrent_users",
        "gpu_hours",
        "server_configs",
        "server_instances",
    ];
    let granted = |amounts: [&str; 5]| -> Vec<_> {
        five.into_iter()
            .zip(amounts)
            .map(|(code, amount)| (code, (amount != "unlimited").then(|| amount.to_owned())))
            .collect()
    };
    let mut trial = granted(["50", "2", "5", "1", "2"]);
    trial.push(("platform_access", None));
    assert_eq!(amounts(plans[0]), trial);
    assert_eq!(amounts(plans[1]), granted(["100", "3", "25", "2", "10"]));
    assert_eq!(amounts(plans[2]), granted(["500", "10", "100", "10", "50"]));
    assert_eq!(amounts(plans[3]), granted(["unlimited"; 5]));
    for template in plans.iter().flat_map(|plan| &plan.templates) {
        let is_cumulative =
            catalog.resources[&template.resource].limit_kind == LimitKind::Cumulative;
        assert_eq!(
            template.window,
            is_cumulative.then_some(WindowKind::Month),
            "{}",
            template.resource
        );
    }

    let ruled: Vec<_> = catalog
        .rules
        .iter()
        .map(|rule| (rule.resource.as_str(), rule.action, rule.warn_at))
        .collect();
    assert_eq!(
        ruled,
        five.map(|code| (code, LimitAction::Block, Some(Percent(8_000))))
    );
    assert!(
        catalog
            .rules
            .iter()
            .all(|rule| rule.limit_kind == catalog.resources[&rule.resource].limit_kind)
    );
    let account_types: Vec<&str> = catalog
        .account_types
        .keys()
        .map(|code| code.as_str())
        .collect();
    assert_eq!(account_types, ["organization", "team", "user"]);
    assert_eq!(catalog.factor("hour").get(), 3_600);
    assert_eq!(catalog.settings, Settings::default());
}

#[test]
fn applying_a_file_again_changes_nothing() {
    for text in [DEMO, EXAMPLE] {
        let catalog = made(text);
        for prune in [false, true] {
            assert_eq!(file(text).changes(&catalog, prune), []);
        }
    }
}

#[test]
fn what_is_written_reads_as_what_it_was_written_from() {
    let mut odd = made(EXAMPLE);
    odd = apply(
        &odd,
        &[CatalogChange::PutAccountType {
            code: "a.b:c".into(),
            description: Some("\"x\"\n\\\u{1}".to_owned()),
        }],
    );
    let mut plan = Plan::clone(&odd.plans["team"]);
    plan.id = "v2.0:team".into();
    plan.external_ref = None;
    // Places as another client may have left them.
    plan.templates
        .iter_mut()
        .for_each(|template| template.sort_order *= 10);
    plan.metadata = Some("{\"n\": 1.50, \"highlight\": true}".to_owned());
    odd = apply(&odd, &[CatalogChange::PutPlan(plan)]);
    for rule in odd.rules.clone() {
        let twin = Rule {
            priority: 3,
            warn_at: Some(Percent(7_777)),
            ..Rule::clone(&rule)
        };
        odd.rules.push(std::sync::Arc::new(Rule {
            id: mec_kernel::RuleId(rule.id.0 + 1),
            ..twin
        }));
        odd.rules.push(std::sync::Arc::new(Rule {
            id: mec_kernel::RuleId(rule.id.0 + 2),
            ..Rule::clone(&rule)
        }));
    }
    for catalog in [Catalog::default(), made(DEMO), made(EXAMPLE), odd] {
        let text = render(&catalog);
        assert_eq!(file(&text).changes(&catalog, true), [], "{text}");
        let again = made(&text);
        assert_eq!(render(&again), text);
    }
    assert!(
        render(&made(DEMO))
            .starts_with("# The catalog: what can be counted, sold and enforced.\n#\n")
    );
}

#[test]
fn metadata_written_another_way_is_the_same() {
    let catalog = made(EXAMPLE);
    let otherwise = EXAMPLE.replace(r#"'{"highlight": true}'"#, r#"'{ "highlight" :true }'"#);
    assert_ne!(otherwise, EXAMPLE);
    assert_eq!(file(&otherwise).changes(&catalog, true), []);
}

#[test]
fn numbers_are_read_from_the_files_own_digits() {
    let rows = [
        ("\"0.1\"", "0.1"),
        ("0.1", "0.1"),
        ("100", "100"),
        ("1_000", "1000"),
        ("1_000.000_001", "1000.000001"),
        // A float of 64 bits has no such number.
        ("999999999999.999999", "999999999999.999999"),
        ("123456789012.345678", "123456789012.345678"),
        ("0x10", "16"),
        ("+7", "7"),
        ("1e3", "1000"),
        ("\"0.0000005\"", "0.000001"),
    ];
    for (written, read) in rows {
        let catalog = made(&format!(
            "[plans.a]\nname = 'A'\nprice = {written}\ncurrency = 'EUR'"
        ));
        assert_eq!(
            catalog.plans["a"].price_amount.unwrap().to_string(),
            read,
            "{written}"
        );
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_what_to_write() {
    let plan = "[plans.a]\nname = 'A'\n";
    let grant = "[plans.a]\nname = 'A'\n[[plans.a.grants]]\nresource = 'runs'\n";
    let rows: [(String, &str); 28] = [
        ("a =".into(), "line 1: not TOML: "),
        ("[units.a]\nname = 'A'\nname = 'B'".into(), "line 3: not TOML: "),
        ("[unit.hour]".into(), "line 1, unit: unknown key; known here are settings, account_types, units, "),
        ("units = 3".into(), "line 1, units: not a table but an integer; write [units] and its keys below"),
        ("[units]\nhour = 3600".into(), "line 2, units.hour: not a table but an integer; write [units.hour] "),
        ("\n[units.hour]\nname = 'Hour'\nfactor = 1".into(), "line 2, units.hour.dimension: missing; write what it measures"),
        (
            "[units.hour]\nname = 'Hour'\ndimension = 'time'\nfactor = 0".into(),
            "line 4, units.hour.factor: out of range; write 1 to 1000000000",
        ),
        ("[units.hour]\nfactor = 1.5".into(), "line 2, units.hour.factor: not a whole number but a float; "),
        (
            "[units.hour]\nfactor = '60'".into(),
            "line 2, units.hour.factor: not a whole number but a string; write it without quotes",
        ),
        (
            "[units.hour]\nfactor = 1\nsize = 2".into(),
            "line 3, units.hour.size: unknown key; known here are name, dimension, factor",
        ),
        (
            "[units.hour]\nfactor = 1\nname = 5\ndimension = 'time'".into(),
            "line 3, units.hour.name: not text but an integer; write it in quotes",
        ),
        (
            "[resources.r]\nlimit_kind = 'sum'".into(),
            "line 2, resources.r.limit_kind: not one there is; write one of cumulative, ",
        ),
        ("[resources.r]\nname = 'R'\nunit = 'count'".into(), "line 1, resources.r.limit_kind: missing; "),
        (
            "[resources.r]\nname = 'R'\nunit = 'hour'\nlimit_kind = 'cumulative'\nallowed_units = 'minute'".into(),
            "line 5, resources.r.allowed_units: not a list of codes; ",
        ),
        (format!("{plan}price = 'free'"), "line 3, plans.a.price: not a number; write a number with up to 12 digits"),
        (format!("{plan}price = nan"), "line 3, plans.a.price: not a number; "),
        (format!("{plan}price = true"), "line 3, plans.a.price: not a number; "),
        (format!("{plan}price = 1000000000000"), "line 3, plans.a.price: too large a number; "),
        (format!("{plan}price = 0.0000001"), "line 3, plans.a.price: too small a number: it rounds to 0; "),
        (format!("{plan}is_addon = 'yes'"), "line 3, plans.a.is_addon: not yes or no but a string; write true or false"),
        (format!("{plan}sort_order = 3000000000"), "line 3, plans.a.sort_order: too large a number; "),
        (format!("{plan}metadata = '{{'"), "line 3, plans.a.metadata: not JSON: "),
        (format!("{plan}grants = 3"), "line 3, plans.a.grants: not a list of tables; write [[plans.a.grants]] for each"),
        (grant.into(), "line 3, plans.a.grants[1].quantity: missing; write a number such as \"100\", or \"unlimited\""),
        (
            format!("{grant}quantity = 1\nwindow = 'fortnight'"),
            "line 6, plans.a.grants[1].window: not one there is; write one of hour, day, ",
        ),
        (
            "[[rules]]\nresource = 'a'\naction = 'block'\n[[rules]]\nresource = 'b'".into(),
            "line 4, rules[2].action: missing; write block, ",
        ),
        (
            "[[rules]]\nresource = 'a'\naction = 'overage'\noverage_unit_price = 1\ncurrency = 'EUR'".into(),
            "line 1, rules[1].overage_limit: missing; write a number such as \"100\", or \"unlimited\"",
        ),
        (
            "[[rules]]\nresource = 'a'\naction = 'block'\nwarn_at_percent = 80.125".into(),
            "line 4, rules[1].warn_at_percent: more than two decimals; write a percentage such as 80 or 99.95",
        ),
    ];
    for (text, expected) in rows {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}\n{error}\n{expected}");
    }
}

#[test]
fn only_what_has_no_quantity_may_leave_it_out() {
    let access = "[resources.access]\nname = 'A'\nlimit_kind = 'time_access'\nunit = 'count'\n";
    let plan = "[plans.a]\nname = 'A'\ngrants = [{ resource = 'access' }]";
    assert!(parse(&format!("{access}{plan}")).is_ok());
    assert!(parse(plan).is_err());
}

#[test]
fn a_difference_is_told_in_the_words_of_the_file() {
    let cheaper = DEMO.replace("price = \"99\"", "price = \"89\"");
    assert_eq!(
        difference(DEMO, &cheaper),
        ["~ plan starter: price \"99\" → \"89\""]
    );
    let more = DEMO.replace("quantity = \"500\", window", "quantity = 600, window");
    assert_eq!(
        difference(DEMO, &more),
        ["~ plan pro grant benchmark_runs: quantity \"500\" → \"600\""]
    );
    let windows = DEMO.replace(
        "quantity = \"500\", window = \"month\"",
        "quantity = \"500\"",
    );
    assert_eq!(
        difference(DEMO, &windows),
        ["~ plan pro grant benchmark_runs: window \"month\" → none"]
    );
    let fewer = DEMO.replace("    { resource = \"platform_access\" },\n", "");
    assert_eq!(
        difference(DEMO, &fewer),
        ["- plan trial-14d grant platform_access"]
    );
    let runs = "    { resource = \"benchmark_runs\", quantity = \"100\", window = \"month\" },\n";
    let seats = "    { resource = \"concurrent_users\", quantity = \"3\" },\n";
    let order = DEMO.replace(&format!("{runs}{seats}"), &format!("{seats}{runs}"));
    let told = "in the order concurrent_users, benchmark_runs, gpu_hours, server_configs, server_instances";
    assert_eq!(
        difference(DEMO, &order),
        [format!("~ plan starter grants: {told}")]
    );
    let grace = DEMO.replacen("action = \"block\"", "action = \"warn\"", 1);
    assert_eq!(
        difference(DEMO, &grace),
        ["~ rule benchmark_runs: action \"block\" → \"warn\""]
    );
    let settled = format!("{DEMO}\n[settings]\nwarn_at_percent = 85.5");
    assert_eq!(
        difference(DEMO, &settled),
        ["~ settings: warn_at_percent 80 → \"85.5\""]
    );
    let ruled = format!("{DEMO}\n[[rules]]\nresource = 'gpu_hours'\nplan = 'pro'\naction = 'warn'");
    assert_eq!(
        difference(DEMO, &ruled),
        [
            "+ rule gpu_hours on plan pro: resource = \"gpu_hours\", plan = \"pro\", action = \"warn\""
        ]
    );
    assert_eq!(
        difference(&ruled, DEMO),
        [
            "- rule gpu_hours on plan pro: resource = \"gpu_hours\", plan = \"pro\", action = \"warn\""
        ]
    );
    let day = format!("{DEMO}\n[units.day]\nname = 'Day'\ndimension = 'time'\nfactor = 86400");
    assert_eq!(
        difference(DEMO, &day),
        ["+ unit day: name = \"Day\", dimension = \"time\", factor = 86400"]
    );
    assert_eq!(difference(&day, DEMO), ["- unit day"]);
}

#[test]
fn a_difference_to_nothing_names_every_row() {
    let empty = Catalog::default();
    let lines = catalog_file::diff(&empty, &file(DEMO).changes(&empty, false));
    assert!(lines.iter().all(|line| line.sign == '+'));
    // 3 account types, 8 units, 6 resources, 4 plans with 6 + 5 + 5 + 5 grants, 5 rules.
    assert_eq!(lines.len(), 3 + 8 + 6 + 4 + 21 + 5);
}

#[test]
fn what_a_file_does_not_name_goes_only_when_pruned() {
    let both = {
        let demo = made(DEMO);
        apply(&demo, &file(EXAMPLE).changes(&demo, false))
    };
    assert!(both.plans.contains_key("starter") && both.plans.contains_key("team"));
    assert!(both.rules.len() > made(EXAMPLE).rules.len());
    assert_eq!(file(EXAMPLE).changes(&both, false), []);
    let pruned = apply(&both, &file(EXAMPLE).changes(&both, true));
    assert_eq!(render(&pruned), render(&made(EXAMPLE)));
}

#[test]
fn rules_are_known_again_by_what_they_are_for() {
    let two =
        "[[rules]]\nresource = 'gpu_hours'\naction = 'grace'\ngrace_quantity = 5\npriority = 1\n";
    let (one, two) = (DEMO.to_owned(), format!("{DEMO}\n{two}"));
    let current = made(&two);
    // One more, one less: the other stays.
    assert_eq!(difference(&one, &two).len(), 1);
    assert_eq!(file(&one).changes(&current, false), []);
    let changes = file(&one).changes(&current, true);
    assert_eq!(changes, [CatalogChange::RemoveRule(current.rules[5].id)]);
    // Another figure: the same rule.
    let stricter = two.replace("grace_quantity = 5", "grace_quantity = 4");
    let after = apply(&current, &file(&stricter).changes(&current, true));
    assert_eq!(
        (after.rules.len(), after.rules[5].id),
        (6, current.rules[5].id)
    );
    assert_eq!(after.rules[5].grace_quantity, Some(Quantity::whole(4)));
}

#[test]
fn a_plan_keeps_its_version_unless_its_grants_change() {
    let current = made(DEMO);
    let rows = [
        ("price = \"99\"", "price = \"98\"", 1),
        ("quantity = \"25\"", "quantity = \"26\"", 2),
    ];
    for (old, new, version) in rows {
        let after = apply(
            &current,
            &file(&DEMO.replace(old, new)).changes(&current, false),
        );
        assert_eq!(after.plans["starter"].version, version, "{new}");
        let ids = |catalog: &Catalog| {
            catalog.plans["starter"]
                .templates
                .iter()
                .map(|row| row.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&after), ids(&current));
    }
}
