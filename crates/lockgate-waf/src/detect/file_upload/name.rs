//! What a file's name does where it is kept.

use super::Found;
use crate::rule::Severity;

/// Parts of a name that are read; a name has few.
const PARTS: usize = 32;
/// The longest ending that is looked up.
const ENDING: usize = 12;

/// What a web server or a system does with a file of this ending.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    /// A web server runs it, also when another ending follows.
    Served,
    /// A web server runs it, or another ending is likely to be meant.
    Answers,
    /// Windows runs it when it is opened.
    Opens,
}

/// Endings, in order.
static ENDINGS: &[(&[u8], Does)] = &[
    (b"ascx", Does::Answers),
    (b"ashx", Does::Answers),
    (b"asmx", Does::Answers),
    (b"asp", Does::Answers),
    (b"aspx", Does::Answers),
    (b"bat", Does::Opens),
    (b"cer", Does::Answers),
    (b"cfm", Does::Answers),
    (b"cgi", Does::Answers),
    (b"chm", Does::Opens),
    (b"cmd", Does::Opens),
    (b"cpl", Does::Opens),
    (b"cshtml", Does::Answers),
    (b"dll", Does::Opens),
    (b"exe", Does::Opens),
    (b"hta", Does::Opens),
    (b"jse", Does::Opens),
    (b"jsp", Does::Served),
    (b"jspf", Does::Served),
    (b"jspx", Does::Served),
    (b"lnk", Does::Opens),
    (b"msi", Does::Opens),
    (b"phar", Does::Served),
    (b"php", Does::Served),
    (b"php3", Does::Served),
    (b"php4", Does::Served),
    (b"php5", Does::Served),
    (b"php7", Does::Served),
    (b"php8", Does::Served),
    (b"phps", Does::Served),
    (b"pht", Does::Served),
    (b"phtm", Does::Served),
    (b"phtml", Does::Served),
    (b"pif", Does::Opens),
    (b"pl", Does::Answers),
    (b"ps1", Does::Opens),
    (b"scr", Does::Opens),
    (b"shtml", Does::Answers),
    (b"vbe", Does::Opens),
    (b"vbs", Does::Opens),
    (b"war", Does::Answers),
    (b"wsf", Does::Opens),
    (b"wsh", Does::Opens),
];

/// Names that a server reads as its settings.
const SETTINGS: [&[u8]; 6] = [
    b".htaccess",
    b".htpasswd",
    b".user.ini",
    b"php.ini",
    b"web.config",
    b".env",
];

/// Judges a file's name.
pub(super) fn judge(name: &[u8]) -> Option<Found> {
    let base = name
        .rsplit(|byte| matches!(byte, b'/' | b'\\'))
        .next()
        .unwrap_or_default();
    if let Some(end) = base.iter().position(|byte| *byte == 0) {
        let hidden = base.get(..end).is_some_and(|before| before.contains(&b'.'));
        return Some((
            if hidden {
                Severity::Critical
            } else {
                Severity::Warning
            },
            "has a NUL in its name, at which some end it",
        ));
    }
    if turns(base) {
        return Some((
            Severity::Critical,
            "has a name with signs that turn the direction of writing",
        ));
    }
    // Windows drops what stands behind: dots, blanks, a stream's name.
    let stream = base.iter().position(|byte| *byte == b':');
    let kept = base.get(..stream.unwrap_or(base.len())).unwrap_or(base);
    let tail = kept
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'.' | b' ' | b'\t' | b'\r' | b'\n' | 0xA0))
        .count();
    let kept = kept.get(..kept.len() - tail).unwrap_or_default();
    let data = base
        .get(stream.unwrap_or(base.len())..)
        .is_some_and(|stream| stream.to_ascii_lowercase_starts(b"::$"));
    if SETTINGS
        .iter()
        .any(|known| kept.eq_ignore_ascii_case(known))
    {
        return Some((Severity::Critical, "is named as a server's settings are"));
    }
    let parts = kept.rsplit(|byte| *byte == b'.').take(PARTS);
    let mut count = 0;
    let mut found: Option<Found> = None;
    let whole = kept.len();
    let mut read = 0;
    for part in parts {
        read += part.len() + 1;
        if read > whole && !part.is_empty() {
            // What stands before the first dot is no ending.
            break;
        }
        count += 1;
        // IIS 6 ends a name at a semicolon: `a.asp;.jpg`.
        let cut = part
            .split(|byte| matches!(byte, b';' | b' ' | b'%'))
            .next()
            .unwrap_or_default();
        let semicolon = cut.len() < part.len();
        let last = count == 1;
        let this = match does(cut) {
            Some(Does::Served) if last => {
                Some((Severity::Critical, "has a name that web servers run"))
            }
            Some(Does::Served) => Some((
                Severity::Critical,
                "has the ending of a web server's code within its name",
            )),
            Some(Does::Answers) if last || semicolon => {
                Some((Severity::Critical, "has a name that web servers run"))
            }
            Some(Does::Opens) if last && count_endings(kept) > 1 && pretends(kept) => Some((
                Severity::Critical,
                "is a program that is named as a document",
            )),
            Some(Does::Opens) if last => {
                Some((Severity::Warning, "is named as a program of Windows"))
            }
            _ => None,
        };
        found = super::worse(found, this);
    }
    if (tail > 0 || data) && found.is_some() {
        return Some((
            Severity::Critical,
            "hides the ending of its name from who compares it",
        ));
    }
    if data {
        return Some((Severity::Warning, "names a stream of a file"));
    }
    found
}

trait Begins {
    fn to_ascii_lowercase_starts(&self, with: &[u8]) -> bool;
}

impl Begins for [u8] {
    fn to_ascii_lowercase_starts(&self, with: &[u8]) -> bool {
        self.get(..with.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(with))
    }
}

/// What is done with a file of this ending, without case.
fn does(ending: &[u8]) -> Option<Does> {
    let mut small = [0; ENDING];
    let small = small.get_mut(..ending.len())?;
    for (to, from) in small.iter_mut().zip(ending) {
        *to = from.to_ascii_lowercase();
    }
    let at = ENDINGS
        .binary_search_by(|(known, _)| (*known).cmp(small))
        .ok()?;
    ENDINGS.get(at).map(|(_, does)| *does)
}

/// Whether a name has the signs by which bidirectional text is turned (U+202A to U+202E, U+2066 to U+2069).
fn turns(name: &[u8]) -> bool {
    name.windows(3).any(|sign| {
        matches!(
            sign,
            [0xE2, 0x80, 0xAD | 0xAE | 0xAA | 0xAB] | [0xE2, 0x81, 0xA6..=0xA8]
        )
    })
}

fn count_endings(name: &[u8]) -> usize {
    name.iter()
        .skip(1)
        .filter(|byte| **byte == b'.')
        .take(PARTS)
        .count()
}

/// Whether the ending before the last is a document's or a picture's: `invoice.pdf.exe`.
fn pretends(name: &[u8]) -> bool {
    const HARMLESS: [&[u8]; 12] = [
        b"pdf", b"doc", b"docx", b"xls", b"xlsx", b"jpg", b"jpeg", b"png", b"gif", b"txt", b"mp4",
        b"zip",
    ];
    name.rsplit(|byte| *byte == b'.')
        .nth(1)
        .is_some_and(|part| {
            HARMLESS
                .iter()
                .any(|known| part.eq_ignore_ascii_case(known))
        })
}
