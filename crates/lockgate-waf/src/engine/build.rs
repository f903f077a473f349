//! Makes of rules as they were read what runs.

use std::time::Duration;

use regex_automata::meta;

use lockgate_wire::content::json;

use crate::detect::Detector;
use crate::operators::Compiled;
use crate::rule::{self, Collection, Ctl, Disruptive, Item, Rules, Template, Which};

use super::chains::Chains;
use super::except::{At, On};
use super::kept::TIMEOUT_S;
use super::name_pattern::NamePattern;
use super::names::{Held, Names};
use super::native::{self, Native};
use super::overrule::Overrule;
use super::presence::Presence;
use super::program::{
    Change, Effect, Exception, Link, Program, Rule, RuleIndex, Selector, Start, Target, Values,
};
use super::scores::Scores;
use super::template::{Part, Text};
use super::{fold, sieve, Unfit};
use crate::filter::Bits;

/// What the configuration says beside the rules.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Variables of `TX` that every transaction begins with, such as
    /// `blocking_paranoia_level`.
    pub variables: Vec<Preset>,
    /// Rules that leave out some values, or all.
    pub exclusions: Vec<Exclusion>,
    /// Detectors of our own that run.
    pub native: Option<Detectors>,
    /// Asks every rule about every value: slow, and with the same outcome.
    pub plain: bool,
}

/// The name of a variable, in lower case, and what it begins with.
pub type Preset = (Box<[u8]>, Box<[u8]>);

/// Rules that leave out some values, or all.
#[derive(Debug, Clone)]
pub struct Exclusion {
    /// Which rules.
    pub rules: Which,
    /// Which values; all, where there is none.
    pub at: Option<At>,
    /// Of which requests; of all, where there is none.
    pub on: Option<On>,
    /// Until when, in milliseconds since the epoch.
    pub until_ms: u64,
}

/// Detectors of our own.
#[derive(Debug, Clone)]
pub struct Detectors {
    /// Which.
    pub detectors: Vec<&'static Detector>,
    /// What they leave out.
    pub exclusions: Vec<native::Exclusion>,
    /// From this score on they refuse by themselves, where no rules count it.
    pub threshold: Option<u32>,
    /// The variable of rules that their score is added to.
    pub adds_to: Option<Box<[u8]>>,
    /// Whether rules count nothing for what detectors that judge it have read, and found clean.
    pub overrules: bool,
}

struct Builder<'r> {
    rules: &'r Rules,
    names: Names,
    chains: Chains,
    exceptions: Vec<Exception>,
    used: Bits,
}

