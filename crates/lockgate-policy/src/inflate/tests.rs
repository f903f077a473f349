#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::Method;

use super::*;

fn config() -> Config {
    Config {
        codings: vec![Named::Gzip, Named::Br],
        ratio: 100,
        layers: 2,
        window: 1024 * 1024,
    }
}

fn judge(config: &Config, said: &[&'static str]) -> Result<Option<Plan>, Denial> {
    let mut headers = HeaderMap::new();
    for line in said {
        headers.append(CONTENT_ENCODING, HeaderValue::from_static(line));
    }
    Inflate::new(config).unwrap().plan(&RequestView {
        method: &Method::POST,
        host: "a.example",
        path: "/",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    })
}

#[test]
fn a_refusal_names_what_is_taken() {
    for (said, reason) in [
        (&["zstd"][..], &reasons::NOT_TAKEN),
        (&["gzip, zstd"], &reasons::NOT_TAKEN),
        (&["pack200"], &reasons::NOT_TAKEN),
        (&["gzip", "br", "gzip"], &reasons::LAYERS),
    ] {
        let denial = judge(&config(), said).unwrap_err();
        assert_eq!((denial.reason, denial.status()), (reason, 415), "{said:?}");
        let told = (ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
        assert_eq!(denial.headers, [told]);
    }
}

#[test]
fn what_is_not_packed_needs_no_plan() {
    for said in [&[][..], &["identity"], &["", " ,identity"]] {
        assert_eq!(judge(&config(), said), Ok(None), "{said:?}");
    }
    assert!(judge(&config(), &["gzip, BR"]).unwrap().is_some());
}

#[test]
fn what_told_of_the_packed_body_goes() {
    let mut headers = HeaderMap::new();
    for name in [
        "content-encoding",
        "content-length",
        "content-digest",
        "content-type",
    ] {
        headers.insert(name, HeaderValue::from_static("x"));
    }
    Plan::make_of(&mut headers);
    assert_eq!(headers.len(), 1);
}

#[test]
fn bounds_that_bound_nothing_are_refused() {
    let changes: [fn(&mut Config); 6] = [
        |config| config.codings.clear(),
        |config| config.ratio = 0,
        |config| config.layers = 0,
        |config| config.layers = MAX_LAYERS + 1,
        |config| config.window = MIN_WINDOW - 1,
        |config| config.window = MAX_WINDOW + 1,
    ];
    for change in changes {
        let mut config = config();
        change(&mut config);
        assert_eq!(Inflate::new(&config).unwrap_err().code, "inflate-malformed");
    }
}
