//! Where a command stands, and what that says for it.

use super::arguments::Arguments;
use super::command::Command;
use super::text::Text;
use super::words::Kind;
use super::{Opening, CRITICAL, NOTICE, WARNING};
use crate::detect::prose::{blank, wordly, words};

/// Words before a separator from which on it stands in prose.
pub(super) const PROSE: usize = 3;
/// Ends of lines from which on something is a text.
const LINES: usize = 2;
/// Bytes before and after a command that are looked at to tell where it stands.
const NEAR: usize = 128;

/// What a place says for a command.
pub(super) struct Place {
    /// What it adds.
    pub(super) points: i32,
    /// What the whole is worth at most there.
    pub(super) most: i32,
}

/// What the beginning of a text is like, or all that stands before a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    /// How many bytes it is.
    pub(super) len: usize,
    /// It has lines, or is marked as a text.
    written: bool,
    /// It is written, or has words.
    prose: bool,
    /// It has letters.
    lettered: bool,
    /// It is one word, and is something.
    single: bool,
    /// It is words with signs between them.
    list: bool,
    /// It is a name, or a name's value.
    plain: bool,
}

impl Near {
    pub(super) fn of(near: &[u8]) -> Self {
        let lines = near.iter().filter(|byte| **byte == b'\n').count();
        let fenced = ["```", "$ ", "# "]
            .iter()
            .any(|begin| near.starts_with(begin.as_bytes()));
        let written = lines >= LINES || fenced;
        let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte >= 0x80;
        let named = |byte: &u8| wordly(*byte) || matches!(byte, b'=' | b':');
        Self {
            len: near.len(),
            written,
            prose: written || words(near, PROSE) >= PROSE,
            lettered: near.iter().any(letter),
            single: !near.is_empty() && !near.contains(&b' ') && lines == 0,
            list: list(near),
            plain: near.iter().all(named),
        }
    }
}

