//! Cross-site scripting: a value that is a script in the page that shows it.
//!
//! **What it stops.** HTML that can run a script: `<script>`, an event's
//! handler on any element, links with `javascript:` or a document in `data:`,
//! `srcdoc`, `<base>`, `<meta http-equiv>`, styles that fetch or run;
//! and values that become a script where they are put: in an attribute
//! (`" onfocus=alert(1) x="`), in a link, in a string of a script
//! (`';alert(1)//`).
//!
//! **How it decides.** The value is read as a browser's tokenizer reads it, in
//! each place where it could stand: as text, in an attribute with or without
//! quotes, as a link, in a string of JavaScript. Handlers are known by where
//! they stand and by how they are named (`on…`), not by a list of events.
//! Links are read with character references decoded and blanks dropped. What
//! filters are fooled by is read as browsers do: slashes for blanks, tags that
//! nothing closes, null bytes, tags in the values of attributes. A script is
//! known by its grammar: a value that is JavaScript to its end, and calls, sets
//! or hands on what belongs to the page.
//!
//! **What it lets pass.** HTML that runs nothing (`<b>`, `<a href="https://…">`),
//! comparisons, generics, mail addresses, code: a name that a sentence goes on
//! with is no call.
//!
//! **Limits.** A page's own scripts can make anything of a value: data that
//! only one page's code runs is not seen. `<script>` in prose passes where what
//! follows it is certain to be no script; a page's source as a value is refused.

mod code;
mod html;
mod script;
mod styles;

use std::ops::Range;

use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity::{self, Critical, Error, Info, Notice, Warning};
use script::{Call, Scheme};

