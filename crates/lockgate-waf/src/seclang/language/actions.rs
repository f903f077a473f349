//! Actions: what a rule says of itself, and what its match does.

use super::{Entry, Kind, Support};

/// Where an action may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In every link of a chain.
    Link,
    /// Only in a chain's first rule: it concerns the whole.
    Starter,
}

/// Whether an action has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Must,
    May,
    No,
}

/// An action, before its value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Id,
    Phase,
    Msg,
    LogData,
    Tag,
    Severity,
    Ver,
    Rev,
    Chain,
    Skip,
    SkipAfter,
    Status,
    Allow,
    Block,
    Deny,
    Drop,
    Pass,
    Redirect,
    Log,
    NoLog,
    AuditLog,
    NoAuditLog,
    Capture,
    MultiMatch,
    T,
    SetVar,
    ExpireVar,
    InitCol,
    SetSid,
    SetUid,
    SetRsc,
    Ctl,
    /// Read, checked, and decided elsewhere.
    Noted(&'static str),
    /// Not to be had.
    Refused(&'static str),
}

/// An action.
#[derive(Debug)]
pub struct Action {
    pub name: &'static str,
    pub word: Word,
    pub scope: Scope,
    pub value: Value,
    says: &'static str,
}

const fn action(
    name: &'static str,
    word: Word,
    scope: Scope,
    value: Value,
    says: &'static str,
) -> Action {
    Action {
        name,
        word,
        scope,
        value,
        says,
    }
}

use Scope::{Link, Starter};
use Value::{May, Must, No};

const MASKED: Word = Word::Noted("values are masked in every event: see the events' own settings");
const METADATA: Word = Word::Noted("it was removed from the language, and told nobody anything");

/// What refuses is for rules to say, and what clients are told of it is not: every
/// reason has one status, and a stranger learns nothing of the rules by it.
pub const ANSWERED: &str =
    "the client sees 403 with `waf-refused` whichever rule refuses, and 502 with \
     `waf-answer-refused` for an answer";

pub static ACTIONS: &[Action] = &[
    action("id", Word::Id, Starter, Must, "the rule's number"),
    action(
        "phase",
        Word::Phase,
        Starter,
        Must,
        "when it runs: 1 to 5, request, response, logging",
    ),
    action("msg", Word::Msg, Starter, Must, "what it found, for people"),
    action(
        "logdata",
        Word::LogData,
        Starter,
        Must,
        "what it found it in",
    ),
    action(
        "tag",
        Word::Tag,
        Starter,
        Must,
        "a word by which rules are chosen",
    ),
    action(
        "severity",
        Word::Severity,
        Starter,
        Must,
        "how bad it is: 0 to 7, or EMERGENCY to DEBUG",
    ),
    action("ver", Word::Ver, Starter, Must, "the rule set's version"),
    action("rev", Word::Rev, Starter, Must, "the rule's revision"),
    action(
        "chain",
        Word::Chain,
        Link,
        No,
        "the next rule has to match too",
    ),
    action(
        "skip",
        Word::Skip,
        Starter,
        Must,
        "so many rules are passed over",
    ),
    action(
        "skipAfter",
        Word::SkipAfter,
        Starter,
        Must,
        "rules are passed over up to a marker",
    ),
    action(
        "status",
        Word::Status,
        Starter,
        Must,
        "the status of a refusal",
    ),
    action(
        "allow",
        Word::Allow,
        Starter,
        May,
        "no further rule runs: of all phases, of this phase, of the request",
    ),
    action(
        "block",
        Word::Block,
        Starter,
        No,
        "what SecDefaultAction says for the phase",
    ),
    action("deny", Word::Deny, Starter, No, "the request is refused"),
    action(
        "drop",
        Word::Drop,
        Starter,
        No,
        "the request is refused, and the connection closed",
    ),
    action("pass", Word::Pass, Starter, No, "rules go on"),
    action(
        "redirect",
        Word::Redirect,
        Starter,
        Must,
        "the request is refused, and the client sent elsewhere",
    ),
    action("log", Word::Log, Link, No, "a match is written down"),
    action(
        "nolog",
        Word::NoLog,
        Link,
        No,
        "a match is not written down",
    ),
    action(
        "auditlog",
        Word::AuditLog,
        Link,
        No,
        "a match makes the transaction worth an audit log",
    ),
    action("noauditlog", Word::NoAuditLog, Link, No, "a match does not"),
    action(
        "capture",
        Word::Capture,
        Link,
        No,
        "groups of the pattern go to TX:0 to TX:9",
    ),
    action(
        "multiMatch",
        Word::MultiMatch,
        Link,
        No,
        "the operator looks after every transformation",
    ),
    action(
        "t",
        Word::T,
        Link,
        Must,
        "transforms the value before the operator looks",
    ),
    action(
        "setvar",
        Word::SetVar,
        Link,
        Must,
        "sets a variable, counts with it, or removes it",
    ),
    action(
        "expirevar",
        Word::ExpireVar,
        Link,
        Must,
        "a kept variable is forgotten after so many seconds",
    ),
    action(
        "initcol",
        Word::InitCol,
        Link,
        Must,
        "which entry of kept variables is meant",
    ),
    action("setsid", Word::SetSid, Link, Must, "which session it is"),
    action("setuid", Word::SetUid, Link, Must, "which user it is"),
    action("setrsc", Word::SetRsc, Link, Must, "which resource it is"),
    action(
        "ctl",
        Word::Ctl,
        Link,
        Must,
        "changes the engine for this transaction",
    ),
    action(
        "accuracy",
        METADATA,
        Starter,
        Must,
        "how sure the rule is, 1 to 9",
    ),
    action(
        "maturity",
        METADATA,
        Starter,
        Must,
        "how tried the rule is, 1 to 9",
    ),
    action(
        "sanitiseArg",
        MASKED,
        Link,
        Must,
        "a parameter's value is masked in logs",
    ),
    action(
        "sanitiseMatched",
        MASKED,
        Link,
        No,
        "what matched is masked in logs",
    ),
    action(
        "sanitiseMatchedBytes",
        MASKED,
        Link,
        May,
        "the same, of some bytes",
    ),
    action(
        "sanitiseRequestHeader",
        MASKED,
        Link,
        Must,
        "a header field is masked in logs",
    ),
    action(
        "sanitiseResponseHeader",
        MASKED,
        Link,
        Must,
        "a header field is masked in logs",
    ),
    action("sanitizeArg", MASKED, Link, Must, "the same as sanitiseArg"),
    action(
        "sanitizeMatched",
        MASKED,
        Link,
        No,
        "the same as sanitiseMatched",
    ),
    action(
        "sanitizeMatchedBytes",
        MASKED,
        Link,
        May,
        "the same as sanitiseMatchedBytes",
    ),
    action(
        "sanitizeRequestHeader",
        MASKED,
        Link,
        Must,
        "the same as sanitiseRequestHeader",
    ),
    action(
        "sanitizeResponseHeader",
        MASKED,
        Link,
        Must,
        "the same as sanitiseResponseHeader",
    ),
    action(
        "xmlns",
        Word::Noted("XPath is not evaluated: XML:/* and XML://@* know no namespaces"),
        Link,
        Must,
        "names an XML namespace",
    ),
    action(
        "exec",
        Word::Refused("rules do not run programs; events can be sent to one"),
        Link,
        Must,
        "runs a program",
    ),
    action(
        "append",
        Word::Refused("rules do not rewrite answers; the transform policies do"),
        Link,
        Must,
        "writes at the end of the answer",
    ),
    action(
        "prepend",
        Word::Refused("rules do not rewrite answers; the transform policies do"),
        Link,
        Must,
        "writes at the beginning of the answer",
    ),
    action(
        "proxy",
        Word::Refused("where requests go is for routes to say"),
        Starter,
        Must,
        "sends the request elsewhere",
    ),
    action(
        "pause",
        Word::Refused(
            "a request that waits holds the gate's memory: attackers would like it; use limits",
        ),
        Starter,
        Must,
        "lets the request wait",
    ),
    action(
        "deprecatevar",
        Word::Refused("use expirevar, or the limits policy, which counts exactly"),
        Link,
        Must,
        "lowers a variable with time",
    ),
    action(
        "setenv",
        Word::Refused("there is no web server whose environment could be set; use setvar with TX"),
        Link,
        Must,
        "sets an environment variable",
    ),
];

/// What `ctl` can change, before the value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CtlWord {
    RuleEngine,
    RuleRemoveById,
    RuleRemoveByTag,
    RuleRemoveByMsg,
    RuleRemoveTargetById,
    RuleRemoveTargetByTag,
    RuleRemoveTargetByMsg,
    RequestBodyAccess,
    ResponseBodyAccess,
    RequestBodyProcessor,
    ResponseBodyProcessor,
    ForceRequestBodyVariable,
    RequestBodyLimit,
    ResponseBodyLimit,
    AuditEngine,
    AuditLogParts,
    DebugLogLevel,
    /// What can only be switched off.
    OnlyOff(&'static str),
}

pub static CTL: &[(&str, CtlWord, &str)] = &[
    (
        "ruleEngine",
        CtlWord::RuleEngine,
        "On, DetectionOnly or Off",
    ),
    (
        "ruleRemoveById",
        CtlWord::RuleRemoveById,
        "rules of these ids do not run",
    ),
    (
        "ruleRemoveByTag",
        CtlWord::RuleRemoveByTag,
        "rules with such a tag do not run",
    ),
    (
        "ruleRemoveByMsg",
        CtlWord::RuleRemoveByMsg,
        "rules with such a message do not run",
    ),
    (
        "ruleRemoveTargetById",
        CtlWord::RuleRemoveTargetById,
        "rules of these ids do not look there",
    ),
    (
        "ruleRemoveTargetByTag",
        CtlWord::RuleRemoveTargetByTag,
        "rules with such a tag do not look there",
    ),
    (
        "ruleRemoveTargetByMsg",
        CtlWord::RuleRemoveTargetByMsg,
        "rules with such a message do not look there",
    ),
    (
        "requestBodyAccess",
        CtlWord::RequestBodyAccess,
        "whether the request's body is read",
    ),
    (
        "responseBodyAccess",
        CtlWord::ResponseBodyAccess,
        "whether the answer's body is read",
    ),
    (
        "requestBodyProcessor",
        CtlWord::RequestBodyProcessor,
        "how the request's body is read",
    ),
    (
        "responseBodyProcessor",
        CtlWord::ResponseBodyProcessor,
        "how the answer's body is read",
    ),
    (
        "forceRequestBodyVariable",
        CtlWord::ForceRequestBodyVariable,
        "whether REQUEST_BODY is there for every kind of body",
    ),
    (
        "requestBodyLimit",
        CtlWord::RequestBodyLimit,
        "how many bytes of the request's body are read",
    ),
    (
        "responseBodyLimit",
        CtlWord::ResponseBodyLimit,
        "how many bytes of the answer's body are read",
    ),
    (
        "auditEngine",
        CtlWord::AuditEngine,
        "events are written all the same",
    ),
    (
        "auditLogParts",
        CtlWord::AuditLogParts,
        "events are written all the same",
    ),
    (
        "debugLogLevel",
        CtlWord::DebugLogLevel,
        "events are written all the same",
    ),
    (
        "hashEngine",
        CtlWord::OnlyOff("links are not signed here"),
        "signs links",
    ),
    (
        "hashEnforcement",
        CtlWord::OnlyOff("links are not signed here"),
        "checks signed links",
    ),
    (
        "parseXmlIntoArgs",
        CtlWord::OnlyOff("XML is looked at as XML:/* and XML://@*"),
        "makes parameters of XML",
    ),
];

pub fn entries() -> Vec<Entry> {
    let actions = ACTIONS.iter().map(|action| Entry {
        kind: Kind::Action,
        name: action.name,
        says: action.says,
        support: match action.word {
            Word::Noted(instead) => Support::Instead(instead),
            Word::Refused(why) => Support::Refused(why),
            Word::Status | Word::Drop | Word::Redirect => Support::Instead(ANSWERED),
            _ => Support::Done,
        },
    });
    let ctl = CTL.iter().map(|(name, word, says)| Entry {
        kind: Kind::Ctl,
        name,
        says,
        support: match word {
            CtlWord::OnlyOff(why) => Support::Refused(why),
            _ => Support::Done,
        },
    });
    actions.chain(ctl).collect()
}
