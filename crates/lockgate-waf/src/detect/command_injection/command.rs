//! What a shell would run at a place.

use super::arguments::Arguments;
use super::text::Text;
use super::word::{ends, Word};
use super::words::{effort, matches, meant, named, Kind};
use crate::detect::prose::blank;

/// A command's name, as a shell would read it.
#[derive(Debug)]
pub(super) struct Command {
    /// What its name is like; `None` for a program that is known by its path only.
    pub(super) kind: Option<Kind>,
    /// Its name was hidden.
    pub(super) disguised: bool,
    /// It was named by a path to where programs are.
    path: bool,
    /// Something like `sudo` stands before it.
    pub(super) prefixed: bool,
    /// It stands in braces: `{cat,x}`.
    pub(super) braces: bool,
    /// The first byte after its name.
    pub(super) end: usize,
}

impl Command {
    /// Reads the command that begins at `begin`, if a program's name stands there.
    pub(super) fn read(whole: &Text<'_>, begin: usize) -> Option<Self> {
        let text = whole.bytes;
        let mut at = begin;
        let mut prefixed = false;
        let mut braces = false;
        let mut hidden = false;
        // Words before the command that a shell passes over: `sudo`, `X=1`, `2>&1`.
        while !whole.is_spent() {
            let from = at;
            at = skip(text, at);
            hidden |= text.get(from..at).unwrap_or_default().contains(&b'$');
            if let Some(b'{' | b'(' | b'!' | b'@') = text.get(at) {
                braces = text.get(at) == Some(&b'{');
                at = skip(text, at + 1);
            }
            if let Some(next) = redirection(whole, at) {
                at = next;
                continue;
            }
            if text.get(at).copied().is_none_or(ends) {
                // It has no letter.
                whole.spend(1);
                return None;
            }
            let word = Word::read(whole, at, braces);
            if word.bytes().is_empty() {
                return None;
            }
            if prefixed && word.bytes().starts_with(b"-") {
                at = skip(text, word.end);
                // What `xargs` is to put something in place of.
                if text.get(at..).is_some_and(|rest| rest.starts_with(b"{}")) {
                    at += 2;
                }
                continue;
            }
            if let Some(next) = assignment(&word) {
                at = next;
                continue;
            }
            let mut command = Self::of(&word, whole, prefixed, braces && word.odd_blank)?;
            command.disguised |= hidden;
            if command.kind == Some(Kind::Prefix) {
                // `time` and `then` stand before words too.
                prefixed |= matches!(
                    word.bytes(),
                    b"sudo" | b"nohup" | b"setsid" | b"busybox" | b"xargs"
                );
                at = command.end;
                if text.get(at).is_none_or(|byte| !blank(*byte)) && !word.odd_blank {
                    return None;
                }
                continue;
            }
            return Some(command);
        }
        None
    }

