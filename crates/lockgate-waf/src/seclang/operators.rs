//! Operators and their arguments (`"!@within %{tx.allowed_methods}"`).

mod lists;

use super::codes::Code;
use super::errors::Fault;
use super::language::operators::{find, Word};
use super::language::variables;
use super::patterns;
use super::reader::Context;
use super::templates::template;
use super::text::Text;
use crate::rule::{Operator, Pattern, Template, Test};

/// Reads an operator with its argument. Without a name it is a regular expression.
pub(super) fn test(text: Text<'_>, context: &Context<'_>) -> Result<Test, Fault> {
    let text = text.trim_start();
    let (negated, text) = match text.bytes.first() {
        Some(b'!') => (true, text.after(1).trim_start()),
        _ => (false, text),
    };
    let (word, name, argument) = match text.bytes.first() {
        Some(b'@') => {
            let named = text.after(1);
            let end = named.bytes.iter().position(u8::is_ascii_whitespace);
            let end = end.unwrap_or(named.bytes.len());
            let name = named.first(end);
            (find(name)?, name, named.after(end).trim_start())
        }
        _ => (Word::Rx, text.first(0), text),
    };
    let operator = operator(word, name, argument, context)?;
    Ok(Test { negated, operator })
}

fn operator(
    word: Word,
    name: Text<'_>,
    argument: Text<'_>,
    context: &Context<'_>,
) -> Result<Operator, Fault> {
    let takes_none = matches!(
        word,
        Word::UnconditionalMatch
            | Word::NoMatch
            | Word::DetectSqli
            | Word::DetectXss
            | Word::ValidateUrlEncoding
            | Word::ValidateUtf8Encoding
    );
    if takes_none && !argument.bytes.trim_ascii().is_empty() {
        return Err(Fault::new(
            argument.at,
            Code::BadArgument,
            format!("@{} takes no argument.", name.shown()),
        ));
    }
    let needs = !takes_none && !matches!(word, Word::Rx | Word::Streq);
    if needs && argument.bytes.trim_ascii().is_empty() {
        return Err(Fault::new(
            name.at,
            Code::MissingArgument,
            format!("@{} needs an argument.", name.shown()),
        ));
    }
    Ok(match word {
        Word::UnconditionalMatch => Operator::UnconditionalMatch,
        Word::NoMatch => Operator::NoMatch,
        Word::DetectSqli => Operator::DetectSqli,
        Word::DetectXss => Operator::DetectXss,
        Word::ValidateUrlEncoding => Operator::ValidateUrlEncoding,
        Word::ValidateUtf8Encoding => Operator::ValidateUtf8Encoding,
        Word::Rx => Operator::Rx(pattern(argument, context)?),
        Word::VerifyCc => Operator::VerifyCc(pattern(argument, context)?),
        Word::VerifyCpf => Operator::VerifyCpf(pattern(argument, context)?),
        Word::VerifySsn => Operator::VerifySsn(pattern(argument, context)?),
        Word::VerifySvnr => Operator::VerifySvnr(pattern(argument, context)?),
        Word::Pm => Operator::Pm(lists::words(argument, context)?),
        Word::PmFromFile => Operator::Pm(lists::words_of_files(argument, context)?),
        Word::IpMatch => Operator::IpMatch(lists::networks(argument, context)?),
        Word::IpMatchFromFile => Operator::IpMatch(lists::networks_of_files(argument, context)?),
        Word::ValidateByteRange => Operator::ValidateByteRange(lists::bytes(argument)?),
        Word::Contains => Operator::Contains(template(argument)?),
        Word::ContainsWord => Operator::ContainsWord(template(argument)?),
        Word::BeginsWith => Operator::BeginsWith(template(argument)?),
        Word::EndsWith => Operator::EndsWith(template(argument)?),
        Word::Streq => Operator::Streq(template(argument)?),
        Word::StrMatch => Operator::StrMatch(template(argument)?),
        Word::Within => Operator::Within(template(argument)?),
        Word::Eq => Operator::Eq(number(argument)?),
        Word::Ge => Operator::Ge(number(argument)?),
        Word::Gt => Operator::Gt(number(argument)?),
        Word::Le => Operator::Le(number(argument)?),
        Word::Lt => Operator::Lt(number(argument)?),
    })
}

/// A regular expression; what it is does not depend on a request.
fn pattern(text: Text<'_>, context: &Context<'_>) -> Result<Pattern, Fault> {
    if let Some(at) = macro_in(text) {
        return Err(Fault::new(
            at,
            Code::UnsupportedPattern,
            "A macro in a regular expression would let a request decide what is searched for. Compare with @streq, @contains or @within.",
        ));
    }
    patterns::pattern(text, false, context.limits)
}

/// Where a pattern has a macro; `%{` may stand for itself as well.
pub(super) fn macro_in(text: Text<'_>) -> Option<usize> {
    /// More than a variable's name with a member's has.
    const LONGEST: usize = 200;
    memchr::memmem::find_iter(text.bytes, b"%{").find_map(|start| {
        let inner = text.after(start + 2).first(LONGEST);
        let (inner, _) = inner.split_at_byte(b'}')?;
        let end = inner.bytes.iter().position(|b| matches!(b, b'.' | b':'));
        let name = inner.first(end.unwrap_or(inner.bytes.len()));
        variables::find(name, Code::UnknownMacro)
            .is_ok()
            .then_some(text.at + start)
    })
}

/// A number, or text whose number depends on a request.
fn number(text: Text<'_>) -> Result<Template, Fault> {
    let text = text.trim();
    let template = template(text)?;
    if let Some(constant) = template.constant() {
        let is_number = std::str::from_utf8(constant).is_ok_and(|t| t.parse::<i64>().is_ok());
        if !is_number {
            return Err(Fault::new(
                text.at,
                Code::BadArgument,
                format!(
                    "`{}` is no whole number. To compare text, use @streq.",
                    text.shown()
                ),
            ));
        }
    }
    Ok(template)
}
