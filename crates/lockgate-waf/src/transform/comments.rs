//! Comments of C, SQL, HTML and shells.

/// The next mark of a comment in `input`, from `from` on: where it begins, how
/// long it is, and whether something that it opens is closed again.
fn mark(input: &[u8], from: usize) -> Option<(usize, usize, Mark)> {
    let mut at = from;
    loop {
        at += memchr::memchr3(b'*', b'-', b'#', input.get(at..)?)?;
        let before = |n: usize| at.checked_sub(n).filter(|start| *start >= from);
        let after = input.get(at + 1..).unwrap_or_default();
        let opens = |len: usize, text: &[u8]| {
            before(len).filter(|start| input.get(*start..at) == Some(text))
        };
        match input.get(at)? {
            b'*' => {
                if let Some(start) = opens(1, b"/") {
                    return Some((start, 2, Mark::Opens));
                }
                if after.first() == Some(&b'/') {
                    return Some((at, 2, Mark::Closes));
                }
            }
            b'-' if after.first() == Some(&b'-') => {
                if let Some(start) = opens(2, b"<!") {
                    return Some((start, 4, Mark::Opens));
                }
                if after.get(1) == Some(&b'>') {
                    return Some((at, 3, Mark::Closes));
                }
                return Some((at, 2, Mark::Line));
            }
            b'#' => return Some((at, 1, Mark::Line)),
            _ => {}
        }
        at += 1;
    }
}

/// What a mark does.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    /// `/*`, `<!--`.
    Opens,
    /// `*/`, `-->`.
    Closes,
    /// `--`, `#`: the rest of the line.
    Line,
}

/// `removeCommentsChar`: the marks go, what stands between stays.
pub(super) fn remove_marks(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut from = 0;
    while let Some((at, len, _)) = mark(input, from) {
        out.extend_from_slice(input.get(from..at).unwrap_or_default());
        from = at + len;
    }
    if from == 0 {
        return false;
    }
    out.extend_from_slice(input.get(from..).unwrap_or_default());
    true
}

/// Where a comment ends: behind the next `*/`, or `-->` where that closes one too.
fn end(input: &[u8], from: usize, html: bool) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = input.get(at..)?;
        at += if html {
            memchr::memchr2(b'*', b'-', rest)?
        } else {
            memchr::memchr(b'*', rest)?
        };
        match input.get(at..).unwrap_or_default() {
            [b'*', b'/', ..] => return Some(at + 2),
            [b'-', b'-', b'>', ..] if html => return Some(at + 3),
            _ => at += 1,
        }
    }
}

/// `replaceComments`: a blank for each comment of C, also where it does not end.
pub(super) fn replace(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut from = 0;
    let mut at = 0;
    while let Some(star) = input.get(at..).and_then(|rest| memchr::memchr(b'*', rest)) {
        let star = at + star;
        at = star + 1;
        let opens = star > from && input.get(star - 1) == Some(&b'/');
        if !opens {
            continue;
        }
        out.extend_from_slice(input.get(from..star - 1).unwrap_or_default());
        out.push(b' ');
        from = end(input, at, false).unwrap_or(input.len());
        at = from;
    }
    if from == 0 {
        return false;
    }
    out.extend_from_slice(input.get(from..).unwrap_or_default());
    true
}

/// `removeComments`: comments of C and HTML go, and all after `--` or `#`; one
/// that does not end is a blank. The byte after a comment stays, whatever it is,
/// as in ModSecurity; without the zero byte that it takes from behind the end.
pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut from = 0;
    let mut looked = 0;
    while let Some((at, len, which)) = mark(input, looked) {
        if which == Mark::Closes {
            // Outside of a comment `*/` is text, and of `-->` two bytes are a mark.
            if input.get(at) == Some(&b'*') {
                looked = at + 1;
                continue;
            }
        }
        out.extend_from_slice(input.get(from..at).unwrap_or_default());
        if which != Mark::Opens {
            return true;
        }
        let Some(end) = end(input, at + len, true) else {
            out.push(b' ');
            return true;
        };
        from = end;
        looked = end + 1;
    }
    if from == 0 {
        return false;
    }
    out.extend_from_slice(input.get(from..).unwrap_or_default());
    true
}
