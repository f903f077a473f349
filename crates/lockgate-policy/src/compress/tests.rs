#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

type Said<'a> = &'a [(&'static str, &'static str)];

fn config() -> Config {
    Config {
        codings: vec![Named::Zstd, Named::Br, Named::Gzip],
        types: ["text/*", "application/json", "application/*+json"]
            .map(String::from)
            .into(),
        min_bytes: 100,
        gzip_level: 5,
        br_level: 4,
        zstd_level: 3,
        unsafe_with_cookies: false,
    }
}

fn fields(said: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in said {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

/// The coding, and the answer's fields.
fn made(
    config: &Config,
    method: &Method,
    request: &[(&'static str, &'static str)],
    (status, answer): (u16, &[(&'static str, &'static str)]),
) -> (Option<Coding>, HeaderMap) {
    let policy = Compress::new(config).unwrap();
    let headers = fields(request);
    let asked = policy.asked(&RequestView {
        method,
        host: "a.example",
        path: "/",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    });
    let mut answer = fields(answer);
    let status = StatusCode::from_u16(status).unwrap();
    let coding =
        asked.and_then(|asked| policy.make_of((asked, false), status, &mut answer, |_| true));
    (coding, answer)
}

const GZIP: (&str, &str) = ("accept-encoding", "gzip");
const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

#[test]
fn an_answer_is_packed_and_says_so() {
    let answer = [
        JSON,
        ("content-length", "1000"),
        ("etag", "\"a\""),
        ("accept-ranges", "bytes"),
        ("vary", "Origin"),
    ];
    let (coding, headers) = made(&config(), &Method::GET, &[GZIP], (200, &answer));
    assert_eq!(coding, Some(Coding::Gzip));
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(headers["etag"], "W/\"a\"");
    let vary: Vec<_> = headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["Origin", "Accept-Encoding"]);
    assert!(!headers.contains_key("content-length") && !headers.contains_key("accept-ranges"));
    // The same head without the body, for HEAD.
    let (coding, head) = made(&config(), &Method::HEAD, &[GZIP], (200, &answer));
    assert_eq!((coding, head), (None, headers));
}

#[test]
fn what_might_have_been_packed_says_what_it_depends_on() {
    for request in [&[][..], &[("accept-encoding", "identity")]] {
        let (coding, headers) = made(&config(), &Method::GET, request, (200, &[JSON]));
        assert_eq!(coding, None);
        assert_eq!(headers["vary"], "Accept-Encoding");
    }
    for told in ["*", "accept-encoding", "Origin, ACCEPT-ENCODING"] {
        let (_, headers) = made(
            &config(),
            &Method::GET,
            &[GZIP],
            (200, &[JSON, ("vary", told)]),
        );
        assert_eq!(headers.get_all("vary").iter().count(), 1, "{told}");
    }
}

#[test]
fn what_stays_as_it_is_is_not_touched() {
    let untouched: [(u16, Said<'_>); 14] = [
        (200, &[]),
        (200, &[("content-type", "image/png")]),
        (200, &[("content-type", "application/grpc")]),
        (200, &[("content-type", "text/event-stream")]),
        (200, &[JSON, JSON]),
        (200, &[JSON, ("content-length", "99")]),
        (200, &[JSON, ("content-encoding", "br")]),
        (200, &[JSON, ("cache-control", "private, No-Transform")]),
        (200, &[JSON, ("content-digest", "sha-256=:x:")]),
        (200, &[JSON, ("content-range", "bytes 0-1/2")]),
        (204, &[JSON]),
        (205, &[JSON]),
        (206, &[JSON]),
        (103, &[JSON]),
    ];
    for (status, answer) in untouched {
        let (coding, headers) = made(&config(), &Method::GET, &[GZIP], (status, answer));
        assert_eq!(
            (coding, headers),
            (None, fields(answer)),
            "{status} {answer:?}"
        );
    }
    let request = [GZIP, ("cache-control", "no-transform")];
    let (coding, headers) = made(&config(), &Method::GET, &request, (200, &[JSON]));
    assert_eq!((coding, headers), (None, fields(&[JSON])));
}

#[test]
fn an_answer_that_says_not_modified_has_the_tag_of_the_packed_one() {
    let (coding, headers) = made(
        &config(),
        &Method::GET,
        &[GZIP],
        (304, &[("etag", "\"a\"")]),
    );
    assert_eq!(
        (coding, &headers["etag"]),
        (None, &HeaderValue::from_static("W/\"a\""))
    );
    assert_eq!(headers["vary"], "Accept-Encoding");
    let (_, headers) = made(&config(), &Method::GET, &[], (304, &[("etag", "\"a\"")]));
    assert_eq!(headers["etag"], "\"a\"");
}

#[test]
fn what_another_site_could_ask_for_stays_as_it_is() {
    let long = [JSON, ("content-length", "1000")];
    let cookie = [JSON, ("set-cookie", "a=b")];
    let open = Config {
        unsafe_with_cookies: true,
        ..config()
    };
    let exposed: [(Said<'_>, Said<'_>); 5] = [
        (&[GZIP, ("cookie", "s=1")], &long),
        (&[GZIP, ("authorization", "Basic YTpi")], &long),
        (&[GZIP, ("authorization", "negotiate x")], &long),
        (&[GZIP], &cookie),
        (
            &[GZIP, ("cookie", "s=1"), ("sec-fetch-site", "same-site")],
            &long,
        ),
    ];
    for (request, answer) in exposed {
        let (coding, headers) = made(&config(), &Method::GET, request, (200, answer));
        assert_eq!(coding, None, "{request:?}");
        assert_eq!(headers["vary"], "Accept-Encoding");
        let (coding, _) = made(&open, &Method::GET, request, (200, answer));
        assert_eq!(coding, Some(Coding::Gzip), "{request:?}");
    }
    // The API's own page, and a program's token.
    for more in [("sec-fetch-site", "same-origin"), ("x-a", "b")] {
        let name = if more.0 == "x-a" {
            ("authorization", "Bearer x")
        } else {
            ("cookie", "s=1")
        };
        let (coding, _) = made(&config(), &Method::GET, &[GZIP, name, more], (200, &long));
        assert_eq!(coding, Some(Coding::Gzip), "{name:?}");
    }
    let twice = [
        GZIP,
        ("cookie", "s=1"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
    ];
    assert_eq!(made(&config(), &Method::GET, &twice, (200, &long)).0, None);
    // A browser shows its certificate for any page.
    let policy = Compress::new(&config()).unwrap();
    let asked = Asked {
        coding: Some(Coding::Gzip),
        head: false,
        ambient: false,
        own: false,
    };
    let status = StatusCode::OK;
    assert_eq!(
        policy.make_of((asked, true), status, &mut fields(&long), |_| true),
        None
    );
}

#[test]
fn without_room_an_answer_stays_as_it_is_and_says_that_it_may_not() {
    let policy = Compress::new(&config()).unwrap();
    let mut asked = Asked {
        coding: Some(Coding::Gzip),
        head: false,
        ambient: false,
        own: false,
    };
    let said = [JSON, ("content-length", "4000"), ("etag", "\"a\"")];
    let mut answer = fields(&said);
    let coding = policy.make_of((asked, false), StatusCode::OK, &mut answer, |_| false);
    assert_eq!(coding, None);
    assert_eq!(answer.remove("vary").unwrap(), "Accept-Encoding");
    assert_eq!(answer, fields(&said));
    // What HEAD is told takes no room.
    asked.head = true;
    policy.make_of((asked, false), StatusCode::OK, &mut answer, |_| false);
    assert_eq!(answer["content-encoding"], "gzip");
}

#[test]
fn types_are_matched_whole() {
    let typed = |told: &'static str| {
        let answer = [("content-type", told)];
        made(&config(), &Method::GET, &[GZIP], (200, &answer))
            .0
            .is_some()
    };
    for told in [
        "text/html",
        "TEXT/Plain;a=b",
        "application/problem+json",
        "application/json",
    ] {
        assert!(typed(told), "{told}");
    }
    for told in [
        "application/jsonp",
        "textual/html",
        "application/x",
        "application/+jsonx",
        "",
    ] {
        assert!(!typed(told), "{told}");
    }
    let mut named = config();
    named.types.push("text/event-stream".into());
    let answer = [("content-type", "text/event-stream")];
    assert!(made(&named, &Method::GET, &[GZIP], (200, &answer))
        .0
        .is_some());
}

#[test]
fn a_wrong_config_is_refused() {
    let changes: [fn(&mut Config); 9] = [
        |config| config.codings.clear(),
        |config| config.codings.push(Named::Deflate),
        |config| config.types.push("json".into()),
        |config| config.types.push("*/json".into()),
        |config| config.types.push("text/*x".into()),
        |config| config.types.push("application/grpc+proto".into()),
        |config| config.gzip_level = 0,
        |config| config.br_level = 12,
        |config| config.zstd_level = 20,
    ];
    for change in changes {
        let mut config = config();
        change(&mut config);
        assert_eq!(
            Compress::new(&config).unwrap_err().code,
            "compress-malformed"
        );
    }
}
