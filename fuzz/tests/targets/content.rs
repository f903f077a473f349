//! Fuzz targets for the readers of bodies.

use bolero::check;
use lockgate_fuzz::content;

/// Picks pieces, or bytes where a pick is beyond them.
fn joined(picks: &[u8], pieces: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for pick in picks.iter().take(200) {
        match pieces.get(usize::from(*pick) % (pieces.len() + 4)) {
            Some(piece) => out.extend_from_slice(piece.as_bytes()),
            None => out.push(*pick),
        }
    }
    out
}

#[test]
fn json() {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\":",
        "\"a\"",
        "1",
        "-0.5e1",
        "true",
        "null",
        " ",
        "\n",
        "\\u0041",
        "\\ud83d",
        "\\",
        "\"query\":\"{a(b:\\\"c\\\")}\"",
        "é",
    ];
    check!()
        .with_type::<(Vec<u8>, u8)>()
        .for_each(|(picks, size)| content::json(&joined(picks, PIECES), usize::from(*size)));
}

#[test]
fn forms() {
    const PIECES: &[&str] = &["a", "=", "&", ";", "%41", "%", "+", "%00", " "];
    check!()
        .with_type::<(Vec<u8>, u8)>()
        .for_each(|(picks, size)| content::form(&joined(picks, PIECES), usize::from(*size)));
}

#[test]
fn multiparts() {
    const PIECES: &[&str] = &[
        "--b",
        "--b--",
        "--",
        "\r\n",
        "\n",
        "\r\n\r\n",
        "x",
        " ",
        "\"",
        "Content-Disposition: form-data",
        "; name=\"a\"",
        "; filename=\"f\"",
        "; filename*=utf-8''x",
        "Content-Type: text/plain",
        ":",
        "\0",
        "\\",
    ];
    const TYPES: &[&str] = &[
        "multipart/form-data",
        ";",
        " ",
        "boundary",
        "=",
        "b",
        "\"",
        "'",
        ",",
    ];
    check!()
        .with_type::<(Vec<u8>, Vec<u8>, u8)>()
        .for_each(|(types, picks, size)| {
            let kind = joined(types, TYPES);
            content::multipart(&kind, &joined(picks, PIECES), usize::from(*size));
        });
}

#[test]
fn xml() {
    const PIECES: &[&str] = &[
        "<a>",
        "</a>",
        "<a ",
        "b='",
        "'",
        "\"",
        ">",
        "/>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?x ",
        "?>",
        "&amp;",
        "&#65;",
        "&",
        ";",
        " ",
        "é",
        "<?xml version='1.0'",
        "<!DOCTYPE",
        "text",
    ];
    check!()
        .with_type::<(Vec<u8>, u8)>()
        .for_each(|(picks, size)| content::xml(&joined(picks, PIECES), usize::from(*size)));
}

#[test]
fn grpc() {
    check!()
        .with_type::<(Vec<u8>, u8)>()
        .for_each(|(bytes, size)| content::protobuf(bytes, usize::from(*size)));
}

#[test]
fn calls() {
    check!()
        .with_type::<(Vec<(bool, Vec<u8>)>, u8)>()
        .for_each(|(messages, size)| content::call(messages, usize::from(*size)));
}

/// Messages that are well formed, one in another.
#[test]
fn calls_of_fields() {
    check!()
        .with_type::<(Vec<(bool, Vec<u8>)>, u8)>()
        .for_each(|(picks, size)| {
            let message = |picks: &Vec<u8>| {
                picks.chunks(2).fold(Vec::new(), |inner, pick| {
                    let field = pick[0] % 30 + 1;
                    let [mut outer, inner] = [vec![field << 3 | 2], inner];
                    let room = inner.len().min(100);
                    outer.push(room as u8 + 1);
                    outer.extend_from_slice(&inner[..room]);
                    outer.push(*pick.last().unwrap_or(&0));
                    outer
                })
            };
            let messages: Vec<(bool, Vec<u8>)> = picks
                .iter()
                .map(|(packed, picks)| (*packed, message(picks)))
                .collect();
            content::call(&messages, usize::from(*size));
        });
}

#[test]
fn records() {
    const PIECES: &[&str] = &[
        "{\"a\":1}",
        "{",
        "}",
        "[1,2]",
        "\n",
        " ",
        "\u{1e}",
        "\"x\"",
        "null",
        "\r",
        "\\u001e",
        "12",
        "true",
    ];
    check!()
        .with_type::<(Vec<Vec<u8>>, u8)>()
        .for_each(|(picks, size)| {
            let records: Vec<Vec<u8>> = picks.iter().map(|picks| joined(picks, PIECES)).collect();
            content::records(&records, usize::from(*size));
        });
}

#[test]
fn graphql() {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "a",
        ":",
        "$",
        "!",
        "=",
        "@",
        "...",
        "on ",
        "query ",
        "fragment ",
        "\"x\"",
        "\"\"\"",
        "\"",
        "\\",
        "1",
        "-",
        " ",
        "#",
        "\n",
    ];
    check!()
        .with_type::<Vec<u8>>()
        .for_each(|picks| content::graphql(&joined(picks, PIECES)));
}

#[test]
fn layers() {
    const PIECES: &[&str] = &[
        "%",
        "25",
        "41",
        "%u00",
        "\\x",
        "\\u",
        "&lt;",
        "&#",
        "x3c;",
        "{\"a\":\"",
        "\"}",
        "[",
        "]",
        "\u{ff1c}",
        "+",
        "QUFBQUFBQUFBQUFB",
        "JTI1NDElMjU0MSUyNTQx",
        "=",
        " ",
    ];
    check!()
        .with_type::<Vec<u8>>()
        .for_each(|picks| content::layers(&joined(picks, PIECES)));
}
