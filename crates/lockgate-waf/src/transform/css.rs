//! `cssDecode`: escapes as CSS 2 has them.

use super::escapes::full_width;
use super::scan::{digit, is_space, rewrite, seek};

/// `cssDecode`: a backslash and up to six hexadecimal digits are the low byte of
/// that number (full-width forms are the ASCII ones), and one white space after
/// them is part of it; a backslash before a line's end and at the end goes with
/// it; before anything else it goes alone.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    rewrite(
        input,
        out,
        |input| seek(b'\\', input),
        |rest, out| {
            let [_, after @ ..] = rest else {
                return (1, true);
            };
            let mut number = 0_u32;
            let mut len = 0;
            for byte in after.iter().take(6) {
                let Some(digit) = digit(*byte) else { break };
                number = number << 4 | u32::from(digit);
                len += 1;
            }
            if len > 0 {
                let low = (number & 0xff) as u8;
                out.push(if len >= 4 && number <= 0xffff {
                    full_width((number >> 8) as u8, low)
                } else {
                    low
                });
                let space = after.get(len).is_some_and(|byte| is_space(*byte));
                return (1 + len + usize::from(space), true);
            }
            match after.first() {
                Some(b'\n') => (2, true),
                Some(byte) => {
                    out.push(*byte);
                    (2, true)
                }
                None => (1, true),
            }
        },
    )
}
