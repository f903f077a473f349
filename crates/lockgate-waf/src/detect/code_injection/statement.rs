//! The statements of a program in any of the common languages, as far as one has to know what they are.

use super::PROSE;

/// A statement, without blanks around it and comments before and behind it.
pub(super) struct Statement<'a> {
    pub(super) code: &'a [u8],
    /// Where it stands.
    pub(super) start: usize,
    /// The function that it stands in, by its name.
    pub(super) function: Option<&'a [u8]>,
    /// Bytes at its beginning that declare a function.
    pub(super) head: usize,
}

/// All statements, from the first on. Each byte is looked at a few times, whatever stands there.
pub(super) struct Statements<'a> {
    text: &'a [u8],
    at: usize,
    /// How far the function is indented that is being read, and its name.
    within: Option<(usize, &'a [u8])>,
}

impl<'a> Statements<'a> {
    pub(super) const fn of(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            within: None,
        }
    }
}

impl<'a> Iterator for Statements<'a> {
    type Item = Statement<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
            let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
            let indent = rest.iter().take_while(blank).count();
            let begins = matches!(
                self.at.checked_sub(1).and_then(|at| self.text.get(at)),
                None | Some(b'\n')
            );
            let rest = rest.get(indent..)?;
            let comments = comments(rest);
            let start = self.at + indent + comments;
            let (code, end) = ends(self.text.get(start..)?);
            self.at = start + end + 1;
            let code = self.text.get(start..start + code)?.trim_ascii_end();
            if code.is_empty() {
                continue;
            }
            // What stands no further in than a function does is behind it.
            let closes = matches!(code.first(), Some(b'}' | b')' | b'{' | b'@'));
            if begins && !closes && self.within.is_some_and(|(outer, _)| indent <= outer) {
                self.within = None;
            }
            let head = match self.within {
                None => declared(code),
                Some(_) => None,
            };
            if let Some((_, name)) = head {
                self.within = Some((indent, name));
            }
            return Some(Statement {
                code,
                start,
                function: self.within.map(|(_, name)| name),
                head: head.map_or(0, |(head, _)| head),
            });
        }
    }
}

/// How long comments and blanks are that stand before a statement: texts of several lines that nobody asks for, too.
fn comments(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let length = match rest {
            [b' ' | b'\t', ..] => Some(1),
            [b'#', ..] | [b'/', b'/', ..] => Some(line(rest)),
            [b'/', b'*', ..] => block(rest, b"/*", b"*/"),
            [b'"', b'"', b'"', ..] => block(rest, b"\"\"\"", b"\"\"\""),
            [b'\'', b'\'', b'\'', ..] => block(rest, b"'''", b"'''"),
            _ if rest.starts_with(b"=begin") => block(rest, b"=begin", b"\n=end"),
            _ => None,
        };
        match length {
            Some(length) => at += length,
            None => break,
        }
    }
    at
}

/// How long it is up to its end; all there is, where it has none.
fn block(text: &[u8], open: &[u8], close: &[u8]) -> Option<usize> {
    let inner = text.get(open.len()..)?;
    // There may be very many blocks, all short: nothing is made ready for the search.
    let begins = |at: &usize| inner.get(*at..).is_some_and(|rest| rest.starts_with(close));
    let end = memchr::memchr_iter(*close.first()?, inner).find(begins);
    Some(end.map_or(text.len(), |end| open.len() + end + close.len()))
}

fn line(text: &[u8]) -> usize {
    memchr::memchr2(b'\n', b'\r', text).unwrap_or(text.len())
}

/// How long the code of a statement is, and where it ends: at the end of a line or a semicolon outside of strings.
fn ends(text: &[u8]) -> (usize, usize) {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        if rest.first().is_some_and(|byte| !TELLS[usize::from(*byte)]) {
            at += 1;
            continue;
        }
        let apart = at == 0 || matches!(text.get(at - 1), Some(b' ' | b'\t'));
        match rest {
            [] | [b'\n' | b'\r' | b';', ..] => return (at, at),
            [b'#', ..] | [b'/', b'/', ..] if apart => return (at, at + line(rest)),
            _ => at += step(rest),
        }
    }
    (text.len(), text.len())
}

/// Bytes that mean more than themselves between statements.
static TELLS: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"\n\r;#/\"'`\\";
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
};

/// How long the next thing is: a string, an escape, a byte.
fn step(rest: &[u8]) -> usize {
    match rest {
        [b'"', b'"', b'"', ..] => block(rest, b"\"\"\"", b"\"\"\"").unwrap_or(3),
        [b'\'', b'\'', b'\'', ..] => block(rest, b"'''", b"'''").unwrap_or(3),
        [quote @ (b'"' | b'\'' | b'`'), ..] => string(rest, *quote),
        // A quote behind it opens nothing; a line that it ends goes on.
        [b'\\', ..] => 2,
        _ => 1,
    }
}

/// How long a string of one line is; the quote alone, where it does not end there.
fn string(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' | b'\r' => return 1,
            byte if *byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    1
}

/// The next bracket outside of strings.
pub(super) fn next_bracket(code: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = code.get(at..)?;
        if *rest.first()? == b'(' {
            return Some(at);
        }
        at += step(rest);
    }
}

