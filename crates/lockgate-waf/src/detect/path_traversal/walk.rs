//! One path, resolved.

use super::secrets::{self, Secret};
use super::spelling::{read, Sign};

/// Bytes of a path after its last step up that are kept.
const KEPT: usize = 160;
/// Slashes that a path needs to be looked at: one.
const NO_DEPTH: i32 = 0;

/// Where a walk keeps what stands after the last step up: one for all walks of a value.
#[derive(Debug)]
pub(super) struct Room([u8; KEPT]);

impl Default for Room {
    fn default() -> Self {
        Self([0; KEPT])
    }
}

/// A run of text that can be a path, walked from its first segment to its last.
#[derive(Debug)]
pub(super) struct Walk<'r> {
    /// Its first byte.
    pub(super) start: usize,
    /// The first byte after it.
    pub(super) end: usize,
    /// How deep it ends below its start; never under zero.
    pub(super) depth: i32,
    /// Steps up.
    pub(super) ups: usize,
    /// It stood above its start at some time.
    pub(super) leaves: bool,
    /// Its last step up led to the root.
    pub(super) rooted: bool,
    /// It begins at the root, or with a drive's letter.
    pub(super) absolute: bool,
    /// A dot or a slash of a step is spelled oddly.
    pub(super) odd: bool,
    /// Segments that become a step up once `../` is stripped.
    pub(super) stripped: usize,
    /// A NUL ends it early.
    pub(super) cut: bool,
    /// It names another machine's folder: `\\host\share`.
    pub(super) share: bool,
    slashes: usize,
    kept: &'r mut [u8],
    len: usize,
}

/// A segment while it is read.
#[derive(Default)]
struct Segment {
    dots: usize,
    others: usize,
    odd: bool,
    /// A path parameter or a blank end, which some resolvers drop.
    parameter: bool,
}

impl<'r> Walk<'r> {
    /// The next run at `from` or after it.
    pub(super) fn next(text: &[u8], from: usize, room: &'r mut Room) -> Option<Self> {
        let mut at = from;
        while let (Sign::Border, len, _) = read(text, at)? {
            at += len;
        }
        // `@/x`: programs read the file, and send what is in it.
        at += usize::from(text.get(at..at + 2) == Some(b"@/"));
        let mut walk = Self {
            start: at,
            end: at,
            depth: 0,
            ups: 0,
            leaves: false,
            rooted: false,
            absolute: false,
            odd: false,
            stripped: 0,
            cut: false,
            share: text.get(at..).is_some_and(share),
            slashes: 0,
            kept: &mut room.0,
            len: 0,
        };
        let mut segment = Segment::default();
        let mut escaped = 0;
        while let Some((sign, len, odd)) = read(text, at) {
            match sign {
                Sign::Border => break,
                Sign::Slash => {
                    walk.absolute |= at == walk.start;
                    // `\.\.\/`: dots and slashes that were escaped once more.
                    let single = segment.dots == 1 && segment.others == 0;
                    escaped += usize::from(single && text.get(at..at + 2) == Some(b"\\."));
                    segment.odd |= odd;
                    walk.step(&segment);
                    walk.slashes += 1;
                    walk.push(b'/');
                    segment = Segment::default();
                }
                Sign::Nul => {
                    walk.cut = true;
                    segment.parameter |= segment.others == 0 && segment.dots > 0;
                }
                Sign::Dot | Sign::Dots => {
                    if !segment.parameter {
                        segment.dots += if sign == Sign::Dots { 2 } else { 1 };
                        segment.odd |= odd;
                    }
                    walk.push(b'.');
                }
                Sign::Other(b';') if segment.others == 0 && segment.dots > 0 => {
                    segment.parameter = true;
                    segment.odd = true;
                }
                Sign::Other(b':') if walk.begins(&segment) => {
                    walk.absolute = true;
                    walk.len = 0;
                    segment = Segment::default();
                }
                Sign::Other(byte) => {
                    if !segment.parameter {
                        segment.others += 1;
                    }
                    walk.push(byte.to_ascii_lowercase());
                }
            }
            at += len;
        }
        walk.step(&segment);
        if escaped > 1 {
            walk.stripped += escaped;
        }
        walk.end = at;
        Some(walk)
    }

    /// Whether it is a path at all.
    pub(super) const fn tells(&self) -> bool {
        self.slashes > 0
    }

    /// What of a secret it names.
    pub(super) fn secret(&self) -> Secret {
        let kept = self.kept.get(..self.len).unwrap_or_default();
        let root = self.leaves || self.rooted || (self.absolute && self.ups == 0);
        secrets::named(kept, root, self.ups > 0 || self.stripped > 0)
    }

    /// Whether it names a part of a page or of a program's source, as such name each other.
    pub(super) fn part(&self) -> bool {
        const ENDINGS: [&[u8]; 17] = [
            b"js", b"mjs", b"cjs", b"ts", b"tsx", b"jsx", b"css", b"scss", b"less", b"md", b"rst",
            b"svg", b"png", b"jpg", b"gif", b"html", b"vue",
        ];
        let kept = self.kept.get(..self.len).unwrap_or_default();
        let ending = kept.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
        !self.odd && !self.cut && ending.len() < kept.len() && ENDINGS.contains(&ending)
    }

    /// Whether what was read is a drive's letter or `file:`, before a colon.
    fn begins(&self, segment: &Segment) -> bool {
        let said = self.kept.get(..self.len).unwrap_or_default();
        self.slashes == 0 && segment.dots == 0 && (said == b"file" || matches!(said, [b'a'..=b'z']))
    }

    /// Takes a segment that is complete.
    fn step(&mut self, segment: &Segment) {
        match (segment.dots, segment.others) {
            (0 | 1, 0) => {}
            (2, 0) => {
                self.ups += 1;
                self.odd |= segment.odd;
                if self.depth == NO_DEPTH {
                    self.leaves = true;
                } else {
                    self.depth -= 1;
                }
                self.rooted = self.absolute && self.depth == NO_DEPTH;
                self.len = 0;
            }
            (3.., 0) => {
                self.stripped += 1;
                self.len = 0;
            }
            _ => self.depth = self.depth.saturating_add(1),
        }
    }

    fn push(&mut self, byte: u8) {
        // Empty segments are none; a slash begins nothing.
        if byte == b'/' && (self.len == 0 || self.kept.get(self.len - 1) == Some(&b'/')) {
            return;
        }
        if let Some(to) = self.kept.get_mut(self.len) {
            *to = byte;
            self.len += 1;
        }
    }
}

/// `\\host\share`, `\\?\C:`, `\\.\pipe`.
fn share(rest: &[u8]) -> bool {
    rest.strip_prefix(b"\\\\").is_some_and(|rest| {
        let near = rest.get(..64).unwrap_or(rest);
        let host =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"._-$@%?~:".contains(byte) || *byte > 0x7f;
        let name = memchr::memchr(b'\\', near).filter(|name| rest.len() > name + 1);
        let name = name.and_then(|name| near.get(..name)).unwrap_or_default();
        !name.is_empty() && name.iter().all(host)
    })
}
