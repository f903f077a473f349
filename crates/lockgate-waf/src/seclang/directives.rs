//! Directives that say something of the engine.

use super::codes::Code;
use super::errors::Fault;
use super::language::directives::{Shape, Word};
use super::text::Text;
use crate::rule::{EngineMode, Settings};

fn bad<T>(at: usize, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::new(at, Code::BadValue, message))
}

/// The only argument of the directive `name`.
pub(super) fn one<'a>(name: Text<'a>, arguments: &[Text<'a>]) -> Result<Text<'a>, Fault> {
    match arguments {
        [] => Err(Fault::new(
            name.at + name.bytes.len(),
            Code::MissingArgument,
            format!("{} needs an argument.", name.shown()),
        )),
        [argument] => Ok(*argument),
        [_, more, ..] => Err(Fault::new(
            more.at,
            Code::StrayText,
            format!(
                "{} takes one argument. Put what has spaces in quotation marks.",
                name.shown()
            ),
        )),
    }
}

fn switch(value: Text<'_>) -> Result<bool, Fault> {
    match value.bytes.to_ascii_lowercase().as_slice() {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => bad(
            value.at,
            format!("`{}` is neither On nor Off.", value.shown()),
        ),
    }
}

fn number<T: TryFrom<u64>>(value: Text<'_>) -> Result<T, Fault> {
    match value.number().and_then(|number| T::try_from(number).ok()) {
        Some(number) => Ok(number),
        None => bad(
            value.at,
            format!(
                "`{}` is no whole number that can stand here.",
                value.shown()
            ),
        ),
    }
}

fn partial(value: Text<'_>) -> Result<bool, Fault> {
    match value.bytes.to_ascii_lowercase().as_slice() {
        b"processpartial" => Ok(true),
        b"reject" => Ok(false),
        _ => bad(
            value.at,
            format!("`{}` is neither Reject nor ProcessPartial.", value.shown()),
        ),
    }
}

/// Reads a setting; `false` where the directive is none.
pub(super) fn setting(
    word: Word,
    name: Text<'_>,
    arguments: &[Text<'_>],
    settings: &mut Settings,
) -> Result<bool, Fault> {
    match word {
        Word::ResponseBodyMimeType => {
            if arguments.is_empty() {
                one(name, arguments)?;
            }
            let types = settings.response_types.get_or_insert_default();
            types.extend(arguments.iter().map(|argument| argument.kept()));
            return Ok(true);
        }
        Word::ResponseBodyMimeTypesClear => {
            if let Some(argument) = arguments.first() {
                return Err(Fault::new(
                    argument.at,
                    Code::StrayText,
                    format!("{} takes no argument.", name.shown()),
                ));
            }
            settings.response_types = None;
            return Ok(true);
        }
        _ => {}
    }
    let value = || one(name, arguments);
    match word {
        Word::RuleEngine => settings.engine = Some(engine(value()?)?),
        Word::RequestBodyAccess => settings.request_body = Some(switch(value()?)?),
        Word::ResponseBodyAccess => settings.response_body = Some(switch(value()?)?),
        Word::RequestBodyLimit => settings.request_body_limit = Some(number(value()?)?),
        Word::NoFilesLimit => settings.no_files_limit = Some(number(value()?)?),
        Word::ResponseBodyLimit => settings.response_body_limit = Some(number(value()?)?),
        Word::RequestBodyLimitAction => settings.request_body_partial = Some(partial(value()?)?),
        Word::ResponseBodyLimitAction => settings.response_body_partial = Some(partial(value()?)?),
        Word::ArgumentsLimit => settings.arguments_limit = Some(number(value()?)?),
        Word::JsonDepthLimit => settings.json_depth = Some(number(value()?)?),
        Word::CollectionTimeout => settings.collection_timeout_s = Some(number(value()?)?),
        Word::ArgumentSeparator => {
            let value = value()?;
            match value.bytes {
                [byte] => settings.argument_separator = Some(*byte),
                _ => {
                    return bad(
                        value.at,
                        "A separator is one character, as in SecArgumentSeparator \";\".",
                    )
                }
            }
        }
        Word::XmlExternalEntity => {
            let value = value()?;
            if switch(value)? {
                return bad(value.at, "Entities of XML are never fetched: they are how XML attacks begin. Only Off can be had.");
            }
            settings.xml_entities = Some(false);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn engine(value: Text<'_>) -> Result<EngineMode, Fault> {
    match value.bytes.to_ascii_lowercase().as_slice() {
        b"on" => Ok(EngineMode::On),
        b"off" => Ok(EngineMode::Off),
        b"detectiononly" => Ok(EngineMode::DetectionOnly),
        _ => bad(
            value.at,
            format!("`{}` is not On, DetectionOnly or Off.", value.shown()),
        ),
    }
}

/// Checks what a directive takes that is decided elsewhere.
pub(super) fn noted(shape: Shape, name: Text<'_>, arguments: &[Text<'_>]) -> Result<(), Fault> {
    if arguments.is_empty() || shape != Shape::Some {
        one(name, arguments)?;
    }
    let Some(value) = arguments.first().copied() else {
        return Ok(());
    };
    match shape {
        Shape::Some => Ok(()),
        Shape::Switch => switch(value).map(|_| ()),
        Shape::Number => number::<u64>(value).map(|_| ()),
        Shape::OneOf(words) if words.iter().any(|word| value.is(word)) => Ok(()),
        Shape::OneOf(words) => bad(
            value.at,
            format!("`{}` is none of {}.", value.shown(), words.join(", ")),
        ),
    }
}

/// Checks that a directive says what holds anyway.
pub(super) fn only(
    wanted: &str,
    why: &str,
    name: Text<'_>,
    arguments: &[Text<'_>],
) -> Result<(), Fault> {
    let value = one(name, arguments)?;
    if value.is(wanted) {
        return Ok(());
    }
    Err(Fault::new(
        value.at,
        Code::UnsupportedDirective,
        format!("{} can only be {wanted}: {why}.", name.shown()),
    ))
}
