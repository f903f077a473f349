//! Actions that change variables.

use super::bad;
use crate::rule::{Change, Collection, Effect, Piece, Template};
use crate::seclang::codes::Code;
use crate::seclang::errors::Fault;
use crate::seclang::language::actions::Word;
use crate::seclang::language::variables::{find, is_writable};
use crate::seclang::templates::{name, template};
use crate::seclang::text::Text;

/// `tx.name=value`, `tx.name=+1`, `tx.name=-1`, `tx.name`, `!tx.name`.
pub(super) fn set(value: Text<'_>) -> Result<Effect, Fault> {
    let value = value.trim_start();
    if value.bytes.first() == Some(&b'!') {
        let (collection, name) = variable(value.after(1).trim())?;
        return Ok(Effect::SetVar {
            collection,
            name,
            change: Change::Remove,
        });
    }
    let (said, to) = match value.split_at_byte(b'=') {
        Some((said, to)) => (said, Some(to)),
        None => (value, None),
    };
    let (collection, name) = variable(said.trim())?;
    let change = match to.map(|to| (to, to.bytes.first())) {
        // As in ModSecurity: what is set without a value is 1.
        None => Change::Set(Template {
            pieces: vec![Piece::Text(b"1".as_slice().into())],
        }),
        Some((to, Some(b'+'))) => Change::Add(template(to.after(1))?),
        Some((to, Some(b'-'))) => Change::Subtract(template(to.after(1))?),
        Some((to, _)) => Change::Set(template(to)?),
    };
    Ok(Effect::SetVar {
        collection,
        name,
        change,
    })
}

/// `ip.name=60`.
pub(super) fn expire(value: Text<'_>) -> Result<Effect, Fault> {
    let Some((said, seconds)) = value.split_at_byte(b'=') else {
        return bad(
            value.at,
            "After how many seconds is missing: write expirevar:ip.name=60.",
        );
    };
    let (collection, name) = variable(said.trim())?;
    let template = template(seconds)?;
    if template.constant().is_some() && seconds.trim().number().is_none() {
        return bad(
            seconds.at,
            format!("`{}` is no number of seconds.", seconds.shown()),
        );
    }
    Ok(Effect::ExpireVar(collection, name, template))
}

/// `ip=%{REMOTE_ADDR}`.
pub(super) fn init(value: Text<'_>) -> Result<Effect, Fault> {
    let Some((said, key)) = value.split_at_byte(b'=') else {
        return bad(
            value.at,
            "Which entry is missing: write initcol:ip=%{REMOTE_ADDR}.",
        );
    };
    let collection = writable(said.trim())?;
    if collection == Collection::Tx {
        return bad(
            said.at,
            "TX is there without it. IP, GLOBAL, RESOURCE, SESSION and USER have entries.",
        );
    }
    Ok(Effect::InitCollection(collection, template(key)?))
}

/// `setsid`, `setuid`, `setrsc`.
pub(super) fn kept(word: Word, value: Text<'_>) -> Result<Effect, Fault> {
    let collection = match word {
        Word::SetSid => Collection::Session,
        Word::SetUid => Collection::User,
        _ => Collection::Resource,
    };
    Ok(Effect::InitCollection(collection, template(value)?))
}

fn writable(said: Text<'_>) -> Result<Collection, Fault> {
    let found = find(said, Code::UnknownVariable)?;
    if !is_writable(found.collection) {
        return bad(
            said.at,
            format!(
                "{} cannot be set: rules can set variables of TX, IP, GLOBAL, RESOURCE, SESSION and USER.",
                found.name
            ),
        );
    }
    Ok(found.collection)
}

/// `tx.name`; the name may have macros in it.
fn variable(said: Text<'_>) -> Result<(Collection, Template), Fault> {
    let separator = said.bytes.iter().position(|b| matches!(b, b'.' | b':'));
    let Some(end) = separator else {
        return bad(
            said.at,
            format!("`{}` names no variable: write tx.name.", said.shown()),
        );
    };
    let collection = writable(said.first(end))?;
    let name = name(said.after(end + 1))?;
    if name.pieces.is_empty() {
        return bad(said.at, "After the dot the variable's name is missing.");
    }
    Ok((collection, name))
}
