//! Promises of the readers that look at bytes as they pass.

use lockgate_wire::http2::{self, Budget, Budgets, Kind};

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
        let text = watcher.fingerprint().akamai("m,p,a,s");
        assert!(text.len() < 2048, "a fingerprint is bounded");
        (verdict, watcher.count(Kind::Headers), text)
    };
    let whole = run(&[input]);
    assert_eq!(whole, run(&cut(input, cuts)));
    assert_eq!(whole, run(&input.chunks(1).collect::<Vec<_>>()));
}
