//! The files that may be read, and how they are named.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// What may be read. Names are in normal form: parts between single slashes,
/// none of them `.` or `..`; a slash at the beginning where the caller likes.
pub trait Files {
    /// What is in the file of this name.
    fn bytes(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// The names of all files, for `Include` with a pattern; in any order.
    fn names(&self) -> Vec<&str>;

    /// Hears of a pattern that files are looked for by, before they are.
    fn looked_for(&self, _pattern: &str) {}
}

/// Files in memory.
#[derive(Debug, Clone, Default)]
pub struct Folder {
    files: BTreeMap<Box<str>, Vec<u8>>,
}

impl Folder {
    /// One more file; `false`, and nothing happens, where its name leaves the folder.
    pub fn insert(&mut self, name: &str, bytes: impl Into<Vec<u8>>) -> bool {
        let Some(name) = joined("", name) else {
            return false;
        };
        self.files.insert(name.into(), bytes.into());
        true
    }
}

impl Files for Folder {
    fn bytes(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.files
            .get(name)
            .map(|bytes| Cow::Borrowed(bytes.as_slice()))
    }

    fn names(&self) -> Vec<&str> {
        self.files.keys().map(AsRef::as_ref).collect()
    }
}

/// The name of `path` as the file `from` says it, in normal form; `None` where
/// it leaves the root.
pub(super) fn joined(from: &str, path: &str) -> Option<String> {
    let folder = match from.rfind('/') {
        Some(end) if !path.starts_with('/') => from.get(..=end)?,
        _ => "",
    };
    let whole = format!("{folder}{path}");
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let root = if whole.starts_with('/') { "/" } else { "" };
    Some(format!("{root}{}", parts.join("/")))
}

/// Whether a path stands for several files.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The names that `pattern` stands for, in their order.
pub(super) fn matching<'f>(files: &'f dyn Files, pattern: &str) -> Vec<&'f str> {
    files.looked_for(pattern);
    let mut found: Vec<&str> = files.names();
    found.retain(|name| {
        name.split('/').count() == pattern.split('/').count()
            && name
                .split('/')
                .zip(pattern.split('/'))
                .all(|(name, pattern)| glob(pattern.as_bytes(), name.as_bytes()))
    });
    found.sort_unstable();
    found
}

/// Whether a name is as the pattern says. A `*` that matched too little is
/// tried again with one byte more; only the last one has to be.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    loop {
        let rest = pattern.get(p..).unwrap_or_default();
        let taken = match (rest.first(), name.get(n)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                again = Some((p + 1, n));
                p += 1;
                continue;
            }
            (Some(b'?'), Some(_)) => Some(1),
            (Some(b'['), Some(byte)) => class(rest, *byte),
            (Some(wanted), Some(byte)) if wanted == byte => Some(1),
            _ => None,
        };
        if let Some(taken) = taken {
            p += taken;
            n += 1;
            continue;
        }
        match again {
            Some((after_star, from)) if from < name.len() => {
                again = Some((after_star, from + 1));
                (p, n) = (after_star, from + 1);
            }
            _ => return false,
        }
    }
}

/// How long the class at the beginning of `pattern` is, where `byte` is in it.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let end = 2 + pattern.get(2..)?.iter().position(|b| *b == b']')?;
    let members = pattern.get(1..end)?;
    let (members, negated) = match members.strip_prefix(b"!") {
        Some(rest) => (rest, true),
        None => (members, false),
    };
    let mut found = false;
    let mut rest = members;
    while let Some((first, after)) = rest.split_first() {
        match after {
            [b'-', last, after @ ..] => {
                found |= (*first..=*last).contains(&byte);
                rest = after;
            }
            _ => {
                found |= *first == byte;
                rest = after;
            }
        }
    }
    (found != negated).then_some(end + 1)
}