    fn of(word: &Word, whole: &Text<'_>, prefixed: bool, braces: bool) -> Option<Self> {
        let text = whole.bytes;
        let said = word.bytes();
        // `name:`, `name=`, `name.` and `name,` are no commands.
        let odd = matches!(text.get(word.end), Some(b'{'));
        let (folder, name) = match said.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (said.get(..=at)?, said.get(at + 1..)?),
            None => (&said[..0], said),
        };
        let path = programs(folder) && !name.is_empty() && plain(name);
        if odd || (!folder.is_empty() && !path) {
            return None;
        }
        let mut disguised = word.disguised || word.escaped || (word.wild && path) || braces;
        let mut kind = named(name);
        if kind.is_none() {
            let windows = word.windows_name();
            if windows.len() < said.len() {
                kind = named(windows);
                disguised &= word.disguised;
            }
        }
        if kind.is_none() && word.wild && (path || word.disguised || word.escaped || word.expands) {
            whole.spend(effort(name));
            kind = meant(name);
            disguised |= kind.is_some();
        }
        if kind.is_none() && cmdlet(name) {
            kind = Some(Kind::Name);
        }
        if of_two(name, whole, word.end) {
            kind = Some(Kind::Name);
        }
        if kind.is_none() && !path {
            // An unknown name counts by what it is given: an option, right behind it.
            let known = unknown(name)
                && text.get(word.end) == Some(&b' ')
                && text.get(word.end + 1) == Some(&b'-');
            if !known {
                return None;
            }
            kind = Some(Kind::Unknown);
        }
        let globbed = path && folder.iter().any(|byte| matches!(byte, b'?' | b'*'));
        disguised = globbed || disguised && !matches!(kind, None | Some(Kind::Unknown));
        Some(Self {
            kind,
            disguised,
            path,
            prefixed,
            braces,
            end: word.end,
        })
    }

    /// What it says for itself, with its arguments; `None` where it is prose.
    pub(super) fn points(&self, arguments: &Arguments) -> Option<i32> {
        let shelly = arguments.shelly();
        let word = !matches!(self.kind, None | Some(Kind::Name | Kind::Shell));
        if arguments.broken && word && !self.disguised {
            return None;
        }
        let name = match self.kind {
            None => 2,
            Some(Kind::Unknown) => 1,
            Some(Kind::Name) => {
                // Words follow a name in prose too; a shell's arguments are few.
                3 - i32::from(arguments.plain > 2)
            }
            // A script of one's own project, as those who build software call it.
            Some(Kind::Shell) if arguments.count == 1 && arguments.local && !self.disguised => 1,
            Some(Kind::Shell) => 2 + i32::from(shelly || arguments.count == 0),
            Some(Kind::Echo) if arguments.plain > 1 && !shelly => 1,
            Some(Kind::Echo) if arguments.count > 0 => 2 + i32::from(shelly),
            Some(Kind::Number) if arguments.number => 3,
            Some(Kind::Host) if arguments.host || arguments.number => 3,
            Some(Kind::Tool) if !shelly && arguments.telling < 2 => {
                if arguments.count > 0 {
                    return None;
                }
                0
            }
            Some(_) if arguments.count == 0 => 1,
            Some(_) if shelly => 2,
            Some(_) if arguments.count == 1 => 1,
            Some(_) if self.disguised || self.path || arguments.telling > 1 => 1,
            Some(_) => return None,
        };
        let path = if self.path { 3 } else { 0 };
        Some(
            name.max(path)
                + i32::from(self.prefixed)
                + if self.disguised { 3 } else { 0 }
                + i32::try_from(arguments.telling).unwrap_or(0),
        )
    }
}

/// The first byte that is no blank; separators made of variables are blanks.
fn skip(text: &[u8], mut at: usize) -> usize {
    loop {
        match text.get(at) {
            Some(byte) if blank(*byte) => at += 1,
            Some(b'$') => {
                let rest = text.get(at..).unwrap_or_default();
                if rest.starts_with(b"${IFS}") {
                    at += 6;
                } else if rest.starts_with(b"$IFS") {
                    at += 4;
                } else {
                    return at;
                }
            }
            _ => return at,
        }
    }
}

/// `<file`, `2>&1`: where what follows begins.
fn redirection(whole: &Text<'_>, at: usize) -> Option<usize> {
    let text = whole.bytes;
    let mut end = at;
    if text.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    if !matches!(text.get(end), Some(b'<' | b'>'))
        || text.get(end + 1) == Some(&b'(')
        || tag(text, end)
    {
        return None;
    }
    while matches!(text.get(end), Some(b'<' | b'>' | b'&')) {
        end += 1;
    }
    whole.spend(end - at);
    let file = Word::read(whole, skip(text, end), false);
    (!file.bytes().is_empty()).then_some(file.end)
}

/// Whether a tag of HTML stands there: `</p>`, `<b>`.
pub(super) fn tag(text: &[u8], at: usize) -> bool {
    const NAME: usize = 16;
    let Some(rest) = text.get(at..).and_then(|rest| rest.strip_prefix(b"<")) else {
        return false;
    };
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    let name = rest
        .iter()
        .take(NAME)
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    name > 0 && matches!(rest.get(name), Some(b'>' | b' '))
}

/// `NAME=value`: where what follows begins.
fn assignment(word: &Word) -> Option<usize> {
    let said = word.bytes();
    let at = said.iter().position(|byte| *byte == b'=')?;
    let name = said.get(..at)?;
    let named = !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    named.then_some(word.end)
}

/// Whether this may be the name of a program that is not known.
fn unknown(name: &[u8]) -> bool {
    (2..=16).contains(&name.len())
        && name.first().is_some_and(u8::is_ascii_lowercase)
        && name.iter().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
        })
}

