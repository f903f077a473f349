//! What is done byte by byte: case, parity, zero bytes, `cmdLine`.

use super::scan::{first, rewrite, seek};

/// `lowercase`, of ASCII letters.
pub(super) fn lowercase(input: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(at) = first(input, |byte| byte.is_ascii_uppercase()) else {
        return false;
    };
    let start = out.len() + at;
    out.extend_from_slice(input);
    out.get_mut(start..)
        .unwrap_or_default()
        .make_ascii_lowercase();
    true
}

/// `uppercase`, of ASCII letters.
pub(super) fn uppercase(input: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(at) = first(input, |byte| byte.is_ascii_lowercase()) else {
        return false;
    };
    let start = out.len() + at;
    out.extend_from_slice(input);
    out.get_mut(start..)
        .unwrap_or_default()
        .make_ascii_uppercase();
    true
}

/// What becomes of each byte.
pub(super) type Map = [u8; 256];

/// The eighth bit makes the number of bits even.
pub(super) const EVEN: Map = parity(0x80, 0);
/// The eighth bit makes the number of bits odd.
pub(super) const ODD: Map = parity(0, 0x80);
/// The eighth bit is zero.
pub(super) const ZERO: Map = parity(0, 0);

/// Bytes with this eighth bit where all eight of them have an odd or an even
/// number of bits: ModSecurity counts the eighth one too.
const fn parity(odd: u8, even: u8) -> Map {
    let mut map = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let top = if (byte as u8).count_ones() % 2 == 1 {
            odd
        } else {
            even
        };
        map[byte] = byte as u8 & 0x7f | top;
        byte += 1;
    }
    map
}

/// `parityEven7bit` and its like.
pub(super) fn map(input: &[u8], out: &mut Vec<u8>, map: &Map) -> bool {
    let start = out.len();
    out.extend(input.iter().map(|byte| map[usize::from(*byte)]));
    out.get(start..) != Some(input)
}

/// `removeNulls`.
pub(super) fn remove_nulls(input: &[u8], out: &mut Vec<u8>) -> bool {
    rewrite(input, out, |input| seek(0, input), |_, _| (1, true))
}

/// `replaceNulls`: by a blank.
pub(super) fn replace_nulls(input: &[u8], out: &mut Vec<u8>) -> bool {
    rewrite(
        input,
        out,
        |input| seek(0, input),
        |_, out| {
            out.push(b' ');
            (1, true)
        },
    )
}

/// What `cmdLine` makes of a byte.
#[derive(Clone, Copy, PartialEq)]
enum Shell {
    Plain,
    Dropped,
    Blank,
    /// A blank before it goes.
    Hard,
}

const SHELL: [Shell; 256] = {
    let mut classes = [Shell::Plain; 256];
    let dropped = b"\"'\\^";
    let blank = b" ,;\t\r\n";
    let mut at = 0;
    while at < dropped.len() {
        classes[dropped[at] as usize] = Shell::Dropped;
        at += 1;
    }
    at = 0;
    while at < blank.len() {
        classes[blank[at] as usize] = Shell::Blank;
        at += 1;
    }
    classes[b'/' as usize] = Shell::Hard;
    classes[b'(' as usize] = Shell::Hard;
    classes
};

/// `cmdLine`: quotes, backslashes and `^` go, blanks, commas, semicolons and
/// ends of lines become one blank, none before `/` and `(`; in lower case.
pub(super) fn command_line(input: &[u8], out: &mut Vec<u8>) -> bool {
    let quiet = |byte: u8| {
        matches!(SHELL[usize::from(byte)], Shell::Plain | Shell::Hard) && !byte.is_ascii_uppercase()
    };
    let Some(at) = input.iter().position(|byte| !quiet(*byte)) else {
        return false;
    };
    let (before, rest) = input.split_at(at);
    let start = out.len();
    out.extend_from_slice(before);
    let mut end = out.len();
    out.resize(end + rest.len(), 0);
    let mut blank = false;
    for byte in rest {
        let written = match SHELL[usize::from(*byte)] {
            Shell::Plain => byte.to_ascii_lowercase(),
            Shell::Dropped => continue,
            Shell::Blank if blank => continue,
            Shell::Blank => b' ',
            Shell::Hard => {
                end -= usize::from(blank);
                *byte
            }
        };
        blank = written == b' ';
        if let Some(place) = out.get_mut(end) {
            *place = written;
        }
        end += 1;
    }
    out.truncate(end);
    out.get(start..) != Some(input)
}
