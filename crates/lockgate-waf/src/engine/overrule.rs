//! Which findings of rules do not count, since detectors of our own judged better.
//!
//! A rule finds by a pattern; a detector reads a value as what would run it does.
//! Where all detectors that judge the rule's kind of attack have read every value
//! that the rule matched, and none of them found more than a notice in the request so
//! far, what the rule would add to a score is left out. It is told all the same.

use crate::detect::{Detector, Where};
use crate::rule::Collection;

use super::members::{Base, ValueId};
use super::native;
use super::program::{Rule, RuleIndex};
use super::transaction::{Subject, Transaction};

/// Tags of rules, and which detectors judge what these rules find.
pub(super) const JUDGES: &[(&str, &[&str])] = &[
    ("attack-injection-generic", RUNS),
    ("attack-injection-java", RUNS),
    ("attack-injection-php", RUNS),
    ("attack-lfi", &["path-traversal"]),
    ("attack-rce", RUNS),
    ("attack-sqli", &["sql-injection"]),
    ("attack-ssrf", &["server-side-request-forgery"]),
    ("attack-ssti", &["template-injection"]),
    ("attack-xss", &["cross-site-scripting"]),
    ("capec/1000/210/272/220/33", &["crlf-injection"]),
    ("capec/1000/210/272/220/34", &["crlf-injection"]),
];

/// Who judges what a server would run.
const RUNS: &[&str] = &["command-injection", "code-injection", "jndi-lookup"];

/// Begins tags that name a kind of attack. CAPEC's are narrower.
const KIND: &str = "attack-";

/// Detectors as bits, in their order; one beyond the last bit is all of them.
pub type Bits = u32;

/// The bit of the detector with this number.
pub(super) fn bit(number: usize) -> Bits {
    let number = u32::try_from(number).unwrap_or(Bits::BITS);
    1_u32.checked_shl(number).unwrap_or(Bits::MAX)
}

/// What is known of it at load.
#[derive(Debug)]
pub struct Overrule {
    /// Of each rule, who judges all that it finds; nobody, where some of it has no judge.
    judges: Vec<Bits>,
    /// Of each place, who looks there.
    reads: [Bits; native::PLACES],
    /// Who judges what a server would run. A name is not run, yet may lead to what is.
    runs: Bits,
}

impl Overrule {
    /// Of these detectors over these rules.
    #[must_use]
    pub fn new(detectors: &[&'static Detector], rules: &[Rule]) -> Self {
        let mut reads = [0; native::PLACES];
        for (number, detector) in detectors.iter().enumerate() {
            for place in detector.places {
                reads[*place as usize] |= bit(number);
            }
        }
        Self {
            judges: rules.iter().map(|rule| judges(detectors, rule)).collect(),
            reads,
            runs: numbers(detectors, RUNS).unwrap_or_default(),
        }
    }

    /// Whether the rule counts for nothing, for what it has matched.
    pub(super) fn holds(&self, tx: &Transaction, rule: RuleIndex) -> bool {
        let judges = self.judges.get(rule).copied().unwrap_or_default();
        if judges == 0 || tx.native.doubts & judges != 0 {
            return false;
        }
        let of_request = |subject: &&Subject| !held_by_rules(subject.collection);
        let mut values = tx.found.chained.iter().filter(of_request).peekable();
        values.peek().is_some()
            && tx.found.beyond & judges == judges
            && values.all(|subject| self.reading(tx, subject) & judges == judges)
    }

    /// Who has read a value that a rule matched.
    pub(super) fn reading(&self, tx: &Transaction, subject: &Subject) -> Bits {
        if held_by_rules(subject.collection) {
            return Bits::MAX;
        }
        // Nobody has read a body that is no text as one.
        let bytes = |id: &ValueId| {
            *id == ValueId::single(Collection::RequestBody as usize)
                && [Base::BodyFile, Base::Octets]
                    .iter()
                    .any(|base| !tx.members.of(*base).is_empty())
        };
        // Nor all elements in a text of XML, where there is too much of them.
        let elements =
            |id: &ValueId| id.base() == Base::XmlText as usize && tx.reading.has_unread_elements();
        let unread = |id: &ValueId| subject.counted || bytes(id) || elements(id);
        let read = subject.id.filter(|id| !unread(id));
        let stood = read.and_then(read_as);
        let reading = stood.map_or(0, |stood| self.reads[stood as usize]);
        // `class.module.classLoader` is no program, and binds to what loads them.
        let way = subject.id.is_some_and(ValueId::is_name)
            && !tx.arena.get(subject.value).contains(&b' ');
        if way {
            reading & !self.runs
        } else {
            reading
        }
    }
}

/// As what detectors have read a value.
fn read_as(id: ValueId) -> Option<Where> {
    native::stood(id).or_else(|| {
        // The last step of a path that was read.
        (id == ValueId::single(Collection::RequestBasename as usize)).then_some(Where::Path)
    })
}

/// What a later link may ask beside values of the request: what rules hold, and
/// what earlier links matched.
const fn held_by_rules(collection: Collection) -> bool {
    matches!(
        collection,
        Collection::Tx
            | Collection::MatchedVar
            | Collection::MatchedVars
            | Collection::MatchedVarName
            | Collection::MatchedVarsNames
    )
}

/// Detectors of these names, if all of them run.
fn numbers(detectors: &[&'static Detector], names: &[&str]) -> Option<Bits> {
    let numbers = names.iter().map(|name| {
        let mut known = detectors.iter();
        known.position(|detector| detector.name == *name)
    });
    numbers
        .map(|number| number.map(bit))
        .try_fold(0, |all, one| Some(all | one?))
}

fn judges(detectors: &[&'static Detector], rule: &Rule) -> Bits {
    let of_tag = |tag: &str| -> Option<Bits> {
        let (_, names) = JUDGES.iter().find(|(known, _)| *known == tag)?;
        numbers(detectors, names)
    };
    let (kinds, others): (Vec<&str>, Vec<&str>) = rule
        .tags
        .iter()
        .map(|tag| &**tag)
        .partition(|tag| tag.starts_with(KIND));
    if let Some(narrow) = others.into_iter().find_map(of_tag) {
        return narrow;
    }
    let all = kinds.into_iter().map(of_tag);
    all.reduce(|all, one| Some(all? | one?))
        .flatten()
        .unwrap_or_default()
}
