//! `SecDefaultAction`: what rules of a phase do that say nothing else.

use super::actions::{Actions, Said};
use super::codes::Code;
use super::errors::Fault;
use super::language::actions::Word;
use crate::rule::{Disruptive, Effect, Phase};
use crate::transform::Transformation;

/// The defaults of one phase.
#[derive(Debug, Clone)]
pub(super) struct PhaseDefaults {
    pub disruptive: Disruptive,
    pub status: Option<u16>,
    pub log: bool,
    pub audit_log: bool,
    pub tags: Vec<Box<str>>,
    pub transformations: Vec<Transformation>,
    pub effects: Vec<Effect>,
}

/// Where no directive says anything: as ModSecurity has it.
static BUILT_IN: PhaseDefaults = PhaseDefaults {
    disruptive: Disruptive::Pass,
    status: None,
    log: true,
    audit_log: true,
    tags: Vec::new(),
    transformations: Vec::new(),
    effects: Vec::new(),
};

/// The defaults of all phases.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    said: [Option<PhaseDefaults>; 6],
}

impl Defaults {
    /// Those of a phase.
    pub fn of(&self, phase: Phase) -> &PhaseDefaults {
        let said = self.said.get(phase as usize).and_then(Option::as_ref);
        said.unwrap_or(&BUILT_IN)
    }

    /// What a list of actions makes the defaults of its phase, for the rules below it.
    pub fn set(&mut self, at: usize, actions: Actions, faults: &mut Vec<Fault>) {
        let before = faults.len();
        let mut bad = |at: usize, message: String| {
            faults.push(Fault::new(at, Code::BadDefaults, message));
        };
        for (action, at) in &actions.said {
            let name = action.name;
            match action.word {
                Word::Id | Word::Msg | Word::LogData | Word::Severity | Word::Ver | Word::Rev => {
                    bad(
                        *at,
                        format!("{name} belongs to one rule, and cannot be a default."),
                    );
                }
                Word::Chain | Word::Skip | Word::SkipAfter => {
                    bad(
                        *at,
                        format!(
                            "{name} would change the order of all rules, and cannot be a default."
                        ),
                    );
                }
                Word::Block => bad(
                    *at,
                    "block means the default, and cannot be it: write pass or deny.".to_owned(),
                ),
                _ => {}
            }
        }
        if actions.phase.is_none() {
            bad(
                at,
                "A phase is missing: defaults hold for one phase, as in phase:2.".to_owned(),
            );
        }
        if actions.disruptive.is_none() {
            bad(
                at,
                "What becomes of the request is missing: write pass or deny.".to_owned(),
            );
        }
        let (Some(phase), Some(Said::Is(disruptive))) = (actions.phase, actions.disruptive) else {
            return;
        };
        if faults.len() > before {
            return;
        }
        let log = actions.log.unwrap_or(true);
        let default = PhaseDefaults {
            disruptive,
            status: actions.status,
            log,
            audit_log: actions.audit_log.unwrap_or(log),
            tags: actions.tags,
            transformations: resolved(&[], &actions.transformations),
            effects: actions.effects,
        };
        if let Some(place) = self.said.get_mut(phase as usize) {
            *place = Some(default);
        }
    }
}

/// The transformations of a link: those before it, and its own; `None` takes back all before it.
pub(super) fn resolved(
    before: &[Transformation],
    own: &[Option<Transformation>],
) -> Vec<Transformation> {
    let mut all = before.to_vec();
    for transformation in own {
        match transformation {
            Some(transformation) => all.push(*transformation),
            None => all.clear(),
        }
    }
    all
}
