//! A request and its answer as rules see them, and what rules made of them.

use crate::bytes::{Arena, Span};
use crate::rule::{Allowed, Collection, EngineMode, Processor, Severity};

use super::body::Reading;
use super::formed::Formed;
use super::kept::Keys;
use super::members::{Members, ValueId, BASES};
use super::names::{Name, Variables};
use super::native;
use super::program::RuleIndex;
use crate::filter::Bits;

/// Room that a transaction keeps for the next one, in bytes.
pub const KEPT_BYTES: usize = 256 * 1024;

/// Entries of each list that a transaction keeps room for: what few requests
/// need, whoever sends them, is given back.
pub const KEPT: usize = 1024;

/// Most matches that are written down of one transaction.
pub const MAX_FINDINGS: usize = 1_000;

/// Most values of one link that the next one sees as `MATCHED_VARS`.
pub const MAX_MATCHED: usize = 20_000;

/// Most variables of one rule whose values are known by what they were made of.
pub const MAX_MADE_OF: usize = 256;

/// Most values that are written down of one match.
pub const MAX_SUBJECTS: usize = 16;

/// A request and its answer, as far as they came. One can serve for many
/// requests, one after another: [`super::Engine::begin`] empties it.
#[derive(Debug, Default)]
pub struct Transaction {
    /// All bytes.
    pub(super) arena: Arena,
    /// What came.
    pub(super) members: Members,
    /// What rules count.
    pub(super) variables: Variables,
    /// What rules made of the engine.
    pub(super) control: Control,
    /// What matched.
    pub(super) found: Found,
    /// Which values may be matched by which rules.
    pub(super) sifted: Sifted,
    /// What our own detectors found.
    pub(super) native: NativeFound,
    /// What reads its bodies.
    pub(super) reading: Reading,
    /// How things stood before the slice of an answer that is looked at.
    pub(super) slices: Option<Box<super::slices::Before>>,
    /// Where the phase goes on.
    pub(super) place: Position,
    /// What was made of its long values.
    pub(super) formed: Formed,
    /// To write in.
    pub(super) room: Room,
}

/// Which values may be matched by which rules.
#[derive(Debug, Default)]
pub struct Sifted {
    /// The rules.
    pub rules: Bits,
    /// Rules and their values; in order when a phase runs.
    pub pairs: Vec<Pair>,
    /// How many members of each base were looked through.
    pub members: [u32; BASES],
    /// What there is but one of, and was looked at.
    pub singles: Bits,
}

/// What our own detectors found.
#[derive(Debug, Default)]
pub struct NativeFound {
    /// In the order of the values.
    pub found: Vec<native::Found>,
    /// Who found more than a notice, also where that was left out, or did not see all there may be.
    pub doubts: super::overrule::Bits,
    /// What may still be spent on encodings within values.
    pub allowance: lockgate_wire::content::layers::Allowance,
    /// Of how many parameters, of the query and the body, those of one name were looked at as one.
    pub lists: [usize; 2],
    /// Texts of XML, by their names, in which something was left out that was found there.
    pub spared: Vec<native::Spared>,
    /// Whether rules count it.
    pub added: bool,
}

/// Buffers to write in.
#[derive(Debug, Default)]
pub struct Room {
    /// What a transformation makes.
    pub made: Vec<u8>,
    /// What a template says.
    pub text: Vec<u8>,
    /// The argument of an operator.
    pub argument: Vec<u8>,
}

/// Where a phase goes on that was interrupted to let others work.
#[derive(Debug, Default, Clone, Copy)]
pub struct Position {
    /// The phase, from 1; 0 before the first.
    pub phase: u8,
    /// The next rule, or the first behind it.
    pub rule: RuleIndex,
    /// Whether all values were sifted.
    pub sifted: bool,
}

/// A value that a rule may match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The rule.
    pub rule: RuleIndex,
    /// The value.
    pub value: ValueId,
}

/// What rules made of the engine.
#[derive(Debug, Default)]
pub struct Control {
    /// Whether rules act; `None` is as the engine was told.
    pub mode: Option<EngineMode>,
    /// Rules that do not run any more.
    pub removed: Bits,
    /// Exceptions that hold, of the program's.
    pub exceptions: Vec<u32>,
    /// Exclusions of detectors that hold, by their numbers.
    pub left_out_here: Vec<u32>,
    /// Which entries of what is kept are meant.
    pub keys: Keys,
    /// Milliseconds since the epoch.
    pub now_ms: u64,
    /// How the request's body is to be read.
    pub processor: Option<Processor>,
    /// Whether `REQUEST_BODY` is there whatever the body is.
    pub force_body: bool,
    /// Whether the request's body is read.
    pub request_body: Option<bool>,
    /// Whether the answer's body is read.
    pub response_body: Option<bool>,
    /// What `allow` let through, and in which phase.
    pub allowed: Option<(Allowed, u8)>,
}

