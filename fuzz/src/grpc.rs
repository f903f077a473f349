//! Promises of the readers of gRPC.

use lockgate_wire::grpc::{
    decode_message, encode_message, format_timeout, parse_timeout, reasons, ContentType, Cutter,
    Messages, Piece, Protocol, TextDecoder, TextEncoder,
};

use crate::guards::cut;

/// Messages are judged alike however they are cut.
pub fn messages(input: &[u8], cuts: &[u16]) {
    for make in [
        || Messages::of_client(300),
        || Messages::of_upstream(Protocol::Web, 300),
    ] {
        let run = |pieces: &[&[u8]]| {
            let mut body = make();
            let verdict = pieces.iter().try_for_each(|piece| body.feed(piece));
            (verdict, body.end(), body.messages())
        };
        let whole = run(&[input]);
        assert_eq!(whole, run(&cut(input, cuts)));
        assert_eq!(whole, run(&input.chunks(1).collect::<Vec<_>>()));
    }
}

/// A body is cut into the same messages however it came, nothing of it is lost
/// or made up, and the watcher of lengths agrees with what is wrong.
pub fn cutter(input: &[u8], cuts: &[u16]) {
    for too_long in [None, Some(&reasons::MESSAGE_TOO_LARGE)] {
        let run = |pieces: &[&[u8]]| {
            let mut body = Cutter::new(300, too_long);
            let (mut passed, mut messages) = (Vec::new(), Vec::new());
            for piece in pieces {
                body.feed(piece);
                loop {
                    match body.next_piece() {
                        Ok(Some(Piece::Passing(bytes))) => passed.extend_from_slice(&bytes),
                        Ok(Some(Piece::Message(message))) => {
                            assert!(message.bytes().len() <= 300);
                            passed.extend_from_slice(&message.frame);
                            messages.push(message);
                        }
                        Ok(None) => break,
                        Err(reason) => return (passed, messages, Err(reason)),
                    }
                }
            }
            assert!(input.starts_with(&passed));
            assert_eq!(passed.len() + body.held(), input.len());
            (passed, messages, body.end())
        };
        let whole = run(&[input]);
        assert_eq!(whole, run(&cut(input, cuts)));
        assert_eq!(whole, run(&input.chunks(1).collect::<Vec<_>>()));
        if too_long.is_some() {
            let mut watcher = Messages::of_client(300);
            let seen = watcher.feed(input).and_then(|()| watcher.end());
            assert_eq!(seen, whole.2);
        }
    }
}

/// Base64 is read alike however it is cut, and what is written is read.
pub fn text(input: &[u8], cuts: &[u16]) {
    let read = |pieces: &[&[u8]]| {
        let mut out = Vec::new();
        let mut decoder = TextDecoder::default();
        let mut verdict = Ok(());
        for piece in pieces {
            verdict = verdict.and_then(|()| decoder.feed(piece, &mut out));
        }
        verdict.and_then(|()| decoder.end()).map(|()| out)
    };
    let pieces = cut(input, cuts);
    let whole = read(&[input]);
    assert_eq!(whole, read(&pieces));
    if let Ok(out) = whole {
        assert!(out.len() <= input.len() / 4 * 3, "it grows no faster");
    }
    let mut text = Vec::new();
    let mut encoder = TextEncoder::default();
    pieces
        .iter()
        .for_each(|piece| encoder.feed(piece, &mut text));
    encoder.flush(&mut text);
    assert_eq!(read(&[&text]).as_deref(), Ok(input));
}

/// Header values are read without harm, and written so that they are read.
pub fn values(input: &[u8]) {
    if let Ok(micros) = parse_timeout(input) {
        let again = parse_timeout(format_timeout(micros).as_bytes());
        assert!(again.is_ok_and(|again| again >= micros));
    }
    let message = decode_message(input);
    let encoded = encode_message(&message);
    assert!(message.starts_with(&decode_message(encoded.as_bytes())));
    if let Some(found) = ContentType::parse(&message) {
        let same = found.with(found.protocol);
        assert!(same.eq_ignore_ascii_case(&message));
    }
}
