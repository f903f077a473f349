//! Which rules are meant.

use crate::rule::{Pattern, Piece, Template, Which};
use crate::seclang::codes::Code;
use crate::seclang::errors::Fault;
use crate::seclang::operators::macro_in;
use crate::seclang::patterns;
use crate::seclang::text::Text;
use crate::seclang::Limits;

/// Ids, and ranges of them (`1-5`), parted by spaces or commas.
pub fn ids(texts: &[Text<'_>]) -> Result<Which, Fault> {
    let mut ranges = Vec::new();
    for text in texts {
        for part in text.split(|b| b == b',' || b.is_ascii_whitespace()) {
            let number = |text: Text<'_>| text.trim().unquoted(b'\'').0.number();
            let range = match part.unquoted(b'\'').0.split_at_byte(b'-') {
                Some((from, to)) => number(from).zip(number(to)),
                None => number(part).map(|id| (id, id)),
            };
            match range {
                Some((from, to)) if from <= to => ranges.push((from, to)),
                _ => {
                    return Err(Fault::new(
                        part.at,
                        Code::BadValue,
                        format!(
                            "`{}` is no id and no range of ids, as in 942100-942199.",
                            part.shown()
                        ),
                    ))
                }
            }
        }
    }
    if ranges.is_empty() {
        let at = texts.first().map_or(0, |text| text.at);
        return Err(Fault::new(
            at,
            Code::BadValue,
            "The id of a rule is missing here.",
        ));
    }
    Ok(Which::Ids(ranges))
}

/// A pattern that tags or messages are searched for.
pub fn pattern(text: Text<'_>, limits: &Limits) -> Result<Pattern, Fault> {
    if text.bytes.is_empty() {
        return Err(Fault::new(
            text.at,
            Code::BadValue,
            "A pattern is missing here: nothing would mean every rule.",
        ));
    }
    if let Some(at) = macro_in(text) {
        return Err(Fault::new(
            at,
            Code::UnsupportedPattern,
            "Which rules are meant cannot depend on a request.",
        ));
    }
    patterns::pattern(text, false, limits)
}

/// A message as it is written, its macros named.
pub fn shown(message: &Template) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in &message.pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Macro(_, key) => {
                out.extend_from_slice(b"%{");
                out.extend_from_slice(key.as_deref().unwrap_or_default());
                out.push(b'}');
            }
        }
    }
    out
}