impl Control {
    /// Nothing is said, with the same room.
    #[must_use]
    pub fn emptied(mut self) -> Self {
        self.removed.clear();
        self.exceptions.clear();
        self.left_out_here.clear();
        Self {
            removed: self.removed,
            exceptions: self.exceptions,
            left_out_here: self.left_out_here,
            ..Self::default()
        }
    }
}

/// What matched.
#[derive(Debug, Default)]
pub struct Found {
    /// Of the link that is being asked, or was asked last.
    pub now: Vec<Subject>,
    /// Of the link before.
    pub before: Vec<Subject>,
    /// Of all links of the rule, at most [`MAX_SUBJECTS`].
    pub chained: Vec<Subject>,
    /// Which detectors have read all others that it matched.
    pub beyond: super::overrule::Bits,
    /// Variables that the rule's links made, at most [`MAX_MADE_OF`], and of which values.
    pub made: Vec<Made>,
    /// The value that groups were caught in last.
    pub caught: Option<ValueId>,
    /// What is written down.
    pub findings: Vec<Finding>,
    /// Values of the findings.
    pub subjects: Vec<Subject>,
    /// The worst so far.
    pub worst: Option<Severity>,
    /// What ends the transaction.
    pub interruption: Option<Interruption>,
    /// Matches beyond [`MAX_FINDINGS`].
    pub left_out: u32,
    /// What the rule that is being asked added to a score.
    pub added: Added,
}

impl Found {
    /// Forgets everything, and keeps its room.
    pub fn clear(&mut self) {
        for subjects in [
            &mut self.now,
            &mut self.before,
            &mut self.chained,
            &mut self.subjects,
        ] {
            subjects.clear();
            subjects.shrink_to(KEPT);
        }
        self.made.clear();
        self.caught = None;
        self.findings.clear();
        self.findings.shrink_to(KEPT);
        self.worst = None;
        self.interruption = None;
        self.left_out = 0;
        self.added = Added::default();
    }

    /// The value that matched last.
    #[must_use]
    pub fn last(&self) -> Option<Subject> {
        self.now.last().or(self.before.last()).copied()
    }
}

impl Sifted {
    /// Forgets everything, and keeps its room.
    pub fn clear(&mut self) {
        self.rules.clear();
        self.pairs.clear();
        self.pairs.shrink_to(KEPT);
        self.members = [0; BASES];
        self.singles.clear();
    }
}

/// A value that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// Of which collection.
    pub collection: Collection,
    /// Whether it was counted.
    pub counted: bool,
    /// Its member's name.
    pub name: Span,
    /// The value, as it matched.
    pub value: Span,
    /// Which value of the request or the answer it is, if it is one.
    pub id: Option<ValueId>,
    /// Which one it was made of, where an earlier link of the same rule made it.
    pub from: Option<ValueId>,
}

/// A variable that a link made of a value.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    /// Its name: one that rules name, or one that was made with it.
    pub name: MadeName,
    /// The value.
    pub from: ValueId,
}

/// How a variable is known that a link made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeName {
    /// By its number.
    Named(Name),
    /// By where its name stands.
    Written(Span),
}

/// A rule that matched, and is written down.
#[derive(Debug, Clone, Copy)]
pub struct Finding {
    /// The rule.
    pub rule: RuleIndex,
    /// `msg`, written out.
    pub message: Span,
    /// `logdata`, written out.
    pub data: Span,
    /// Of [`Found::subjects`], the first.
    pub first: u32,
    /// How many of them.
    pub count: u32,
    /// The phase in which it matched.
    pub phase: u8,
    /// What it added to a score.
    pub added: Added,
}

/// What a rule added to the scores of the Core Rule Set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Added {
    /// How much; how much it would, where that is left out.
    pub score: i64,
    /// To that of which level of paranoia, from 1; 0 where it added nothing.
    pub level: u8,
    /// Whether it is left out, since our own detectors judged better.
    pub overruled: bool,
}

impl Added {
    /// Counts what one match adds. What is left out is told only where all is.
    pub(super) fn count(&mut self, score: i64, level: u8, overruled: bool) {
        let counted = self.level != 0 && !self.overruled;
        if overruled && counted {
            return;
        }
        if self.overruled && !overruled {
            self.score = 0;
        }
        self.score = self.score.saturating_add(score);
        self.level = level;
        self.overruled = overruled;
    }
}

/// What ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interruption {
    /// The rule; our own detectors, where there is none.
    pub rule: Option<RuleIndex>,
    /// The status of the answer.
    pub status: u16,
    /// Whether the connection is closed.
    pub drop: bool,
    /// Where to, if it is a redirect.
    pub redirect: Option<Span>,
}
