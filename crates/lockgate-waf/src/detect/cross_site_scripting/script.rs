//! Where JavaScript is told from text: schemes, calls, and what ends a string.

/// What a URL's scheme does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `javascript:`, `vbscript:`.
    Script,
    /// `data:` with a document in it.
    Document,
    /// None of these.
    Harmless,
}

/// Longer schemes and media types are none of those that matter.
const LONGEST_WORD: usize = 32;

/// The scheme of a URL in an attribute, as a browser reads it: character
/// references decoded, blanks before it and tabs and ends of lines in it gone.
pub(super) fn scheme(url: &[u8]) -> Scheme {
    let mut room = [0; LONGEST_WORD];
    let mut len = 0;
    let mut chars = Decoded { bytes: url };
    let mut ended = false;
    for byte in &mut chars {
        match byte {
            0..=b' ' if len == 0 => {}
            b'\t' | b'\n' | b'\r' | 0 => {}
            b':' => {
                ended = true;
                break;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.' => {
                let Some(place) = room.get_mut(len) else {
                    return Scheme::Harmless;
                };
                *place = byte.to_ascii_lowercase();
                len += 1;
            }
            _ => return Scheme::Harmless,
        }
    }
    if !ended {
        return Scheme::Harmless;
    }
    match room.get(..len).unwrap_or_default() {
        b"javascript" | b"vbscript" | b"livescript" | b"mocha" | b"jscript" => Scheme::Script,
        // `mhtml:http://host/page!part`
        b"mhtml" => Scheme::Document,
        b"data" if holds_document(chars) => Scheme::Document,
        _ => Scheme::Harmless,
    }
}

/// Whether the rest of a `data:` URL says that it is a document.
fn holds_document(chars: Decoded<'_>) -> bool {
    let mut room = [0; LONGEST_WORD];
    let mut len = 0;
    for byte in chars {
        match byte {
            b',' | b';' => break,
            0..=b' ' => {}
            _ => {
                let Some(place) = room.get_mut(len) else {
                    return false;
                };
                *place = byte.to_ascii_lowercase();
                len += 1;
            }
        }
    }
    let media = room.get(..len).unwrap_or_default();
    let ends = |end: &[u8]| media.ends_with(end);
    ends(b"html") || ends(b"xml") || ends(b"html+xml") || ends(b"script") || ends(b"ecmascript")
}

/// Bytes with HTML's character references decoded.
#[derive(Debug, Clone, Copy)]
struct Decoded<'a> {
    bytes: &'a [u8],
}

/// A longer reference is none; browsers take any number of zeros, and so much of them is enough.
const LONGEST_REFERENCE: usize = 24;

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        if first != b'&' {
            return Some(first);
        }
        let Some((byte, len)) = reference(rest) else {
            return Some(first);
        };
        self.bytes = rest.get(len..).unwrap_or_default();
        Some(byte)
    }
}

/// What stands behind `&`: the byte, and how long it is.
fn reference(rest: &[u8]) -> Option<(u8, usize)> {
    let rest = rest.get(..rest.len().min(LONGEST_REFERENCE))?;
    if rest.first() == Some(&b'#') {
        let hex = matches!(rest.get(1), Some(b'x' | b'X'));
        let start = if hex { 2 } else { 1 };
        let base = if hex { 16 } else { 10 };
        let mut value: u32 = 0;
        let mut end = start;
        while let Some(digit) = rest
            .get(end)
            .and_then(|byte| char::from(*byte).to_digit(base))
        {
            value = value.saturating_mul(base).saturating_add(digit);
            end += 1;
        }
        if end == start {
            return None;
        }
        let end = end + usize::from(rest.get(end) == Some(&b';'));
        return Some((u8::try_from(value).unwrap_or(b'?'), end));
    }
    const NAMES: [(&[u8], u8); 14] = [
        (b"colon;", b':'),
        (b"tab;", b'\t'),
        (b"newline;", b'\n'),
        (b"lpar;", b'('),
        (b"rpar;", b')'),
        (b"sol;", b'/'),
        (b"lt;", b'<'),
        (b"gt;", b'>'),
        (b"quot;", b'"'),
        (b"apos;", b'\''),
        (b"amp;", b'&'),
        (b"period;", b'.'),
        (b"grave;", b'`'),
        (b"nbsp;", b' '),
    ];
    NAMES.iter().find_map(|(name, byte)| {
        let head = rest.get(..name.len())?;
        head.eq_ignore_ascii_case(name)
            .then_some((*byte, name.len()))
    })
}

