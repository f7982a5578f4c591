//! A server that does not answer as it should.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use serde_json::Value;

use super::counts;
use crate::shell::Shell;

/// Answers one request after the other as said; `None` hangs up without an answer.
fn answers(listener: &TcpListener, script: &[Option<(&str, &str)>]) -> Vec<Value> {
    let mut asked = vec![];
    for answer in script {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        asked.push(serde_json::from_slice::<Value>(&body).unwrap()["p_events"].clone());
        if let Some((status, body)) = answer {
            write!(
                &stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    }
    asked
}

#[test]
fn what_may_not_have_been_recorded_is_sent_again_under_its_key() {
    let shell = Shell::new();
    shell
        .write("events.csv", "idempotency_key,external_id,resource_type,quantity\na,acme,runs,1\nb,acme,runs,1\nc,acme,runs,1\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let busy = r#"{"code":"MEC_BUSY","message":"Too much is waiting","details":null,"hint":null}"#;
    let partly = r#"[{"index":0,"status":"recorded","event_id":null,"error":null},
        {"index":1,"status":"unknown","event_id":null,"error":{"code":"MEC_OUTCOME_UNKNOWN","message":"who knows"}},
        {"index":2,"status":"rejected","event_id":null,"error":{"code":"MEC_RESOURCE_NOT_FOUND","message":"There is none"}}]"#;
    let rest = r#"[{"index":0,"status":"replayed","event_id":null,"error":null}]"#;
    let script = [
        None,
        Some(("503 Busy", busy)),
        Some(("200 OK", partly)),
        Some(("200 OK", rest)),
    ];
    let server = std::thread::spawn(move || answers(&listener, &script));
    let ran = shell.run(&format!(
        "import events.csv --server http://{address} -o json"
    ));
    assert_eq!(
        (ran.code, counts(&ran.json())),
        (Some(1), [3, 1, 1, 1]),
        "{ran:?}"
    );
    let keys = |events: &Value| -> String {
        events
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["idempotency_key"].as_str().unwrap())
            .collect()
    };
    let asked: Vec<String> = server.join().unwrap().iter().map(keys).collect();
    assert_eq!(asked, ["abc", "abc", "abc", "b"]);
}

#[test]
fn a_server_that_does_not_know_the_request_ends_the_import_at_once() {
    let shell = Shell::new();
    shell.write(
        "events.csv",
        "idempotency_key,external_id,resource_type,quantity\na,acme,runs,1\n",
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server =
        std::thread::spawn(move || answers(&listener, &[Some(("404 Not Found", "nothing here"))]));
    shell
        .run(&format!("import events.csv --server http://{address}"))
        .failed(65, "the server answered 404", "is a mec server");
    server.join().unwrap();
}
