//! Directives.

use super::{Entry, Kind, Support};

/// A directive, before its arguments are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Rule,
    Action,
    Marker,
    DefaultAction,
    RemoveById,
    RemoveByTag,
    RemoveByMsg,
    UpdateTargetById,
    UpdateTargetByTag,
    UpdateTargetByMsg,
    UpdateActionById,
    Include,
    IncludeOptional,
    ComponentSignature,
    RuleEngine,
    RequestBodyAccess,
    ResponseBodyAccess,
    RequestBodyLimit,
    ResponseBodyLimit,
    NoFilesLimit,
    RequestBodyLimitAction,
    ResponseBodyLimitAction,
    ResponseBodyMimeType,
    ResponseBodyMimeTypesClear,
    ArgumentsLimit,
    JsonDepthLimit,
    ArgumentSeparator,
    CollectionTimeout,
    XmlExternalEntity,
    /// Read, checked, and decided elsewhere.
    Noted(Shape, &'static str),
    /// Only this value can be had; it is what holds anyway.
    Only(&'static str, &'static str),
    /// Not to be had.
    Refused(&'static str),
}

/// What a directive takes that is decided elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// On or Off.
    Switch,
    /// A number.
    Number,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// One argument or several.
    Some,
}

use Shape::{Number, OneOf, Switch};
use Word::{Noted, Only, Refused};

const EVENTS: &str = "events tell every match: see the events' own settings";
const NO_FILES: &str = "nothing is written to disk while a body is read";
const LINEAR: &str = "patterns are matched in linear time, and need no such limit";
const BODIES: &str = "how long a body may be is said by the limits of the API";
const HASH: &str = "links are not signed here";
const SERVER: &str = "it concerns the web server that ModSecurity is part of";
const COUNTRIES: &str = "where an address is comes from the ip_filter policy";

