use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::websocket::{check_handshake, is_handshake, Offer};

/// RFC 6455, 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The SHA-1 that the RFC's example gives, and of nothing else.
fn sha1(input: &[u8]) -> [u8; 20] {
    assert_eq!(
        input,
        format!("{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()
    );
    [
        0xb3, 0x7a, 0x4f, 0x2c, 0xc0, 0x62, 0x4f, 0x16, 0x90, 0xf6, 0x46, 0x06, 0xcf, 0x38, 0x59,
        0x45, 0xb2, 0xbe, 0xc4, 0xea,
    ]
}

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    let mut map = HeaderMap::new();
    for (name, value) in lines.iter().map(field) {
        map.append(name, value);
    }
    map
}

const GOOD: [(&str, &str); 4] = [
    ("upgrade", "WebSocket"),
    ("connection", "keep-alive, Upgrade"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", KEY),
];

/// A right request with one field in place of another, or more.
fn request(changes: &[(&str, &str)]) -> HeaderMap {
    let mut map = fields(&GOOD);
    for name in fields(changes).keys() {
        map.remove(name);
    }
    map.extend(fields(changes));
    map
}

fn offer(changes: &[(&str, &str)]) -> Result<Offer, &'static str> {
    check_handshake(&Method::GET, &request(changes)).map_err(|reason| reason.code)
}

#[test]
fn a_right_request_is_taken() {
    let taken = offer(&[
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-protocol", "v2.graphql"),
        (
            "sec-websocket-extensions",
            "permessage-deflate; client_max_window_bits, x-own; a=\"b\"",
        ),
        ("content-length", "0"),
    ])
    .unwrap();
    let protocols: Vec<_> = taken.protocols().collect();
    assert_eq!(protocols, ["chat", "superchat", "v2.graphql"]);
    let known = taken.known_extensions();
    assert_eq!(
        known.as_deref(),
        Some("permessage-deflate; client_max_window_bits")
    );
    assert_eq!(taken.accept(sha1), ACCEPT);
    assert_eq!(offer(&[]).unwrap().known_extensions(), None);
}

#[test]
fn each_fault_of_a_request_has_its_name() {
    let post = check_handshake(&Method::POST, &request(&[]));
    assert_eq!(post.unwrap_err().code, "websocket-method");
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("connection", "keep-alive")], "websocket-connection"),
        (&[("upgrade", "h2c")], "websocket-connection"),
        (&[("sec-websocket-version", "8")], "websocket-version"),
        (&[("sec-websocket-version", "13, 8")], "websocket-version"),
        (
            &[
                ("sec-websocket-version", "13"),
                ("sec-websocket-version", "13"),
            ],
            "websocket-version",
        ),
        (&[("sec-websocket-key", "")], "websocket-key"),
        (
            &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ")],
            "websocket-key",
        ),
        (
            &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZTEy")],
            "websocket-key",
        ),
        (
            &[("sec-websocket-key", "dGhlIA==bXBsZSBub25jZQ==")],
            "websocket-key",
        ),
        (
            &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25j!Q==")],
            "websocket-key",
        ),
        (
            &[("sec-websocket-key", KEY), ("sec-websocket-key", KEY)],
            "websocket-key",
        ),
        (&[("content-length", "5")], "websocket-body"),
        (&[("transfer-encoding", "chunked")], "websocket-body"),
        (&[("sec-websocket-protocol", "chat,")], "websocket-offer"),
        (
            &[("sec-websocket-protocol", "chat, chat")],
            "websocket-offer",
        ),
        (&[("sec-websocket-protocol", "a b")], "websocket-offer"),
        (&[("sec-websocket-extensions", "")], "websocket-offer"),
        (&[("sec-websocket-extensions", "a; b=")], "websocket-offer"),
        (
            &[("sec-websocket-extensions", "a; b=\"c")],
            "websocket-offer",
        ),
        (
            &[("sec-websocket-extensions", "a; b=\"c,d\"")],
            "websocket-offer",
        ),
    ];
    for (changes, code) in cases {
        assert_eq!(offer(changes), Err(*code), "{changes:?}");
    }
    let many = (0..33)
        .map(|n| format!("p{n}"))
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(
        offer(&[("sec-websocket-protocol", &many)]),
        Err("websocket-offer")
    );
    assert_eq!(
        offer(&[("sec-websocket-extensions", &many)]),
        Err("websocket-offer")
    );
}

#[test]
fn a_wish_for_a_websocket_is_known_even_if_wrong() {
    assert!(is_handshake(&fields(&[("upgrade", "h2c, WEBSOCKET")])));
    assert!(!is_handshake(&fields(&[("upgrade", "websockets")])));
    assert!(!is_handshake(&HeaderMap::new()));
}

fn answer(lines: &[(&str, &str)]) -> Result<(Option<String>, bool, bool), &'static str> {
    let offered = offer(&[
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-extensions", "permessage-deflate, x-own"),
    ]);
    let answer = offered
        .unwrap()
        .check_answer(StatusCode::SWITCHING_PROTOCOLS, &fields(lines), sha1)
        .map_err(|reason| reason.code)?
        .unwrap();
    Ok((answer.protocol, answer.deflate, answer.unknown_extension))
}

#[test]
fn an_answer_must_fit_the_offer() {
    let good = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", ACCEPT),
    ];
    let with = |more: &[(&'static str, &'static str)]| answer(&[&good, more].concat());
    assert_eq!(with(&[]), Ok((None, false, false)));
    assert_eq!(
        with(&[
            ("sec-websocket-protocol", "superchat"),
            (
                "sec-websocket-extensions",
                "permessage-deflate; server_no_context_takeover"
            ),
        ]),
        Ok((Some("superchat".to_owned()), true, false))
    );
    assert_eq!(
        with(&[("sec-websocket-extensions", "x-own")]),
        Ok((None, false, true))
    );

    let choice = Err("upstream-websocket-choice");
    assert_eq!(with(&[("sec-websocket-protocol", "Chat")]), choice);
    assert_eq!(
        with(&[("sec-websocket-protocol", "chat, superchat")]),
        choice
    );
    assert_eq!(with(&[("sec-websocket-extensions", "mux")]), choice);
    assert_eq!(with(&[("sec-websocket-extensions", ";")]), choice);
    let accept = Err("upstream-websocket-accept");
    assert_eq!(with(&[("sec-websocket-accept", ACCEPT)]), accept);
    assert_eq!(answer(&good[..2]), accept);
    let wrong = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO=");
    assert_eq!(answer(&[good[0], good[1], wrong]), accept);
    let upgrade = Err("upstream-websocket-upgrade");
    assert_eq!(answer(&good[1..]), upgrade);
    assert_eq!(answer(&[good[0], good[2]]), upgrade);
}

#[test]
fn a_plain_answer_is_not_a_websocket() {
    let offered = offer(&[]).unwrap();
    let plain = offered.check_answer(StatusCode::FORBIDDEN, &HeaderMap::new(), |_| [0; 20]);
    assert_eq!(plain, Ok(None));
}
