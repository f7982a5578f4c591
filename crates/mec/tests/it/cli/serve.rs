//! How `mec serve` starts, and how it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::server::{address_of, ask_to_stop};
use crate::shell::Shell;

#[test]
fn addresses_that_others_reach_are_refused() {
    let shell = Shell::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        shell.run(&format!("serve --listen {address}")).failed(
            78,
            &format!("{address} can be reached"),
            "127.0.0.1",
        );
    }
    assert!(!shell.path("mec.db").exists());
    shell
        .run("serve --listen nonsense")
        .failed(78, "\"nonsense\" is not an address", "HOST:PORT");
}

#[test]
fn a_second_signal_ends_a_server_that_still_answers() {
    let shell = Shell::new();
    let mut child = shell
        .command(&["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let address = address_of(&mut child);
    // A request whose body never comes to its end is in flight until its time is over.
    let mut slow = TcpStream::connect(&address).unwrap();
    slow.write_all(b"POST /api/rpc/consume HTTP/1.1\r\nHost: mec\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n").unwrap();
    let mut asked_for = [0; 12];
    slow.read_exact(&mut asked_for).unwrap();
    assert_eq!(&asked_for, b"HTTP/1.1 100");
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    for heard in ["stopping: requests in flight are answered", "ended at once"] {
        ask_to_stop(&child);
        assert!(log.any(|line| line.unwrap().contains(heard)), "{heard}");
    }
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn a_taken_port_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let shell = Shell::new();
    shell.run(&format!("serve --listen {address}")).failed(
        69,
        &format!("cannot listen on {address}"),
        "--listen",
    );
    let doctor = shell.run(&format!("doctor --listen {address} -o json"));
    assert_eq!(doctor.code, Some(1));
    let lines = doctor.json();
    let listen = lines
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["what"] == "listen")
        .unwrap();
    assert_eq!(listen["verdict"], json!("fail"));
}

#[test]
fn more_connections_than_the_soft_limit_of_open_files_leave_health_reachable() {
    const FILES: usize = 256;
    let shell = Shell::new();
    let mut command = Command::new("sh");
    command.args([
        "-c",
        &format!("ulimit -Sn 64; ulimit -Hn {FILES}; exec \"$0\" serve --listen 127.0.0.1:0"),
        env!("CARGO_BIN_EXE_mec"),
    ]);
    let mut server = command
        .current_dir(shell.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let address = address_of(&mut server);
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let silent: Vec<TcpStream> = (0..2 * FILES)
        .map_while(|_| TcpStream::connect(&address).ok())
        .collect();
    let health = crate::server::request(&address, "GET", "/health", "");
    let open = fs::read_dir(format!("/proc/{}/fd", server.id()))
        .unwrap()
        .count();
    ask_to_stop(&server);
    server.wait().unwrap();
    assert_eq!(
        files.split_whitespace().nth(3),
        Some(FILES.to_string().as_str()),
        "{files}"
    );
    assert_eq!(silent.len(), 2 * FILES);
    assert_eq!(health.unwrap().0, 200);
    assert!(open < FILES, "{open} files are open");
}
