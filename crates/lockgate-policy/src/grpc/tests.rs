#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::{HeaderValue, Method};
use proptest::prelude::*;

use super::*;

const CONFIG: Config = Config {
    message_bytes: 8,
    deadline_ms: 2_000,
    web: true,
    only: true,
};

fn call(config: &Config, fields: &[(&str, &str)]) -> Result<Option<Call>, &'static str> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::try_from(*name).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let view = RequestView {
        method: &Method::POST,
        host: "shop.example",
        path: "/shop.Shop/Echo",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let called = Grpc::new(config).unwrap().call(&view);
    called.map_err(|denial| denial.reason.code)
}

fn deadline(config: &Config, told: &str) -> Option<u64> {
    let fields = [("content-type", "application/grpc"), ("grpc-timeout", told)];
    call(config, &fields).unwrap().unwrap().deadline_us
}

#[test]
fn the_shorter_deadline_holds() {
    assert_eq!(deadline(&CONFIG, "1S"), Some(1_000_000));
    assert_eq!(deadline(&CONFIG, "3S"), Some(2_000_000));
    assert_eq!(deadline(&CONFIG, "0n"), Some(0));
    let patient = Config {
        deadline_ms: 0,
        ..CONFIG
    };
    assert_eq!(deadline(&patient, "3S"), Some(3_000_000));
    let silent = [("content-type", "application/grpc")];
    let call = |config| call(config, &silent).unwrap().unwrap().deadline_us;
    assert_eq!(call(&CONFIG), Some(2_000_000));
    assert_eq!(call(&patient), None);
}

#[test]
fn a_deadline_is_told_once() {
    let fields = [
        ("content-type", "application/grpc"),
        ("grpc-timeout", "1S"),
        ("grpc-timeout", "1H"),
    ];
    assert_eq!(call(&CONFIG, &fields), Err("grpc-timeout"));
}

#[test]
fn messages_want_room() {
    let nothing = Config {
        message_bytes: 0,
        ..CONFIG
    };
    assert!(Grpc::new(&nothing).is_err());
}

fn watch(protocol: Protocol, pieces: &[&[u8]]) -> Result<Vec<u8>, &'static str> {
    let call = Call {
        protocol,
        message_bytes: 8,
        deadline_us: None,
    };
    let mut watch = call.watch();
    let mut passed = Vec::new();
    for piece in pieces {
        match watch.on_chunk(&Bytes::copy_from_slice(piece)) {
            BodyVerdict::Pass => passed.extend_from_slice(piece),
            BodyVerdict::Replace(other) => passed.extend_from_slice(&other),
            BodyVerdict::Deny(denial) => return Err(denial.reason.code),
            BodyVerdict::Hold => panic!("nothing is held"),
        }
    }
    match watch.on_end() {
        BodyVerdict::Pass => Ok(passed),
        BodyVerdict::Deny(denial) => Err(denial.reason.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_are_bounded_one_by_one() {
    let eight = b"\0\0\0\0\x08abcdefgh";
    assert_eq!(watch(Protocol::Grpc, &[eight, eight]).unwrap().len(), 26);
    let nine = b"\0\0\0\0\x09";
    assert_eq!(
        watch(Protocol::Grpc, &[nine]),
        Err("grpc-message-too-large")
    );
    assert_eq!(
        watch(Protocol::Grpc, &[b"\0\0\0\0\x02a"]),
        Err("grpc-incomplete")
    );
    assert_eq!(watch(Protocol::Grpc, &[b"{}"]), Err("grpc-flag"));
    // A client has no trailers to send.
    assert_eq!(watch(Protocol::Web, &[b"\x80\0\0\0\0"]), Err("grpc-flag"));
}

proptest! {
    #[test]
    fn base64_is_taken_off_wherever_it_is_cut(cut in 0_usize..16) {
        let text = b"AAAAAAJoaQ==AAAAAAA=";
        let (first, second) = text.split_at(cut);
        let passed = watch(Protocol::WebText, &[first, second]).unwrap();
        prop_assert_eq!(passed, b"\0\0\0\0\x02hi\0\0\0\0\0");
    }
}

#[test]
fn what_is_no_base64_ends() {
    assert_eq!(watch(Protocol::WebText, &[b"{}{}"]), Err("grpc-web-text"));
    assert_eq!(
        watch(Protocol::WebText, &[b"AAAAAAA"]),
        Err("grpc-web-text")
    );
}
