//! Lists of actions (`"id:1,phase:2,deny,msg:'It''s bad',t:none"`).

mod ctl;
mod variables;

use super::codes::Code;
use super::errors::Fault;
use super::language::actions::{Action, Scope, Value, Word, ACTIONS};
use super::language::{transformations, Kind};
use super::lines::closing;
use super::templates::template;
use super::text::Text;
use super::Limits;
use crate::rule::{Allowed, Disruptive, Effect, Phase, Severity, Template};
use crate::transform::Transformation;

/// What a list of actions says becomes of the transaction.
#[derive(Debug, Clone)]
pub(super) enum Said {
    /// What the phase's default is.
    Block,
    /// This.
    Is(Disruptive),
}

/// What a list of actions says.
#[derive(Debug, Default)]
pub(super) struct Actions {
    pub id: Option<(u64, usize)>,
    pub phase: Option<Phase>,
    pub message: Option<Template>,
    pub log_data: Option<Template>,
    pub tags: Vec<Box<str>>,
    pub severity: Option<Severity>,
    pub version: Option<Box<str>>,
    pub revision: Option<Box<str>>,
    pub disruptive: Option<Said>,
    pub status: Option<u16>,
    pub log: Option<bool>,
    pub audit_log: Option<bool>,
    pub skip: Option<u32>,
    pub skip_after: Option<(Box<str>, usize)>,
    pub chain: bool,
    /// `None` takes back all before it.
    pub transformations: Vec<Option<Transformation>>,
    pub multi_match: bool,
    pub capture: bool,
    pub effects: Vec<Effect>,
    /// All that was said, and where.
    pub said: Vec<(&'static Action, usize)>,
}

/// Reads a list of actions; what is wrong with any goes to `faults`.
pub(super) fn actions(text: Text<'_>, limits: &Limits, faults: &mut Vec<Fault>) -> Actions {
    let mut actions = Actions::default();
    let mut rest = text.trim_start();
    while !rest.bytes.is_empty() {
        let (name, value, after) = match next(rest) {
            Ok(found) => found,
            Err(fault) => {
                faults.push(fault);
                let comma = rest.split_at_byte(b',');
                rest = comma.map_or(rest.after(rest.bytes.len()), |(_, after)| {
                    after.trim_start()
                });
                continue;
            }
        };
        rest = after;
        if let Err(fault) = known(name, value).and_then(|action| {
            actions.said.push((action, name.at));
            actions.add(action, name, value, limits, faults)
        }) {
            faults.push(fault);
        }
    }
    actions
}

type Part<'a> = (Text<'a>, Option<Text<'a>>, Text<'a>);

