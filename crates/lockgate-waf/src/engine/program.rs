//! What rules become: names are numbers, templates are pieces, and each target
//! knows which values it means.

use std::sync::Arc;

use lockgate_wire::content::json;

use crate::operators::Compiled;
use crate::rule::{Collection, Disruptive, EngineMode, Place, Processor, Severity};

use super::chains::{ChainIndex, Chains};
use super::except::{At, On};
use super::name_pattern::NamePattern;
use super::names::{Held, Name, Names};
use super::native::Native;
use super::presence::Presence;
use super::scores::Scores;
use super::sieve::Sieve;
use super::template::Text;
use crate::filter::Bits;

/// The number of a rule: its place among those that are left of the files.
pub type RuleIndex = usize;

/// What all transactions share.
#[derive(Debug)]
pub struct Program {
    /// Names of `TX` variables.
    pub names: Names,
    /// In the order of the files.
    pub rules: Vec<Rule>,
    /// The rules of each phase.
    pub phases: [Bits; 5],
    /// Those of them that run whatever the values are: their first link cannot be filtered.
    pub always: [Bits; 5],
    /// Of each rule, what its first link needs to be there: without a value it cannot match.
    pub needs: Vec<Presence>,
    /// Which rules may match a value at all.
    pub sieve: Option<Sieve>,
    /// Collections that there is but one of, by their numbers, whose values are looked at.
    pub shown: Box<[usize]>,
    /// Detectors of our own.
    pub native: Option<Native>,
    /// What every transaction begins with.
    pub start: Start,
    /// Collections, by their numbers, that rules look at or write out.
    pub used: Bits,
    /// Whether rules look at bodies of answers.
    pub reads_answers: bool,
    /// Whether bodies of requests and of answers are read, where no rule says otherwise.
    pub reads: (bool, bool),
    /// Most parameters of a request.
    pub arguments: usize,
    /// How deep JSON may nest.
    pub json: json::Limits,
    /// What stands between parameters.
    pub separator: u8,
    /// How long what rules keep is kept.
    pub kept_ms: u64,
    /// Runs of transformations, each built on a shorter one.
    pub chains: Chains,
    /// Effects that change which rules run, worked out for the rules that are here.
    pub exceptions: Vec<Exception>,
    /// What rules add up in.
    pub scores: Scores,
}

/// What every transaction begins with.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Variables of `TX`, by their numbers.
    pub variables: Vec<Held>,
    /// The bytes that their texts stand in.
    pub bytes: Vec<u8>,
    /// Exceptions that hold, as long as they do.
    pub exceptions: Vec<u32>,
}

/// A rule, ready to run.
#[derive(Debug)]
pub struct Rule {
    /// Its id.
    pub id: u64,
    /// Where it stands.
    pub place: Place,
    /// When it runs, from 1.
    pub phase: u8,
    /// `msg`.
    pub message: Option<Text>,
    /// `logdata`.
    pub log_data: Option<Text>,
    /// `tag`s.
    pub tags: Arc<[Box<str>]>,
    /// `severity`.
    pub severity: Option<Severity>,
    /// Whether a match is written down.
    pub log: bool,
    /// What becomes of the transaction.
    pub disruptive: Disruptive,
    /// Where a redirect goes.
    pub redirect: Option<Text>,
    /// `status`.
    pub status: Option<u16>,
    /// The rule that a match goes on at, or the first behind it.
    pub jump: Option<RuleIndex>,
    /// Whether its first link is asked only about values that the sieve let through.
    pub sieved: bool,
    /// At least one; none any more where load decided the rule.
    pub links: Vec<Link>,
}

/// A link of a chain, ready to run.
#[derive(Debug)]
pub struct Link {
    /// What it looks at.
    pub targets: Vec<Target>,
    /// What is left out of that.
    pub excluded: Vec<Target>,
    /// What is asked.
    pub compiled: Compiled,
    /// The operator's argument, where it depends on the transaction.
    pub argument: Option<Text>,
    /// Whether it has to fail.
    pub negated: bool,
    /// The last of its transformations.
    pub chain: ChainIndex,
    /// Whether the operator is asked after every transformation that changed something.
    pub multi_match: bool,
    /// Whether what was caught goes to `TX:0` to `TX:9`.
    pub capture: bool,
    /// What each match does.
    pub effects: Vec<Effect>,
}

/// A target, ready to be looked up.
#[derive(Debug)]
pub struct Target {
    /// Of which collection.
    pub collection: Collection,
    /// Which members.
    pub selector: Selector,
    /// Whether it is counted.
    pub counted: bool,
    /// The variables of `TX` that rules name and a pattern means, worked out once.
    pub variables: Box<[Name]>,
}

/// Which members of a collection.
#[derive(Debug)]
pub enum Selector {
    /// All.
    All,
    /// The `TX` variable of this number.
    Variable(Name),
    /// Those of this name, in lower case.
    Named(Box<[u8]>),
    /// Those whose name this finds something in.
    Matching(Box<NamePattern>),
    /// `XML:/*`.
    Text,
    /// `XML://@*`.
    Attributes,
}

/// What a match does, ready to be done.
#[derive(Debug)]
pub enum Effect {
    /// A variable of `TX` whose name is known.
    SetVariable(Name, Change),
    /// A variable whose name is made at run time, or one that is kept between requests.
    SetNamed(Collection, Text, Change),
    /// `expirevar`.
    Expire(Collection, Text, Text),
    /// `initcol`.
    InitCollection(Collection, Text),
    /// What changes which rules run; its number among [`Program::exceptions`].
    Except(u32),
    /// `ctl:ruleEngine`.
    Mode(EngineMode),
    /// `ctl:requestBodyProcessor`.
    Processor(Processor),
    /// `ctl:forceRequestBodyVariable`.
    ForceBody(bool),
    /// `ctl:requestBodyAccess`.
    RequestBody(bool),
    /// `ctl:responseBodyAccess`.
    ResponseBody(bool),
}

/// What becomes of a variable, ready to be made.
#[derive(Debug)]
#[allow(missing_docs, reason = "their names say it")]
pub enum Change {
    Set(Text),
    Add(Text),
    Subtract(Text),
    Remove,
}

/// Rules that do not run any more, or not on some values.
#[derive(Debug)]
pub struct Exception {
    /// Which rules.
    pub rules: Bits,
    /// The values that they leave out.
    pub values: Values,
    /// Of which requests; of all, where there is none.
    pub on: Option<On>,
    /// Until when it holds, in milliseconds since the epoch.
    pub until_ms: u64,
}

/// Which values an exception means.
#[derive(Debug)]
pub enum Values {
    /// All: the rules do not run.
    All,
    /// Those of a target.
    Of(Target),
    /// Those that stand somewhere.
    At(At),
}
