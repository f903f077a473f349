//! Where a scanner is, what its answers mean, and what is left alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

fn config() -> Scan {
    Scan {
        clamd: "unix:/run/clamav/clamd.ctl".into(),
        timeout_ms: 5_000,
        bytes: 25 << 20,
        at_once: 8,
        on_error: Unscanned::Refuse,
    }
}

#[test]
fn a_scanner_is_at_a_socket_or_at_an_address() {
    for text in ["unix:/run/clamav/clamd.ctl", "127.0.0.1:3310", "[::1]:3310"] {
        assert_eq!(text.parse::<Clamd>().unwrap().to_string(), text);
    }
    let long = format!("unix:/{}", "a".repeat(MAX_PATH_BYTES));
    for text in [
        "",
        "unix:",
        "unix:a",
        "/run/clamd",
        "127.0.0.1",
        "127.0.0.1:0",
        "clamd:3310",
        &long,
    ] {
        assert!(text.parse::<Clamd>().is_err(), "{text}");
    }
}

#[test]
fn what_allows_nothing_is_refused() {
    let bad = [
        Scan {
            clamd: "here".into(),
            ..config()
        },
        Scan {
            timeout_ms: 0,
            ..config()
        },
        Scan {
            bytes: 0,
            ..config()
        },
        Scan {
            at_once: 0,
            ..config()
        },
    ];
    let told = bad.map(|config| Scanner::new(&config, Vec::new()).unwrap_err().pointer);
    assert_eq!(
        told,
        [
            "/scan/clamd",
            "/scan/timeout_ms",
            "/scan/bytes",
            "/scan/at_once"
        ]
    );
    assert!(Scanner::new(&config(), Vec::new()).is_ok());
}

#[test]
fn answers_are_read_strictly() {
    let read = |line: &[u8]| Scanned::answered(&[line, b"\0"].concat(), true);
    assert_eq!(read(b"stream: OK"), Scanned::Clean);
    assert_eq!(
        read(b"stream: Win.Test.EICAR_HDB-1 FOUND"),
        Scanned::Malware("Win.Test.EICAR_HDB-1".into())
    );
    assert_eq!(
        read(b"INSTREAM size limit exceeded. ERROR"),
        Scanned::TooLong
    );
    assert_eq!(
        read(b"stream: Can't allocate memory ERROR"),
        Scanned::Failed("stream: Can't allocate memory ERROR".into())
    );
    for line in [
        &b""[..],
        b"OK",
        b"stream: ",
        b"stream: OK ",
        b"stream:  FOUND",
        b"FOUND",
        b"PONG",
        b"HTTP/1.1 400",
    ] {
        let Scanned::Failed(why) = read(line) else {
            panic!("{line:?} was understood");
        };
        assert_eq!(why, "its answer is none of clamd's");
    }
}

#[test]
fn who_has_not_read_all_cannot_call_it_clean() {
    let early = |said: &[u8]| Scanned::answered(said, false);
    assert!(matches!(early(b"stream: OK\0"), Scanned::Failed(_)));
    let found = Scanned::Malware("Eicar".into());
    assert_eq!(early(b"stream: Eicar FOUND\0"), found);
}

#[test]
fn one_answer_is_said_and_to_its_end() {
    let failed = |why: &str| Scanned::Failed(why.into());
    for (said, why) in [
        (&b""[..], "it closed without an answer"),
        (b"stream: OK", "it closed within its answer"),
        (&[b'x'; MAX_ANSWER_BYTES], "its answer has no end"),
        (b"stream: OK\0stream: OK\0", "it said more than one answer"),
        (b"stream: OK\0\0", "it said more than one answer"),
        (b"stream: OK\0more", "it said more than one answer"),
        (b"\0", "its answer is none of clamd's"),
    ] {
        assert_eq!(Scanned::answered(said, true), failed(why), "{said:?}");
    }
    // What is bad is so, whatever stands beside it.
    let found = Scanned::Malware("Eicar".into());
    for said in [
        &b"stream: OK\0stream: Eicar FOUND\0"[..],
        b"stream: Eicar FOUND\0stream: OK\0",
        b"stream: Eicar FOUND\0stre",
    ] {
        assert_eq!(Scanned::answered(said, true), found, "{said:?}");
    }
    let long = b"stream: OK\0INSTREAM size limit exceeded. ERROR\0";
    assert_eq!(Scanned::answered(long, true), Scanned::TooLong);
}

#[test]
fn names_of_signatures_are_bounded_and_printable() {
    let line = [
        b"stream: a\x1b[31m\xff".as_slice(),
        &[b'x'; 500],
        b" FOUND\0",
    ]
    .concat();
    let Scanned::Malware(name) = Scanned::answered(&line, true) else {
        panic!("not found");
    };
    assert_eq!(name.len(), MAX_NAME_BYTES);
    assert!(name.starts_with("a?[31m?xxx"), "{name}");
}

#[test]
fn each_has_its_refusal() {
    let code = |scanned: &Scanned, on_error| {
        let denial = scanned.denial(on_error);
        denial.map(|denial| (denial.reason.code, denial.status()))
    };
    let failed = Scanned::Failed("it is away".into());
    let found = Scanned::Malware("Eicar".into());
    for on_error in [Unscanned::Refuse, Unscanned::Pass] {
        assert_eq!(code(&Scanned::Clean, on_error), None);
        assert_eq!(code(&found, on_error), Some(("waf-malware", 403)));
        assert_eq!(
            code(&Scanned::TooLong, on_error),
            Some(("waf-file-too-long", 413))
        );
    }
    assert_eq!(
        code(&failed, Unscanned::Refuse),
        Some(("waf-scan-unavailable", 503))
    );
    assert_eq!(code(&failed, Unscanned::Pass), None);
}

#[test]
fn exclusions_hold_for_their_place_their_requests_and_until_their_day() {
    let left_out = LeftOut {
        at: Some(At::read("file/scan*").unwrap()),
        on: Some(On::read("POST /inbox/*").unwrap()),
        until_ms: 1_000,
    };
    let scanner = Arc::new(Scanner::new(&config(), vec![left_out]).unwrap());
    let leaves =
        |method, path, now_ms, place| scanner.begin(method, path, now_ms).leaves_out(place);
    assert!(leaves("POST", "/inbox/a", 0, "file/scan1"));
    assert!(!leaves("POST", "/inbox/a", 0, "file/other"));
    assert!(!leaves("POST", "/inbox/a", 0, "body"));
    assert!(!leaves("PUT", "/inbox/a", 0, "file/scan1"));
    assert!(!leaves("POST", "/outbox/a", 0, "file/scan1"));
    assert!(!leaves("POST", "/inbox/a", 1_000, "file/scan1"));
}
