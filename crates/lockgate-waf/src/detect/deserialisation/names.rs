//! Names by which readers of text come to objects.

use super::Found;
use crate::detect::prose::words;
use crate::detect::Value;
use crate::rule::Severity;

mod classes;

use classes::{BEGIN, CLASSES};

/// A tag of YAML that names a class or a function, and what node-serialize runs.
pub(super) fn tag(text: &[u8]) -> Option<Found> {
    const YAML: &str = "names a class by a tag of YAML";
    let dollar = memchr::memchr(b'$', text);
    if dollar.is_some_and(|_| memchr::memmem::find(text, b"_$$ND_FUNC$$_").is_some()) {
        return Some((
            0,
            "is a function that node-serialize runs",
            Severity::Critical,
        ));
    }
    const LANGUAGES: [&[u8]; 7] = [
        b"python/", b"ruby/", b"perl/", b"php/", b"js/", b"java.", b"javax.",
    ];
    let foreign = |rest: &[u8]| LANGUAGES.iter().any(|language| rest.starts_with(language));
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'!', text.get(from..)?) {
        let at = from + found;
        from = at + 1;
        let rest = text.get(from..)?;
        // `%TAG ! tag:yaml.org,2002:python/`, `%TAG !x! …`: every tag is of that language.
        let named = rest.iter().take(32).position(u8::is_ascii_whitespace);
        let handle = named.and_then(|end| rest.get(end..)).unwrap_or_default();
        let handle = handle.trim_ascii_start();
        if text
            .get(..at)
            .is_some_and(|before| before.ends_with(b"%TAG "))
            && handle
                .strip_prefix(b"tag:yaml.org,2002:")
                .is_some_and(foreign)
        {
            return Some((at, YAML, Severity::Critical));
        }
        let rest = match rest {
            [b'!', rest @ ..] => rest,
            [b'<', rest @ ..] => rest
                .strip_prefix(b"tag:yaml.org,2002:")
                .or_else(|| rest.strip_prefix(b"!"))
                .unwrap_or(rest),
            _ => rest,
        };
        if foreign(rest) {
            return Some((at, YAML, Severity::Critical));
        }
        // `!!com.example.Some [`: SnakeYAML makes an object of any class.
        if rest.len() < text.len().saturating_sub(from) && qualified(rest) > 1 {
            return Some((at, YAML, Severity::Warning));
        }
        from += usize::from(text.get(from) == Some(&b'!'));
    }
    None
}

/// Dots in a qualified name of a class at the beginning: `com.example.Some` has two.
pub(super) fn qualified(text: &[u8]) -> usize {
    const LONGEST: usize = 128;
    let name = text.get(..LONGEST).unwrap_or(text);
    let length = name
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$'))
        .count();
    let name = name.get(..length).unwrap_or_default();
    let begins = name.first().is_some_and(u8::is_ascii_lowercase);
    let last = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    if begins && last.first().is_some_and(u8::is_ascii_uppercase) {
        name.iter().filter(|byte| **byte == b'.').count()
    } else {
        0
    }
}

const TYPED: &str = "names a class for a reader of JSON";

/// `Ljava.lang.String;` and `[java.lang.String` name it too.
fn described(name: &[u8]) -> &[u8] {
    match name {
        [b'L', rest @ ..] if platform(rest) => rest,
        [b'[', rest @ ..] => rest.strip_prefix(b"L").unwrap_or(rest),
        _ => name,
    }
}

/// Whether the class is of Java's own: an application's data is of classes of its own.
pub(super) fn platform(name: &[u8]) -> bool {
    const PACKAGES: [&[u8]; 6] = [
        b"java.",
        b"javax.",
        b"sun.",
        b"com.sun.",
        b"jdk.",
        b"javafx.",
    ];
    PACKAGES.iter().any(|package| name.starts_with(package))
}

