#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use lockgate_policy::{api_key, body_limit, ip_filter};

use super::*;
use crate::bundle::{Api, WhenStale};
use crate::testing::{api, bundle, exact, key_fact, keyed, placed, prefix, PEPPER};

type Field<'a> = (&'a [u8], &'a [u8]);

const HOST: Field<'static> = (b"host", b"shop.example.com");

fn engine(apis: Vec<Api>, settings: Settings) -> Arc<InProcess> {
    let text = serde_json::to_vec(&bundle(apis)).unwrap();
    let settings = Settings {
        pepper: PEPPER.to_vec(),
        ..settings
    };
    InProcess::start(&text, &settings).unwrap()
}

fn ask(engine: &Arc<InProcess>, target: &[u8], headers: &[Field<'_>]) -> Call {
    let headers: Vec<Field<'_>> = [HOST].into_iter().chain(headers.iter().copied()).collect();
    let told = Told {
        method: b"POST",
        target,
        headers: &headers,
        length: None,
        old: false,
    };
    engine.begin(&told, Some([127, 0, 0, 1].into()), false, None, None)
}

fn refused(call: &mut Call) -> (u16, &'static str) {
    let own = call.answer().expect("it is answered");
    let reason = call.account().reason.expect("and refused");
    assert_eq!(own.status, reason.status);
    assert_eq!(own.headers["x-request-id"], call.id());
    (own.status, reason.code)
}

fn limited(bytes: u64) -> Api {
    let mut limited = api("shop", &[prefix("/")]);
    limited.policies.body_limit = Some(placed(body_limit::Config { bytes }, 20));
    limited
}

#[test]
fn a_key_lets_in_and_is_not_shown_to_the_application() {
    let engine = engine(vec![keyed("shop", &[prefix("/")])], Settings::default());
    assert_eq!(refused(&mut ask(&engine, b"/", &[])), (401, "key-missing"));
    let key = api_key::mint("test").unwrap();
    let fact = key_fact(1, "key_1", &key, "");
    let field = (&b"x-api-key"[..], key.as_bytes());
    engine.contact();
    assert_eq!(refused(&mut ask(&engine, b"/", &[field])).0, 401);
    engine.apply_facts(&[fact]).unwrap();
    let mut call = ask(&engine, b"/", &[field]);
    assert!(call.answer().is_none());
    assert_eq!(&*call.identity().unwrap().credential, "key_1");
    assert!(!call.fields().contains_key("x-api-key"));
    assert_eq!(call.fields()["x-request-id"], call.id());
}

#[test]
fn facts_of_unknown_age_are_not_believed() {
    let mut careful = bundle(vec![keyed("shop", &[prefix("/")])]);
    careful.facts.then = WhenStale::Deny;
    let settings = Settings {
        pepper: PEPPER.to_vec(),
        ..Settings::default()
    };
    let engine = InProcess::start(&serde_json::to_vec(&careful).unwrap(), &settings).unwrap();
    let key = api_key::mint("test").unwrap();
    let fact = key_fact(1, "key_1", &key, "");
    engine.apply_facts(&[fact]).unwrap();
    let field = (&b"x-api-key"[..], key.as_bytes());
    assert_eq!(
        refused(&mut ask(&engine, b"/", &[field])),
        (503, "facts-stale")
    );
    engine.contact();
    assert!(ask(&engine, b"/", &[field]).answer().is_none());
}

#[test]
fn what_the_application_does_not_serve_is_refused() {
    let apis = || {
        vec![
            keyed("shop", &[prefix("/")]),
            api("open", &[exact("/open")]),
        ]
    };
    let whole = engine(apis(), Settings::default());
    assert!(ask(&whole, b"/open", &[]).answer().is_none());
    let part = engine(
        apis(),
        Settings {
            apis: Some(vec!["shop".to_owned()]),
            ..Settings::default()
        },
    );
    // Another API's path: it does not fall to the one that is served.
    assert_eq!(refused(&mut ask(&part, b"/open", &[])), (404, "no-route"));
    assert_eq!(refused(&mut ask(&part, b"/x", &[])), (401, "key-missing"));
}

#[test]
fn names_that_the_configuration_does_not_have_are_refused() {
    let text = serde_json::to_vec(&bundle(vec![api("shop", &[prefix("/")])])).unwrap();
    for settings in [
        Settings {
            apis: Some(vec!["ship".to_owned()]),
            ..Settings::default()
        },
        Settings {
            listener: Some("private".to_owned()),
            ..Settings::default()
        },
    ] {
        let error = InProcess::start(&text, &settings).err().unwrap();
        assert_eq!(error.code(), "bundle-config");
    }
}

#[test]
fn a_body_of_untold_length_is_counted() {
    let engine = engine(vec![limited(5)], Settings::default());
    let chunked = (&b"transfer-encoding"[..], &b"chunked"[..]);
    let mut call = ask(&engine, b"/", &[chunked]);
    assert!(call.answer().is_none());
    assert!(call.watches());
    assert!(call.body(b"abc", false).unwrap().is_none());
    assert!(call.body(b"de", false).unwrap().is_none());
    let own = call.body(b"f", true).err().unwrap();
    assert_eq!(own.status, 413);
    let account = call.account();
    assert_eq!(account.reason.unwrap().code, "body-too-large");
    assert_eq!(account.place, Some(("lockgate.yaml".to_owned(), 20)));
}

#[test]
fn a_body_is_held_to_the_length_that_was_told() {
    let engine = engine(vec![limited(5)], Settings::default());
    let length = (&b"content-length"[..], &b"3"[..]);
    let mut call = ask(&engine, b"/", &[length]);
    assert!(call.answer().is_none());
    assert!(!call.watches());
    assert!(call.body(b"abc", false).unwrap().is_none());
    assert_eq!(call.body(b"d", true).err().unwrap().status, 400);
    let length = (&b"content-length"[..], &b"6"[..]);
    assert_eq!(refused(&mut ask(&engine, b"/", &[length])).0, 413);
}

#[test]
fn line_ends_within_a_part_are_refused() {
    let engine = engine(vec![api("shop", &[prefix("/")])], Settings::default());
    let split = (&b"x-a"[..], &b"a\r\nx-b: b"[..]);
    assert_eq!(
        refused(&mut ask(&engine, b"/", &[split])),
        (400, "framing-field-value")
    );
    let (status, code) = refused(&mut ask(&engine, b"/ HTTP/1.1\r\nx: y\r\n\r\nGET /", &[]));
    assert_eq!(status, 400, "{code}");
}

#[test]
fn a_caller_without_an_address_is_on_no_list() {
    let mut listed = api("shop", &[prefix("/")]);
    listed.policies.ip_filter = Some(placed(
        ip_filter::Config {
            allow: vec!["127.0.0.0/8".to_owned()],
            ..ip_filter::Config::default()
        },
        20,
    ));
    let engine = engine(vec![listed], Settings::default());
    let told = Told {
        method: b"GET",
        target: b"/",
        headers: &[HOST],
        length: None,
        old: false,
    };
    let mut call = engine.begin(&told, None, false, None, None);
    assert_eq!(refused(&mut call), (403, "address-not-allowed"));
}

#[test]
fn what_was_judged_is_what_the_application_gets() {
    let mut stripping = api("shop", &[prefix("/shop")]);
    stripping.strip_path = true;
    let engine = engine(vec![stripping], Settings::default());
    let mut call = ask(&engine, b"/shop/%61?b=1", &[]);
    assert!(call.answer().is_none());
    assert_eq!(call.target(), Some("/a?b=1"));
    assert_eq!(call.arrived(), "/shop/%61?b=1");
}

#[test]
fn a_defect_refuses() {
    let engine = engine(vec![api("shop", &[prefix("/")])], Settings::default());
    let mut call = ask(&engine, b"/", &[]);
    let own = call.fail();
    assert_eq!(
        (own.status, call.account().reason.unwrap().code),
        (500, "internal-panic")
    );
}

#[test]
fn a_long_path_is_cut_for_the_log() {
    let engine = engine(vec![keyed("shop", &[prefix("/")])], Settings::default());
    let target = format!("/{}", "a".repeat(5_000));
    let mut call = ask(&engine, target.as_bytes(), &[]);
    assert_eq!(refused(&mut call).0, 401);
    let path = call.account().path;
    assert!(path.starts_with("/aaa") && path.ends_with("a…") && path.len() < 1_100);
}
