//! What is told of a transaction.

use crate::rule::{Collection, Severity};

use super::native;
use super::program::Program;
use super::template::Part;
use super::transaction::{Added, Subject, Transaction};
use super::{place, spelling, Engine};

/// A rule that matched.
#[derive(Debug, Clone, Copy)]
pub struct Matched<'t> {
    engine: &'t Engine,
    tx: &'t Transaction,
    finding: &'t super::transaction::Finding,
}

/// A value that a rule matched.
#[derive(Debug, Clone, Copy)]
pub struct Match<'t> {
    tx: &'t Transaction,
    subject: Subject,
}

/// What one of our own detectors found.
#[derive(Debug, Clone)]
pub struct Detected<'t> {
    /// The detector's name.
    pub detector: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// What the bytes would do.
    pub what: &'static str,
    /// How sure.
    pub severity: Severity,
    /// The collection of the value, as rules write it.
    pub collection: Collection,
    /// Its name.
    pub member: &'t [u8],
    /// The bytes that were found. A part of the request.
    pub bytes: &'t [u8],
    /// Where the value stands, as exclusions say it.
    pub place: Option<String>,
}

pub(super) fn detected(tx: &Transaction) -> impl Iterator<Item = Detected<'_>> {
    tx.native.found.iter().map(move |found| Detected {
        detector: found.detector.name,
        title: found.detector.title,
        what: found.what,
        severity: found.severity,
        collection: native::collection(found.value),
        member: tx.arena.get(tx.members.get(found.value).name),
        bytes: tx.arena.get(found.at),
        place: place::place(found.value, &tx.members, &tx.arena),
    })
}

/// What refused a transaction.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'t> {
    /// The rule's id; our own detectors, where there is none.
    pub rule: Option<u64>,
    /// The status that it wants answered.
    pub status: u16,
    /// Whether it wants the connection closed.
    pub drop: bool,
    /// Where it sends the client, if anywhere.
    pub redirect: Option<&'t [u8]>,
}

pub(super) fn refusal<'t>(program: &'t Program, tx: &'t Transaction) -> Option<Refusal<'t>> {
    let interruption = tx.found.interruption.as_ref()?;
    let rule = interruption.rule.and_then(|rule| program.rules.get(rule));
    Some(Refusal {
        rule: rule.map(|rule| rule.id),
        status: interruption.status,
        drop: interruption.drop,
        redirect: interruption.redirect.map(|span| tx.arena.get(span)),
    })
}

pub(super) fn matched<'t>(
    engine: &'t Engine,
    tx: &'t Transaction,
) -> impl Iterator<Item = Matched<'t>> {
    let findings = tx.found.findings.iter();
    findings.map(move |finding| Matched {
        engine,
        tx,
        finding,
    })
}

impl<'t> Matched<'t> {
    fn rule(&self) -> Option<&'t super::program::Rule> {
        self.engine.program.rules.get(self.finding.rule)
    }

    /// The rule's id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.rule().map_or(0, |rule| rule.id)
    }

    /// The file that the rule stands in, and the line.
    #[must_use]
    pub fn place(&self) -> (&'t str, u32) {
        let place = self.rule().map(|rule| rule.place).unwrap_or_default();
        let file = self.engine.files.get(place.file as usize);
        (file.map_or("", |file| file), place.line)
    }

    /// The phase in which it matched, from 1.
    #[must_use]
    pub const fn phase(&self) -> u8 {
        self.finding.phase
    }

    /// Its message, written out.
    #[must_use]
    pub fn message(&self) -> &'t [u8] {
        self.tx.arena.get(self.finding.message)
    }

    /// Its message, with what `mask` makes of what it quotes of the request.
    #[must_use]
    pub fn title(&self, mask: impl Fn(&[u8]) -> String) -> Vec<u8> {
        let message = self.rule().and_then(|rule| rule.message.as_ref());
        let parts = message.map(|message| &*message.parts).unwrap_or_default();
        let (mut out, mut left) = (Vec::new(), self.message());
        for (number, part) in parts.iter().enumerate() {
            if let Part::Text(text) = part {
                out.extend_from_slice(text);
                left = left.get(text.len()..).unwrap_or_default();
                continue;
            }
            let end = match parts.get(number + 1) {
                Some(Part::Text(next)) => {
                    left.windows(next.len().max(1)).position(|at| at == &**next)
                }
                _ => None,
            };
            let (quoted, rest) = left.split_at(end.unwrap_or(left.len()));
            out.extend_from_slice(mask(quoted).as_bytes());
            left = rest;
        }
        out
    }

    /// What it wants written down of the data. Holds parts of the request.
    #[must_use]
    pub fn data(&self) -> &'t [u8] {
        self.tx.arena.get(self.finding.data)
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        self.rule().and_then(|rule| rule.severity)
    }

    /// What it added to the score of its level of paranoia.
    #[must_use]
    pub const fn added(&self) -> Added {
        self.finding.added
    }

    /// Its tags.
    #[must_use]
    pub fn tags(&self) -> &'t [Box<str>] {
        self.rule().map_or(&[], |rule| &rule.tags)
    }

    /// The values that it matched.
    pub fn subjects(&self) -> impl Iterator<Item = Match<'t>> + 't {
        let (tx, finding) = (self.tx, self.finding);
        let first = finding.first as usize;
        let subjects = tx.found.subjects.get(first..first + finding.count as usize);
        subjects
            .unwrap_or_default()
            .iter()
            .map(move |subject| Match {
                tx,
                subject: *subject,
            })
    }
}

impl<'t> Match<'t> {
    /// Of which collection it is.
    #[must_use]
    pub const fn collection(&self) -> Collection {
        self.subject.collection
    }

    /// Its name, without the collection's.
    #[must_use]
    pub fn member(&self) -> &'t [u8] {
        self.tx.arena.get(self.subject.name)
    }

    /// Its name as rules write it, such as `ARGS:id`.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        let mut out = Vec::new();
        spelling::write_name(self.subject, self.member(), &mut out);
        out
    }

    /// Where it stands, as exclusions say it, such as `body/items/0/note`.
    /// Of a variable, where the value stands that the rule made it of. Nothing for
    /// what does not stand in the request: a sum.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let id = self.subject.id.or(self.subject.from);
        let id = id.filter(|_| !self.subject.counted)?;
        place::place(id, &self.tx.members, &self.tx.arena)
    }

    /// The value, as it matched. A part of the request.
    #[must_use]
    pub fn value(&self) -> &'t [u8] {
        self.tx.arena.get(self.subject.value)
    }
}
