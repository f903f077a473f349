#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;

use super::{
    decode_message, encode_message, format_timeout, parse_timeout, reasons, request, trailer_frame,
    Code, ContentType, Cutter, Messages, Piece, Protocol, TextDecoder, TextEncoder,
};
use crate::reason::{Fault, Reason};

#[test]
fn content_types_are_told_apart() {
    let parse = |value| ContentType::parse(value).map(|found| (found.protocol, found.suffix));
    assert_eq!(parse("application/grpc"), Some((Protocol::Grpc, "")));
    assert_eq!(
        parse("application/grpc+proto"),
        Some((Protocol::Grpc, "+proto"))
    );
    assert_eq!(
        parse("Application/GRPC;charset=utf-8"),
        Some((Protocol::Grpc, ";charset=utf-8"))
    );
    assert_eq!(
        parse("application/grpc-web+json"),
        Some((Protocol::Web, "+json"))
    );
    assert_eq!(
        parse("application/grpc-web-text"),
        Some((Protocol::WebText, ""))
    );
    for other in [
        "application/grpcx",
        "application/grpc-webx",
        "application/json",
        "",
        "é",
    ] {
        assert_eq!(parse(other), None, "{other}");
    }
    let web = ContentType::parse("application/grpc-web-text+proto").unwrap();
    assert_eq!(web.with(Protocol::Grpc), "application/grpc+proto");
    assert_eq!(
        web.with(Protocol::WebText),
        "application/grpc-web-text+proto"
    );
}

#[test]
fn a_request_is_a_post_of_such_a_type() {
    let mut headers = HeaderMap::new();
    assert_eq!(request(&Method::POST, &headers), None);
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    assert!(request(&Method::POST, &headers).is_some());
    assert_eq!(request(&Method::GET, &headers), None);
}

#[test]
fn statuses_have_their_codes() {
    let code = |status| {
        Code::of_refusal(&Reason {
            code: "x",
            status,
            title: "",
            room: "x",
            fault: Fault::Client,
            advice: "",
        })
        .as_str()
    };
    let pairs = [
        (400, "3"),
        (401, "16"),
        (403, "7"),
        (404, "12"),
        (408, "4"),
        (413, "8"),
        (415, "3"),
        (422, "3"),
        (429, "8"),
        (431, "8"),
        (499, "1"),
        (500, "13"),
        (501, "12"),
        (502, "14"),
        (503, "14"),
        (504, "4"),
        (302, "2"),
    ];
    for (status, expected) in pairs {
        assert_eq!(code(status), expected, "{status}");
    }
    let pairs = [
        (400, 13),
        (401, 16),
        (403, 7),
        (404, 12),
        (429, 14),
        (504, 14),
        (200, 2),
        (418, 2),
    ];
    for (status, expected) in pairs {
        assert_eq!(Code::of_http(status) as u8, expected, "{status}");
    }
}

#[test]
fn messages_are_percent_encoded() {
    assert_eq!(encode_message("50% of é\n"), "50%25 of %C3%A9%0A");
    assert_eq!(decode_message(b"50%25 of %c3%A9%0A"), "50% of é\n");
    // What is wrong stays, and what is not UTF-8 is replaced.
    assert_eq!(decode_message(b"100% %4 %zz %"), "100% %4 %zz %");
    assert_eq!(decode_message(b"%ff"), "\u{fffd}");
    let long = encode_message(&"é".repeat(1000));
    assert_eq!(long.len(), 1020, "cut at a character's end");
}