/// The first action: its name, its value without quotation marks, what follows.
fn next(rest: Text<'_>) -> Result<Part<'_>, Fault> {
    let end = rest.bytes.iter().position(|b| matches!(b, b':' | b','));
    let end = end.unwrap_or(rest.bytes.len());
    let name = rest.first(end).trim();
    if name.bytes.is_empty() {
        return Err(Fault::new(
            rest.at,
            Code::UnknownAction,
            "An action's name is missing here: actions are parted by single commas.",
        ));
    }
    let after = rest.after(end);
    if after.bytes.first() != Some(&b':') {
        return Ok((name, None, after.after(1).trim_start()));
    }
    let value = after.after(1).trim_start();
    if value.bytes.first() == Some(&b'\'') {
        let inner = value.after(1);
        let Some(end) = closing(inner.bytes, b'\'') else {
            return Err(Fault::new(
                value.at,
                Code::UnclosedQuote,
                "This quotation mark is not closed.",
            ));
        };
        let after = inner.after(end + 1).trim_start();
        if after.bytes.first().is_some_and(|b| *b != b',') {
            return Err(Fault::new(
                after.at,
                Code::StrayText,
                "A comma has to follow the value. A mark inside quotes is written with a backslash before it.",
            ));
        }
        return Ok((name, Some(inner.first(end)), after.after(1).trim_start()));
    }
    let end = memchr::memchr(b',', value.bytes).unwrap_or(value.bytes.len());
    Ok((
        name,
        Some(value.first(end).trim()),
        value.after(end + 1).trim_start(),
    ))
}

/// The action of this name; whether it has a value is checked.
fn known(name: Text<'_>, value: Option<Text<'_>>) -> Result<&'static Action, Fault> {
    let Some(action) = ACTIONS.iter().find(|action| name.is(action.name)) else {
        let help = match name.bytes.first() {
            Some(b'#') => " A comment cannot stand between the lines of a rule.",
            _ => "",
        };
        return Err(Fault::misspelt(
            name,
            Kind::Action,
            Code::UnknownAction,
            format!("There is no action `{}`.{help}", name.shown()),
        ));
    };
    if let Word::Refused(why) = action.word {
        return Err(Fault::new(
            name.at,
            Code::UnsupportedAction,
            format!("{} is not to be had: {why}.", action.name),
        ));
    }
    let is_empty = value.is_none_or(|value| value.bytes.is_empty());
    match (action.value, value) {
        (Value::Must, _) if is_empty => Err(Fault::new(
            name.at,
            Code::BadAction,
            format!("{} needs a value: {}:….", action.name, action.name),
        )),
        (Value::No, Some(value)) => Err(Fault::new(
            value.at,
            Code::BadAction,
            format!("{} takes no value.", action.name),
        )),
        _ => Ok(action),
    }
}

fn bad<T>(at: usize, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::new(at, Code::BadAction, message))
}

impl Actions {
    fn add(
        &mut self,
        action: &'static Action,
        name: Text<'_>,
        value: Option<Text<'_>>,
        limits: &Limits,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        let value = value.unwrap_or(name.after(name.bytes.len()));
        match action.word {
            Word::Id => match value.unquoted(b'"').0.number() {
                Some(id) if id > 0 => self.id = Some((id, value.at)),
                _ => {
                    return bad(
                        value.at,
                        format!(
                            "`{}` is no id: ids are whole numbers above 0.",
                            value.shown()
                        ),
                    )
                }
            },
            Word::Phase => self.phase = Some(phase(value)?),
            Word::Msg => self.message = Some(template(value)?),
            Word::LogData => self.log_data = Some(template(value)?),
            Word::Tag => self.tags.push(constant(value)?),
            Word::Severity => self.severity = Some(severity(value)?),
            Word::Ver => self.version = Some(constant(value)?),
            Word::Rev => self.revision = Some(constant(value)?),
            Word::Chain => self.chain = true,
            Word::Skip => match value.number().map(u32::try_from) {
                Some(Ok(count)) if count > 0 => self.skip = Some(count),
                _ => {
                    return bad(
                        value.at,
                        format!("`{}` is no number of rules.", value.shown()),
                    )
                }
            },
            Word::SkipAfter => self.skip_after = Some((constant(value)?, value.at)),
            Word::Status => match value.number() {
                Some(status @ 100..=599) => self.status = u16::try_from(status).ok(),
                _ => {
                    return bad(
                        value.at,
                        format!("`{}` is no status: write 100 to 599.", value.shown()),
                    )
                }
            },
            Word::Allow => self.disruptive = Some(Said::Is(Disruptive::Allow(allowed(value)?))),
            Word::Block => self.disruptive = Some(Said::Block),
            Word::Deny => self.disruptive = Some(Said::Is(Disruptive::Deny)),
            Word::Drop => self.disruptive = Some(Said::Is(Disruptive::Drop)),
            Word::Pass => self.disruptive = Some(Said::Is(Disruptive::Pass)),
            Word::Redirect => {
                self.disruptive = Some(Said::Is(Disruptive::Redirect(template(value)?)));
            }
            // As in ModSecurity: what is not logged is not worth an audit log,
            // unless the list says so after it.
            Word::Log => (self.log, self.audit_log) = (Some(true), Some(true)),
            Word::NoLog => (self.log, self.audit_log) = (Some(false), Some(false)),
            Word::AuditLog => self.audit_log = Some(true),
            Word::NoAuditLog => self.audit_log = Some(false),
            Word::Capture => self.capture = true,
            Word::MultiMatch => self.multi_match = true,
            Word::T => self.transformations.push(transformations::find(value)?),
            Word::SetVar => self.effects.push(variables::set(value)?),
            Word::ExpireVar => self.effects.push(variables::expire(value)?),
            Word::InitCol => self.effects.push(variables::init(value)?),
            Word::SetSid | Word::SetUid | Word::SetRsc => {
                self.effects.push(variables::kept(action.word, value)?);
            }
            Word::Ctl => ctl::ctl(value, limits, &mut self.effects, faults)?,
            Word::Noted(_) | Word::Refused(_) => {}
        }
        Ok(())
    }