pub(super) fn first_word(code: &[u8]) -> &[u8] {
    let length = code
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
    code.get(..length.count()).unwrap_or_default()
}

/// The last word of a text, and what stands before it.
pub(super) fn last_word(text: &[u8]) -> (&[u8], &[u8]) {
    let length = text
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
    text.split_at(text.len() - length.count())
}

/// Words that stand before the name of a function where it is declared.
const BEFORE_NAMES: &[&[u8]] = &[
    b"async",
    b"const",
    b"def",
    b"default",
    b"export",
    b"fn",
    b"func",
    b"function",
    b"int",
    b"let",
    b"private",
    b"protected",
    b"public",
    b"static",
    b"String",
    b"sub",
    b"var",
    b"void",
];
/// Words behind which a block begins that is no function's.
const BLOCKS: &[&[u8]] = &[
    b"begin", b"case", b"catch", b"class", b"do", b"else", b"for", b"foreach", b"if", b"module",
    b"switch", b"try", b"unless", b"until", b"while", b"with",
];

/// Whether a function is declared: how long its head is, and its name.
fn declared(code: &[u8]) -> Option<(usize, &[u8])> {
    let first = first_word(code);
    let named = matches!(first, b"def" | b"function" | b"func" | b"fn" | b"sub");
    // `run(cmd) {`, `const run = (cmd) => {`. One that is called where it stands is none.
    let opens = code.ends_with(b"{") && !first.is_empty() && !BLOCKS.contains(&first);
    if !(named || opens) {
        return None;
    }
    let mut words = code.split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'));
    let name = words.find(|word| !word.is_empty() && !BEFORE_NAMES.contains(word));
    let close = memchr::memchr(b')', code).map_or(first.len(), |at| at + 1);
    Some((close, name.unwrap_or_default()))
}

/// Words that begin a statement, however many words follow.
const KEYWORDS: &[&[u8]] = &[
    b"assert",
    b"async",
    b"await",
    b"begin",
    b"case",
    b"class",
    b"const",
    b"def",
    b"del",
    b"do",
    b"echo",
    b"elif",
    b"else",
    b"elsif",
    b"end",
    b"except",
    b"export",
    b"finally",
    b"fn",
    b"for",
    b"foreach",
    b"from",
    b"func",
    b"function",
    b"global",
    b"if",
    b"import",
    b"include",
    b"let",
    b"module",
    b"my",
    b"new",
    b"pass",
    b"print",
    b"private",
    b"public",
    b"puts",
    b"raise",
    b"require",
    b"rescue",
    b"return",
    b"static",
    b"sub",
    b"switch",
    b"throw",
    b"try",
    b"unless",
    b"until",
    b"use",
    b"using",
    b"var",
    b"when",
    b"while",
    b"with",
    b"yield",
];
/// Words of an expression, which stand between others.
const OPERATORS: &[&[u8]] = &[
    b"and", b"else", b"False", b"false", b"if", b"in", b"is", b"lambda", b"nil", b"None", b"not",
    b"null", b"or", b"True", b"true",
];

/// Whether it may be a statement: what people write to each other is words, and not all of it begins like one.
pub(super) fn is_code(code: &[u8]) -> bool {
    let first = first_word(code);
    let rest = code.get(first.len()..).unwrap_or_default();
    match code.first() {
        // Lists, quotes, tables and fences of Markdown, and tags.
        Some(b'>' | b'<' | b'|' | b'*' | 0x80..) => return false,
        Some(b'-') if rest.starts_with(b"- ") => return false,
        Some(b'`') if code.starts_with(b"```") => return false,
        _ => {}
    }
    let assigns = matches!(
        rest.trim_ascii_start(),
        [b'=', ..] | [b'+' | b'-' | b'|' | b'.' | b':', b'=', ..]
    );
    assigns || KEYWORDS.contains(&first) && is_keyword(first, rest) || words(code) < PROSE
}

/// Whether a word that begins sentences too begins a statement: what follows has a sign that sentences lack.
fn is_keyword(first: &[u8], rest: &[u8]) -> bool {
    let signs = b"=()[]{}\"'`:$@_<>";
    let english: [&[u8]; 12] = [
        b"case", b"do", b"for", b"from", b"if", b"new", b"print", b"return", b"try", b"use",
        b"when", b"with",
    ];
    !english.contains(&first) || rest.iter().any(|byte| signs.contains(byte)) || words(rest) < PROSE
}

/// How many words stand by themselves outside of strings, up to those that are prose.
fn words(code: &[u8]) -> usize {
    let mut count = 0;
    let mut at = 0;
    while let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) {
        let length = first_word(rest).len();
        if length == 0 {
            at += step(rest);
            continue;
        }
        let word = rest.get(..length).unwrap_or_default();
        let before = at.checked_sub(1).and_then(|at| code.get(at));
        let apart = matches!(before, None | Some(b' ' | b'\t'))
            && matches!(
                rest.get(length),
                None | Some(b' ' | b'\t' | b'.' | b',' | b'!' | b'?')
            );
        let letters = word.iter().all(u8::is_ascii_alphabetic);
        if apart && letters && length > 1 && !OPERATORS.contains(&word) {
            count += 1;
            if count >= PROSE {
                break;
            }
        }
        at += length;
    }
    count
}
