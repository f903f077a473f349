#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::{Breach, Budget, Budgets, Kind, Watcher, PREFACE};
use proptest::prelude::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const PRIORITY_UPDATE: u8 = 16;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in entries {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

/// A connection that began well.
fn begun(budgets: Budgets) -> Watcher {
    let mut watcher = Watcher::new(budgets, 0);
    watcher.feed(PREFACE, 0).unwrap();
    watcher.feed(&settings(&[]), 0).unwrap();
    watcher
}

fn verdict(frames: &[Vec<u8>]) -> Result<(), (&'static str, u32)> {
    begun(Budgets::default())
        .feed(&frames.concat(), 0)
        .map_err(|breach| (breach.reason.code, breach.error_code))
}

/// How many of the frames pass at once, and what is said of the next.
fn passing(budgets: Budgets, bytes: &[u8]) -> (u32, &'static str) {
    let mut watcher = begun(budgets);
    for passed in 0..100_000 {
        if let Err(breach) = watcher.feed(bytes, 0) {
            assert_eq!(breach.error_code, 11, "ENHANCE_YOUR_CALM");
            return (passed, breach.reason.code);
        }
    }
    panic!("there is no limit")
}

#[test]
fn an_ordinary_connection_passes_and_is_counted() {
    let mut watcher = begun(Budgets::default());
    let stream = [
        frame(SETTINGS, 1, 0, b""),
        frame(WINDOW_UPDATE, 0, 0, &65_535_u32.to_be_bytes()),
        frame(HEADERS, 4, 1, b"\x82\x86\x84"),
        frame(DATA, 0, 1, &[7; 16_384]),
        frame(DATA, 1, 1, b""),
        frame(HEADERS, 1, 3, b"\x82"),
        frame(CONTINUATION, 4, 3, b"\x86"),
        frame(PING, 0, 0, &[0; 8]),
        frame(RST_STREAM, 0, 3, &[0; 4]),
        frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x03u=1"),
        frame(0xb, 0, 0, b"grease"),
        frame(7, 0, 0, &[0; 8]),
    ];
    watcher.feed(&stream.concat(), 0).unwrap();
    let counts = [
        (Kind::Settings, 2),
        (Kind::WindowUpdate, 1),
        (Kind::Headers, 2),
        (Kind::Data, 2),
        (Kind::Continuation, 1),
        (Kind::Ping, 1),
        (Kind::RstStream, 1),
        (Kind::Priority, 1),
        (Kind::Unknown, 1),
        (Kind::GoAway, 1),
        (Kind::PushPromise, 0),
    ];
    for (kind, count) in counts {
        assert_eq!(watcher.count(kind), count, "{kind:?}");
    }
}

#[test]
fn the_beginning_must_be_right() {
    let bad = |bytes: &[u8]| Watcher::new(Budgets::default(), 0).feed(bytes, 0);
    assert_eq!(
        bad(b"GET / HTTP/1.1\r\n").unwrap_err().reason.code,
        "http2-preface"
    );
    let ping = [&PREFACE[..], &frame(PING, 0, 0, &[0; 8])].concat();
    assert_eq!(bad(&ping).unwrap_err().reason.code, "http2-preface");
    let ack = [&PREFACE[..], &frame(SETTINGS, 1, 0, b"")].concat();
    assert_eq!(bad(&ack).unwrap_err().reason.code, "http2-preface");
    let mut after = Watcher::after_preface(Budgets::default(), 0);
    after.feed(&settings(&[(1, 2)]), 0).unwrap();
}

#[test]
fn each_flood_has_its_limit_and_its_name() {
    let small = Budget::new(3, 0);
    // The first SETTINGS is one of the three.
    let budgets = Budgets {
        settings: small,
        ..Budgets::default()
    };
    assert_eq!(
        passing(budgets, &settings(&[])),
        (2, "http2-settings-flood")
    );
    let budgets = Budgets {
        ping: small,
        rst_stream: small,
        priority: small,
        window_update: small,
        empty_data: small,
        empty_headers: small,
        unknown: small,
        ..Budgets::default()
    };
    let update = frame(WINDOW_UPDATE, 0, 1, &9_u32.to_be_bytes());
    let cases = [
        (frame(PING, 0, 0, &[0; 8]), "http2-ping-flood"),
        (frame(RST_STREAM, 0, 1, &[0; 4]), "http2-reset-flood"),
        (frame(PRIORITY, 0, 1, &[0; 5]), "http2-priority-flood"),
        (
            frame(PRIORITY_UPDATE, 0, 0, &[0; 4]),
            "http2-priority-flood",
        ),
        (update, "http2-window-update-flood"),
        (frame(DATA, 0, 1, b""), "http2-empty-frames-flood"),
        (frame(DATA, 8, 1, &[3, 0, 0, 0]), "http2-empty-frames-flood"),
        (frame(HEADERS, 4, 1, b""), "http2-empty-frames-flood"),
        (
            frame(HEADERS, 0x2c, 1, &[1, 0, 0, 0, 3, 9, 0]),
            "http2-empty-frames-flood",
        ),
        (frame(0xbb, 0, 1, b"x"), "http2-unknown-frames-flood"),
    ];
    for (bytes, code) in cases {
        assert_eq!(passing(budgets, &bytes), (3, code));
    }
}

#[test]
fn frames_that_force_a_reset_have_a_limit() {
    let budgets = Budgets {
        induced_resets: Budget::new(2, 0),
        ..Budgets::default()
    };
    let nothing = frame(WINDOW_UPDATE, 0, 1, &(1_u32 << 31).to_be_bytes());
    let itself = frame(PRIORITY, 0, 5, &[0x80, 0, 0, 5, 1]);
    let short = frame(PRIORITY, 0, 5, &[0, 0, 0]);
    for bytes in [nothing, itself, short] {
        assert_eq!(passing(budgets, &bytes), (2, "http2-induced-resets"));
    }
}

#[test]
fn rapid_reset_meets_the_default_budget() {
    let mut pair = frame(HEADERS, 5, 1, b"\x82\x86\x84");
    pair.extend(frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    assert_eq!(
        passing(Budgets::default(), &pair),
        (1000, "http2-reset-flood")
    );
}

#[test]
fn time_fills_a_budget_and_a_clock_going_back_does_not() {
    let budgets = Budgets {
        ping: Budget::new(2, 4),
        ..Budgets::default()
    };
    let ping = frame(PING, 0, 0, &[0; 8]);
    let mut watcher = begun(budgets);
    for now_ms in [1000, 1000, 1250, 1500] {
        watcher.feed(&ping, now_ms).unwrap();
    }
    watcher.feed(&ping, 900).unwrap_err();

    let mut watcher = begun(budgets);
    watcher.feed(&ping.repeat(2), 0).unwrap();
    watcher.feed(&ping, 249).unwrap_err();
    // A long pause fills the bucket and no more.
    let mut watcher = begun(budgets);
    watcher.feed(&ping.repeat(2), u64::MAX).unwrap();
    watcher.feed(&ping, u64::MAX).unwrap_err();
}

#[test]
fn what_is_sent_buys_window_updates() {
    let budgets = Budgets {
        window_update: Budget::new(2, 0),
        ..Budgets::default()
    };
    let update = frame(WINDOW_UPDATE, 0, 1, &4096_u32.to_be_bytes());
    let mut watcher = begun(budgets);
    for _ in 0..1000 {
        watcher.feed(&update.repeat(2), 0).unwrap();
        watcher.sent_data(4096);
    }
    watcher.feed(&update.repeat(3), 0).unwrap_err();
}

#[test]
fn header_blocks_are_bounded_in_frames_and_bytes() {
    // A thousand CONTINUATION frames without END_HEADERS (CVE-2024-27316).
    let mut flood = vec![frame(HEADERS, 1, 1, b"\x82")];
    flood.extend(vec![frame(CONTINUATION, 0, 1, b"\x86"); 8]);
    assert_eq!(verdict(&flood), Ok(()));
    flood.push(frame(CONTINUATION, 4, 1, b"\x86"));
    assert_eq!(verdict(&flood), Err(("http2-header-block-frames", 11)));

    let mut large = vec![frame(HEADERS, 1, 1, &[0x40; 16_384])];
    large.extend(vec![frame(CONTINUATION, 0, 1, &[0x40; 16_384]); 3]);
    assert_eq!(verdict(&large), Ok(()));
    large.push(frame(CONTINUATION, 4, 1, b"\x86"));
    assert_eq!(verdict(&large), Err(("http2-header-block-too-large", 11)));

    // The bit that ends a stream elsewhere does not excuse an empty CONTINUATION.
    let budgets = Budgets {
        empty_headers: Budget::new(1, 0),
        ..Budgets::default()
    };
    let empty = [
        frame(HEADERS, 0, 1, b"\x82"),
        frame(CONTINUATION, 1, 1, b""),
        frame(CONTINUATION, 1, 1, b""),
    ];
    let breach = begun(budgets).feed(&empty.concat(), 0).unwrap_err();
    assert_eq!(breach.reason.code, "http2-empty-frames-flood");
}

#[test]
fn what_is_malformed_or_out_of_order_is_refused() {
    let open = frame(HEADERS, 0, 1, b"\x82");
    let order = Err(("http2-frame-order", 1));
    assert_eq!(verdict(&[open.clone(), frame(DATA, 0, 1, b"x")]), order);
    assert_eq!(verdict(&[open.clone(), open.clone()]), order);
    assert_eq!(verdict(&[open, frame(CONTINUATION, 4, 3, b"")]), order);
    assert_eq!(verdict(&[frame(CONTINUATION, 4, 1, b"")]), order);
    assert_eq!(verdict(&[frame(PUSH_PROMISE, 4, 1, &[0; 4])]), order);

    let length = Err(("http2-frame-malformed", 6));
    assert_eq!(verdict(&[frame(PING, 0, 0, &[0; 7])]), length);
    assert_eq!(verdict(&[frame(RST_STREAM, 0, 1, &[0; 5])]), length);
    assert_eq!(verdict(&[frame(WINDOW_UPDATE, 0, 1, &[])]), length);
    assert_eq!(verdict(&[frame(SETTINGS, 0, 0, &[0; 7])]), length);
    assert_eq!(verdict(&[frame(SETTINGS, 1, 0, &[0; 6])]), length);
    assert_eq!(verdict(&[frame(DATA, 8, 1, b"")]), length);
    assert_eq!(verdict(&[frame(HEADERS, 0x24, 1, &[0; 4])]), length);

    let padding = Err(("http2-frame-malformed", 1));
    assert_eq!(verdict(&[frame(DATA, 8, 1, &[3, 0, 0])]), padding);
    assert_eq!(
        verdict(&[frame(HEADERS, 0x2c, 1, &[1, 0, 0, 0, 0, 0])]),
        padding
    );

    let too_large = Err(("http2-frame-too-large", 6));
    assert_eq!(verdict(&[frame(DATA, 0, 1, &[0; 16_385])]), too_large);
    let many = settings(&[(1, 1); 33]);
    assert_eq!(verdict(&[many]), Err(("http2-settings-too-many", 11)));
    assert_eq!(verdict(&[settings(&[(1, 1); 32])]), Ok(()));
}

#[test]
fn a_failed_watcher_stays_failed() {
    let mut watcher = begun(Budgets::default());
    let breach = watcher
        .feed(&frame(PUSH_PROMISE, 0, 1, b""), 0)
        .unwrap_err();
    assert_eq!(watcher.feed(&settings(&[]), 9), Err(breach));
    assert_eq!(watcher.feed(b"", 9), Err(breach));
}

/// The example of the paper, and Firefox's six as it once sent them.
#[test]
fn the_fingerprint_has_akamais_form() {
    let mut watcher = Watcher::new(Budgets::default(), 0);
    watcher.feed(PREFACE, 0).unwrap();
    watcher
        .feed(&settings(&[(1, 65_536), (4, 131_072)]), 0)
        .unwrap();
    watcher
        .feed(
            &frame(WINDOW_UPDATE, 0, 0, &12_517_377_u32.to_be_bytes()),
            0,
        )
        .unwrap();
    watcher
        .feed(&frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 200]), 0)
        .unwrap();
    assert!(!watcher.fingerprint().is_complete());
    let text = "1:65536;4:131072|12517377|3:0:0:201|m,p,a,s";

    // A request ends the collecting: a method, a path, a name and a scheme.
    let block = b"\x82\x04\x02/x\x41\x01a\x87\x7a\x01v";
    watcher.feed(&frame(HEADERS, 5, 15, block), 0).unwrap();
    assert_eq!(watcher.fingerprint().akamai(), text);
    watcher.feed(&settings(&[(2, 0)]), 0).unwrap();
    watcher
        .feed(&frame(PRIORITY, 0, 5, &[0x80, 0, 0, 3, 100]), 0)
        .unwrap();
    assert!(watcher.fingerprint().is_complete());
    assert_eq!(watcher.fingerprint().akamai(), text);

    let bare = begun(Budgets::default());
    assert_eq!(bare.fingerprint().akamai(), "|00|0|");

    let mut two = begun(Budgets::default());
    two.feed(&frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 200]), 0)
        .unwrap();
    two.feed(&frame(PRIORITY, 0, 5, &[0x80, 0, 0, 3, 100]), 0)
        .unwrap();
    assert_eq!(two.fingerprint().akamai(), "|00|3:0:0:201,5:1:3:101|");
}