/// `"@type": "java.…"` in a text: JSON that somebody reads further on.
pub(super) fn typed(text: &[u8]) -> Option<Found> {
    /// Names in a text that are looked at.
    const MOST: usize = 64;
    const NAMES: [&[u8]; 3] = [b"@type", b"@class", b"$type"];
    for at in memchr::memchr2_iter(b'@', b'$', text).take(MOST) {
        let rest = text.get(at..)?;
        let Some(rest) = NAMES.iter().find_map(|name| rest.strip_prefix(*name)) else {
            continue;
        };
        let rest = rest.trim_ascii_start().strip_prefix(b"\"").unwrap_or(rest);
        let Some(rest) = rest.trim_ascii_start().strip_prefix(b":") else {
            continue;
        };
        let Some(class) = rest.trim_ascii_start().strip_prefix(b"\"") else {
            continue;
        };
        let class = described(class);
        if platform(class) && qualified(class) > 0 {
            return Some((at, TYPED, Severity::Critical));
        }
    }
    None
}

/// `"json_class": "Gem::Installer"`, `"^o": "…"`: names by which Ruby's readers of JSON make objects.
fn ruby(value: &Value<'_>) -> Option<Found> {
    const NAMES: [&[u8]; 4] = [b"json_class", b"^o", b"^c", b"^u"];
    let named = |name: &&[u8]| {
        let before = value.name.strip_suffix(*name)?;
        matches!(before.last(), None | Some(b'/' | b'.')).then_some(())
    };
    NAMES.iter().find_map(named)?;
    let text = value.bytes;
    let constant = text.first()?.is_ascii_uppercase()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_'));
    let severity = match memchr::memmem::find(text, b"::") {
        Some(_) => Severity::Critical,
        None => Severity::Warning,
    };
    constant.then_some((0, TYPED, severity))
}

/// A class that a type-aware reader of JSON or XML makes an object of.
pub(super) fn class(value: &Value<'_>) -> Option<Found> {
    const WHAT: &str = "names a class that runs what it is given";
    let text = value.bytes;
    let typed = value.name.ends_with(b"type") || value.name.ends_with(b"class");
    let last = match typed {
        true => value.name.rsplit(|byte| matches!(byte, b'/' | b'.')).next(),
        false => None,
    };
    let last = last.unwrap_or_default();
    if matches!(last, b"$type" | b"@type" | b"@class" | b"__type" | b"class") {
        let plain = text.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'.' | b'_' | b'$' | b',' | b' ' | b'=' | b'`' | b'[' | b']' | b';'
                )
        });
        if plain && matches!(last, b"$type" | b"__type") && text.starts_with(b"System.") {
            return Some((
                0,
                "names a class of .NET for a reader of JSON",
                Severity::Critical,
            ));
        }
        let text = described(text.strip_suffix(b";").unwrap_or(text));
        if plain && qualified(text) > 1 {
            let severity = match platform(text) {
                true => Severity::Critical,
                false => Severity::Warning,
            };
            return Some((0, TYPED, severity));
        }
    }
    if let Some(found) = ruby(value) {
        return Some(found);
    }
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'.', text.get(from..)?) {
        let dot = from + found;
        from = dot + 1;
        // Each of the names has its first dot within so many bytes.
        const FIRST: usize = 6;
        let begin = dot.saturating_sub(FIRST);
        let begin = begin
            + text
                .get(begin..dot)?
                .iter()
                .rposition(|byte| !byte.is_ascii_alphanumeric())
                .map_or(0, |at| at + 1);
        let rest = text.get(begin..)?;
        if !rest.first().is_some_and(|byte| BEGIN.contains(*byte)) {
            continue;
        }
        let Some(name) = CLASSES.iter().find(|name| rest.starts_with(name)) else {
            continue;
        };
        let after = rest.get(name.len());
        if after.is_some_and(u8::is_ascii_alphanumeric) {
            continue;
        }
        let prose = words(text, 4) >= 4;
        return Some((
            begin,
            WHAT,
            if prose {
                Severity::Notice
            } else {
                Severity::Critical
            },
        ));
    }
    None
}
