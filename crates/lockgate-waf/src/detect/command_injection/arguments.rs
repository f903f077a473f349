//! What a command is given.

use super::command::{cmdlet, tag};
use super::text::Text;
use super::word::Word;
use super::words::{named, Kind};
use crate::detect::prose::blank;

/// Arguments that are read.
const MOST: usize = 8;

/// What stands after a command's name, up to where the command ends.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// How many there are, at most `MOST`.
    pub(super) count: usize,
    /// How many are mere words.
    pub(super) plain: usize,
    /// The first is one as only shells have them.
    first_shelly: bool,
    /// The first is an option.
    pub(super) option: bool,
    /// A number stands there.
    pub(super) number: bool,
    /// The name or address of a host stands there.
    pub(super) host: bool,
    /// The first is a script in a folder of one's own: `scripts/build.sh`.
    pub(super) local: bool,
    /// What they tell of what the command is for: 3 for a system's secrets and
    /// for sockets, 1 for options, addresses of the web and redirections.
    pub(super) telling: usize,
    /// A bracket stands among them where a shell takes none.
    pub(super) broken: bool,
    /// The first byte after them.
    pub(super) end: usize,
}

impl Arguments {
    /// Reads what stands after `from`. Inside of braces commas stand between them.
    pub(super) fn read(whole: &Text<'_>, from: usize, braces: bool) -> Self {
        let text = whole.bytes;
        let mut all = Self {
            end: from,
            ..Self::default()
        };
        let mut at = from;
        let mut odd = false;
        while all.count < MOST && !whole.is_spent() {
            whole.spend(1);
            match text.get(at) {
                Some(byte) if blank(*byte) || (braces && *byte == b',') => at += 1,
                Some(b'+') if matches!(text.get(at + 1), Some(b'/' | b'-')) => {
                    at += 1;
                    odd = true;
                }
                Some(b'<') if tag(text, at) => break,
                // A comment; right behind the name it is no argument either.
                Some(b'#')
                    if at == from
                        || text
                            .get(at.wrapping_sub(1))
                            .is_some_and(|byte| blank(*byte)) =>
                {
                    break
                }
                Some(b'<' | b'>') if text.get(at + 1) != Some(&b'(') => {
                    let operator = text
                        .get(at..)
                        .unwrap_or_default()
                        .iter()
                        .take(3)
                        .take_while(|byte| matches!(byte, b'<' | b'>' | b'&'))
                        .count();
                    at += operator;
                    // A blank may follow, in prose as well.
                    let apart = text.get(at).is_some_and(|byte| blank(*byte));
                    at += usize::from(apart);
                    let file = Word::read(whole, at, braces);
                    let said = file.bytes();
                    let path = matches!(said.first(), Some(b'/' | b'&' | b'~'));
                    odd |= !said.is_empty() && (path || !apart);
                    if secret(said) {
                        all.telling = 3;
                    }
                    at = file.end.max(at);
                }
                Some(b'$') if text.get(at..).is_some_and(|rest| rest.starts_with(b"$IFS")) => {
                    at += 4;
                    odd = true;
                }
                Some(b'$')
                    if text
                        .get(at..)
                        .is_some_and(|rest| rest.starts_with(b"${IFS")) =>
                {
                    let rest = text.get(at..).unwrap_or_default();
                    let end = memchr::memchr(b'}', rest).map_or(rest.len(), |end| end + 1);
                    whole.spend(end);
                    at += end;
                    odd = true;
                }
                Some(b'(') => {
                    // Within quotes it is a part of a script: `node -e 'x()'`.
                    let before = text.get(from..at).unwrap_or_default();
                    let quotes = before.iter().filter(|byte| matches!(byte, b'\'' | b'"'));
                    all.broken = quotes.count() % 2 == 0;
                    break;
                }
                None | Some(b';' | b'|' | b'&' | b'`' | b')' | b'\n' | b'\r' | b'}' | 0) => break,
                Some(_) => {
                    let word = Word::read(whole, at, braces);
                    let end = word.end.max(at + 1);
                    all.take(&word, text.get(at..end).unwrap_or_default());
                    at = end;
                }
            }
        }
        if odd {
            all.count = all.count.max(1);
            all.telling = all.telling.max(1);
            all.first_shelly = true;
        }
        all.end = at;
        all
    }