/// Chrome 143's, as a public echo service gives it.
#[test]
fn a_browsers_fingerprint_is_known() {
    let mut chrome = Watcher::after_preface(Budgets::default(), 0);
    let own = settings(&[(1, 65_536), (2, 0), (4, 6_291_456), (6, 262_144)]);
    let update = frame(WINDOW_UPDATE, 0, 0, &15_663_105_u32.to_be_bytes());
    let block = b"\x82\x41\x81\x1f\x87\x84\x40\x01x\x01y";
    let payload = [&[0x80, 0, 0, 0, 255], &block[..]].concat();
    let headers = frame(HEADERS, 0x25, 1, &payload);
    chrome.feed(&[own, update, headers].concat(), 0).unwrap();
    assert_eq!(
        chrome.fingerprint().akamai(),
        "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p"
    );
}

/// The order of a first request's pseudo-headers, its block in frames of so many bytes.
fn order(flags: u8, before: &[u8], block: &[u8], each: usize) -> Option<String> {
    let mut watcher = begun(Budgets::default());
    let pieces: Vec<&[u8]> = block.chunks(each).collect();
    for (number, piece) in pieces.iter().enumerate() {
        let last = if number + 1 == pieces.len() { 4 } else { 0 };
        let sent = match number {
            0 => frame(HEADERS, flags | last, 1, &[before, piece].concat()),
            _ => frame(CONTINUATION, last, 1, piece),
        };
        for byte in sent {
            watcher.feed(&[byte], 0).unwrap();
        }
    }
    let found = watcher.fingerprint();
    let text = found.akamai();
    found
        .is_complete()
        .then(|| text.rsplit('|').next().unwrap().to_owned())
}