/// Builds what runs.
///
/// # Errors
/// If a regular expression cannot be compiled within its bounds.
pub fn build(rules: &Rules, options: &Options) -> Result<Program, Unfit> {
    let mut builder = Builder {
        rules,
        names: Names::new(),
        chains: Chains::default(),
        exceptions: Vec::new(),
        used: Bits::default(),
    };
    let mut built = Vec::new();
    let mut phases: [Bits; 5] = Default::default();
    let all: Vec<&rule::Rule> = rules.items.iter().filter_map(of_rule).collect();
    for (index, rule) in (0..).zip(&all) {
        built.push(builder.rule(rule)?);
        phases[rule.phase as usize - 1].add(index);
    }
    for (index, rule) in (0..).zip(&all) {
        built[index].jump = jump(rules, rule, index, &phases[rule.phase as usize - 1]);
    }
    let mut start = Start::default();
    for exclusion in &options.exclusions {
        let number = builder.except(&exclusion.rules, None)?;
        if let Some(exception) = builder.exceptions.last_mut() {
            exception.until_ms = exclusion.until_ms;
            exception.on.clone_from(&exclusion.on);
            if let Some(at) = &exclusion.at {
                exception.values = Values::At(at.clone());
            }
        }
        start.exceptions.push(number);
    }
    let native = options.native.as_ref().map(|chosen| {
        let detectors = chosen.detectors.as_slice();
        let exclusions = chosen.exclusions.clone();
        let mut native = Native::new(detectors, exclusions, chosen.threshold);
        let adds_to = chosen.adds_to.as_ref();
        native.adds_to = adds_to.map(|name| builder.names.number(name));
        native.overrule = chosen.overrules.then(|| Overrule::new(detectors, &built));
        native
    });
    let mut variables = Vec::new();
    for (name, value) in &options.variables {
        variables.push((builder.names.number(name), value));
    }
    start.variables = vec![Held::Absent; builder.names.len()];
    for (name, value) in variables {
        let at = u32::try_from(start.bytes.len()).unwrap_or(u32::MAX);
        start.bytes.extend_from_slice(value);
        let len = u32::try_from(value.len()).unwrap_or(0);
        start.variables[usize::from(name)] = Held::Text(crate::bytes::Span { at, len });
    }
    let timeout = rules.settings.collection_timeout_s.unwrap_or(TIMEOUT_S);
    let kept = Duration::from_secs(timeout.into());
    let scores = Scores::new(&builder.names);
    let mut program = Program {
        scores,
        always: phases.clone(),
        phases,
        names: builder.names,
        rules: built,
        chains: builder.chains,
        exceptions: builder.exceptions,
        sieve: None,
        needs: Vec::new(),
        shown: Box::default(),
        native,
        start,
        used: builder.used,
        reads_answers: false,
        reads: (
            rules.settings.request_body.unwrap_or(true),
            rules.settings.response_body.unwrap_or(true),
        ),
        arguments: rules
            .settings
            .arguments_limit
            .map_or(usize::MAX, |limit| limit as usize),
        json: json_limits(rules),
        separator: rules.settings.argument_separator.unwrap_or(b'&'),
        kept_ms: u64::try_from(kept.as_millis()).unwrap_or(u64::MAX),
    };
    let answers = [
        Collection::ResponseBody,
        Collection::OutboundDataError,
        Collection::ResponseContentLength,
    ];
    program.reads_answers = answers
        .iter()
        .any(|body| program.used.contains(*body as usize));
    if !options.plain {
        fold::fold(&mut program);
        forget_decided(&mut program);
        sieve::add(&mut program, &all)?;
    }
    name_variables(&mut program);
    program.shown = sieve::shown(&program);
    program.needs = program.rules.iter().map(Presence::needed).collect();
    Ok(program)
}

fn json_limits(rules: &Rules) -> json::Limits {
    let most = json::Limits::default();
    let depth = rules.settings.json_depth;
    json::Limits {
        depth: depth.map_or(most.depth, |depth| depth as usize),
        ..most
    }
}

/// Gives back what rules that never run take: at a low level of paranoia these are most.
fn forget_decided(program: &mut Program) {
    for (index, rule) in program.rules.iter_mut().enumerate() {
        let phase = program.phases.get(usize::from(rule.phase) - 1);
        if phase.is_some_and(|phase| !phase.contains(index)) {
            rule.links = Vec::new();
        }
    }
}

/// Looks up which variables of `TX` patterns mean.
fn name_variables(program: &mut Program) {
    let links = program.rules.iter_mut().flat_map(|rule| &mut rule.links);
    for target in links.flat_map(|link| &mut link.targets) {
        if target.collection != Collection::Tx {
            continue;
        }
        let means = |name: &[u8]| match &target.selector {
            Selector::Matching(pattern) => pattern.is_match(name),
            _ => true,
        };
        let meant = program.names.iter().filter(|(_, text)| means(text));
        target.variables = meant.map(|(name, _)| name).collect();
    }
}

fn of_rule(item: &Item) -> Option<&rule::Rule> {
    match item {
        Item::Rule(rule) => Some(rule),
        Item::Marker(_) => None,
    }
}