    /// Whether the first of them is a shell's.
    pub(super) const fn shelly_first(&self) -> bool {
        self.first_shelly
    }

    /// Whether they are a shell's and not prose's.
    pub(super) const fn shelly(&self) -> bool {
        self.first_shelly || self.telling > 1
    }

    fn take(&mut self, word: &Word, raw: &[u8]) {
        let said = word.bytes();
        let first = self.count == 0;
        self.count += 1;
        let begins = said.first().copied().unwrap_or(0);
        let option = matches!(begins, b'-' | b'/')
            && said.len() > 1
            && said
                .get(1)
                .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'-')
            && !said.get(1..).unwrap_or_default().contains(&b'/');
        let path = said.len() > 1 && said.contains(&b'/') || word.windows_name().len() < said.len();
        let web = said.windows(3).any(|at| at == b"://");
        let number = !said.is_empty()
            && said
                .iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'.');
        let extension = said
            .iter()
            .rposition(|byte| *byte == b'.')
            .is_some_and(|at| at > 0 && said.len() - at > 2 && said.len() - at < 6);
        let plain = said.iter().all(|byte| {
            byte.is_ascii_alphabetic()
                || *byte >= 0x80
                || matches!(byte, b',' | b'.' | b'!' | b'?' | b':' | b'\'')
        });
        self.plain += usize::from(plain && !extension);
        self.number |= first && number
            || (option
                && said
                    .get(1..)
                    .is_some_and(|rest| rest.iter().all(u8::is_ascii_digit)));
        self.number |= number && self.count == 2 && !first;
        let joined = said.iter().any(|byte| matches!(byte, b'_' | b':'));
        self.host |= address(said) || (first && (extension || joined && !plain && !web));
        let secret = secret(said);
        if secret {
            self.telling = 3;
        } else if self.count < 3
            && !word.quoted
            && (named(said) == Some(Kind::Shell) || cmdlet(said))
        {
            self.telling = self.telling.max(2);
        } else if (option && begins == b'-') || web || word.disguised {
            self.telling = self.telling.max(1);
        }
        if first {
            self.local = extension
                && !web
                && !word.disguised
                && !word.expands
                && (begins.is_ascii_alphanumeric() || said.starts_with(b"./"));
            self.option = option;
            let rooted =
                matches!(begins, b'/' | b'.' | b'~' | b'?' | b'*') || matches!(said, [_, b':', ..]);
            self.first_shelly = option
                || (path && (rooted || extension || word.wild))
                || web
                || word.expands
                || word.disguised
                || secret
                || extension
                || begins == b'~'
                || (word.wild && !plain)
                || (word.quoted && raw.len() > 2);
        }
    }
}

/// `10.0.0.1`, `localhost`, `::1`.
fn address(said: &[u8]) -> bool {
    said == b"localhost"
        || said == b"::1"
        || (said.iter().filter(|byte| **byte == b'.').count() == 3
            && said
                .iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'.'))
}

/// Whether an argument names what is nobody's business: the system's own files,
/// sockets by way of a file.
fn secret(said: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 11] = [
        b"/etc/",
        b"/proc/",
        b"/dev/tcp",
        b"/dev/udp",
        b"/root",
        b"/var/log",
        b"/tmp/",
        b"/dev/shm",
        b"c:windows",
        b"c:boot",
        b"c:winnt",
    ];
    let mut small = [0; 12];
    for (to, from) in small.iter_mut().zip(said) {
        *to = from.to_ascii_lowercase();
    }
    let ups = said
        .windows(3)
        .filter(|at| matches!(at, [b'.', b'.', b'/' | b'\\']))
        .count();
    // Who builds software calls scripts in folders beside.
    let script = ["js", "mjs", "cjs", "ts", "py", "sh", "rb"];
    let script = script.iter().any(|ending| {
        said.strip_suffix(ending.as_bytes())
            .is_some_and(|stem| stem.ends_with(b"."))
    });
    let up = ups > 1 && !script;
    let hidden =
        said.first() == Some(&b'/') && said.iter().filter(|byte| **byte == b'?').count() > 1;
    up || hidden
        || BEGINNINGS.iter().any(|begin| small.starts_with(begin))
        || said.ends_with(b"/passwd")
        || said.ends_with(b".ini")
}