#[test]
fn pseudo_headers_are_told_in_their_order() {
    let long = [&[0x04, 0x7f, 0x81, 0x01][..], &[b'p'; 256]].concat();
    let block = [&[0x3f, 0x20, 0x87, 0x83][..], &long, b"\x01\x01a\x53\x00"].concat();
    for each in [1, 2, 7, 10_000] {
        assert_eq!(
            order(0, &[], &block, each.max(40)).as_deref(),
            Some("s,m,p,a"),
            "{each}"
        );
    }
    assert_eq!(
        order(8, &[3], b"\x82\x84\x87\x00\x00\x00", 99).as_deref(),
        Some("m,p,s")
    );
    assert_eq!(
        order(32, &[0, 0, 0, 0, 9], b"\x84\x82", 99).as_deref(),
        Some("p,m")
    );
    assert_eq!(
        order(40, &[1, 0, 0, 0, 0, 9], b"\x84\x82\x00", 99).as_deref(),
        Some("p,m")
    );
    assert_eq!(
        order(0, &[], b"\x82", 99).as_deref(),
        Some("m"),
        "the block ends it"
    );
    assert_eq!(
        order(0, &[], b"\x40\x01x\x01y\x82", 99).as_deref(),
        Some(""),
        "none comes first"
    );
    assert_eq!(
        order(0, &[], &[0x82; 40], 99).as_deref(),
        Some("m,m,m,m,m,m,m,m")
    );
    assert_eq!(
        order(0, &[], b"\x82\xff\xff\xff\xff\xff\xff", 99).as_deref(),
        Some("m")
    );
}