/// Where a match goes on.
fn jump(rules: &Rules, rule: &rule::Rule, index: RuleIndex, phase: &Bits) -> Option<RuleIndex> {
    if let Some(marker) = &rule.skip_after {
        let mut number = 0;
        for item in &rules.items {
            match item {
                Item::Rule(passed) => {
                    number += 1;
                    // A rule's id is a marker behind it.
                    if number > index + 1 && passed.id.to_string() == **marker {
                        return Some(number);
                    }
                }
                Item::Marker(name) if number > index && name == marker => return Some(number),
                Item::Marker(_) => {}
            }
        }
        // The reader has seen to it that the marker is there.
        return Some(number);
    }
    if rule.skip == 0 {
        return None;
    }
    let mut to = index + 1;
    for _ in 0..rule.skip {
        to = phase.next(to)? + 1;
    }
    Some(to)
}

impl Builder<'_> {
    fn rule(&mut self, rule: &rule::Rule) -> Result<Rule, Unfit> {
        let links = rule.links.iter().map(|link| self.link(rule, link));
        let links = links.collect::<Result<Vec<Link>, Unfit>>()?;
        Ok(Rule {
            id: rule.id,
            place: rule.place,
            phase: rule.phase as u8,
            message: self.text(rule.message.as_ref()),
            log_data: self.text(rule.log_data.as_ref()),
            tags: rule.tags.clone().into(),
            severity: rule.severity,
            log: rule.log,
            redirect: match &rule.disruptive {
                Disruptive::Redirect(to) => self.text(Some(to)),
                _ => None,
            },
            disruptive: rule.disruptive.clone(),
            status: rule.status,
            jump: None,
            sieved: false,
            links,
        })
    }

    fn text(&mut self, template: Option<&Template>) -> Option<Text> {
        template.map(|template| self.written(template))
    }

    fn written(&mut self, template: &Template) -> Text {
        let text = Text::new(template, &mut self.names);
        for part in &text.parts {
            if let Part::Member(collection, _) = part {
                self.used.add(*collection as usize);
            }
        }
        text
    }

    fn link(&mut self, rule: &rule::Rule, link: &rule::Link) -> Result<Link, Unfit> {
        let unfit = |cause: String| Unfit {
            place: link.place,
            rule: rule.id,
            cause,
        };
        let (mut targets, mut excluded) = (Vec::new(), Vec::new());
        for target in &link.targets {
            let built = self.target(target).map_err(unfit)?;
            if target.excluded {
                excluded.push(built);
            } else {
                targets.push(built);
            }
        }
        let compiled =
            Compiled::compile(&link.test.operator).map_err(|error| unfit(error.to_string()))?;
        let effects = link.effects.iter().map(|effect| self.effect(effect));
        let effects = effects.collect::<Result<Vec<Option<Effect>>, Unfit>>()?;
        Ok(Link {
            targets,
            excluded,
            compiled,
            argument: link
                .test
                .operator
                .argument()
                .filter(|template| template.constant().is_none())
                .map(|template| self.written(template)),
            negated: link.test.negated,
            chain: self.chains.number(&link.transformations),
            multi_match: link.multi_match,
            capture: link.capture,
            effects: effects.into_iter().flatten().collect(),
        })
    }

    fn target(&mut self, target: &rule::Target) -> Result<Target, String> {
        let selector = match &target.selector {
            rule::Selector::All => Selector::All,
            rule::Selector::Named(name) if target.collection == Collection::Tx => {
                Selector::Variable(self.names.number(name))
            }
            rule::Selector::Named(name) => Selector::Named(name.clone()),
            rule::Selector::Matching(pattern) => {
                let means = NamePattern::new(&pattern.hir, || regex(pattern));
                Selector::Matching(Box::new(means.map_err(|error| error.to_string())?))
            }
            rule::Selector::Text => Selector::Text,
            rule::Selector::Attributes => Selector::Attributes,
        };
        self.used.add(target.collection as usize);
        Ok(Target {
            collection: target.collection,
            selector,
            counted: target.counted,
            variables: Box::default(),
        })
    }

    fn effect(&mut self, effect: &rule::Effect) -> Result<Option<Effect>, Unfit> {
        Ok(Some(match effect {
            rule::Effect::SetVar {
                collection,
                name,
                change,
            } => {
                let change = match change {
                    rule::Change::Set(text) => Change::Set(self.written(text)),
                    rule::Change::Add(text) => Change::Add(self.written(text)),
                    rule::Change::Subtract(text) => Change::Subtract(self.written(text)),
                    rule::Change::Remove => Change::Remove,
                };
                match name.constant().filter(|_| *collection == Collection::Tx) {
                    Some(name) => Effect::SetVariable(self.names.number(name), change),
                    None => Effect::SetNamed(*collection, self.written(name), change),
                }
            }
            rule::Effect::ExpireVar(collection, name, seconds) => {
                Effect::Expire(*collection, self.written(name), self.written(seconds))
            }
            rule::Effect::InitCollection(collection, key) => {
                Effect::InitCollection(*collection, self.written(key))
            }
            rule::Effect::Ctl(ctl) => match ctl {
                Ctl::RuleEngine(mode) => Effect::Mode(*mode),
                Ctl::RuleRemove(which) => Effect::Except(self.except(which, None)?),
                Ctl::RuleRemoveTarget(which, target) => {
                    Effect::Except(self.except(which, Some(target))?)
                }
                Ctl::RequestBodyAccess(read) => Effect::RequestBody(*read),
                Ctl::ResponseBodyAccess(read) => Effect::ResponseBody(*read),
                Ctl::RequestBodyProcessor(processor) => Effect::Processor(*processor),
                Ctl::ForceRequestBodyVariable(force) => Effect::ForceBody(*force),
                // How much is read is the caller's to bound; answers are read as they are.
                Ctl::RequestBodyLimit(_)
                | Ctl::ResponseBodyLimit(_)
                | Ctl::ResponseBodyProcessor(_)
                | Ctl::Logging => return Ok(None),
            },
        }))
    }

    /// The number of an exception: the rules that it means are looked up here.
    fn except(&mut self, which: &Which, target: Option<&rule::Target>) -> Result<u32, Unfit> {
        let rules = self.rules.items.iter().filter_map(of_rule);
        let unfit = |cause: String| Unfit {
            place: rule::Place::default(),
            rule: 0,
            cause,
        };
        let means: Box<dyn Fn(&rule::Rule) -> bool> = match which {
            Which::Ids(ids) => {
                let ids = ids.clone();
                Box::new(move |rule| {
                    ids.iter()
                        .any(|(from, to)| (*from..=*to).contains(&rule.id))
                })
            }
            Which::Tag(pattern) => {
                let regex = regex(pattern).map_err(|error| unfit(error.to_string()))?;
                Box::new(move |rule| rule.tags.iter().any(|tag| regex.is_match(tag.as_bytes())))
            }
            Which::Message(pattern) => {
                let regex = regex(pattern).map_err(|error| unfit(error.to_string()))?;
                Box::new(move |rule| {
                    let message = rule.message.as_ref().and_then(Template::constant);
                    message.is_some_and(|message| regex.is_match(message))
                })
            }
        };
        let rules = (0..).zip(rules).filter(|(_, rule)| means(rule));
        let rules = rules.map(|(index, _)| index).collect();
        let target = target.map(|target| self.target(target)).transpose();
        self.exceptions.push(Exception {
            rules,
            values: target.map_err(unfit)?.map_or(Values::All, Values::Of),
            on: None,
            until_ms: u64::MAX,
        });
        Ok(u32::try_from(self.exceptions.len() - 1).unwrap_or(u32::MAX))
    }
}

fn regex(pattern: &rule::Pattern) -> Result<meta::Regex, Box<meta::BuildError>> {
    let syntax = meta::Config::new().utf8_empty(false);
    let built = meta::Builder::new()
        .configure(syntax)
        .build_from_hir(&pattern.hir);
    built.map_err(Box::new)
}
