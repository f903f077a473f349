//! A value that is the name of one file, and tells without a folder.

use crate::detect::Finding;
use crate::rule::Severity;

/// A longer name is nobody's probe.
const LONGEST: usize = 96;

/// Looks at the whole value.
pub(super) fn name(text: &[u8]) -> Option<Finding> {
    if text.len() > LONGEST {
        return None;
    }
    let what = if cut(text) {
        "ends a file's name with a NUL"
    } else if copy(text) {
        "names a copy of a program's source"
    } else {
        return None;
    };
    Some(Finding {
        at: 0..text.len(),
        what,
        severity: Some(Severity::Critical),
    })
}

/// `index\0`, `index\0.png`: a NUL behind a name, and at most an ending behind that.
fn cut(text: &[u8]) -> bool {
    let Some(at) = memchr::memchr(0, text) else {
        return false;
    };
    let (name, rest) = text.split_at_checked(at).unwrap_or_default();
    let rest = rest.get(1..).unwrap_or_default();
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/\\:".contains(byte);
    let ending = |rest: &[u8]| rest.iter().all(u8::is_ascii_alphanumeric) && rest.len() < 6;
    name.len() > 1
        && name.iter().all(named)
        && (rest.is_empty() || rest.strip_prefix(b".").is_some_and(ending))
}

/// `index.php.bak`, `.config.php.swp`, `web.config~`: what editors and people leave beside a source, and a server
/// gives out as text.
fn copy(text: &[u8]) -> bool {
    const COPIES: [&[u8]; 11] = [
        b"bak", b"old", b"orig", b"save", b"swp", b"swo", b"tmp", b"copy", b"backup", b"source",
        b"src",
    ];
    const SOURCES: [&[u8]; 12] = [
        b"php",
        b"phtml",
        b"inc",
        b"asp",
        b"aspx",
        b"ashx",
        b"jsp",
        b"cgi",
        b"config",
        b"htaccess",
        b"htpasswd",
        b"env",
    ];
    let name = text
        .rsplit(|byte| matches!(byte, b'/' | b'\\'))
        .next()
        .unwrap_or_default();
    let mut small = [0; LONGEST];
    let Some(small) = small.get_mut(..name.len()) else {
        return false;
    };
    small.copy_from_slice(name);
    small.make_ascii_lowercase();
    if small.iter().any(|byte| *byte <= b' ' || *byte >= 0x80) {
        return false;
    }
    let stem = match small.strip_suffix(b"~") {
        Some(stem) => stem,
        None => {
            let Some(dot) = memchr::memrchr(b'.', small) else {
                return false;
            };
            let (stem, ending) = small.split_at_checked(dot).unwrap_or_default();
            let ending = ending.get(1..).unwrap_or_default();
            if ending == b"phps" {
                return !stem.is_empty();
            }
            if !COPIES.contains(&ending) {
                return false;
            }
            stem
        }
    };
    let last = stem.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    last.len() < stem.len() && SOURCES.contains(&last)
}

#[cfg(test)]
mod tests {
    use super::{copy, cut};

    #[test]
    fn copies_of_sources_are_known_by_both_endings() {
        for source in [
            "index.php",
            ".config.inc",
            "a/web.config",
            "Login.ASPX",
            ".htaccess",
            "/.env",
        ] {
            for ending in [".bak", ".old", "~", ".swp", ".SAVE"] {
                let name = format!("{source}{ending}");
                assert!(copy(name.as_bytes()), "{name}");
            }
        }
        for name in [
            "index.php",
            "photo.jpg.bak",
            "notes~",
            "a.bak",
            "v1.2.old",
            "Ask her about php.old things",
            "phps",
        ] {
            assert!(!copy(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_nul_behind_a_name_cuts_it() {
        assert!(cut(b"index\0") && cut(b"../x.php\0.png"));
        assert!(!cut(b"index") && !cut(b"\0") && !cut(b"a b\0c") && !cut(b"ab\0cd\0ef"));
    }
}