#[test]
fn the_fingerprint_is_bounded() {
    let budgets = Budgets {
        priority: Budget::new(10_000, 0),
        ..Budgets::default()
    };
    let mut watcher = begun(budgets);
    watcher
        .feed(&frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 0]).repeat(9000), 0)
        .unwrap();
    assert_eq!(
        watcher.fingerprint().akamai().matches("3:0:0:1").count(),
        16
    );
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..24);
    (0_u8..12, any::<u8>(), 0_u32..4, payload).prop_map(|(kind, flags, stream, mut payload)| {
        match kind {
            PING => payload.resize(8, 0),
            RST_STREAM | WINDOW_UPDATE => payload.resize(4, 0),
            PRIORITY => payload.resize(5, 0),
            SETTINGS if flags & 1 == 1 => payload.clear(),
            SETTINGS => payload.truncate(payload.len() / 6 * 6),
            _ => {}
        }
        frame(kind, flags, stream, &payload)
    })
}

proptest! {
    #[test]
    fn cuts_do_not_matter(
        frames in prop::collection::vec(any_frame(), 0..40),
        size in 1_usize..50,
    ) {
        let tight = Budget::new(6, 1);
        let budgets = Budgets { ping: tight, empty_data: tight, settings: tight, ..Budgets::default() };
        let stream = [settings(&[(1, 1)]), frames.concat()].concat();
        let run = |size: usize| -> (Result<(), Breach>, [u64; 2], String) {
            let mut watcher = Watcher::after_preface(budgets, 0);
            let verdict = stream.chunks(size).try_for_each(|piece| watcher.feed(piece, 0));
            let counts = [watcher.count(Kind::Data), watcher.count(Kind::Unknown)];
            (verdict, counts, watcher.fingerprint().akamai())
        };
        let whole = run(stream.len());
        prop_assert_eq!(&whole, &run(1));
        prop_assert_eq!(&whole, &run(size));
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Watcher::new(Budgets::default(), 0).feed(&bytes, 0);
        let _ = begun(Budgets::default()).feed(&bytes, 0);
    }
}