/// Judges the place of a command that is opened at `here` and begins at
/// `begin`; `began` says whether the value itself begins with one. `None` where
/// it is no command there.
pub(super) fn judge(
    whole: &Text<'_>,
    opening: Opening,
    here: usize,
    begin: usize,
    began: bool,
    command: &Command,
    arguments: &Arguments,
) -> Option<Place> {
    let text = whole.bytes;
    let before = text.get(..here).unwrap_or_default();
    let left = before.trim_ascii_end();
    let near = whole.near(left.len().min(NEAR));
    let opener = text.get(here).copied();
    let attached = before.last().is_some_and(|byte| !blank(*byte));
    let Near { written, prose, .. } = near;
    let broke_out = matches!(
        left.last(),
        None | Some(b'\'' | b'"' | b')' | b'`' | b';' | b'|' | b'&')
    );
    let lettered = !broke_out && near.lettered;
    let single = near.single;
    let tight = text.get(begin).is_some_and(|byte| !blank(*byte)) || (attached && !lettered);
    let rest = text.get(arguments.end..).unwrap_or_default();
    let rest = rest.get(..NEAR).unwrap_or(rest).trim_ascii_start();
    let ends = matches!(
        rest.first(),
        None | Some(b'\'' | b'"' | b'#' | b';' | b'|' | b'&' | b'`' | b')')
    );
    let kind = command.kind.unwrap_or(Kind::Name);
    let weak = matches!(
        kind,
        Kind::Word | Kind::Probe | Kind::Host | Kind::Number | Kind::Tool | Kind::Prefix
    );
    let given = arguments.count > 0;
    let points = match opening {
        Opening::Start => return start(command, arguments),
        Opening::Call => 3,
        Opening::Bracket => {
            let closed = text.get(arguments.end) == Some(&b')');
            // `$(id).hide()`: jQuery, in a snippet.
            let script = closed && !given && text.get(arguments.end + 1) == Some(&b'.');
            if script || (!closed && weak) {
                return None;
            }
            4
        }
        Opening::Backtick => {
            if !rest.contains(&b'`') || reference(text.get(begin..).unwrap_or_default()) {
                return None;
            }
            let apart = before.last().is_none_or(|byte| {
                blank(*byte) || *byte >= 0x80 || matches!(byte, b'(' | b'\n' | b'*' | b'|')
            });
            let broke_out = matches!(left.last(), None | Some(b'\'' | b'"' | b';' | b'&'));
            let word = weak && !arguments.shelly() && !arguments.number && !arguments.host;
            if lettered && word && (given || kind != Kind::Probe) {
                return None;
            }
            if !broke_out && (apart || prose) || broke_out && whole.words(PROSE) >= PROSE {
                return Some(Place {
                    points: i32::from(arguments.telling > 2) - 2,
                    most: WARNING,
                });
            }
            3 - i32::from(weak && !given && lettered)
        }
        // Lines of a text that begin with a command's name are many.
        Opening::Line if prose && arguments.telling < 3 && !command.disguised => return None,
        Opening::Line
            if weak
                && !single
                && !left.is_empty()
                && arguments.telling < 2
                && !command.disguised =>
        {
            return None;
        }
        Opening::Line => i32::from(tight) + i32::from(left.is_empty()),
        Opening::Separator => {
            // A list: nothing is given to the command, and its neighbours are words too.
            let again =
                rest.first().copied() == opener && rest.len() > 1 && rest.get(1).copied() != opener;
            let table = opener == Some(b'|') && !tight && again;
            let listed = again && (lettered || table) || (lettered && near.list);
            let apart = !tight && (lettered || table);
            let word = lettered && !matches!(kind, Kind::Probe);
            let apart = apart || !tight && broke_out && !left.is_empty() && kind != Kind::Probe;
            let apart = apart && (kind != Kind::Probe || opener != Some(b';'));
            if weak && !given && (listed || apart || word) {
                return None;
            }
            let spaced = text.get(begin).is_some_and(|byte| blank(*byte));
            if weak && !given && spaced && kind != Kind::Probe {
                return None;
            }
            if lettered && given && kind == Kind::Probe && !arguments.shelly() {
                return None;
            }
            1 + i32::from(tight || left.is_empty()) - i32::from(listed && !given)
        }
    };
    // A probe is a whole by itself: nothing needs to be given to it.
    let probe = kind == Kind::Probe && !near.plain;
    let trailing = rest == b";" || rest == b"|" || rest == b"&" || rest.starts_with(b"#");
    let alone = i32::from(ends && weak && (!lettered && !given || probe || trailing));
    let both = i32::from(began && opening == Opening::Separator && kind != Kind::Tool);
    let plain = i32::from(kind == Kind::Probe && !given && !lettered && ends && near.len > 0);
    let reached = i32::from(broke_out || single);
    // What nobody writes of is not excused by what stands before it.
    let excused = prose && arguments.telling < 3 && !(broke_out && tight);
    let most = match opening {
        Opening::Line if prose && command.disguised => NOTICE,
        Opening::Line if prose => WARNING,
        _ if written => WARNING,
        _ if kind == Kind::Unknown => WARNING,
        _ => CRITICAL,
    };
    Some(Place {
        points: points + alone + both + plain + reached - if excused { 2 } else { 0 },
        most,
    })
}

/// A value that is a command from its beginning.
fn start(command: &Command, arguments: &Arguments) -> Option<Place> {
    // A name by itself is a word like others, and so is a word before words.
    let bare = arguments.count == 0
        && command.kind.is_some()
        && !command.disguised
        && !(command.prefixed && command.kind == Some(Kind::Name));
    if command.kind == Some(Kind::Unknown) {
        return None;
    }
    let word = command.kind == Some(Kind::Word) && !arguments.shelly_first();
    // Blanks made of a variable before a command's name.
    let hidden = i32::from(command.disguised && arguments.count == 0);
    let tool = i32::from(command.kind == Some(Kind::Tool) && arguments.telling < 2);
    (!(bare || word)).then_some(Place {
        points: i32::from(arguments.telling >= 2) + hidden - tool,
        most: CRITICAL,
    })
}

/// Whether it is a reference of reStructuredText's up to the next backtick: `` `text <target>` ``.
fn reference(text: &[u8]) -> bool {
    let text = text.get(..NEAR).unwrap_or(text);
    let inside = text.split(|byte| *byte == b'`').next().unwrap_or_default();
    let target = inside.strip_suffix(b">").unwrap_or_default();
    memchr::memchr(b'<', target).is_some_and(|at| at > 1 && target.get(at - 1) == Some(&b' '))
}

/// Whether a text is words with signs between them, as lists are.
fn list(text: &[u8]) -> bool {
    let signs = text
        .iter()
        .filter(|byte| matches!(byte, b';' | b'|' | b'&' | b','))
        .count();
    let odd = |byte: &u8| !(wordly(*byte) || blank(*byte) || b";|&,=:.-'\r\n".contains(byte));
    signs > 0 && !text.iter().any(odd)
}
