//! Text in UTF-16 or UTF-32, as UTF-8: readers of JSON and of text take these too,
//! by a mark before it, by the zeros beside its first letter, or by what is said.

use crate::wide::Wide;

/// Of so many letters one may be none, where no mark says what they are.
const BROKEN: usize = 8;

/// How letters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    wide: Wide,
    /// Bytes of the mark that says so.
    mark: usize,
}

impl Form {
    const fn new(width: usize, little: bool, mark: usize) -> Self {
        Self {
            wide: Wide::new(width == 4, little),
            mark,
        }
    }
}

/// What `bytes` say to those who read them as UTF-16 or UTF-32; nothing, where nobody does.
pub fn texts(bytes: &[u8], content_type: &[u8]) -> Vec<Vec<u8>> {
    let forms = forms(bytes, content_type);
    let texts = forms.into_iter().filter_map(|form| read(bytes, form));
    texts.collect()
}

/// How the bytes may be read. Without a mark the first letter tells, which is one of
/// ASCII in all JSON: so Python, .NET and others find out (RFC 4627, section 3).
fn forms(bytes: &[u8], content_type: &[u8]) -> Vec<Form> {
    let first = match bytes {
        // A mark of UTF-32, or one of UTF-16 before a zero.
        [0xff, 0xfe, 0, 0, ..] => return vec![Form::new(4, true, 4), Form::new(2, true, 2)],
        [0, 0, 0xfe, 0xff, ..] => return vec![Form::new(4, false, 4)],
        [0xff, 0xfe, ..] => return vec![Form::new(2, true, 2)],
        [0xfe, 0xff, ..] => return vec![Form::new(2, false, 2)],
        [0, 0, 0, 1..=0xff, ..] => Some(Form::new(4, false, 0)),
        [1..=0xff, 0, 0, 0, ..] => Some(Form::new(4, true, 0)),
        [0, 1..=0xff, ..] => Some(Form::new(2, false, 0)),
        [1..=0xff, 0, ..] => Some(Form::new(2, true, 0)),
        _ => None,
    };
    let mut forms = said(content_type);
    forms.extend(first.filter(|first| !forms.contains(first)));
    forms
}

/// What the content type says; both orders of bytes, where it tells none.
fn said(content_type: &[u8]) -> Vec<Form> {
    let small = content_type.to_ascii_lowercase();
    let names: [(&[u8], usize); 4] = [(b"utf-16", 2), (b"utf16", 2), (b"ucs-2", 2), (b"utf-32", 4)];
    let known = names.iter().find_map(|(name, width)| {
        let at = memchr::memmem::find(&small, name)?;
        Some((small.get(at + name.len()..)?, *width))
    });
    match known {
        None => Vec::new(),
        Some(([b'l', b'e', ..], width)) => vec![Form::new(width, true, 0)],
        Some(([b'b', b'e', ..], width)) => vec![Form::new(width, false, 0)],
        Some((_, width)) => vec![Form::new(width, false, 0), Form::new(width, true, 0)],
    }
}

fn read(bytes: &[u8], form: Form) -> Option<Vec<u8>> {
    let coded = bytes.get(form.mark..)?;
    let text = String::from_utf8(form.wide.decoded(coded)).ok()?;
    let control = |letter: &char| letter.is_control() && !letter.is_whitespace();
    let broken = text
        .chars()
        .filter(|letter| *letter == char::REPLACEMENT_CHARACTER || control(letter));
    let is_text = form.mark > 0 || broken.count() * BROKEN <= coded.len() / form.wide.width();
    (is_text && !text.is_empty()).then(|| text.into_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::texts;

    /// The text in each form, with its mark and without.
    fn written(text: &str) -> Vec<(Vec<u8>, bool)> {
        let mut all = Vec::new();
        for mark in ["\u{feff}", ""] {
            let text = format!("{mark}{text}");
            let two: Vec<u16> = text.encode_utf16().collect();
            let four: Vec<u32> = text.chars().map(u32::from).collect();
            all.push(two.iter().flat_map(|unit| unit.to_le_bytes()).collect());
            all.push(two.iter().flat_map(|unit| unit.to_be_bytes()).collect());
            all.push(four.iter().flat_map(|unit| unit.to_le_bytes()).collect());
            all.push(four.iter().flat_map(|unit| unit.to_be_bytes()).collect());
        }
        let marked = |at: usize| at < 4;
        all.into_iter()
            .enumerate()
            .map(|(at, bytes)| (bytes, marked(at)))
            .collect()
    }

    #[test]
    fn text_is_read_in_each_form() {
        for text in [
            "{\"a\": \"1' OR '1'='1 \u{1f600} \u{4e00}\"}",
            "<b>\u{416}</b>",
            "a",
        ] {
            for (bytes, _) in written(text) {
                let read = texts(&bytes, b"text/plain");
                assert!(
                    read.contains(&text.as_bytes().to_vec()),
                    "{}",
                    bytes.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn letters_that_are_not_of_ascii_need_a_mark_or_a_word() {
        let text = "\u{4e00}\u{4e01} <script>alert(1)</script>";
        for (bytes, marked) in written(text) {
            let found =
                |kind: &str| texts(&bytes, kind.as_bytes()).contains(&text.as_bytes().to_vec());
            let said = [
                "text/plain; charset=UTF-16",
                "text/plain; charset=\"utf-16le\"",
                "a/b; charset=utf-32",
            ];
            let wide = said.iter().filter(|kind| found(kind)).count();
            assert!(
                found("text/plain") == marked && wide > 0,
                "{}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn what_is_no_such_text_is_not_read() {
        for bytes in [
            &b""[..],
            b"a",
            b"{\"a\": 1}",
            b"text",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\x01\0",
            b"\0\0\x01\0\x01\0",
        ] {
            assert_eq!(
                texts(bytes, b"application/octet-stream"),
                Vec::<Vec<u8>>::new(),
                "{}",
                bytes.escape_ascii()
            );
        }
    }
}
