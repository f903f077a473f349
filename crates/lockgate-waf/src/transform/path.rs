//! Paths in their normal form.

/// What separates the parts of a path.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Slashes {
    /// `/`.
    Forward,
    /// `/` and `\`, which becomes `/`.
    Both,
}

impl Slashes {
    fn is(self, byte: u8) -> bool {
        byte == b'/' || (self == Self::Both && byte == b'\\')
    }

    fn next(self, input: &[u8]) -> Option<usize> {
        match self {
            Self::Forward => memchr::memchr(b'/', input),
            Self::Both => memchr::memchr2(b'/', b'\\', input),
        }
    }
}

/// Whether nothing can change: no `//`, no `./`, no `.` at the end (and no `\`).
fn is_normal(input: &[u8], slashes: Slashes) -> bool {
    if input.last() == Some(&b'.') {
        return false;
    }
    let mut at = 0;
    while let Some(found) = input.get(at..).and_then(|rest| slashes.next(rest)) {
        let slash = at + found;
        let before = slash.checked_sub(1).and_then(|at| input.get(at));
        if input.get(slash) == Some(&b'\\') || matches!(before, Some(b'.' | b'/')) {
            return false;
        }
        at = slash + 1;
    }
    true
}

/// `normalizePath` and `normalizePathWin`: several slashes are one, `.` goes, and
/// `..` goes with the part before it, but not above the root; a path that begins
/// without a slash keeps the `..` that lead out of it. As in ModSecurity, a part
/// that ends with two dots counts as `..`. Unlike there, no `\` is left where
/// several stand together.
pub(super) fn normalize(input: &[u8], out: &mut Vec<u8>, slashes: Slashes) -> bool {
    if is_normal(input, slashes) {
        return false;
    }
    let base = out.len();
    out.reserve(input.len());
    let at = |index: usize| match input.get(index) {
        Some(byte) if slashes.is(*byte) => b'/',
        Some(byte) => *byte,
        None => 0,
    };
    let end = input.len().saturating_sub(1);
    let relative = at(0) != b'/';
    // Whether `..` led out of a path that begins nowhere.
    let mut outside = false;
    let mut from = 0;
    while from <= end {
        let last = from == end;
        let ends_part = last || at(from + 1) == b'/';
        if !ends_part && at(from) != b'/' {
            // Nothing happens before the byte that ends this part.
            let rest = input.get(from + 1..).unwrap_or_default();
            let run = slashes.next(rest).unwrap_or(rest.len());
            out.extend_from_slice(input.get(from..from + run).unwrap_or_default());
            from += run;
            continue;
        }
        if ends_part && at(from) == b'.' {
            let done = out.len() - base;
            match out.get(base..).and_then(|done| done.last()) {
                Some(b'.') if relative && (outside || done <= 2) => outside = true,
                Some(b'.') => {
                    let kept = out
                        .get(base..(base + done).saturating_sub(2).max(base))
                        .and_then(|part| memchr::memrchr(b'/', part))
                        .unwrap_or(0);
                    out.truncate(base + kept);
                    if kept == 0 {
                        outside = true;
                        if last && !relative {
                            out.push(b'/');
                        }
                    }
                    if last {
                        break;
                    }
                    from += 1;
                }
                None => {
                    if last {
                        break;
                    }
                    from += 1;
                }
                Some(b'/') => {
                    if last {
                        break;
                    }
                    out.pop();
                    from += 1;
                }
                Some(_) => {}
            }
        } else if (last || ends_part && at(from) != b'/') && out.len() > base {
            outside = false;
        }
        if at(from) == b'/' {
            while from < end && at(from + 1) == b'/' {
                from += 1;
            }
            if relative && out.len() == base {
                from += 1;
                continue;
            }
        }
        out.push(at(from));
        from += 1;
    }
    if at(end) != b'/' && out.len() > base && out.last() == Some(&b'/') {
        out.pop();
    }
    out.get(base..) != Some(input)
}
