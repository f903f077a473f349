//! `ctl`: what a match changes of the engine.

use super::bad;
use crate::rule::{Ctl, Effect, EngineMode, Processor, Which};
use crate::seclang::codes::Code;
use crate::seclang::errors::Fault;
use crate::seclang::exclusions::which;
use crate::seclang::language::actions::{CtlWord, CTL};
use crate::seclang::language::Kind;
use crate::seclang::targets;
use crate::seclang::text::Text;
use crate::seclang::Limits;

/// Reads `name=value`. A list of targets makes an effect of each.
pub(super) fn ctl(
    text: Text<'_>,
    limits: &Limits,
    effects: &mut Vec<Effect>,
    faults: &mut Vec<Fault>,
) -> Result<(), Fault> {
    let Some((name, value)) = text.split_at_byte(b'=') else {
        return bad(text.at, "A value is missing: write ctl:name=value.");
    };
    let (name, value) = (name.trim(), value.trim());
    let Some((_, word, _)) = CTL.iter().find(|(known, _, _)| name.is(known)) else {
        return Err(Fault::misspelt(
            name,
            Kind::Ctl,
            Code::UnknownAction,
            format!("ctl cannot change `{}`.", name.shown()),
        ));
    };
    let by = By::of(*word);
    let change = match word {
        CtlWord::RuleEngine => Ctl::RuleEngine(engine(value)?),
        CtlWord::RuleRemoveById | CtlWord::RuleRemoveByTag | CtlWord::RuleRemoveByMsg => {
            Ctl::RuleRemove(by.read(value, limits)?)
        }
        CtlWord::RuleRemoveTargetById
        | CtlWord::RuleRemoveTargetByTag
        | CtlWord::RuleRemoveTargetByMsg => {
            let Some((rules, list)) = value.split_at_byte(b';') else {
                return bad(
                    value.at,
                    "A target is missing: write rules;TARGET, as in 942100;ARGS:comment.",
                );
            };
            let which = by.read(rules.trim(), limits)?;
            for mut target in targets::targets(list, limits, faults) {
                // That it is left out is said already by the name of the change.
                target.excluded = false;
                let which = which.clone();
                effects.push(Effect::Ctl(Ctl::RuleRemoveTarget(which, target)));
            }
            return Ok(());
        }
        CtlWord::RequestBodyAccess => Ctl::RequestBodyAccess(switch(value)?),
        CtlWord::ResponseBodyAccess => Ctl::ResponseBodyAccess(switch(value)?),
        CtlWord::ForceRequestBodyVariable => Ctl::ForceRequestBodyVariable(switch(value)?),
        CtlWord::RequestBodyProcessor => Ctl::RequestBodyProcessor(processor(value)?),
        CtlWord::ResponseBodyProcessor => Ctl::ResponseBodyProcessor(processor(value)?),
        CtlWord::RequestBodyLimit => Ctl::RequestBodyLimit(number(value)?),
        CtlWord::ResponseBodyLimit => Ctl::ResponseBodyLimit(number(value)?),
        CtlWord::AuditEngine => {
            if !["On", "Off", "RelevantOnly"]
                .iter()
                .any(|word| value.is(word))
            {
                return bad(value.at, "Write On, Off or RelevantOnly.");
            }
            Ctl::Logging
        }
        CtlWord::AuditLogParts => {
            let parts = match value.bytes {
                [b'+' | b'-', parts @ ..] => parts,
                parts => parts,
            };
            if parts.is_empty() || !parts.iter().all(u8::is_ascii_alphabetic) {
                return bad(value.at, "Write the letters of parts, as in +E.");
            }
            Ctl::Logging
        }
        CtlWord::DebugLogLevel => {
            number(value)?;
            Ctl::Logging
        }
        CtlWord::OnlyOff(why) => {
            if !value.is("Off") {
                return Err(Fault::new(
                    name.at,
                    Code::UnsupportedAction,
                    format!("{} can only be Off: {why}.", name.shown()),
                ));
            }
            return Ok(());
        }
    };
    effects.push(Effect::Ctl(change));
    Ok(())
}

/// By what rules are chosen.
enum By {
    Id,
    Tag,
    Message,
}

impl By {
    fn of(word: CtlWord) -> Self {
        match word {
            CtlWord::RuleRemoveByTag | CtlWord::RuleRemoveTargetByTag => Self::Tag,
            CtlWord::RuleRemoveByMsg | CtlWord::RuleRemoveTargetByMsg => Self::Message,
            _ => Self::Id,
        }
    }

    fn read(&self, text: Text<'_>, limits: &Limits) -> Result<Which, Fault> {
        match self {
            Self::Id => which::ids(&[text]),
            Self::Tag => which::pattern(text, limits).map(Which::Tag),
            Self::Message => which::pattern(text, limits).map(Which::Message),
        }
    }
}

fn engine(value: Text<'_>) -> Result<EngineMode, Fault> {
    match value.bytes.to_ascii_lowercase().as_slice() {
        b"on" => Ok(EngineMode::On),
        b"off" => Ok(EngineMode::Off),
        b"detectiononly" => Ok(EngineMode::DetectionOnly),
        _ => bad(value.at, "Write On, DetectionOnly or Off."),
    }
}

fn switch(value: Text<'_>) -> Result<bool, Fault> {
    match value.bytes.to_ascii_lowercase().as_slice() {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => bad(value.at, "Write On or Off."),
    }
}

fn number(value: Text<'_>) -> Result<u64, Fault> {
    match value.number() {
        Some(number) => Ok(number),
        None => bad(value.at, format!("`{}` is no whole number.", value.shown())),
    }
}

fn processor(value: Text<'_>) -> Result<Processor, Fault> {
    match value.bytes.to_ascii_uppercase().as_slice() {
        b"URLENCODED" => Ok(Processor::UrlEncoded),
        b"MULTIPART" => Ok(Processor::Multipart),
        b"JSON" => Ok(Processor::Json),
        b"XML" => Ok(Processor::Xml),
        b"RAW" => Ok(Processor::Raw),
        _ => bad(
            value.at,
            format!(
                "`{}` reads no bodies: write URLENCODED, MULTIPART, JSON, XML or RAW.",
                value.shown()
            ),
        ),
    }
}
