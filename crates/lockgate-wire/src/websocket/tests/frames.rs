use proptest::prelude::*;

use crate::websocket::{close_frame, Breach, Rules, Sender, Watcher};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as a client sends it: first byte, then the payload.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len());
    frame[1] |= 0x80;
    frame.extend(KEY);
    frame.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len());
    frame.extend(payload);
    frame
}

fn head(first: u8, length: usize) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..126 => head.push(u8::try_from(length).unwrap()),
        126..65_536 => {
            head.push(126);
            head.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    head
}

fn client(rules: Rules) -> Watcher {
    Watcher::new(Sender::Client, rules)
}

fn verdict(frames: &[Vec<u8>]) -> Result<(), (&'static str, u16)> {
    let rules = Rules {
        deflate: true,
        ..Rules::default()
    };
    let short = |breach: Breach| (breach.reason.code, breach.close_code);
    let whole = client(rules).feed(&frames.concat()).map_err(short);
    let mut watcher = client(rules);
    let stream = frames.concat();
    let bytes = stream
        .chunks(1)
        .try_for_each(|byte| watcher.feed(byte))
        .map_err(short);
    assert_eq!(whole, bytes, "cuts must not matter");
    whole
}

/// RFC 6455, 5.7.
#[test]
fn the_rfcs_examples_pass() {
    let mut watcher = client(Rules::default());
    let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(masked(0x81, b"Hello"), hello);
    watcher.feed(hello).unwrap();
    watcher
        .feed(b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
        .unwrap();
    let counts = watcher.counts();
    assert_eq!((counts.frames, counts.control_frames), (2, 1));
    assert_eq!((counts.messages, counts.payload_bytes), (1, 10));

    let mut server = Watcher::new(Sender::Server, Rules::default());
    for frame in [
        &b"\x81\x05Hello"[..],
        b"\x01\x03Hel",
        b"\x80\x02lo",
        b"\x89\x05Hello",
    ] {
        server.feed(frame).unwrap();
    }
    server.feed(&plain(0x82, &[0xff; 256])).unwrap();
    server.feed(&plain(0x82, &[0xff; 65_536])).unwrap();
    assert_eq!(server.counts().messages, 4);
}

#[test]
fn masks_belong_to_the_client_alone() {
    let breach = client(Rules::default())
        .feed(&plain(0x81, b"x"))
        .unwrap_err();
    assert_eq!(
        (breach.reason.code, breach.close_code),
        ("websocket-mask", 1002)
    );
    let mut server = Watcher::new(Sender::Server, Rules::default());
    let breach = server.feed(&masked(0x81, b"x")).unwrap_err();
    assert_eq!(
        (breach.reason.code, breach.close_code),
        ("upstream-websocket-frame", 1002)
    );
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    let reserved = Err(("websocket-reserved", 1002));
    for first in [0x83, 0x87, 0x8b, 0x8f, 0xa1, 0x91, 0xc8, 0xc9] {
        assert_eq!(verdict(&[masked(first, b"")]), reserved, "{first:x}");
    }
    // RSV1 marks a compressed message, on its first frame alone.
    assert_eq!(verdict(&[masked(0xc1, b"\xff")]), Ok(()));
    assert_eq!(
        verdict(&[masked(0x41, b"\xff"), masked(0x80, b"\xfe")]),
        Ok(())
    );
    assert_eq!(
        verdict(&[masked(0x41, b"\xff"), masked(0xc0, b"\xfe")]),
        reserved
    );
    let breach = client(Rules::default())
        .feed(&masked(0xc1, b"x"))
        .unwrap_err();
    assert_eq!(breach.reason.code, "websocket-reserved");
}

#[test]
fn control_frames_are_short_and_whole() {
    let control = Err(("websocket-control", 1002));
    assert_eq!(verdict(&[masked(0x89, &[0; 125])]), Ok(()));
    assert_eq!(verdict(&[masked(0x89, &[0; 126])]), control);
    assert_eq!(verdict(&[masked(0x09, b"")]), control);
    assert_eq!(verdict(&[masked(0x88, &[0; 126])]), control);
}

#[test]
fn fragments_are_in_order() {
    let fragments = Err(("websocket-fragments", 1002));
    assert_eq!(verdict(&[masked(0x80, b"x")]), fragments);
    assert_eq!(
        verdict(&[masked(0x01, b"x"), masked(0x81, b"y")]),
        fragments
    );
    assert_eq!(
        verdict(&[masked(0x01, b"x"), masked(0x82, b"y")]),
        fragments
    );
    let between = [
        masked(0x01, b"x"),
        masked(0x89, b""),
        masked(0x00, b""),
        masked(0x80, b"z"),
    ];
    assert_eq!(verdict(&between), Ok(()));
    assert_eq!(
        verdict(&[masked(0x81, b"x"), masked(0x80, b"y")]),
        fragments
    );
}

#[test]
fn lengths_are_written_in_the_shortest_way() {
    let length = Err(("websocket-length", 1002));
    assert_eq!(verdict(&[b"\x82\xfe\x00\x7d\0\0\0\0".to_vec()]), length);
    assert_eq!(
        verdict(&[b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0".to_vec()]),
        length
    );
    assert_eq!(
        verdict(&[b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0".to_vec()]),
        length
    );
    let most = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec();
    assert_eq!(verdict(&[most]), Err(("websocket-frame-too-large", 1009)));
}

#[test]
fn frames_and_messages_are_bounded() {
    let rules = Rules {
        frame_bytes: 200,
        message_bytes: 300,
        ..Rules::default()
    };
    let code = |stream: &[u8]| {
        client(rules)
            .feed(stream)
            .map_err(|breach| breach.reason.code)
    };
    assert_eq!(code(&masked(0x82, &[0; 200])), Ok(()));
    assert_eq!(
        code(&masked(0x82, &[0; 201])[..8]),
        Err("websocket-frame-too-large")
    );
    let parts = [masked(0x02, &[0; 200]), masked(0x00, &[0; 100])].concat();
    assert_eq!(code(&parts), Ok(()));
    let more = [parts, masked(0x80, b"x")].concat();
    assert_eq!(code(&more), Err("websocket-message-too-large"));
    // The bound is for each message.
    assert_eq!(code(&masked(0x82, &[0; 200]).repeat(10)), Ok(()));
}

#[test]
fn texts_are_utf8_over_all_fragments() {
    let text = "κόσμε 😀 ok".as_bytes();
    for cut in 0..=text.len() {
        let parts = [
            masked(0x01, &text[..cut]),
            masked(0x89, b"\xff"),
            masked(0x80, &text[cut..]),
        ];
        assert_eq!(verdict(&parts), Ok(()), "{cut}");
    }
    let utf8 = Err(("websocket-utf8", 1007));
    for bad in [
        &b"\xff"[..],
        b"a\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf0\x9f\x98",
    ] {
        assert_eq!(verdict(&[masked(0x81, bad)]), utf8);
        assert_eq!(verdict(&[masked(0x82, bad)]), Ok(()));
        assert_eq!(verdict(&[masked(0xc1, bad)]), Ok(()), "compressed");
    }
    // What is wrong already is refused before the message is over.
    assert_eq!(verdict(&[masked(0x01, b"\xed\xa0")]), utf8);
    // The next message begins anew.
    assert_eq!(
        verdict(&[masked(0x81, b"\xe2\x82"), masked(0x81, b"\xac")]),
        utf8
    );
    let unchecked = Rules {
        check_utf8: false,
        ..Rules::default()
    };
    assert_eq!(client(unchecked).feed(&masked(0x81, b"\xff")), Ok(()));
    let mut server = Watcher::new(Sender::Server, Rules::default());
    let breach = server.feed(&plain(0x81, b"\xff")).unwrap_err();
    assert_eq!(
        (breach.reason.code, breach.close_code),
        ("upstream-websocket-utf8", 1007)
    );
}

#[test]
fn long_texts_are_unmasked_in_place_of_their_bytes() {
    let text = "aé€😀".repeat(2000);
    let mut stream = masked(0x81, text.as_bytes());
    for size in [1, 3, 511, 512, 513, 5000, stream.len()] {
        let mut watcher = client(Rules::default());
        stream
            .chunks(size)
            .for_each(|piece| watcher.feed(piece).unwrap());
        assert_eq!(watcher.counts().messages, 1, "{size}");
    }
    let last = stream.len() - 1;
    stream[last] ^= 0x80;
    assert_eq!(
        client(Rules::default())
            .feed(&stream)
            .unwrap_err()
            .close_code,
        1007
    );
}

#[test]
fn close_frames_hold_a_code_that_may_be_sent() {
    let with =
        |code: u16, text: &[u8]| verdict(&[masked(0x88, &[&code.to_be_bytes(), text].concat())]);
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] {
        assert_eq!(with(code, b"bye"), Ok(()), "{code}");
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        assert_eq!(with(code, b""), Err(("websocket-close", 1002)), "{code}");
    }
    assert_eq!(verdict(&[masked(0x88, b"")]), Ok(()));
    assert_eq!(
        verdict(&[masked(0x88, b"\x03")]),
        Err(("websocket-close", 1002))
    );
    assert_eq!(with(1000, b"\xff"), Err(("websocket-utf8", 1007)));

    let mut watcher = client(Rules::default());
    watcher
        .feed(&masked(0x88, &1001_u16.to_be_bytes()))
        .unwrap();
    assert!(watcher.is_closed());
    assert_eq!(watcher.close_code(), Some(1001));
    watcher.feed(&masked(0x8a, b"")).unwrap();
    let breach = watcher.feed(&masked(0x81, b"x")).unwrap_err();
    assert_eq!(breach.reason.code, "websocket-after-close");
}

#[test]
fn our_own_close_frames_are_right() {
    assert_eq!(close_frame(1000, "", None), b"\x88\x02\x03\xe8");
    assert_eq!(close_frame(1009, "big", None), b"\x88\x05\x03\xf1big");
    let long = "é".repeat(100);
    for (sender, key) in [(Sender::Server, None), (Sender::Client, Some(KEY))] {
        let frame = close_frame(1002, &long, key);
        assert_eq!(frame.len(), 2 + key.map_or(0, |_| 4) + 2 + 122);
        let mut watcher = Watcher::new(sender, Rules::default());
        watcher.feed(&frame).unwrap();
        assert_eq!(watcher.close_code(), Some(1002));
    }
}

#[test]
fn a_frame_of_our_own_fits_between_frames_alone() {
    let frame = masked(0x01, b"Hello");
    let mut watcher = client(Rules::default());
    assert!(watcher.at_boundary());
    for at in 1..frame.len() {
        watcher.feed(&frame[at - 1..at]).unwrap();
        assert!(!watcher.at_boundary(), "{at}");
    }
    watcher.feed(&frame[frame.len() - 1..]).unwrap();
    assert!(watcher.at_boundary(), "between fragments");
    // A breach is not let on, so what was let on still ends at a boundary.
    watcher.feed(b"\x80").unwrap();
    assert!(!watcher.at_boundary());
    watcher.feed(b"\x00").unwrap_err();
    assert!(!watcher.at_boundary());
    let mut watcher = client(Rules::default());
    let good_then_bad = [frame, plain(0x80, b"")].concat();
    let breach = watcher.feed(&good_then_bad).unwrap_err();
    assert!(watcher.at_boundary());
    assert_eq!(watcher.feed(b""), Err(breach), "it stays failed");
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x01_u8, 0x81, 0x02, 0x82, 0x00, 0x80, 0x89, 0xc1, 0x88]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        "[a-zé€😀]{0,40}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..140),
    ];
    (first, payload).prop_map(|(first, payload)| masked(first, &payload))
}

proptest! {
    #[test]
    fn cuts_do_not_matter(
        frames in prop::collection::vec(any_frame(), 0..12),
        size in 1_usize..60,
    ) {
        let rules = Rules { deflate: true, message_bytes: 250, ..Rules::default() };
        let stream = frames.concat();
        let run = |size: usize| {
            let mut watcher = client(rules);
            let verdict = stream.chunks(size).try_for_each(|piece| watcher.feed(piece));
            let after = verdict.is_ok().then(|| {
                (watcher.counts(), watcher.at_boundary(), watcher.close_code())
            });
            (verdict, after)
        };
        let whole = run(stream.len().max(1));
        prop_assert_eq!(&whole, &run(1));
        prop_assert_eq!(&whole, &run(size));
    }

    /// The incremental check says what the standard library says of the whole.
    #[test]
    fn utf8_is_judged_as_a_whole(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            "[a-zé€😀]{0,20}".prop_map(String::into_bytes),
        ],
        cut: prop::sample::Index,
    ) {
        let cut = cut.index(bytes.len() + 1);
        let parts = [masked(0x01, &bytes[..cut]), masked(0x80, &bytes[cut..])];
        let right = client(Rules::default()).feed(&parts.concat()).is_ok();
        prop_assert_eq!(right, std::str::from_utf8(&bytes).is_ok());
    }

    #[test]
    fn any_close_frame_of_ours_passes(text: String, key: [u8; 4]) {
        let frame = close_frame(1009, &text, Some(key));
        let mut watcher = client(Rules::default());
        prop_assert_eq!(watcher.feed(&frame), Ok(()));
        prop_assert_eq!(watcher.close_code(), Some(1009));
    }
}
