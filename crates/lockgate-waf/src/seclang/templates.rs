//! Text with macros in it (`%{…}`).

use super::codes::Code;
use super::errors::Fault;
use super::language::variables::{self, Shape};
use super::text::{unescaped, Text};
use crate::rule::{Piece, Template};

/// Reads a text. Backslashes before quotation marks are taken away.
pub(super) fn template(text: Text<'_>) -> Result<Template, Fault> {
    read(text, |bytes| unescaped(bytes, b"\"'"))
}

/// Reads a variable's name; its text is put in lower case.
pub(super) fn name(text: Text<'_>) -> Result<Template, Fault> {
    read(text, |bytes| unescaped(bytes, b"\"'").to_ascii_lowercase())
}

fn read(text: Text<'_>, keep: impl Fn(&[u8]) -> Vec<u8>) -> Result<Template, Fault> {
    let mut pieces = Vec::new();
    let push_text = |pieces: &mut Vec<Piece>, bytes: &[u8]| {
        if !bytes.is_empty() {
            pieces.push(Piece::Text(keep(bytes).into()));
        }
    };
    let mut rest = text;
    while let Some(start) = memchr::memmem::find(rest.bytes, b"%{") {
        push_text(&mut pieces, rest.first(start).bytes);
        let opened = rest.after(start);
        let Some((inner, after)) = opened.after(2).split_at_byte(b'}') else {
            return Err(Fault::new(
                opened.at,
                Code::BadMacro,
                "This macro is not closed: a `}` is missing.",
            ));
        };
        pieces.push(reference(inner)?);
        rest = after;
    }
    push_text(&mut pieces, rest.bytes);
    Ok(Template { pieces })
}

/// `tx.name`, `REQUEST_HEADERS:Host`, `REMOTE_ADDR`.
fn reference(text: Text<'_>) -> Result<Piece, Fault> {
    let is_separator = |b: &u8| matches!(b, b'.' | b':');
    let end = text.bytes.iter().position(is_separator);
    let (name, key) = match end {
        Some(end) => (text.first(end), Some(text.after(end + 1))),
        None => (text, None),
    };
    let variable = variables::find(name, Code::UnknownMacro)?;
    let bad = |message: String| Err(Fault::new(text.at, Code::BadMacro, message));
    match (variable.shape, key) {
        (Shape::Single, Some(_)) => bad(format!("{} has no members.", variable.name)),
        (Shape::Many, None) => bad(format!(
            "{} has many members: name one, as in %{{{}.name}}.",
            variable.name, variable.name
        )),
        (_, Some(key)) if key.bytes.is_empty() => {
            bad("After the dot the name of a member is missing.".to_owned())
        }
        (_, key) => Ok(Piece::Macro(
            variable.collection,
            key.map(|key| key.bytes.to_ascii_lowercase().into()),
        )),
    }
}
