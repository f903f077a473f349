//! Values that are short enough to be an attack only as a whole: `'-'`, `CAST('`.

use super::tokens::{Token, Tokens};
use super::words::Word;

/// A longer value is read by its grammar alone.
const LONGEST: usize = 32;

/// What the whole of a short value is, if it is no more than one of these forms.
pub(super) fn read(value: &[u8]) -> Option<&'static str> {
    if value.len() > LONGEST {
        return None;
    }
    match value {
        [first @ (b'\'' | b'"'), within @ .., last] if first == last => {
            joins(within).then_some("joins two empty strings by an operator")
        }
        [.., b'\'' | b'"'] => {
            begins_call(value).then_some("calls a function and begins its string")
        }
        _ => None,
    }
}

/// One operator whose result of two empty strings is no NULL.
fn joins(within: &[u8]) -> bool {
    let mut tokens = Tokens::from(within, 0);
    let operator = matches!(
        tokens.next(),
        Token::Sign
            | Token::Star
            | Token::Arithmetic
            | Token::Equals
            | Token::Unequal
            | Token::Bars
            | Token::Ampersands
    );
    // An arrow is what people write too.
    let text = tokens.text();
    let known = text.iter().all(|byte| b"-+*^&|=<>!".contains(byte)) && !text.starts_with(b"->");
    operator && known && tokens.next() == Token::End
}

/// A function of SQL, a parenthesis, a quote that nothing ends, and no more.
fn begins_call(value: &[u8]) -> bool {
    let mut tokens = Tokens::from(value, 0);
    matches!(tokens.next(), Token::Word(Word::Function | Word::Telling))
        && tokens.next() == Token::Open
        && matches!(tokens.next(), Token::Unended(_))
        && tokens.text().len() == 1
}
