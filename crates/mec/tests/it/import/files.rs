//! Files that are no list of events, and files that must not be written.

use crate::shell::Shell;

#[test]
fn a_file_that_is_no_list_of_events_is_refused_as_a_whole() {
    let (shell, _) = Shell::with_acme();
    shell.write("empty.csv", "");
    shell.run("import empty.csv").failed(
        65,
        "empty.csv, line 1: the file is empty",
        "names the columns",
    );
    shell.write(
        "typo.csv",
        "idempotency_key,external_id,resource_type,quantity,ocurred_at\n",
    );
    shell.run("import typo.csv").failed(
        65,
        "typo.csv, line 1: there is no column \"ocurred_at\"",
        "occurred_at",
    );
    shell.write(
        "open.csv",
        &format!(
            "idempotency_key,external_id,resource_type,quantity\n\"{}",
            "a,b\n".repeat(500_000)
        ),
    );
    shell
        .run("import open.csv")
        .failed(65, "open.csv, line 2: more than", "quote");
    shell.write("events.txt", "");
    shell
        .run("import events.txt")
        .failed(65, "the name events.txt does not say", "--format");
    assert_eq!(shell.run("import absent.csv").code, Some(66));
    assert_eq!(
        shell.done("import --format ndjson -").split(" in ").next(),
        Some("0 lines: 0 recorded, 0 replayed, 0 rejected")
    );
}

#[test]
fn a_file_that_is_no_text_is_told_for_what_it_is() {
    let (shell, _) = Shell::with_acme();
    for (name, bytes, told) in [
        (
            "packed.csv",
            b"\x1f\x8b\x08\0rest".as_slice(),
            "packed.csv is compressed (gzip)",
        ),
        (
            "packed.ndjson",
            b"\x1f\x8b\x08\0rest",
            "packed.ndjson is compressed (gzip)",
        ),
        (
            "sheet.csv",
            b"PK\x03\x04rest",
            "sheet.csv is a ZIP archive or a spreadsheet",
        ),
        (
            "wide.csv",
            b"\xff\xfei\0d\0",
            "wide.csv is written in UTF-16",
        ),
        (
            "semicolons.csv",
            b"idempotency_key;external_id\n",
            "semicolons.csv, line 1: the columns are separated by ';'",
        ),
        (
            "events.csv.gz",
            b"",
            "events.csv.gz is no text file by its name",
        ),
    ] {
        std::fs::write(shell.path(name), bytes).unwrap();
        let ran = shell.run(&format!("import {name}"));
        assert_eq!(ran.code, Some(65), "{ran:?}");
        assert!(
            ran.stderr.starts_with(&format!("error: {told}\nhint: ")),
            "{ran:?}"
        );
    }
    std::fs::write(
        shell.path("pretty.ndjson"),
        "\u{feff}{\n\"idempotency_key\": \"k\"\n}\n[{}]\n",
    )
    .unwrap();
    let ran = shell.run("import pretty.ndjson");
    let told: Vec<&str> = ran.stderr.lines().collect();
    let wanted = [
        "line 1: the JSON does not end in this line; each line is one event (MEC_BAD_LINE)",
        "line 2: not a JSON object; each line is one event (MEC_BAD_LINE)",
        "line 3: not a JSON object; each line is one event (MEC_BAD_LINE)",
        "line 4: not a JSON object; each line is one event (MEC_BAD_LINE)",
    ];
    assert_eq!((ran.code, told.as_slice()), (Some(1), wanted.as_slice()));
}

#[test]
fn what_is_read_is_not_written_over() {
    let (shell, _) = Shell::with_acme();
    let line = "{\"idempotency_key\":\"k\",\"external_id\":\"acme\",\"resource_type\":\"nothing\",\"quantity\":1}\n";
    std::fs::write(shell.path("events.ndjson"), line).unwrap();
    let ran = shell.run("import events.ndjson --rejects ./events.ndjson");
    assert_eq!(ran.code, Some(65), "{ran:?}");
    assert_eq!(
        std::fs::read_to_string(shell.path("events.ndjson")).unwrap(),
        line
    );
    let ran = shell.run("export --output mec.db");
    assert_eq!(ran.code, Some(65), "{ran:?}");
    assert!(shell.done("verify").starts_with("everything agrees"));
}
