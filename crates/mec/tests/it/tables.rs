//! The table API over HTTP: the guide's requests, PostgREST's answers, errors that say what to do.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use mec::api::context::AppState;
use mec_engine::{Mec, Options, catalog_file};
use serde_json::{Value, json};
use tower_service::Service as _;

use crate::home::{Home, on_both_async};

const REPRESENTATION: &str = "prefer: return=representation";
const OBJECT: &str = "accept: application/vnd.pgrst.object+json";
const NOBODY: &str = "00000000-0000-7000-8000-000000000007";

struct Api {
    router: Router,
    _home: Home,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }

    /// Status, code and message of an error, whose four keys are there and whose hint is not empty.
    #[track_caller]
    fn told(&self) -> String {
        let body = self.json();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            body.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["code", "message", "details", "hint"],
            "{}",
            self.text
        );
        assert!(!text("hint").is_empty(), "no hint: {}", self.text);
        assert_eq!(
            self.header("proxy-status"),
            format!("PostgREST; error={}", text("code"))
        );
        format!(
            "{} {} {}",
            self.status.as_u16(),
            text("code"),
            text("message")
        )
    }
}

impl Api {
    async fn on(home: Home) -> Self {
        let catalog = catalog_file::parse(catalog_file::DEMO)
            .unwrap()
            .changes(&mec_kernel::Catalog::default(), false);
        let mec = Mec::open(
            &home.url(),
            Options {
                catalog,
                ..Options::default()
            },
        )
        .await
        .unwrap();
        let router = mec::http::router::router(AppState::new(std::sync::Arc::new(mec)));
        Self {
            router,
            _home: home,
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let response = self
            .router
            .clone()
            .call(request.body(body.into()).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.send("GET", path, headers, Body::empty()).await
    }

    async fn write(&self, method: &str, path: &str, headers: &[&str], body: &Value) -> Answer {
        let headers: Vec<&str> = headers
            .iter()
            .copied()
            .chain(["content-type: application/json"])
            .collect();
        self.send(method, path, &headers, body.to_string()).await
    }

    async fn post(&self, path: &str, headers: &[&str], body: Value) -> Answer {
        self.write("POST", path, headers, &body).await
    }

    async fn account(&self, name: &str) -> String {
        let answer = self
            .post("/api/accounts", &[], json!({"display_name": name}))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["account_id"].as_str().unwrap().to_owned()
    }

    async fn provision(&self, account: &str, plan: &str) -> Value {
        let answer = self
            .post(
                "/api/rpc/provision_plan",
                &[],
                json!({"p_account_id": account, "p_plan_id": plan}),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}

mod guide {
    use super::*;

    on_both_async!(
        step_2_shows_the_plans_in_their_order,
        step_3_answers_the_created_account_as_one_object,
        scenario_a_needs_no_account_type,
        step_5_shows_the_five_entitlements_of_starter,
        scenario_d_expires_the_old_rows_and_provisions_a_new_plan,
        the_ledger_refuses_changes_in_the_guides_words,
    );

    async fn step_2_shows_the_plans_in_their_order(home: Home) {
        let api = Api::on(home).await;
        let answer = api.get("/api/plans", &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (200, "application/json; charset=utf-8")
        );
        assert_eq!(
            (
                answer.header("content-range"),
                answer.header("content-location")
            ),
            ("0-3/*", "/api/plans")
        );
        let plans = answer.json();
        let shown: Vec<_> = plans
            .as_array()
            .unwrap()
            .iter()
            .map(|plan| (plan["plan_id"].clone(), plan["plan_name"].clone()))
            .collect();
        let expected = [
            ("trial-14d", "14-Day Free Trial"),
            ("starter", "Starter"),
            ("pro", "Pro"),
            ("enterprise", "Enterprise"),
        ];
        assert_eq!(shown, expected.map(|(id, name)| (json!(id), json!(name))));
        assert_eq!(
            (&plans[0]["is_trial"], &plans[0]["trial_days"]),
            (&json!(true), &json!(14))
        );
    }

    async fn step_3_answers_the_created_account_as_one_object(home: Home) {
        let api = Api::on(home).await;
        let body = json!({
            "account_type_code": "organization", "display_name": "Acme Corp", "external_id": "stripe_cus_abc123",
            "email": "admin@acme.com",
        });
        let answer = api.post("/api/accounts", &[], body).await;
        let account = answer.json();
        assert_eq!(
            (
                answer.status.as_u16(),
                &account["display_name"],
                &account["status"]
            ),
            (201, &json!("Acme Corp"), &json!("active"))
        );
        let id = account["account_id"].as_str().unwrap();
        assert_eq!(
            answer.header("location"),
            format!("/api/accounts?account_id=eq.{id}")
        );
        assert_eq!(
            answer.header("content-type"),
            "application/json; charset=utf-8"
        );
        assert!(account["created_at"].as_str().unwrap().ends_with('Z'));
        let again = api.get(answer.header("location"), &[OBJECT]).await;
        assert_eq!(again.json(), account);
    }

    async fn scenario_a_needs_no_account_type(home: Home) {
        let api = Api::on(home).await;
        let answer = api
            .post(
                "/api/accounts",
                &[],
                json!({"external_id": "stripe_cus_xxx", "display_name": "New Customer"}),
            )
            .await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["account_type_code"]),
            (201, &json!("organization"))
        );
    }

    async fn step_5_shows_the_five_entitlements_of_starter(home: Home) {
        let api = Api::on(home).await;
        let account = api.account("Acme Corp").await;
        assert_eq!(api.provision(&account, "starter").await, json!(5));
        let answer = api
            .get(&format!("/api/entitlements?account_id=eq.{account}"), &[])
            .await;
        let rows = answer.json();
        let shown: Vec<_> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                format!(
                    "{} {} {}",
                    row["resource_type_code"], row["quantity_allowed"], row["limit_kind_code"]
                )
            })
            .collect();
        let expected = [
            r#""benchmark_runs" 100 "cumulative""#,
            r#""concurrent_users" 3 "concurrency""#,
            r#""gpu_hours" 25 "cumulative""#,
            r#""server_configs" 2 "inventory""#,
            r#""server_instances" 10 "inventory""#,
        ];
        assert_eq!(shown, expected);
    }