/// Names that a script begins with what it does to a page or its reader.
fn names_page(word: &[u8]) -> bool {
    matches!(
        word,
        b"alert"
            | b"confirm"
            | b"prompt"
            | b"eval"
            | b"fetch"
            | b"atob"
            | b"constructor"
            | b"document"
            | b"window"
            | b"location"
            | b"Function"
            | b"setTimeout"
            | b"setInterval"
            | b"import"
            | b"top"
            | b"self"
            | b"parent"
            | b"globalThis"
            | b"frames"
            | b"XMLHttpRequest"
            | b"print"
            | b"String"
            | b"execScript"
            | b"msSetImmediate"
            | b"setImmediate"
            | b"navigator"
            | b"localStorage"
            | b"sessionStorage"
            | b"console"
            | b"open"
    )
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}

/// Whether a name of the page's own is called, indexed, assigned or asked for a
/// member anywhere in the text.
pub(super) fn uses_page(text: &[u8]) -> bool {
    let mut at = 0;
    while let Some(skip) = text.get(at..).and_then(|rest| {
        rest.iter()
            .position(|byte| byte.is_ascii_alphabetic() || *byte == b'_' || *byte == b'%')
    }) {
        let mut start = at + skip;
        // `%0a`, still encoded behind `//`.
        if let Some([b'%', rest @ ..]) = text.get(start..) {
            let digits = rest.iter().take(2).filter(|byte| byte.is_ascii_hexdigit());
            start += 1 + if digits.count() == 2 { 2 } else { 0 };
        }
        let end = word_end(text, start);
        if is_sink(text, start, end) {
            return true;
        }
        at = end.max(at + skip + 1);
    }
    false
}

/// Whether a function is called by which scripts show themselves or run others.
pub(super) fn calls_page(text: &[u8]) -> bool {
    let names: [&[u8]; 8] = [
        b"alert",
        b"confirm",
        b"prompt",
        b"eval",
        b"Function",
        b"constructor",
        b"execScript",
        b"import",
    ];
    memchr::memchr2_iter(b'(', b'`', text).any(|at| {
        let head = text.get(..at).unwrap_or_default();
        let head = head.strip_suffix(b")").unwrap_or(head);
        names.iter().any(|name| {
            head.strip_suffix(*name)
                .is_some_and(|rest| !rest.last().is_some_and(|byte| is_word(*byte)))
        })
    })
}

pub(super) fn word_end(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    start
        + rest
            .iter()
            .position(|byte| !is_word(*byte))
            .unwrap_or(rest.len())
}

fn is_sink(text: &[u8], start: usize, end: usize) -> bool {
    let word = text.get(start..end).unwrap_or_default();
    names_page(word) && acts(text.get(end..).unwrap_or_default())
}

/// Whether what stands behind a name does something with it: `(`, `` ` ``, `[`, `=`, `.x`, `)(`, `?.(`.
fn acts(behind: &[u8]) -> bool {
    let behind = after_blanks(behind);
    match behind {
        [b'(' | b'`' | b'[' | b'=', ..] | [b')', b'(' | b'`', ..] | [b'?', b'.', b'(', ..] => true,
        [b'\\', b'u' | b'x' | b'5' | b'7', ..] => true,
        // Character references stand for themselves in an attribute.
        [b'&', ..] => reference(behind.get(1..).unwrap_or_default())
            .is_some_and(|(byte, _)| matches!(byte, b'(' | b'`' | b'=' | b'[' | b'.')),
        [b'.', next, ..] => is_word(*next),
        _ => false,
    }
}

/// A longer comment hides nothing that is looked for.
const LONGEST_COMMENT: usize = 256;

/// Passes over blanks and comments.
pub(super) fn after_blanks(mut text: &[u8]) -> &[u8] {
    loop {
        match text {
            [0..=b' ', rest @ ..] => text = rest,
            [b'/', b'*', rest @ ..] => match memchr::memmem::find(
                rest.get(..rest.len().min(LONGEST_COMMENT))
                    .unwrap_or_default(),
                b"*/",
            ) {
                Some(end) => text = rest.get(end + 2..).unwrap_or_default(),
                None => return text,
            },
            _ => return text,
        }
    }
}

