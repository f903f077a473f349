//! The names of tags and attributes that matter, and how addresses of code begin.

/// What goes on after `on` in an event handler's name, sorted; none begins another.
const EVENTS: &[u8] = include_bytes!("events.txt");
const EVENT_COUNT: usize = events().1;
/// Where each event stands in the file, and where it ends.
static EVENT_PLACES: [(u16, u16); EVENT_COUNT] = places();
/// The longest name of an event, bytes.
pub(super) const LONGEST_EVENT: usize = 44;

/// Where the events begin and end in the file, and how many there are.
const fn events() -> ([(u16, u16); 512], usize) {
    let mut places = [(0, 0); 512];
    let (mut at, mut count) = (0, 0);
    while at < EVENTS.len() {
        let start = at;
        while EVENTS[at] != b'\n' {
            at += 1;
        }
        if EVENTS[start] != b'#' {
            places[count] = (start as u16, at as u16);
            count += 1;
        }
        at += 1;
    }
    (places, count)
}

const fn places() -> [(u16, u16); EVENT_COUNT] {
    let all = events().0;
    let mut places = [(0, 0); EVENT_COUNT];
    let mut number = 0;
    while number < EVENT_COUNT {
        places[number] = all[number];
        number += 1;
    }
    places
}

/// For each letter, and for what follows the last, how many events stand before its.
static BY_LETTER: [u16; 27] = by_letter();

const fn by_letter() -> [u16; 27] {
    let mut before = [0; 27];
    let mut number = 0;
    while number < EVENT_COUNT {
        let letter = (EVENTS[EVENT_PLACES[number].0 as usize] - b'A') as usize;
        before[letter + 1] = number as u16 + 1;
        number += 1;
    }
    let mut letter = 1;
    while letter < 27 {
        if before[letter] < before[letter - 1] {
            before[letter] = before[letter - 1];
        }
        letter += 1;
    }
    before
}

/// Tags that run code or make a page of another one's, by their first letter.
const fn tags(letter: u8) -> &'static [&'static [u8]] {
    match letter {
        b'A' => &[b"APPLET"],
        b'B' => &[b"BASE"],
        b'C' => &[b"COMMENT"],
        b'E' => &[b"EMBED"],
        b'F' => &[b"FRAME", b"FRAMESET"],
        b'H' => &[b"HANDLER"],
        b'I' => &[b"IFRAME", b"IMPORT", b"ISINDEX"],
        b'L' => &[b"LINK", b"LISTENER"],
        b'M' => &[b"META"],
        b'N' => &[b"NOSCRIPT"],
        b'O' => &[b"OBJECT"],
        b'S' => &[b"SCRIPT", b"STYLE"],
        b'V' => &[b"VMLFRAME"],
        b'X' => &[b"XML", b"XSS"],
        _ => &[],
    }
}

/// What an attribute makes of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    /// Nothing.
    Plain,
    /// Code, or where code is.
    Code,
    /// An address.
    Address,
    /// Another attribute's name.
    Name,
}

/// Attributes other than event handlers that matter, by their first letter.
const fn attributes(letter: u8) -> &'static [(&'static [u8], Attribute)] {
    use Attribute::{Address, Code, Name};
    match letter {
        b'A' => &[(b"ACTION", Address), (b"ATTRIBUTENAME", Name)],
        b'B' => &[(b"BY", Address), (b"BACKGROUND", Address)],
        b'D' => &[
            (b"DATAFORMATAS", Code),
            (b"DATASRC", Code),
            (b"DYNSRC", Address),
        ],
        b'F' => &[
            (b"FILTER", Code),
            (b"FORMACTION", Address),
            (b"FOLDER", Address),
            (b"FROM", Address),
        ],
        b'H' => &[(b"HANDLER", Address), (b"HREF", Address)],
        b'L' => &[(b"LOWSRC", Address)],
        b'P' => &[(b"POSTER", Address)],
        b'S' => &[(b"SRC", Address), (b"STYLE", Code)],
        b'T' => &[(b"TO", Address)],
        b'V' => &[(b"VALUES", Address)],
        b'X' => &[(b"XLINK:HREF", Address)],
        _ => &[],
    }
}

/// How addresses of code begin.
pub(super) const SCHEMES: [&[u8]; 4] = [b"DATA", b"VIEW-SOURCE", b"VBSCRIPT", b"JAVA"];

/// Whether `text` begins with `word`, without regard to case.
pub(super) fn begins_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Whether they are the same, without regard to case and to zero bytes in `text`.
fn is(text: &[u8], word: &[u8]) -> bool {
    let mut letters = text.iter().filter(|byte| **byte != 0);
    word.iter().all(|want| {
        letters
            .next()
            .is_some_and(|byte| byte.eq_ignore_ascii_case(want))
    }) && letters.next().is_none()
}

fn first_letter(name: &[u8]) -> u8 {
    let first = name.iter().find(|byte| **byte != 0);
    first.map_or(0, u8::to_ascii_uppercase)
}

/// Whether a tag of this name runs code.
pub(super) fn is_code_tag(name: &[u8]) -> bool {
    name.len() >= 3
        && (begins_with(name, b"SVG")
            || begins_with(name, b"XSL")
            || tags(first_letter(name)).iter().any(|tag| is(name, tag)))
}

/// What an attribute of this name makes of its value.
pub(super) fn attribute_of(name: &[u8]) -> Attribute {
    if name.len() >= 5 {
        let event = begins_with(name, b"ON") && is_event(name.get(2..).unwrap_or_default());
        if event || begins_with(name, b"XMLNS") || begins_with(name, b"XLINK") {
            return Attribute::Code;
        }
    }
    if name.len() < 2 {
        return Attribute::Plain;
    }
    attributes(first_letter(name))
        .iter()
        .find(|(known, _)| is(name, known))
        .map_or(Attribute::Plain, |(_, attribute)| *attribute)
}

/// Whether an event's name begins this.
pub(super) fn is_event(name: &[u8]) -> bool {
    let mut upper = [0; LONGEST_EVENT];
    let len = name.len().min(LONGEST_EVENT);
    for (to, from) in upper.iter_mut().zip(name) {
        *to = from.to_ascii_uppercase();
    }
    let upper = upper.get(..len).unwrap_or_default();
    let letter = usize::from(
        upper
            .first()
            .map_or(u8::MAX, |first| first.wrapping_sub(b'A')),
    );
    let (Some(from), Some(to)) = (BY_LETTER.get(letter), BY_LETTER.get(letter + 1)) else {
        return false;
    };
    let places = EVENT_PLACES
        .get(usize::from(*from)..usize::from(*to))
        .unwrap_or_default();
    // As none begins another, only the last that is not behind it can.
    let behind = places.partition_point(|place| event(*place) <= upper);
    behind
        .checked_sub(1)
        .and_then(|last| places.get(last))
        .is_some_and(|place| upper.starts_with(event(*place)))
}

fn event((start, end): (u16, u16)) -> &'static [u8] {
    EVENTS
        .get(usize::from(start)..usize::from(end))
        .unwrap_or_default()
}