    async fn scenario_d_expires_the_old_rows_and_provisions_a_new_plan(home: Home) {
        let api = Api::on(home).await;
        let account = api.account("Acme Corp").await;
        api.provision(&account, "starter").await;
        let check = json!({"p_account_id": account, "p_resource_type": "benchmark_runs", "p_requested_qty": 1});
        let decision = async || {
            api.post("/api/rpc/check_entitlement", &[], check.clone())
                .await
                .json()[0]["decision"]
                .clone()
        };
        assert_eq!(decision().await, "allow");
        let path = format!("/api/entitlements?account_id=eq.{account}");
        let answer = api
            .write("PATCH", &path, &[], &json!({"status": "expired"}))
            .await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        assert_eq!(answer.header("content-range"), "0-4/*");
        assert_eq!(decision().await, "deny");
        api.provision(&account, "pro").await;
        assert_eq!(decision().await, "allow");
        let allowed = format!(
            "{path}&status=eq.active&resource_type_code=eq.benchmark_runs&select=quantity_allowed"
        );
        assert_eq!(
            api.get(&allowed, &[]).await.json(),
            json!([{"quantity_allowed": 500}])
        );
    }

    async fn the_ledger_refuses_changes_in_the_guides_words(home: Home) {
        let api = Api::on(home).await;
        for (method, path, told) in [
            (
                "PATCH",
                "/api/consumption_ledger?quantity=eq.1",
                "400 P0001 Consumption ledger is append-only. Cannot update.",
            ),
            (
                "DELETE",
                "/api/consumption_ledger?quantity=eq.1",
                "400 P0001 Consumption ledger is append-only. Cannot delete.",
            ),
            (
                "POST",
                "/api/consumption_ledger",
                "400 P0001 Consumption ledger is append-only. It is written by functions.",
            ),
        ] {
            let answer = api.write(method, path, &[], &json!({"quantity": 2})).await;
            assert_eq!(answer.told(), told);
            assert!(
                answer.json()["hint"]
                    .as_str()
                    .unwrap()
                    .contains("/api/rpc/"),
                "{}",
                answer.text
            );
        }
    }
}

mod reads {
    use super::*;

