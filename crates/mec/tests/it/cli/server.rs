//! Commands beside a server, and through it.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::json;

use crate::server::Server;
use crate::shell::Shell;

#[test]
fn commands_go_through_the_server_that_owns_the_store() {
    let (shell, _) = Shell::with_acme();
    let server = Server::serve(&shell.path("mec.db"));
    assert!(
        shell
            .done("meter acme benchmark_runs 2 --key run-1")
            .starts_with("recorded ")
    );
    assert!(
        shell
            .done("meter acme benchmark_runs 2 --key run-1")
            .starts_with("replayed ")
    );
    assert_eq!(
        shell.run("check acme benchmark_runs --quantity 99").code,
        Some(1)
    );
    assert_eq!(
        shell.done("catalog apply --demo"),
        "the catalog is as the file says\n"
    );
    assert_eq!(
        shell.done("catalog export"),
        Server::get_as_operator(&shell.path("mec.db"), "/admin/catalog").1
    );
    // These read the file beside it.
    assert!(
        shell
            .done("verify")
            .starts_with("everything agrees: 1 events")
    );
    assert_eq!(shell.done("export").lines().count(), 1);
    let elsewhere = Shell::new();
    elsewhere.done(&format!(
        "check acme benchmark_runs --server http://{}",
        server.address()
    ));
}

#[test]
fn a_second_process_is_told_whose_the_store_is() {
    let (shell, _) = Shell::with_acme();
    let server = Server::serve(&shell.path("mec.db"));
    let address = format!("http://{}", server.address());
    for line in ["serve --listen 127.0.0.1:0", "migrate"] {
        let ran = shell.run(line);
        ran.failed(69, "mec.db is in use by another process", "stop it");
        assert!(ran.stderr.contains(&address), "{ran:?}");
    }
}

#[test]
fn commands_without_a_server_wait_for_each_other() {
    let (shell, _) = Shell::with_acme();
    let children: Vec<_> = (0..6)
        .map(|number| {
            let key = format!("run-{number}");
            shell
                .command(&["meter", "acme", "benchmark_runs", "1", "--key", &key])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(
        shell.run("check acme benchmark_runs -o json").json()["quantity_used"],
        json!(6)
    );
}

#[test]
fn a_server_that_is_gone_is_told_at_once() {
    let (shell, _) = Shell::with_acme();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    shell
        .run(&format!(
            "check acme benchmark_runs --server http://{address}"
        ))
        .failed(69, "the server does not answer", "mec doctor");
    shell
        .run("check acme benchmark_runs --server https://mec.example")
        .failed(78, "\"https://mec.example\" is not a server", "http://");
}

#[test]
fn no_token_goes_to_an_address_from_the_working_directory() {
    let secret = [("MEC_JWT_SECRET", "a-secret-of-whoever-runs-the-command")];
    let shell = Shell::new();
    let planted = TcpListener::bind("127.0.0.1:0").unwrap();
    planted.set_nonblocking(true).unwrap();
    fs::write(
        shell.path("mec.toml"),
        format!("server = \"http://{}\"\n", planted.local_addr().unwrap()),
    )
    .unwrap();
    let ran = shell.run_with("check acme benchmark_runs", &secret);
    ran.failed(78, "no token is sent", "--server");
    // Nobody called at all, so not a byte of the token went out.
    assert_eq!(
        planted.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    let ran = shell.run_with(
        "check acme benchmark_runs --server http://192.0.2.1:8000",
        &secret,
    );
    ran.failed(
        78,
        "http://192.0.2.1:8000 is another machine",
        "on the server's machine",
    );
}