    /// Where it says that the chain goes on.
    pub fn chain_at(&self) -> usize {
        let mut said = self.said.iter();
        let found = said.find(|(action, _)| action.word == Word::Chain);
        found.map_or(0, |(_, at)| *at)
    }

    /// What only the first rule of a chain may say, and where it is said.
    pub fn starter_only(&self) -> impl Iterator<Item = (&'static Action, usize)> + '_ {
        let said = self.said.iter().copied();
        said.filter(|(action, _)| action.scope == Scope::Starter)
    }
}

/// Text in which nothing depends on a request.
fn constant(value: Text<'_>) -> Result<Box<str>, Fault> {
    match template(value)?.constant() {
        Some(text) => Ok(String::from_utf8_lossy(text).into()),
        None => bad(value.at, "There can be no macro here."),
    }
}

fn phase(value: Text<'_>) -> Result<Phase, Fault> {
    match value.bytes.to_ascii_lowercase().as_slice() {
        b"1" => Ok(Phase::RequestHeaders),
        b"2" | b"request" => Ok(Phase::RequestBody),
        b"3" => Ok(Phase::ResponseHeaders),
        b"4" | b"response" => Ok(Phase::ResponseBody),
        b"5" | b"logging" => Ok(Phase::Logging),
        _ => bad(
            value.at,
            format!(
                "`{}` is no phase: write 1 to 5, request, response or logging.",
                value.shown()
            ),
        ),
    }
}

fn severity(value: Text<'_>) -> Result<Severity, Fault> {
    const ALL: [(&str, Severity); 8] = [
        ("EMERGENCY", Severity::Emergency),
        ("ALERT", Severity::Alert),
        ("CRITICAL", Severity::Critical),
        ("ERROR", Severity::Error),
        ("WARNING", Severity::Warning),
        ("NOTICE", Severity::Notice),
        ("INFO", Severity::Info),
        ("DEBUG", Severity::Debug),
    ];
    let by_number = || {
        let index = usize::try_from(value.number()?).ok()?;
        ALL.get(index)
    };
    let by_name = || ALL.iter().find(|(name, _)| value.is(name));
    match by_number().or_else(by_name) {
        Some((_, severity)) => Ok(*severity),
        None => bad(
            value.at,
            format!("`{}` is no severity: write 0 to 7, or EMERGENCY, ALERT, CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG.", value.shown()),
        ),
    }
}

fn allowed(value: Text<'_>) -> Result<Allowed, Fault> {
    match value.bytes.to_ascii_lowercase().as_slice() {
        b"" => Ok(Allowed::All),
        b"phase" => Ok(Allowed::Phase),
        b"request" => Ok(Allowed::Request),
        _ => bad(
            value.at,
            format!(
                "`{}` cannot be allowed: write allow, allow:phase or allow:request.",
                value.shown()
            ),
        ),
    }
}
