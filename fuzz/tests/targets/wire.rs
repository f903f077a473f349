//! Readers of HTTP.

use bolero::check;
use lockgate_fuzz::{
    guards,
    seeds::{edited, Edit, Seeds},
    text,
};

#[test]
fn raw_requests() {
    check!().for_each(|input: &[u8]| guards::requests(input, &[3, 700]));
}

#[test]
fn raw_answers() {
    check!().for_each(|input: &[u8]| guards::answers(input, &[3, 700]));
}

#[test]
fn edited_requests() {
    let seeds = Seeds::read();
    check!()
        .with_type::<(Vec<u8>, Vec<Edit>, Vec<u16>)>()
        .for_each(|(picks, edits, cuts)| {
            guards::requests(&edited(&seeds.requests, picks, edits), cuts);
        });
}

#[test]
fn edited_answers() {
    let seeds = Seeds::read();
    check!()
        .with_type::<(Vec<u8>, Vec<Edit>, Vec<u16>)>()
        .for_each(|(picks, edits, cuts)| {
            guards::answers(&edited(&seeds.answers, picks, edits), cuts);
        });
}

/// Pieces out of which interesting targets are made.
const PIECES: &[&str] = &[
    "/",
    "//",
    ".",
    "..",
    "%2e",
    "%2E%2e",
    "%2f",
    "%5C",
    "\\",
    ";",
    ";a=b",
    "%3b",
    "%25",
    "%252e",
    "%00",
    "%c0%af",
    "%e0%80%af",
    "%",
    "%4",
    "a",
    "B",
    "~",
    "{",
    "|",
    "[",
    "é",
    "?",
    "#",
    " ",
    "*",
];

#[test]
fn targets() {
    check!()
        .with_type::<(Vec<u8>, [u8; 4])>()
        .for_each(|(picks, switches)| {
            let pieces = picks
                .iter()
                .take(24)
                .map(|pick| PIECES[usize::from(*pick) % PIECES.len()]);
            let path: String = pieces.collect();
            text::target(&path, *switches);
            text::target(&format!("/{path}"), *switches);
        });
}

#[test]
fn raw_targets_and_hosts() {
    check!().for_each(|input: &[u8]| {
        let input = String::from_utf8_lossy(input);
        text::target(&input, [0; 4]);
        text::target(&format!("/{input}"), [2; 4]);
        text::host(&input);
    });
}

#[test]
fn forwarded() {
    const WORDS: &[&str] = &[
        "for=",
        "\"",
        "\\",
        ",",
        ";",
        "=",
        "192.0.2.9",
        "10.0.0.1",
        "[",
        "]",
        ":",
        "::1",
        "unknown",
        "_x",
        "proto=",
        "host=",
        " ",
        "\t",
        "é",
    ];
    check!().with_type::<Vec<u8>>().for_each(|picks| {
        let words = picks
            .iter()
            .take(32)
            .map(|pick| WORDS[usize::from(*pick) % WORDS.len()]);
        text::forwarded(words.collect::<String>().as_bytes());
        text::forwarded(picks);
    });
}

#[test]
fn header_lines() {
    const NAMES: &[&str] = &[
        "connection",
        "te",
        "upgrade",
        "keep-alive",
        "transfer-encoding",
        "host",
        "forwarded",
        "x-forwarded-for",
        "x_forwarded_for",
        "x-user-id",
        "x-user-agent",
        "traceparent",
        "tracestate",
        "authorization",
        "x-custom",
        "trailer",
    ];
    const VALUES: &[&str] = &[
        "",
        ",",
        "close",
        "keep-alive, te",
        "te, x-custom",
        "host, traceparent",
        "trailers",
        "gzip, trailers;q=1",
        "chunked",
        "x-forwarded-for, connection",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "a=1",
    ];
    check!().with_type::<Vec<(u8, u8)>>().for_each(|picks| {
        let line = |(name, value): &(u8, u8)| {
            let name = NAMES[usize::from(*name) % NAMES.len()];
            let value = VALUES[usize::from(*value) % VALUES.len()];
            (name.to_owned(), value.to_owned())
        };
        text::headers(&picks.iter().map(line).collect::<Vec<_>>());
    });
}