/// Whether a script begins here, and not a sentence: a name that is at once
/// called, assigned or asked for a member, a string, or a bracket.
pub(super) fn begins(text: &[u8]) -> bool {
    let mut text = after_blanks(text);
    // `//%0aalert(1)`: the comment ends with its line.
    while let [b'/', b'/', rest @ ..] = text {
        match memchr::memchr2(b'\n', b'\r', rest) {
            Some(end) => text = after_blanks(rest.get(end..).unwrap_or_default()),
            None => return uses_page(rest),
        }
    }
    while let [b'+' | b'-' | b'!' | b'~' | b'(' | b'{' | b'[' | b';' | b'\'' | b'"' | b'`' | b'%'
    | b'\\' | b'*' | b'/' | b'<', rest @ ..] = text
    {
        text = after_blanks(rest);
    }
    for keyword in [
        b"void".as_slice(),
        b"new",
        b"typeof",
        b"delete",
        b"throw",
        b"var",
        b"with",
    ] {
        if text.len() > keyword.len()
            && text.starts_with(keyword)
            && !is_word(text.get(keyword.len()).copied().unwrap_or(0))
        {
            text = after_blanks(text.get(keyword.len()..).unwrap_or_default());
            while let [b'(' | b'0' | b'[' | b';' | b'\'' | b'"', rest @ ..] = text {
                text = after_blanks(rest);
            }
        }
    }
    let end = word_end(text, 0);
    if end == 0 {
        return uses_page(text);
    }
    acts(text.get(end..).unwrap_or_default())
        || is_escape(text.get(end..).unwrap_or_default())
        || (!text.contains(&b' ') && uses_page(text))
}

fn is_escape(behind: &[u8]) -> bool {
    matches!(
        behind,
        [b'\\', b'u' | b'x', ..] | [b'&', b'#', ..] | [b'%', _, _, ..]
    )
}

/// What ends a string of JavaScript and goes on with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Of a name of the page's own.
    Page,
    /// Of another name, and what is behind it works: a comment, or an operator and the quote.
    Works,
    /// Of another name.
    Any,
}

/// What stands behind the quote that ends a string of a script.
pub(super) fn goes_on(behind: &[u8], quote: Option<u8>) -> Option<Call> {
    let mut text = after_blanks(behind);
    while let [b')' | b']' | b'}', rest @ ..] = text {
        text = after_blanks(rest);
    }
    let before = text.len();
    let mut names_page = false;
    loop {
        text = after_blanks(text);
        match text {
            [b';' | b',' | b'+' | b'-' | b'*' | b'/' | b'%' | b'|' | b'&' | b'^' | b'?' | b':'
            | b'=' | b'!' | b'~' | b'(' | b'{' | b'}' | b'[' | b'>', rest @ ..] => text = rest,
            // A comparison; `<x` would be a tag.
            [b'<', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_alphabetic) => text = rest,
            [b'i', b'n', rest @ ..] if rest.first().is_some_and(|byte| *byte <= b' ') => {
                text = rest
            }
            _ => break,
        }
    }
    if text.len() == before {
        return None;
    }
    let mut end = word_end(text, 0);
    if end == 0 {
        return None;
    }
    names_page |= is_sink(text, 0, end);
    // `a.b.c(`
    while let Some([b'.', next, ..]) = text.get(end..) {
        if !is_word(*next) {
            break;
        }
        let start = end + 1;
        end = word_end(text, start);
        names_page |= is_sink(text, start, end);
    }
    let behind = text.get(end..).unwrap_or_default();
    // Between backticks stands text that is only marked up.
    let marked = quote == Some(b'`') && !matches!(behind, [b'(', ..]);
    if marked {
        return None;
    }
    if names_page && acts(behind) {
        return Some(Call::Page);
    }
    if !matches!(behind, [b'(' | b'`', ..]) {
        // `var x=alert(1)`, `throw onerror=alert`
        let keyword = matches!(
            text.get(..end),
            Some(
                b"var"
                    | b"let"
                    | b"if"
                    | b"while"
                    | b"for"
                    | b"throw"
                    | b"return"
                    | b"new"
                    | b"void"
            )
        );
        return (keyword && uses_page(behind)).then_some(Call::Page);
    }
    let tail = trimmed_end(behind);
    // The slashes of a URL are no comment.
    let ends = tail
        .get(tail.len().saturating_sub(LONGEST_TAIL)..)
        .unwrap_or_default();
    let comment = |at: usize| at.checked_sub(1).and_then(|at| ends.get(at)) != Some(&b':');
    let works = memchr::memmem::rfind(ends, b"//").is_some_and(comment)
        || tail.ends_with(b"<!--")
        || quote.is_some_and(|quote| {
            matches!(tail, [.., b'+' | b'-' | b'*' | b'/' | b'|' | b'&' | b'=' | b';' | b',' | b'(' | b'^' | b':', last] if *last == quote)
        });
    Some(if works { Call::Works } else { Call::Any })
}

/// How far from its end a comment is looked for.
const LONGEST_TAIL: usize = 64;

fn trimmed_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte > b' ');
    end.and_then(|end| text.get(..=end)).unwrap_or_default()
}