    on_both_async!(
        a_page_says_which_rows_it_holds,
        embeds_follow_the_references_both_ways,
        rows_are_answered_in_the_form_asked_for,
        the_first_mistake_of_a_request_is_the_one_told,
    );

    async fn a_page_says_which_rows_it_holds(home: Home) {
        let api = Api::on(home).await;
        let count = "prefer: count=exact";
        for (path, headers, status, range, rows) in [
            ("/api/plans", &[][..], 200, "0-3/*", 4),
            ("/api/plans?limit=2&offset=1", &[], 200, "1-2/*", 2),
            ("/api/plans?limit=2&offset=1", &[count], 206, "1-2/4", 2),
            ("/api/plans?offset=4", &[count], 206, "*/4", 0),
            ("/api/plans?limit=0", &[count], 206, "*/4", 0),
            ("/api/plans?plan_id=eq.none", &[count], 200, "*/0", 0),
            ("/api/plans?plan_id=eq.none", &[], 200, "*/*", 0),
            ("/api/plans", &["range: 0-1", count], 206, "0-1/4", 2),
            ("/api/plans", &["range: 0-1"], 200, "0-1/*", 2),
            ("/api/plans?offset=9", &[], 200, "*/*", 0),
            (
                "/rest/v1/plans",
                &[
                    "accept-profile: public",
                    "authorization: Bearer sb_publishable_x",
                ],
                200,
                "0-3/*",
                4,
            ),
        ] {
            let answer = api.get(path, headers).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-range")),
                (status, range),
                "{path} {headers:?}"
            );
            assert_eq!(answer.json().as_array().unwrap().len(), rows, "{path}");
            assert_eq!(answer.header("vary"), "Accept, Prefer, Range");
        }
        let answer = api.get("/api/plans?offset=9", &[count]).await;
        assert_eq!(
            answer.told(),
            "416 PGRST103 Requested range not satisfiable"
        );
        assert_eq!(answer.header("content-range"), "*/4");
        let answer = api
            .send("HEAD", "/api/plans?limit=1", &[count], Body::empty())
            .await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.header("content-range"),
                answer.text.as_str()
            ),
            (206, "0-0/4", "")
        );
        assert_eq!(answer.header("preference-applied"), "count=exact");
        let answer = api
            .get(
                "/api/plans?select=plan_id&limit=1&is_trial=is.true",
                &["accept-profile: public"],
            )
            .await;
        assert_eq!(
            answer.header("content-location"),
            "/api/plans?is_trial=is.true&limit=1&select=plan_id"
        );
        assert_eq!(answer.header("content-profile"), "public");
    }

    async fn embeds_follow_the_references_both_ways(home: Home) {
        let api = Api::on(home).await;
        let account = api.account("Acme Corp").await;
        api.provision(&account, "starter").await;
        let rows = api
            .get(
                "/api/entitlements?select=*,accounts(display_name)&limit=1",
                &[],
            )
            .await
            .json();
        assert_eq!(rows[0]["accounts"], json!({"display_name": "Acme Corp"}));
        let path = "/api/accounts?select=display_name,entitlements(resource_type_code)&entitlements.limit=2";
        let expected = [json!({"display_name": "Acme Corp", "entitlements":
            [{"resource_type_code": "benchmark_runs"}, {"resource_type_code": "concurrent_users"}]})];
        assert_eq!(api.get(path, &[]).await.json(), json!(expected));
        let path = "/api/entitlements?select=plans!inner(plan_name)&plans.plan_name=eq.Pro";
        assert_eq!(
            api.get(path, &["prefer: count=exact"])
                .await
                .header("content-range"),
            "*/0"
        );
        let told = api.get("/api/units?select=*,accounts(*)", &[]).await.told();
        assert!(
            told.starts_with(
                "400 PGRST200 Could not find a relationship between 'units' and 'accounts'"
            ),
            "{told}"
        );
    }

    async fn rows_are_answered_in_the_form_asked_for(home: Home) {
        let api = Api::on(home).await;
        let answer = api
            .get(
                "/api/plans?select=plan_id,plan_name,is_trial,trial_days&limit=2",
                &["accept: text/csv"],
            )
            .await;
        assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
        assert_eq!(
            answer.text,
            "plan_id,plan_name,is_trial,trial_days\ntrial-14d,\"14-Day Free Trial\",t,14\nstarter,Starter,f,"
        );
        let answer = api
            .get("/api/plans?plan_id=eq.pro&select=plan_name", &[OBJECT])
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (200, json!({"plan_name": "Pro"}))
        );
        assert_eq!(
            answer.header("content-type"),
            "application/vnd.pgrst.object+json; charset=utf-8"
        );
        let answer = api.get("/api/plans", &[OBJECT]).await;
        assert_eq!(
            answer.told(),
            "406 PGRST116 Cannot coerce the result to a single JSON object"
        );
    }

    async fn the_first_mistake_of_a_request_is_the_one_told(home: Home) {
        let api = Api::on(home).await;
        for (method, path, headers, body, told) in [
            (
                "GET",
                "/api/nope?x=bogus.1",
                &[][..],
                "",
                "400 PGRST100 \"failed to parse filter (bogus.1)\" (line 1, column 1)",
            ),
            (
                "GET",
                "/api/nope?limit=-1",
                &[],
                "",
                "416 PGRST103 Requested range not satisfiable",
            ),
            (
                "POST",
                "/api/nope",
                &[],
                "{",
                "400 PGRST102 Empty or invalid json",
            ),
            (
                "POST",
                "/api/nope",
                &[],
                "{}",
                "404 PGRST205 Could not find the table 'public.nope' in the schema cache",
            ),
            (
                "GET",
                "/api/plan",
                &["accept: text/x"],
                "",
                "404 PGRST205 Could not find the table 'public.plan' in the schema cache",
            ),
            (
                "POST",
                "/api/plans?select=x(*)",
                &[],
                r#"{"zz":1}"#,
                "400 PGRST200 Could not find a relationship between 'plans' and 'x' in the schema cache",
            ),
            (
                "POST",
                "/api/plans",
                &["accept: text/x"],
                r#"{"zz":1}"#,
                "400 PGRST204 Could not find the 'zz' column of 'plans' in the schema cache",
            ),
            (
                "POST",
                "/api/plans",
                &["accept: text/x"],
                "{}",
                "406 PGRST107 None of these media types are available: text/x",
            ),
            (
                "POST",
                "/api/plans",
                &["prefer: handling=strict, foo=bar"],
                "{}",
                "400 PGRST122 Invalid preferences given with handling=strict",
            ),
            (
                "GET",
                "/api/plans?nope=eq.1",
                &[],
                "",
                "400 42703 column plans.nope does not exist",
            ),
            (
                "GET",
                "/api/plans",
                &["accept-profile: other"],
                "",
                "406 PGRST106 Invalid schema: other",
            ),
            (
                "TRACE",
                "/api/plans",
                &[],
                "",
                "405 PGRST117 Unsupported HTTP method: TRACE",
            ),
            (
                "GET",
                "/api/plans/pro",
                &[],
                "",
                "404 PGRST125 Invalid path specified in request URL",
            ),
        ] {
            assert_eq!(
                api.send(method, path, headers, body).await.told(),
                told,
                "{method} {path}"
            );
        }
        let hint = api.get("/api/plan", &[]).await.json()["hint"].clone();
        assert_eq!(hint, "Perhaps you meant the table 'public.plans'");
        let hint = api.get("/api/plans?plan_nam=eq.x", &[]).await.json()["hint"].clone();
        assert_eq!(
            hint,
            "Perhaps you meant to reference the column \"plans.plan_name\"."
        );
    }
}