/// What something does, and how sure that is.
type Verdict = (&'static str, Severity);
/// Where, and what.
type Found = (Range<usize>, Verdict);
/// A look at a value in one of its places.
type Look = fn(&[u8]) -> Option<Found>;

/// The detector.
pub static DETECTOR: Detector = Detector {
    name: "cross-site-scripting",
    title: "A value is HTML or JavaScript that runs in the page that shows it",
    severity: Severity::Critical,
    tag: "attack-xss",
    places: Where::VALUES_AND_FILE_NAMES,
    needs: &[ByteSet::of(b"<=:(`\xbc")],
    min_len: 6,
    unwraps: true,
    find,
};

fn find(value: &Value<'_>) -> Option<Finding> {
    let bytes = value.bytes;
    let mut best: Option<Found> = None;
    let looks: [Look; 6] = [
        in_text,
        in_link,
        in_attribute,
        in_directive,
        in_script,
        in_tag,
    ];
    for look in looks {
        if let Some(found) = look(bytes) {
            let sure = found.1 .1 == Critical;
            if best
                .as_ref()
                .is_none_or(|best| found.1 .1.rank() < best.1 .1.rank())
            {
                best = Some(found);
            }
            if sure {
                break;
            }
        }
    }
    best.map(|(at, (what, severity))| Finding {
        at,
        what,
        severity: Some(severity),
    })
}

/// As text of a page.
fn in_text(bytes: &[u8]) -> Option<Found> {
    let plus = memchr::memchr(b'+', bytes);
    if let Some(at) = plus.and_then(|_| memchr::memmem::find(bytes, b"+ADw-")) {
        if matches!(
            bytes.get(at + 5),
            Some(b'/' | b'!' | b'a'..=b'z' | b'A'..=b'Z')
        ) {
            return Some((at..bytes.len(), ("is HTML in UTF-7", Critical)));
        }
    }
    html::worst(bytes, 0)
}

/// As a link, or with links in it.
fn in_link(bytes: &[u8]) -> Option<Found> {
    match script::scheme(bytes) {
        Scheme::Document => {
            return Some((0..bytes.len(), ("is a link that is a document", Critical)));
        }
        Scheme::Script => {
            let colon = memchr::memchr2(b':', b';', bytes).unwrap_or(0);
            if script::begins(bytes.get(colon + 1..)?) {
                return Some((0..bytes.len(), ("is a link that is a script", Critical)));
            }
        }
        Scheme::Harmless => {}
    }
    let mut left = MOST_LOOKED_AT;
    memchr::memchr_iter(b':', bytes).find_map(|colon| {
        let head = bytes.get(..colon)?;
        let len = [b"javascript".as_slice(), b"vbscript"]
            .iter()
            .find_map(|word| ends_with(head, word))?;
        let behind = bytes.get(colon + 1..)?;
        let next = *behind.first()?;
        // Where there are very many, less is looked at of each.
        let room = if left > NEAR { NEAR } else { LITTLE };
        left = left.saturating_sub(NEAR);
        let behind = behind.get(..behind.len().min(room)).unwrap_or_default();
        (next > b' ' && script::begins(behind)).then(|| {
            (
                colon - len..bytes.len(),
                ("has a link that is a script", Critical),
            )
        })
    })
}

/// How long the end of a text is that is this word, whatever its case, and
/// with tabs and ends of lines in it, which links may have.
fn ends_with(text: &[u8], word: &[u8]) -> Option<usize> {
    let mut letters = word.iter().rev();
    let mut letter = letters.next()?;
    for (len, byte) in (1..).zip(text.iter().rev().take(2 * word.len())) {
        if byte.eq_ignore_ascii_case(letter) {
            match letters.next() {
                Some(next) => letter = next,
                None => return Some(len),
            }
        } else if !matches!(byte, b'\t' | b'\n' | b'\r') {
            return None;
        }
    }
    None
}

/// How much of a script is looked at where many may stand in a value.
const NEAR: usize = 256;
const LITTLE: usize = 24;

fn near(text: &[u8]) -> &[u8] {
    text.get(..text.len().min(NEAR)).unwrap_or_default()
}

/// So many bytes of handlers are looked at; more in one value are a sign by themselves.
const MOST_LOOKED_AT: usize = 1 << 16;
/// A longer name is no event's.
const LONGEST_HANDLER: usize = 40;

/// In an attribute of a tag: behind a blank or a quote, `on…=`.
fn in_attribute(bytes: &[u8]) -> Option<Found> {
    let mut best: Option<Found> = None;
    let quote = memchr::memchr3(b'"', b'\'', b'`', bytes).unwrap_or(bytes.len());
    let mut left = MOST_LOOKED_AT;
    for equals in memchr::memchr_iter(b'=', bytes) {
        let head = bytes.get(..equals)?;
        let spaced = head.last().is_some_and(|byte| *byte <= b' ');
        let end = match spaced {
            true => head.iter().rev().take(8).position(|byte| *byte > b' '),
            false => Some(0),
        };
        let Some(head) = end.and_then(|end| head.get(..equals - end)) else {
            continue;
        };
        let len = head
            .iter()
            .rev()
            .take(LONGEST_HANDLER)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let start = head.len() - len;
        if !html::is_handler(head.get(start..).unwrap_or_default()) {
            continue;
        }
        let before = start.checked_sub(1).and_then(|at| head.get(at)).copied();
        let broken_out = quote < start;
        let apart = before.is_none_or(|byte| byte <= b' ' || b"\"'`/;".contains(&byte));
        if !apart {
            continue;
        }
        let behind = attribute_value(near(bytes.get(equals + 1..).unwrap_or_default()));
        let Some(less) = usize::checked_sub(left, behind.len() + 1) else {
            break;
        };
        left = less;
        let uses_page = script::uses_page(behind);
        let severity = match (uses_page, broken_out, spaced) {
            (true, true, _) | (true, _, false) => Critical,
            (false, true, false) if script::begins(behind) => Error,
            _ => Notice,
        };
        if best.as_ref().is_none_or(|best| severity < best.1 .1) {
            best = Some((start..bytes.len(), ("adds an event's handler", severity)));
        }
        if severity == Critical {
            break;
        }
    }
    best
}

/// In an attribute that the first quote ends, and the tag with it: what it goes on with may
/// swallow the page up to its own end (`"><textarea>`), yet people write pieces of HTML too.
fn in_tag(bytes: &[u8]) -> Option<Found> {
    let at = memchr::memchr(b'<', bytes)?;
    let opens = |next: &u8| next.is_ascii_alphabetic() || matches!(next, b'!' | b'/');
    bytes.get(at + 1).filter(|next| opens(next))?;
    let before = bytes.get(..at)?.trim_ascii_end().strip_suffix(b">")?;
    let before = before.strip_suffix(b"/").unwrap_or(before).trim_ascii_end();
    let quote = *before.last().filter(|last| matches!(last, b'"' | b'\''))?;
    let odd = memchr::memchr_iter(quote, before).count() % 2 == 1;
    odd.then(|| {
        let verdict = ("ends an attribute and goes on with markup", Info);
        (before.len() - 1..bytes.len(), verdict)
    })
}

/// In a tag of a page that a framework makes: `ng-focus="…"`, `(click)="…"`, `@click="…"`.
fn in_directive(bytes: &[u8]) -> Option<Found> {
    let mut left = MOST_LOOKED_AT;
    for equals in memchr::memchr_iter(b'=', bytes) {
        let Some(b'"' | b'\'') = bytes.get(equals + 1) else {
            continue;
        };
        let head = bytes.get(..equals)?;
        let named = head.iter().rev().take(LONGEST_HANDLER);
        let len = named
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"-:@().[]_".contains(byte))
            .count();
        let start = head.len() - len;
        let name = head.get(start..).unwrap_or_default();
        let before = start.checked_sub(1).and_then(|at| head.get(at));
        let apart = before.is_none_or(|byte| *byte <= b' ' || b"\"'`/".contains(byte));
        if !apart || !html::is_directive(name) {
            continue;
        }
        let behind = attribute_value(near(bytes.get(equals + 1..).unwrap_or_default()));
        let Some(less) = usize::checked_sub(left, behind.len() + 1) else {
            break;
        };
        left = less;
        if script::calls_page(behind) {
            let verdict = ("runs a script from a framework's attribute", Critical);
            return Some((start..bytes.len(), verdict));
        }
    }
    None
}