pub static DIRECTIVES: &[(&str, Word, &str)] = &[
    ("SecRule", Word::Rule, "a rule: targets, an operator, actions"),
    ("SecAction", Word::Action, "a rule that matches always"),
    ("SecMarker", Word::Marker, "a place that skipAfter goes to"),
    ("SecDefaultAction", Word::DefaultAction, "what rules of a phase do that say nothing else"),
    ("SecRuleRemoveById", Word::RemoveById, "takes out rules above it, by id or range"),
    ("SecRuleRemoveByTag", Word::RemoveByTag, "takes out rules above it, by a pattern for their tags"),
    ("SecRuleRemoveByMsg", Word::RemoveByMsg, "takes out rules above it, by a pattern for their messages"),
    ("SecRuleUpdateTargetById", Word::UpdateTargetById, "changes what rules above it look at, by id or range"),
    ("SecRuleUpdateTargetByTag", Word::UpdateTargetByTag, "the same, by a pattern for their tags"),
    ("SecRuleUpdateTargetByMsg", Word::UpdateTargetByMsg, "the same, by a pattern for their messages"),
    ("SecRuleUpdateActionById", Word::UpdateActionById, "changes what a rule above it does"),
    ("Include", Word::Include, "reads other files"),
    ("IncludeOptional", Word::IncludeOptional, "reads other files, where they are there"),
    ("SecComponentSignature", Word::ComponentSignature, "who wrote the rules"),
    ("SecRuleEngine", Word::RuleEngine, "whether rules act: On, DetectionOnly, Off"),
    ("SecRequestBodyAccess", Word::RequestBodyAccess, "whether bodies of requests are read"),
    ("SecResponseBodyAccess", Word::ResponseBodyAccess, "whether bodies of answers are read"),
    ("SecRequestBodyLimit", Word::RequestBodyLimit, "how many bytes of a request's body are read"),
    ("SecResponseBodyLimit", Word::ResponseBodyLimit, "how many bytes of an answer's body are read"),
    ("SecRequestBodyLimitAction", Word::RequestBodyLimitAction, "Reject or ProcessPartial, where it is longer"),
    ("SecResponseBodyLimitAction", Word::ResponseBodyLimitAction, "Reject or ProcessPartial, where it is longer"),
    ("SecResponseBodyMimeType", Word::ResponseBodyMimeType, "media types of answers that are read"),
    ("SecResponseBodyMimeTypesClear", Word::ResponseBodyMimeTypesClear, "takes back those above it"),
    ("SecArgumentsLimit", Word::ArgumentsLimit, "how many parameters a request may have"),
    ("SecRequestBodyJsonDepthLimit", Word::JsonDepthLimit, "how deep JSON may nest"),
    ("SecArgumentSeparator", Word::ArgumentSeparator, "what stands between parameters, in place of &"),
    ("SecCollectionTimeout", Word::CollectionTimeout, "seconds after which kept variables are forgotten"),
    ("SecXmlExternalEntity", Word::XmlExternalEntity, "Off: XML has no entities here"),
    ("SecRequestBodyNoFilesLimit", Word::NoFilesLimit, "how many bytes of a body that are no file"),
    ("SecRequestBodyInMemoryLimit", Noted(Number, NO_FILES), "how many bytes of a body are kept in memory"),
    ("SecUploadDir", Noted(Shape::Some, NO_FILES), "where files are written"),
    ("SecUploadKeepFiles", Noted(OneOf(&["On", "Off", "RelevantOnly"]), NO_FILES), "whether they are kept"),
    ("SecUploadFileMode", Noted(Shape::Some, NO_FILES), "their permissions"),
    ("SecUploadFileLimit", Noted(Number, BODIES), "how many files a form may have"),
    ("SecTmpDir", Noted(Shape::Some, NO_FILES), "where temporary files are written"),
    ("SecTmpSaveUploadedFiles", Noted(Switch, NO_FILES), "whether files are written"),
    ("SecDataDir", Noted(Shape::Some, "variables that are kept are in the gate's own memory"), "where kept variables are written"),
    ("SecDebugLog", Noted(Shape::Some, EVENTS), "where the engine's log is written"),
    ("SecDebugLogLevel", Noted(Number, EVENTS), "how much is in it"),
    ("SecAuditEngine", Noted(OneOf(&["On", "Off", "RelevantOnly"]), EVENTS), "which transactions are written down"),
    ("SecAuditLog", Noted(Shape::Some, EVENTS), "where"),
    ("SecAuditLog2", Noted(Shape::Some, EVENTS), "where too"),
    ("SecAuditLogType", Noted(Shape::Some, EVENTS), "in one file or in many"),
    ("SecAuditLogFormat", Noted(OneOf(&["JSON", "Native", "OCSF", "JsonLegacy"]), EVENTS), "in which format"),
    ("SecAuditLogParts", Noted(Shape::Some, EVENTS), "what of them"),
    ("SecAuditLogRelevantStatus", Noted(Shape::Some, EVENTS), "of which status"),
    ("SecAuditLogStorageDir", Noted(Shape::Some, EVENTS), "in which folder"),
    ("SecAuditLogDir", Noted(Shape::Some, EVENTS), "in which folder"),
    ("SecAuditLogDirMode", Noted(Shape::Some, EVENTS), "the folder's permissions"),
    ("SecAuditLogFileMode", Noted(Shape::Some, EVENTS), "the files' permissions"),
    ("SecAuditLogPrefix", Noted(Shape::Some, EVENTS), "what stands before each"),
    ("SecGuardianLog", Noted(Shape::Some, EVENTS), "a program that is told of requests"),
    ("SecPcreMatchLimit", Noted(Number, LINEAR), "how many steps a pattern may take"),
    ("SecPcreMatchLimitRecursion", Noted(Number, LINEAR), "how deep a pattern may go"),
    ("SecUnicodeMapFile", Noted(Shape::Some, "urlDecodeUni has the map built in that CRS is tested with"), "what Unicode characters become in a code page"),
    ("SecUnicodeCodePage", Noted(Number, "urlDecodeUni has the map built in that CRS is tested with"), "which code page"),
    ("SecUnicodeMap", Noted(Shape::Some, "urlDecodeUni has the map built in that CRS is tested with"), "which code page"),
    ("SecStatusEngine", Noted(Switch, "nobody is told of this installation"), "whether the authors are told of this installation"),
    ("SecServerSignature", Noted(Shape::Some, "the Server header field is for the headers policy to say"), "what the server calls itself"),
    ("SecCookieFormat", Only("0", "cookies are read as RFC 6265 has them"), "how cookies are read"),
    ("SecCookieV0Separator", Noted(Shape::Some, "cookies are read as RFC 6265 has them"), "what stands between cookies"),
    ("SecInterceptOnError", Noted(Switch, "a rule that fails refuses"), "whether a rule that fails refuses"),
    ("SecRuleInheritance", Noted(Switch, SERVER), "whether rules hold in parts of the configuration"),
    ("SecRulePerfTime", Noted(Number, "what rules cost is told by the metrics"), "which rules are told for their cost"),
    ("SecSensorId", Noted(Shape::Some, EVENTS), "what this machine is called in logs"),
    ("SecWebAppId", Noted(Shape::Some, "APIs are told apart by the configuration"), "what the API is called"),
    ("SecCacheTransformations", Noted(Shape::Some, "what transformations make is always kept for the next rule"), "whether what transformations make is kept"),
    ("SecStreamInBodyInspection", Only("Off", "rules do not rewrite bodies"), "keeps the body for @rsub"),
    ("SecStreamOutBodyInspection", Only("Off", "rules do not rewrite bodies"), "keeps the answer for @rsub"),
    ("SecContentInjection", Only("Off", "rules do not rewrite answers"), "lets append and prepend act"),
    ("SecDisableBackendCompression", Noted(Switch, "where answers are looked at the API is always asked so"), "asks the API not to compress"),
    ("SecChrootDir", Noted(Shape::Some, SERVER), "where the server is locked in"),
    ("SecConnEngine", Only("Off", "connections are limited by the limits policy"), "limits connections"),
    ("SecConnReadStateLimit", Noted(Shape::Some, "connections are limited by the limits policy"), "limits slow readers"),
    ("SecConnWriteStateLimit", Noted(Shape::Some, "connections are limited by the limits policy"), "limits slow writers"),
    ("SecReadStateLimit", Noted(Shape::Some, "connections are limited by the limits policy"), "limits slow readers"),
    ("SecWriteStateLimit", Noted(Shape::Some, "connections are limited by the limits policy"), "limits slow writers"),
    ("SecHashEngine", Only("Off", HASH), "signs links"),
    ("SecHashKey", Noted(Shape::Some, HASH), "by which key"),
    ("SecHashParam", Noted(Shape::Some, HASH), "in which parameter"),
    ("SecHashMethodRx", Noted(Shape::Some, HASH), "which links"),
    ("SecHashMethodPm", Noted(Shape::Some, HASH), "which links"),
    ("SecGeoLookupDb", Noted(Shape::Some, COUNTRIES), "a database of places"),
    ("SecGsbLookupDb", Noted(Shape::Some, "its database is no longer published"), "a database of sites"),
    ("SecHttpBlKey", Noted(Shape::Some, "@rbl is not done here"), "a key for a list of addresses"),
    ("SecParseXmlIntoArgs", Only("Off", "XML is looked at as XML:/* and XML://@*"), "makes parameters of XML"),
    ("SecRemoteRulesFailAction", Noted(OneOf(&["Abort", "Warn"]), "rules are not fetched while others are read"), "what happens where rules cannot be fetched"),
    ("SecRemoteRules", Refused("rules are not fetched while others are read: fetch them, check them, and include the file"), "fetches rules"),
    ("SecRuleScript", Refused("rules do not run Lua; write a rule, or a policy"), "runs a script"),
    ("SecDataset", Refused("data sets are files here: use @pmFromFile or @ipMatchFromFile"), "a list of words"),
    ("SecIgnoreRuleCompilationErrors", Refused("a rule that cannot be read is always an error: take it out"), "passes over faulty rules"),
];