#[test]
fn timeouts_are_read_and_written() {
    let pairs: [(&[u8], u64); 9] = [
        (b"1H", 3_600_000_000),
        (b"2M", 120_000_000),
        (b"3S", 3_000_000),
        (b"250m", 250_000),
        (b"99999999u", 99_999_999),
        (b"1n", 1),
        (b"1001n", 2),
        (b"0S", 0),
        (b"99999999H", 359_999_996_400_000_000),
    ];
    for (text, micros) in pairs {
        assert_eq!(parse_timeout(text), Ok(micros));
    }
    for wrong in [
        &b""[..],
        b"S",
        b"1",
        b"123456789S",
        b"-1S",
        b"+1S",
        b"1s",
        b"1 S",
        b"1.5S",
        b"1Sx",
    ] {
        assert_eq!(parse_timeout(wrong).unwrap_err().code, "grpc-timeout");
    }
    let pairs = [
        (0, "0u"),
        (99_999_999, "99999999u"),
        (100_000_000, "100000m"),
        (100_000_001, "100001m"),
        (1 << 40, "1099512S"),
        (u64::MAX, "99999999H"),
    ];
    for (micros, text) in pairs {
        assert_eq!(format_timeout(micros), text);
    }
}

fn message(flag: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&[flag][..], &length.to_be_bytes(), payload].concat()
}

#[test]
fn messages_are_counted_and_bounded() {
    let mut body = Messages::of_client(10);
    body.feed(&[message(0, b"hello"), message(1, b""), message(0, &[7; 10])].concat())
        .unwrap();
    assert_eq!((body.messages(), body.end()), (3, Ok(())));
    body.feed(&message(0, b"hello")[..7]).unwrap();
    assert_eq!(body.end().unwrap_err().code, "grpc-incomplete");
    let reason = Messages::of_client(10)
        .feed(&message(0, &[7; 11])[..5])
        .unwrap_err();
    assert_eq!(reason.code, "grpc-message-too-large");
    let mut json = Messages::of_client(10);
    assert_eq!(json.feed(b"{").unwrap_err().code, "grpc-flag");
    assert_eq!(
        json.feed(&message(0, b"")).unwrap_err().code,
        "grpc-flag",
        "it stays failed"
    );
    assert_eq!(json.end().unwrap_err().code, "grpc-flag");
    let trailers = Messages::of_client(10)
        .feed(&message(0x80, b"a:b\r\n"))
        .unwrap_err();
    assert_eq!(trailers.code, "grpc-flag", "clients send no trailers");
}

/// What a cutter gives of a body: frames of messages, with a `+` where there is
/// more of it, and what passes between.
fn cut(body: &mut Cutter) -> Vec<Vec<u8>> {
    let mut told = Vec::new();
    while let Some(piece) = body.next_piece().unwrap() {
        told.push(match piece {
            Piece::Passing(bytes) => bytes.to_vec(),
            Piece::Message(message) if message.whole => message.frame.to_vec(),
            Piece::Message(message) => [&message.frame[..], b"+"].concat(),
        });
    }
    told
}

#[test]
fn a_body_is_cut_into_its_messages() {
    let (short, long) = (message(0, b"hello"), message(1, b"0123456789abc"));
    let mut body = Cutter::new(10, None);
    body.feed(&short[..7]);
    assert!(cut(&mut body).is_empty(), "it is not all there");
    assert_eq!(body.end().unwrap_err().code, "grpc-incomplete");
    body.feed(&[&short[7..], &long[..], &short].concat());
    let begun = [&long[..15], b"+"].concat();
    assert_eq!(cut(&mut body), [&short[..], &begun, b"abc", &short]);
    assert_eq!((body.held(), body.end()), (0, Ok(())));

    let mut body = Cutter::new(10, Some(&reasons::MESSAGE_TOO_LARGE));
    body.feed(&long[..5]);
    let reason = body.next_piece().unwrap_err();
    assert_eq!(reason.code, "grpc-message-too-large", "before it came");
    body.pass_all();
    body.feed(&long[5..]);
    assert_eq!(cut(&mut body), [long]);

    let mut json = Cutter::new(10, None);
    json.feed(b"{");
    assert_eq!(json.next_piece().unwrap_err().code, "grpc-flag");
}