mod writes {
    use super::*;

    on_both_async!(
        an_insert_answers_what_was_asked_for,
        inserted_rows_are_shown_in_the_order_of_the_request_and_with_their_embeds,
        an_upsert_says_whether_anything_is_new,
        a_put_makes_or_changes_the_row_its_url_names,
        a_patch_answers_what_it_changed,
        a_delete_answers_the_rows_as_they_were,
        what_a_table_takes_is_said_by_options_and_by_its_refusals,
        a_reference_to_nothing_is_told_as_postgresql_does,
    );

    async fn an_insert_answers_what_was_asked_for(home: Home) {
        let api = Api::on(home).await;
        let unit = |code: &str| json!({"unit_code": code, "unit_name": "U", "dimension": "d", "factor": 1});
        for (headers, body, status, text, range, location) in [
            (&[][..], unit("a"), 201, String::new(), "*/*", ""),
            (
                &["prefer: return=minimal"],
                unit("b"),
                201,
                String::new(),
                "*/*",
                "",
            ),
            (
                &["prefer: return=headers-only"],
                unit("c"),
                201,
                String::new(),
                "*/*",
                "/api/units?unit_code=eq.c",
            ),
            (
                &[REPRESENTATION],
                unit("d"),
                201,
                json!([unit("d")]).to_string(),
                "*/*",
                "",
            ),
            (
                &[REPRESENTATION, OBJECT],
                unit("e"),
                201,
                unit("e").to_string(),
                "*/*",
                "",
            ),
            (
                &["prefer: return=representation,count=exact"],
                json!([unit("g"), unit("f")]),
                201,
                json!([unit("g"), unit("f")]).to_string(),
                "*/2",
                "",
            ),
            (
                &[REPRESENTATION],
                json!([]),
                201,
                "[]".to_owned(),
                "*/*",
                "",
            ),
        ] {
            let answer = api.post("/api/units", headers, body).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.text),
                (status, &text),
                "{headers:?}"
            );
            assert_eq!(
                (answer.header("content-range"), answer.header("location")),
                (range, location),
                "{headers:?}"
            );
            assert_eq!(
                answer.headers.contains_key("content-type"),
                !text.is_empty()
            );
        }
        let answer = api
            .post("/api/units", &[OBJECT], json!([unit("h"), unit("i")]))
            .await;
        assert_eq!(
            answer.told(),
            "406 PGRST116 Cannot coerce the result to a single JSON object"
        );
        assert_eq!(
            api.get("/api/units?unit_code=in.(h,i)", &[]).await.json(),
            json!([])
        );
        let answer = api.post("/api/units", &[], unit("a")).await;
        assert_eq!(
            answer.told(),
            "409 23505 duplicate key value violates unique constraint \"units_pkey\""
        );
        assert_eq!(
            answer.json()["details"],
            "Key (unit_code)=(a) already exists."
        );
        let answer = api
            .post(
                "/api/units?select=unit_name,factor::int2",
                &[REPRESENTATION],
                unit("j"),
            )
            .await;
        assert_eq!(answer.told(), "400 PGRST127 Feature not implemented");
        assert_eq!(
            api.get("/api/units?unit_code=eq.j", &[]).await.json(),
            json!([])
        );
    }

    async fn inserted_rows_are_shown_in_the_order_of_the_request_and_with_their_embeds(home: Home) {
        let api = Api::on(home).await;
        let names = ["d", "a", "c", "b", "e"];
        let body: Vec<_> = names
            .iter()
            .map(|name| json!({"display_name": name}))
            .collect();
        let path = "/api/accounts?select=display_name,account_types(account_type_code)&columns=%22display_name%22";
        let answer = api.post(path, &[REPRESENTATION], json!(body)).await;
        let expected: Vec<_> = names
            .iter()
            .map(|name| json!({"display_name": name, "account_types": {"account_type_code": "organization"}}))
            .collect();
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (201, json!(expected))
        );
        let ordered = api
            .post(
                "/api/accounts?select=display_name&order=display_name.desc",
                &[REPRESENTATION],
                json!(body),
            )
            .await;
        assert_eq!(ordered.json()[0], json!({"display_name": "e"}));
        // An array is PostgREST's business: nothing is answered without being asked for.
        let answer = api
            .post("/api/accounts", &[], json!([{"display_name": "z"}]))
            .await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (201, ""));
        let answer = api
            .post(
                "/api/accounts",
                &["prefer: return=minimal"],
                json!({"display_name": "z"}),
            )
            .await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (201, ""));
        let answer = api
            .send(
                "POST",
                "/api/accounts",
                &["content-type: text/csv"],
                "display_name,email\nx,NULL\ny,y@z\n",
            )
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(
            api.get("/api/accounts?email=eq.y@z&select=display_name", &[])
                .await
                .json(),
            json!([{"display_name": "y"}])
        );
    }

    async fn an_upsert_says_whether_anything_is_new(home: Home) {
        let api = Api::on(home).await;
        let merge = "prefer: resolution=merge-duplicates";
        let plan = |id: &str, name: &str| json!({"plan_id": id, "plan_name": name});
        let answer = api
            .post(
                "/api/plans",
                &[merge],
                json!([plan("pro", "Pro 2"), plan("club", "Club")]),
            )
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("preference-applied")),
            (201, "resolution=merge-duplicates")
        );
        let answer = api.post("/api/plans", &[merge], plan("pro", "Pro 3")).await;
        assert_eq!(answer.status, 200);
        let row = api
            .get(
                "/api/plans?plan_id=eq.pro&select=plan_name,price_amount,version",
                &[],
            )
            .await
            .json();
        assert_eq!(
            row,
            json!([{"plan_name": "Pro 3", "price_amount": 299, "version": 1}])
        );
        let ignore = "prefer: resolution=ignore-duplicates,return=representation";
        let answer = api
            .post(
                "/api/plans?select=plan_id",
                &[ignore],
                json!([plan("pro", "X"), plan("team", "Team")]),
            )
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (201, json!([{"plan_id": "team"}]))
        );
        // Skipped, so there is nothing to show.
        let account = json!({"display_name": "A", "external_id": "x"});
        api.post("/api/accounts", &[], account.clone()).await;
        let answer = api
            .post(
                "/api/accounts?on_conflict=external_id",
                &["prefer: resolution=ignore-duplicates"],
                account,
            )
            .await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (201, ""));
    }

    async fn a_put_makes_or_changes_the_row_its_url_names(home: Home) {
        let api = Api::on(home).await;
        let plan = json!({"plan_id": "club", "plan_name": "Club"});
        let answer = api
            .write(
                "PUT",
                "/api/plans?plan_id=eq.club",
                &[REPRESENTATION],
                &plan,
            )
            .await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()[0]["plan_name"]),
            (201, &json!("Club"))
        );
        let answer = api
            .write("PUT", "/api/plans?plan_id=eq.club", &[], &plan)
            .await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        let answer = api
            .write("PUT", "/api/plans?plan_id=eq.other", &[], &plan)
            .await;
        assert_eq!(
            answer.told(),
            "400 PGRST115 Payload values do not match URL in primary key column(s)"
        );
        let answer = api
            .write(
                "PUT",
                &format!("/api/accounts?account_id=eq.{NOBODY}"),
                &[],
                &json!({"display_name": "A"}),
            )
            .await;
        assert!(answer.told().starts_with("403 42501"));
    }

    async fn a_patch_answers_what_it_changed(home: Home) {
        let api = Api::on(home).await;
        let account = api.account("Acme").await;
        api.provision(&account, "starter").await;
        let path = format!("/api/entitlements?account_id=eq.{account}");
        let suspend = json!({"status": "suspended"});
        let strict = "prefer: handling=strict, max-affected=4";
        let answer = api.write("PATCH", &path, &[strict], &suspend).await;
        assert_eq!(
            answer.told(),
            "400 PGRST124 Query result exceeds max-affected preference constraint"
        );
        let answer = api.write("PATCH", &path, &[OBJECT], &suspend).await;
        assert_eq!(
            answer.told(),
            "406 PGRST116 Cannot coerce the result to a single JSON object"
        );
        assert_eq!(
            api.get(&format!("{path}&status=eq.active"), &[])
                .await
                .json()
                .as_array()
                .unwrap()
                .len(),
            5
        );

        let headers = [
            "prefer: return=representation, count=exact, handling=strict, max-affected=5, tx=rollback",
        ];
        let answer = api
            .write(
                "PATCH",
                &format!("{path}&select=status"),
                &headers,
                &suspend,
            )
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (200, json!(vec![suspend.clone(); 5]))
        );
        assert_eq!(answer.header("content-range"), "0-4/5");
        assert_eq!(
            answer.header("preference-applied"),
            "return=representation, count=exact, handling=strict, max-affected=5"
        );

        let none = format!("/api/entitlements?account_id=eq.{NOBODY}");
        let answer = api.write("PATCH", &none, &[REPRESENTATION], &suspend).await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.text.as_str(),
                answer.header("content-range")
            ),
            (200, "[]", "*/*")
        );
        let answer = api.write("PATCH", &path, &[], &json!({})).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-range")),
            (204, "*/*")
        );
        let answer = api.write("PATCH", "/api/entitlements", &[], &suspend).await;
        assert_eq!(answer.told(), "400 21000 UPDATE requires a WHERE clause");
        let answer = api
            .write("PATCH", &path, &[], &json!({"status": "paused"}))
            .await;
        assert_eq!(
            answer.told(),
            "400 23514 new row for relation \"entitlements\" violates check constraint \"entitlements_status_check\""
        );
        let answer = api
            .write("PATCH", &path, &[], &json!({"account_id": account}))
            .await;
        assert_eq!(
            answer.told(),
            "403 42501 permission denied for table entitlements"
        );
    }

    async fn a_delete_answers_the_rows_as_they_were(home: Home) {
        let api = Api::on(home).await;
        api.post(
            "/api/account_types",
            &[],
            json!([{"account_type_code": "robot"}, {"account_type_code": "guest"}]),
        )
        .await;
        let answer = api
            .send("DELETE", "/api/account_types", &[], Body::empty())
            .await;
        assert_eq!(answer.told(), "400 21000 DELETE requires a WHERE clause");
        let headers = [
            "prefer: return=representation,count=exact",
            "content-type: application/json",
        ];
        let path = "/api/account_types?account_type_code=in.(robot,guest)&select=account_type_code";
        let answer = api.send("DELETE", path, &headers, "{}").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-range")),
            (200, "*/2")
        );
        assert_eq!(
            answer.json(),
            json!([{"account_type_code": "guest"}, {"account_type_code": "robot"}])
        );
        let answer = api.send("DELETE", path, &[], Body::empty()).await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.header("content-range"),
                answer.text.as_str()
            ),
            (204, "*/*", "")
        );
        let account = api.account("Acme").await;
        api.provision(&account, "starter").await;
        let answer = api
            .send(
                "DELETE",
                "/api/plans?plan_id=eq.starter",
                &[],
                Body::empty(),
            )
            .await;
        assert!(answer.told().starts_with("409 23503"), "{}", answer.text);
        let answer = api
            .send(
                "DELETE",
                &format!("/api/accounts?account_id=eq.{account}"),
                &[],
                Body::empty(),
            )
            .await;
        assert!(answer.told().starts_with("409 23503"), "{}", answer.text);
        assert!(answer.json()["hint"].as_str().unwrap().contains("closed"));
    }

    async fn what_a_table_takes_is_said_by_options_and_by_its_refusals(home: Home) {
        let api = Api::on(home).await;
        for (table, allow) in [
            ("plans", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
            ("accounts", "OPTIONS,GET,HEAD,POST,PATCH,DELETE"),
            ("consumption_ledger", "OPTIONS,GET,HEAD"),
        ] {
            let answer = api
                .send("OPTIONS", &format!("/api/{table}"), &[], Body::empty())
                .await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("allow")),
                (200, allow)
            );
        }
        assert!(
            api.send("OPTIONS", "/api/nope", &[], Body::empty())
                .await
                .told()
                .starts_with("404 PGRST205")
        );
        for (table, function) in [
            ("concurrency_leases", "acquire_lease"),
            ("reservations", "reserve"),
            ("account_plans", "provision_plan"),
            ("consumption_event_details", "meter_consumption"),
        ] {
            let answer = api
                .post(&format!("/api/{table}"), &[], json!({"account_id": NOBODY}))
                .await;
            assert!(
                answer.told().starts_with("403 42501") || answer.told().starts_with("400 PGRST204"),
                "{}",
                answer.text
            );
            assert!(
                answer.json()["hint"].as_str().unwrap().contains(function),
                "{}",
                answer.text
            );
        }
    }

    async fn a_reference_to_nothing_is_told_as_postgresql_does(home: Home) {
        let api = Api::on(home).await;
        let row = json!({"account_id": NOBODY, "resource_type_code": "benchmark_runs"});
        for body in [row.clone(), json!([row.clone(), row])] {
            let answer = api.post("/api/entitlements", &[], body).await;
            let told = "409 23503 insert or update on table \"entitlements\" violates foreign key constraint \"entitlements_account_id_fkey\"";
            assert_eq!(answer.told(), told);
            assert_eq!(
                answer.json()["details"],
                format!("Key (account_id)=({NOBODY}) is not present in table \"accounts\".")
            );
        }
    }
}