pub fn entries() -> Vec<Entry> {
    DIRECTIVES
        .iter()
        .map(|(name, word, says)| Entry {
            kind: Kind::Directive,
            name,
            says,
            support: match word {
                Noted(_, instead) | Only(_, instead) => Support::Instead(instead),
                Refused(why) => Support::Refused(why),
                word => said_by_the_api(*word).map_or(Support::Done, Support::Instead),
            },
        })
        .collect()
}

/// What of an API's `waf` has to say the same as a directive: where it does not,
/// the rules are refused with what to write.
const fn said_by_the_api(word: Word) -> Option<&'static str> {
    Some(match word {
        Word::RuleEngine => "`mode` of the API's `waf` says whether rules act; only On can be had here",
        Word::RequestBodyLimit => "`inspect_bytes` of the API's `waf` says how much of a body is looked at, and has to be the same",
        Word::NoFilesLimit => "`inspect_bytes` of the API's `waf` bounds bodies with their files; take the line out",
        Word::RequestBodyLimitAction => "`longer` of the API's `waf` says what becomes of longer bodies, and has to be the same: refuse or begin",
        Word::ResponseBodyAccess => "`answers` of the API's `waf` says whether answers are looked at, and has to say the same",
        Word::ResponseBodyLimit => "`answers.bytes` of the API's `waf` says how much of an answer is looked at, and has to be the same",
        Word::ResponseBodyLimitAction => "answers are judged by their beginning; only ProcessPartial can be had",
        Word::ResponseBodyMimeType | Word::ResponseBodyMimeTypesClear => "`answers.types` of the API's `waf` says which answers are looked at, and has to be the same",
        _ => return None,
    })
}
