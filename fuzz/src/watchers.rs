//! Promises of the readers that look at bytes as they pass.

use lockgate_wire::{
    http2::{self, Budget, Budgets, Kind},
    http3::{Counters, Frames, Step, StreamKind},
    websocket::{self, Rules, Sender},
};

use crate::guards::cut;

/// An HTTP/2 connection is judged alike however it is cut.
pub fn http2(input: &[u8], cuts: &[u16]) {
    let tight = Budget::new(4, 1);
    let budgets = Budgets {
        settings: tight,
        ping: tight,
        empty_data: tight,
        unknown: tight,
        frame_bytes: 512,
        header_block_bytes: 1024,
        ..Budgets::default()
    };
    let run = |pieces: &[&[u8]]| {
        let mut watcher = http2::Watcher::after_preface(budgets, 0);
        // As a connection does: what comes after a breach is not looked at.
        let verdict = pieces
            .iter()
            .try_for_each(|piece| watcher.feed(piece, 0))
            .map_err(|breach| breach.reason.code);
        let text = watcher.fingerprint().akamai();
        assert!(text.len() < 2048, "a fingerprint is bounded");
        (verdict, watcher.count(Kind::Headers), text)
    };
    let whole = run(&[input]);
    assert_eq!(whole, run(&cut(input, cuts)));
    assert_eq!(whole, run(&input.chunks(1).collect::<Vec<_>>()));
}

/// A stream of HTTP/3 is judged alike however it is cut, and what goes on is the same.
pub fn http3(input: &[u8], cuts: &[u16]) {
    for kind in [StreamKind::Request, StreamKind::OneWay] {
        let run = |pieces: &[&[u8]]| {
            let (mut frames, mut counters) = (Frames::new(kind, 500), Counters::new(1, 0));
            let mut passed = Vec::new();
            for mut piece in pieces.iter().copied() {
                while !piece.is_empty() {
                    let (count, step) = match frames.step(piece, &mut counters, 0) {
                        Ok(stepped) => stepped,
                        Err(breach) => return Err(breach.reason.code),
                    };
                    assert!(count > 0 && count <= piece.len());
                    match step {
                        Step::Held | Step::Drop => {}
                        Step::Head => passed.extend_from_slice(frames.head()),
                        Step::Pass => passed.extend_from_slice(&piece[..count]),
                        Step::Malformed => return Err("malformed"),
                    }
                    piece = &piece[count..];
                }
            }
            Ok((passed, frames.is_cut()))
        };
        let whole = run(&[input]);
        assert_eq!(whole, run(&cut(input, cuts)));
        assert_eq!(whole, run(&input.chunks(1).collect::<Vec<_>>()));
    }
}

/// Frames of a WebSocket are judged alike however they are cut, and when all
/// is right, a close frame of the gate's own may follow at a boundary.
pub fn websocket(input: &[u8], cuts: &[u16]) {
    let rules = Rules {
        deflate: true,
        check_utf8: true,
        frame_bytes: 300,
        message_bytes: 500,
    };
    for sender in [Sender::Client, Sender::Server] {
        let run = |pieces: &[&[u8]]| {
            let mut watcher = websocket::Watcher::new(sender, rules);
            let verdict = pieces.iter().try_for_each(|piece| watcher.feed(piece));
            let after = verdict.is_ok().then(|| watcher.counts());
            if verdict.is_ok() && watcher.at_boundary() {
                let key = (sender == Sender::Client).then_some([1, 2, 3, 4]);
                let own = websocket::close_frame(1001, "over", key);
                assert_eq!(watcher.feed(&own), Ok(()));
                assert!(watcher.is_closed() && watcher.at_boundary());
            }
            (verdict.map_err(|breach| breach.reason.code), after)
        };
        let whole = run(&[input]);
        assert_eq!(whole, run(&cut(input, cuts)));
        assert_eq!(whole, run(&input.chunks(1).collect::<Vec<_>>()));
    }
}
