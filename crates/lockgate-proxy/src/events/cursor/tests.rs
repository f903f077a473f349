//! Cursors as texts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

#[test]
fn a_cursor_reads_back() {
    let cursor = Cursor {
        name: Name {
            start_ms: 1_700_000_000_000,
            seq: 7,
        },
        offset: 123,
    };
    assert_eq!(cursor.to_string(), "1700000000000-00000007:123");
    assert_eq!(cursor.to_string().parse(), Ok(cursor));
}

#[test]
fn what_is_no_cursor_is_refused() {
    for text in [
        "",
        ":",
        "1-2",
        "1-2:",
        "1-2:+3",
        "a-2:3",
        "1-2:3x",
        "-1-2:3",
        "1-2:99999999999999999999",
    ] {
        assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
    }
}