/// Whether a second word makes it a command: `net user`, `reg query`.
fn of_two(name: &[u8], text: &Text<'_>, end: usize) -> bool {
    const NET: &[&str] = &[
        "user",
        "users",
        "localgroup",
        "group",
        "share",
        "view",
        "use",
        "accounts",
        "config",
        "start",
        "stop",
    ];
    const KNOWN: [(&str, &[&str]); 9] = [
        ("net", NET),
        ("net1", NET),
        ("reg", &["query", "add", "save", "export", "delete"]),
        (
            "ip",
            &[
                "a", "addr", "address", "link", "route", "neigh", "rule", "netns",
            ],
        ),
        (
            "sc",
            &[
                "query", "queryex", "config", "create", "qc", "start", "stop",
            ],
        ),
        ("ss", &["-tulpn", "-lntp", "-an", "-tlnp"]),
        ("service", &["--status-all"]),
        ("docker", &["ps", "inspect"]),
        ("query", &["user", "session"]),
    ];
    let known = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
    let Some((_, seconds)) = KNOWN.iter().find(|(first, _)| known(first)) else {
        return false;
    };
    let next = Word::read(text, skip(text.bytes, end), false);
    let next = next.bytes();
    seconds
        .iter()
        .any(|second| next.eq_ignore_ascii_case(second.as_bytes()))
}

/// Whether a folder is one in which programs are; patterns count by what they fit.
fn programs(folder: &[u8]) -> bool {
    const FOLDERS: [&[u8]; 6] = [
        b"/bin/",
        b"/sbin/",
        b"/usr/bin/",
        b"/usr/sbin/",
        b"/usr/local/bin/",
        b"/usr/local/sbin/",
    ];
    folder.starts_with(b"/")
        && folder.len() < 32
        && FOLDERS.iter().any(|name| matches(folder, name))
}

/// Whether this can be a program's name, a pattern for one included.
fn plain(name: &[u8]) -> bool {
    name.iter().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'?' | b'*' | b'+')
    }) && name.iter().any(u8::is_ascii_alphanumeric)
}

/// A command of PowerShell: a verb and a noun, `Invoke-WebRequest`.
pub(super) fn cmdlet(name: &[u8]) -> bool {
    const VERBS: [&[u8]; 12] = [
        b"add",
        b"convertto",
        b"copy",
        b"export",
        b"get",
        b"import",
        b"invoke",
        b"new",
        b"remove",
        b"set",
        b"start",
        b"write",
    ];
    let Some(at) = name.iter().position(|byte| *byte == b'-') else {
        return false;
    };
    let (verb, noun) = name.split_at(at);
    let noun = noun.get(1..).unwrap_or_default();
    noun.len() > 3
        && noun.first().is_some_and(u8::is_ascii_uppercase)
        && noun.iter().all(u8::is_ascii_alphanumeric)
        && VERBS.iter().any(|known| verb.eq_ignore_ascii_case(known))
}

/// The longest name of a function that is looked for before a bracket.
const FUNCTION: usize = 14;

/// Functions of common languages that hand their text to a shell.
const CALLS: [&[u8]; 14] = [
    b"system",
    b"exec",
    b"execSync",
    b"shell_exec",
    b"passthru",
    b"popen",
    b"proc_open",
    b"pcntl_exec",
    b"spawn",
    b"spawnSync",
    b"check_output",
    b"getoutput",
    b"Popen",
    b"call",
];

/// Where the text that a function hands to a shell begins, if the bracket at
/// `here` stands after such a function and before a quote.
pub(super) fn call(text: &[u8], here: usize) -> Option<usize> {
    let before = text
        .get(here.saturating_sub(FUNCTION)..here)?
        .trim_ascii_end();
    let name = before
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    let name = before.get(before.len() - name..)?;
    if !CALLS.contains(&name) {
        return None;
    }
    let mut at = skip(text, here + 1);
    while matches!(text.get(at), Some(b'[' | b'(' | b'\\')) {
        at += 1;
    }
    match text.get(at) {
        Some(b'\'' | b'"' | b'`') => Some(at + 1),
        // `system($_GET[…])`
        Some(b'$') if text.get(at + 1) == Some(&b'_') => Some(at),
        _ => None,
    }
}