#[test]
fn an_answer_may_end_with_trailers() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers.insert("Grpc-Message", HeaderValue::from_static("fine"));
    let frame = trailer_frame(&trailers);
    assert_eq!(
        frame,
        b"\x80\0\0\0\x22grpc-status:0\r\ngrpc-message:fine\r\n"
    );

    let stream = [message(0, b"x"), frame].concat();
    let mut web = Messages::of_upstream(Protocol::Web, 10);
    web.feed(&stream).unwrap();
    assert_eq!((web.messages(), web.end()), (1, Ok(())));
    let after = web.feed(&message(0, b"")).unwrap_err();
    assert_eq!(
        after.code, "upstream-grpc-message",
        "nothing follows trailers"
    );

    let plain = Messages::of_upstream(Protocol::Grpc, 10)
        .feed(&stream)
        .unwrap_err();
    assert_eq!(plain.code, "upstream-grpc-message");
    let large = Messages::of_upstream(Protocol::Grpc, 3).feed(&message(0, b"four"));
    assert_eq!(large.unwrap_err().code, "upstream-grpc-too-large");

    trailers.insert("large", HeaderValue::from_str(&"x".repeat(70_000)).unwrap());
    assert_eq!(trailer_frame(&trailers).len(), 5 + 0x22, "left out");
}

#[test]
fn text_is_read_with_padding_between() {
    let read = |text: &[u8]| {
        let mut out = Vec::new();
        let mut decoder = TextDecoder::default();
        decoder.feed(text, &mut out)?;
        decoder.end().map(|()| out)
    };
    assert_eq!(read(b"Zg==Zm8=Zm9v").unwrap(), b"ffofoo");
    for wrong in [&b"Zg="[..], b"Z", b"Zg=\n", b"Zm9v\n", b"Zm-v", b"=Zg="] {
        assert_eq!(read(wrong), Err(&reasons::TEXT));
    }
}

proptest! {
    #[test]
    fn a_message_is_read_as_written(text in "\\PC{0,60}|[ -~\n%]{0,60}") {
        let encoded = encode_message(&text);
        prop_assert!(encoded.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        prop_assert_eq!(decode_message(encoded.as_bytes()), text);
    }

    #[test]
    fn a_timeout_is_never_written_shorter(micros: u64) {
        let text = format_timeout(micros);
        prop_assert!(text.len() <= 9);
        let most = 99_999_999 * 3_600_000_000;
        let read = parse_timeout(text.as_bytes()).unwrap();
        prop_assert!(read >= micros.min(most));
        prop_assert!(read - micros.min(most) < 3_600_000_000);
    }

    #[test]
    fn text_is_the_same_however_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        written in 1_usize..9,
        flushes in 1_usize..5,
        read in 1_usize..9,
    ) {
        let mut text = Vec::new();
        let mut encoder = TextEncoder::default();
        for (at, piece) in bytes.chunks(written).enumerate() {
            encoder.feed(piece, &mut text);
            if at % flushes == 0 {
                encoder.flush(&mut text);
            }
        }
        encoder.flush(&mut text);
        let mut out = Vec::new();
        let mut decoder = TextDecoder::default();
        for piece in text.chunks(read) {
            decoder.feed(piece, &mut out).unwrap();
        }
        decoder.end().unwrap();
        prop_assert_eq!(out, bytes);
    }

    #[test]
    fn bodies_are_judged_alike_however_cut(
        parts in prop::collection::vec(
            (prop::sample::select(vec![0_u8, 1, 0x80, 2]), prop::collection::vec(any::<u8>(), 0..30)),
            0..8,
        ),
        size in 1_usize..20,
    ) {
        let stream: Vec<u8> = parts.iter().flat_map(|(flag, payload)| message(*flag, payload)).collect();
        let run = |size: usize| {
            let mut body = Messages::of_upstream(Protocol::Web, 25);
            let verdict = stream.chunks(size).try_for_each(|piece| body.feed(piece));
            (verdict, body.end(), body.messages())
        };
        let whole = run(stream.len().max(1));
        prop_assert_eq!(whole, run(1));
        prop_assert_eq!(whole, run(size));
    }
}
