//! Settings that are no lock, and a server that has one.

use std::io::Read as _;
use std::process::{Child, Stdio};

use serde_json::json;

use super::token::{SECRET, token};
use crate::server::{address_of, ask_to_stop};
use crate::shell::{Shell, block_on};

#[test]
fn a_lock_that_would_be_none_is_refused_at_start() {
    let shell = Shell::new();
    for (lines, error, hint) in [
        (
            "jwt_secret = \"too short, my friend\"",
            "jwt_secret (",
            "at least 32 characters",
        ),
        (
            "jwt_secret = '{\"kty\": \"RSA\", \"n\": \"AQAB\", \"e\": \"AQAB\"}'",
            "jwt_secret (",
            "JWKS",
        ),
        ("jwt_audience = \"mec\"", "jwt_audience (", "set jwt_secret"),
        ("anon_role = \"reader\"", "anon_role (", "set jwt_secret"),
    ] {
        shell.write("mec.toml", lines);
        let ran = shell.run("serve --listen 127.0.0.1:0");
        ran.failed(78, error, hint);
        assert!(
            !ran.stderr.contains("friend") && !ran.stderr.contains("AQAB"),
            "{ran:?}"
        );
    }
    for (line, error) in [
        ("jwt_role_claim = \"role\"", "jwt_role_claim ("),
        ("anon_role = \"tenant\"", "anon_role ("),
    ] {
        shell.write("mec.toml", &format!("jwt_secret = \"{SECRET}\"\n{line}"));
        shell
            .run("serve --listen 127.0.0.1:0")
            .failed(78, error, "");
    }
    shell.write(
        "mec.toml",
        &format!("jwt_secret = \"{SECRET}\"\nanon_role = \"service\""),
    );
    shell
        .run("serve --listen 0.0.0.0:0")
        .failed(78, "0.0.0.0:0 can be reached", "jwt_secret");
    assert!(!shell.path("mec.db").exists());
}

#[test]
fn a_server_with_a_secret_is_reached_from_elsewhere_and_by_its_own_command_line() {
    let (shell, _) = Shell::with_acme();
    shell.write("mec.toml", &format!("jwt_secret = \"{SECRET}\"\njwt_audience = \"mec\"\njwt_role_claim = \"$.app.roles[1]\"\n"));
    for shown in [shell.done("config"), shell.done("config -o json")] {
        assert!(
            shown.contains("***") && !shown.contains("these tests share"),
            "{shown}"
        );
    }
    let serve = ["serve", "--listen", "0.0.0.0:0"];
    let child = shell
        .command(&serve)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a server");
    let mut server = Running(child);
    let address = address_of(&mut server.0);
    let url = format!("http://{address}/api/plans");
    let status = |bearer: Option<String>| {
        block_on(async {
            let request = reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client")
                .get(&url)
                .header("host", "mec.example.com");
            let request = bearer
                .into_iter()
                .fold(request, |request, bearer| request.bearer_auth(bearer));
            request.send().await.expect("an answer").status().as_u16()
        })
    };
    assert_eq!(status(None), 401);
    assert_eq!(
        status(Some(token(
            &json!({"app": {"roles": ["x", "reader"]}, "aud": "mec"})
        ))),
        200
    );

    shell.done("meter acme benchmark_runs 1 --key run-1");
    shell.write("mec.toml", "");
    shell.run("meter acme benchmark_runs 1 --key run-2").failed(
        78,
        "Anonymous access is disabled",
        "MEC_JWT_SECRET",
    );
    ask_to_stop(&server.0);
    let mut log = String::new();
    server
        .0
        .stderr
        .take()
        .expect("its log")
        .read_to_string(&mut log)
        .expect("text");
    assert!(
        server.0.wait().expect("its end").success() && !log.contains("these tests share"),
        "{log}"
    );
}

/// Killed where a test ends early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