/// The value of an attribute that begins here.
fn attribute_value(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    let end = match text {
        [quote @ (b'"' | b'\''), rest @ ..] => memchr::memchr(*quote, rest).map(|end| end + 1),
        _ => text.iter().position(|byte| *byte <= b' ' || *byte == b'>'),
    };
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// In a script: in a string of it, or between.
fn in_script(bytes: &[u8]) -> Option<Found> {
    memchr::memchr3(b'(', b'`', b'=', bytes)?;
    if let Some(verdict) = alone(bytes) {
        return Some((0..bytes.len(), verdict));
    }
    let mut best: Option<Found> = None;
    for quote in [b'\'', b'"', b'`'] {
        let Some(at) = memchr::memchr(quote, bytes) else {
            continue;
        };
        let behind = bytes.get(at + 1..).unwrap_or_default();
        if let Some(verdict) = behind_quote(behind, quote) {
            if best.as_ref().is_none_or(|best| verdict.1 < best.1 .1) {
                best = Some((at..bytes.len(), verdict));
            }
        }
    }
    if best.is_some() {
        return best;
    }
    // `;alert(1)//`, `-alert(1)-`, `1;alert(1)`
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let behind = bytes.get(digits..)?;
    if script::goes_on(behind, None) == Some(Call::Page) {
        return Some((0..bytes.len(), ("goes on with a call in a script", Error)));
    }
    let may_style =
        memchr::memchr3(b':', b'@', b'=', bytes).or_else(|| memchr::memchr(b'\\', bytes));
    if may_style.is_some() && styles::bare(bytes) {
        return Some((0..bytes.len(), ("runs a script from styles", Critical)));
    }
    let is_script =
        digits == 0 && !bytes.contains(&b' ') && script::begins(bytes) && script::uses_page(bytes);
    let severity = if is_script && script::calls_page(bytes) {
        Critical
    } else {
        Warning
    };
    is_script.then_some((0..bytes.len(), ("is a script", severity)))
}

/// Behind a quote that ends a string of a script.
fn behind_quote(behind: &[u8], quote: u8) -> Option<Verdict> {
    let (seen, ending) = code::read(behind, code::Start::Operator);
    if ending != code::Ending::Broken && (seen.attacks() || seen.page || seen.sends) {
        return Some(("ends a script's string and goes on with a call", Critical));
    }
    let severity = match script::goes_on(behind, Some(quote))? {
        Call::Page | Call::Works => Critical,
        Call::Any => Notice,
    };
    Some(("ends a script's string and goes on with a call", severity))
}

/// Without quotes: a script by itself, or what goes on in one.
fn alone(bytes: &[u8]) -> Option<Verdict> {
    use code::{Ending, Start};
    let does = |seen: &code::Seen| seen.attacks() || seen.page || seen.sends;
    let mut text = bytes.trim_ascii();
    for end in [b"*/".as_slice(), b"-->"] {
        text = text.strip_prefix(end).unwrap_or(text);
    }
    // Names can be had of nothing but these.
    if text.len() >= SHORTEST_SIGNS && text.iter().all(|byte| b"[](){}!+".contains(byte)) {
        return Some(("is a script without letters", Critical));
    }
    let (seen, ending) = code::read(text, Start::Operand);
    // `;f(1)//`: what it breaks out of goes on no further.
    let cuts = |seen: &code::Seen, ending| {
        let breaks = text
            .first()
            .is_some_and(|byte| b";)]},-+/|&".contains(byte));
        breaks && ending == Ending::Open && seen.calls && text.ends_with(b"//")
    };
    if ending != Ending::Broken {
        let sure = !seen.lines && (does(&seen) || cuts(&seen, ending));
        return sure.then_some(("is a script", Critical));
    }
    if text.first().is_some_and(u8::is_ascii_punctuation) {
        let (seen, ending) = code::read(text, Start::Operator);
        if ending != Ending::Broken && (does(&seen) || cuts(&seen, ending)) && !seen.lines {
            return Some(("goes on with a call in a script", Critical));
        }
    }
    let holes = memchr::memchr_iter(b'$', bytes).take(MOST_HOLES);
    for hole in holes {
        let Some([b'{', inside @ ..]) = bytes.get(hole + 1..) else {
            continue;
        };
        let (seen, ending) = code::read(near(inside), Start::Hole);
        if ending == Ending::Whole && !seen.lines && seen.attacks() {
            return Some(("is a script in a template's text", Critical));
        }
    }
    None
}

/// So many brackets and signs are no text.
const SHORTEST_SIGNS: usize = 40;
/// So many `$` of one value are looked behind.
const MOST_HOLES: usize = 64;

#[cfg(test)]
mod tests;
