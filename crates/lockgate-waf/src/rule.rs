//! What rules say, once they are read: only what the engine can do is left.
//!
//! [`crate::seclang`] makes these values of files; [`crate::compile`] makes of
//! them what runs.

pub mod setup;
pub mod words;

use std::net::IpAddr;

use crate::bytes::ByteSet;
use crate::transform::Transformation;

/// A place in a rule file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// Index into [`Rules::files`].
    pub file: u32,
    /// From 1.
    pub line: u32,
}

/// All that some files say, in their order.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Names of the files, as they were asked for.
    pub files: Vec<Box<str>>,
    /// Rules and markers, in the order in which they run within each phase.
    pub items: Vec<Item>,
    /// What directives say of the engine.
    pub settings: Settings,
    /// Who wrote the rules (`SecComponentSignature`).
    pub signatures: Vec<Box<str>>,
    /// Directives that are understood, and mean nothing here.
    pub notices: Vec<Notice>,
}

/// Something that runs, or that can be skipped to.
#[derive(Debug, Clone)]
pub enum Item {
    /// A rule.
    Rule(Box<Rule>),
    /// Where `skipAfter` goes on (`SecMarker`, or a rule's id).
    Marker(Box<str>),
}

/// What a directive says that something else of Lockgate decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Where.
    pub place: Place,
    /// The directive.
    pub directive: Box<str>,
    /// What stands in its place here.
    pub instead: &'static str,
    /// Whether what requests meet is otherwise than the rules say.
    pub matters: bool,
}

/// What directives say of the engine itself. `None` where none does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `SecRuleEngine`.
    pub engine: Option<EngineMode>,
    /// `SecRequestBodyAccess`.
    pub request_body: Option<bool>,
    /// `SecResponseBodyAccess`.
    pub response_body: Option<bool>,
    /// `SecRequestBodyLimit`, in bytes.
    pub request_body_limit: Option<u64>,
    /// `SecRequestBodyNoFilesLimit`, in bytes.
    pub no_files_limit: Option<u64>,
    /// `SecRequestBodyLimitAction`: whether what is longer is judged by its beginning.
    pub request_body_partial: Option<bool>,
    /// `SecResponseBodyLimit`, in bytes.
    pub response_body_limit: Option<u64>,
    /// `SecResponseBodyLimitAction`: whether what is longer is judged by its beginning.
    pub response_body_partial: Option<bool>,
    /// `SecResponseBodyMimeType`: which answers are read.
    pub response_types: Option<Vec<Box<str>>>,
    /// `SecArgumentsLimit`.
    pub arguments_limit: Option<u32>,
    /// `SecRequestBodyJsonDepthLimit`.
    pub json_depth: Option<u32>,
    /// `SecArgumentSeparator`.
    pub argument_separator: Option<u8>,
    /// `SecCollectionTimeout`, in seconds.
    pub collection_timeout_s: Option<u32>,
    /// `SecXmlExternalEntity`; only `Off` can be had.
    pub xml_entities: Option<bool>,
    /// Which directives said so, and where, in their order.
    pub said: Vec<(Box<str>, Place)>,
}

/// Whether rules act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineMode {
    /// They act.
    On,
    /// They are written down.
    DetectionOnly,
    /// They do not run.
    Off,
}

/// When a rule runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// The request's head is there.
    RequestHeaders = 1,
    /// Its body is there.
    RequestBody = 2,
    /// The answer's head is there.
    ResponseHeaders = 3,
    /// Its body is there.
    ResponseBody = 4,
    /// All is over.
    Logging = 5,
}

/// A rule: one or several links of a chain, all of which have to match.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique among the rules.
    pub id: u64,
    /// Where it begins.
    pub place: Place,
    /// When it runs.
    pub phase: Phase,
    /// `msg`.
    pub message: Option<Template>,
    /// `logdata`.
    pub log_data: Option<Template>,
    /// `tag`s.
    pub tags: Vec<Box<str>>,
    /// `severity`.
    pub severity: Option<Severity>,
    /// `ver`.
    pub version: Option<Box<str>>,
    /// `rev`.
    pub revision: Option<Box<str>>,
    /// What becomes of the transaction; `block` is resolved already.
    pub disruptive: Disruptive,
    /// `status`, where the disruptive action answers.
    pub status: Option<u16>,
    /// Whether a match is written down.
    pub log: bool,
    /// Whether a match would be in an audit log.
    pub audit_log: bool,
    /// How many rules are passed over after a match.
    pub skip: u32,
    /// Which marker a match goes on after.
    pub skip_after: Option<Box<str>>,
    /// At least one.
    pub links: Vec<Link>,
}

/// One link of a chain.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where it begins.
    pub place: Place,
    /// What it looks at; empty for `SecAction`.
    pub targets: Vec<Target>,
    /// What is asked of it; `SecAction` asks [`Operator::UnconditionalMatch`].
    pub test: Test,
    /// In their order; `t:none` and defaults are resolved already.
    pub transformations: Vec<Transformation>,
    /// Whether the operator is asked after every transformation that changed something.
    pub multi_match: bool,
    /// Whether what a regular expression caught goes to `TX:0` to `TX:9`.
    pub capture: bool,
    /// What each match does, in order.
    pub effects: Vec<Effect>,
}

/// What a match does to the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disruptive {
    /// Nothing.
    Pass,
    /// It is refused.
    Deny,
    /// It is refused, and the connection closed.
    Drop,
    /// No further rule of this extent runs.
    Allow(Allowed),
    /// It is answered with a redirect.
    Redirect(Template),
}

/// What `allow` lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// All phases but the last.
    All,
    /// The rest of this phase.
    Phase,
    /// The rest of the request's phases.
    Request,
}

/// How bad it is, as syslog says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "syslog's own words (RFC 5424, table 2)")]
pub enum Severity {
    Emergency = 0,
    Alert = 1,
    Critical = 2,
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
    Debug = 7,
}

impl Severity {
    /// Whether what was found so may well be an attack: where a rule found something
    /// there too, the rule counts. A notice says what data of that shape is like too;
    /// `Info` says nothing but this, and adds nothing to a score.
    #[must_use]
    pub const fn is_doubt(self) -> bool {
        matches!(self, Self::Info) || self as u8 <= Self::Warning as u8
    }

    /// What is told of one value when it may be taken in several ways: the lowest. A
    /// doubt is worth more than the points of a notice.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Info => Self::Warning as u8,
            other => other as u8,
        }
    }
}

/// What a link looks at.
#[derive(Debug, Clone)]
pub struct Target {
    /// Of which collection.
    pub collection: Collection,
    /// Which of its members.
    pub selector: Selector,
    /// Whether it is left out of what other targets name (`!`).
    pub excluded: bool,
    /// Whether it is counted (`&`).
    pub counted: bool,
}

/// Which members of a collection.
#[derive(Debug, Clone)]
pub enum Selector {
    /// All.
    All,
    /// Those of this name, in lower case: names are compared without case.
    Named(Box<[u8]>),
    /// Those whose name this matches (`/…/`): a pattern for bytes, without case.
    Matching(Pattern),
    /// The text of elements (`XML:/*`).
    Text,
    /// The values of attributes (`XML://@*`).
    Attributes,
}

/// A regular expression, checked.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As it is written in the rule.
    pub source: Box<str>,
    /// What it means; over bytes.
    pub hir: regex_syntax::hir::Hir,
}

/// What rules can look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs, reason = "the rule language's own words")]
pub enum Collection {
    Args,
    ArgsGet,
    ArgsPost,
    ArgsNames,
    ArgsGetNames,
    ArgsPostNames,
    ArgsCombinedSize,
    RequestHeaders,
    RequestHeadersNames,
    RequestCookies,
    RequestCookiesNames,
    RequestLine,
    RequestMethod,
    RequestProtocol,
    RequestUri,
    RequestUriRaw,
    RequestFilename,
    RequestBasename,
    QueryString,
    PathInfo,
    RequestBody,
    RequestBodyLength,
    FullRequest,
    FullRequestLength,
    Files,
    FilesNames,
    FilesSizes,
    FilesCombinedSize,
    FilesContent,
    MultipartPartHeaders,
    MultipartFilename,
    MultipartName,
    MultipartStrictError,
    MultipartUnmatchedBoundary,
    MultipartBoundaryQuoted,
    MultipartBoundaryWhitespace,
    MultipartCrlfLfLines,
    MultipartDataAfter,
    MultipartDataBefore,
    MultipartFileLimitExceeded,
    MultipartHeaderFolding,
    MultipartInvalidHeaderFolding,
    MultipartInvalidPart,
    MultipartInvalidQuoting,
    MultipartLfLine,
    MultipartMissingSemicolon,
    ReqbodyProcessor,
    ReqbodyError,
    ReqbodyErrorMsg,
    ReqbodyProcessorError,
    ReqbodyProcessorErrorMsg,
    Xml,
    InboundDataError,
    OutboundDataError,
    UrlencodedError,
    ResponseStatus,
    ResponseProtocol,
    ResponseHeaders,
    ResponseHeadersNames,
    ResponseBody,
    ResponseContentLength,
    ResponseContentType,
    StatusLine,
    RemoteAddr,
    RemoteHost,
    RemotePort,
    RemoteUser,
    AuthType,
    ServerAddr,
    ServerName,
    ServerPort,
    UniqueId,
    Duration,
    Time,
    TimeDay,
    TimeEpoch,
    TimeHour,
    TimeMin,
    TimeMon,
    TimeSec,
    TimeWday,
    TimeYear,
    Tx,
    Ip,
    Global,
    Resource,
    Session,
    User,
    SessionId,
    UserId,
    MatchedVar,
    MatchedVarName,
    MatchedVars,
    MatchedVarsNames,
    HighestSeverity,
    Rule,
    Env,
    MscPcreError,
    MscPcreLimitsExceeded,
}

impl Collection {
    /// How many there are.
    pub const COUNT: usize = Self::MscPcreLimitsExceeded as usize + 1;
}

/// What is asked of a value.
#[derive(Debug, Clone)]
pub struct Test {
    /// Whether it has to fail.
    pub negated: bool,
    /// What is asked.
    pub operator: Operator,
}

/// Operators, with their arguments checked.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the rule language's own words")]
pub enum Operator {
    UnconditionalMatch,
    NoMatch,
    Rx(Pattern),
    /// `@pm`, `@pmFromFile`: any of these, without ASCII case.
    Pm(Vec<Box<[u8]>>),
    Contains(Template),
    ContainsWord(Template),
    BeginsWith(Template),
    EndsWith(Template),
    Streq(Template),
    StrMatch(Template),
    Within(Template),
    Eq(Template),
    Ge(Template),
    Gt(Template),
    Le(Template),
    Lt(Template),
    /// `@ipMatch`, `@ipMatchFromFile`: network addresses and their lengths in bits.
    IpMatch(Vec<(IpAddr, u8)>),
    /// The bytes that are allowed.
    ValidateByteRange(ByteSet),
    ValidateUrlEncoding,
    ValidateUtf8Encoding,
    DetectSqli,
    DetectXss,
    /// A card number that this finds, and that Luhn's sum holds for.
    VerifyCc(Pattern),
    VerifyCpf(Pattern),
    VerifySsn(Pattern),
    VerifySvnr(Pattern),
}

impl Operator {
    /// Its argument, where that may depend on the transaction.
    #[must_use]
    pub const fn argument(&self) -> Option<&Template> {
        Some(match self {
            Self::Contains(text)
            | Self::ContainsWord(text)
            | Self::BeginsWith(text)
            | Self::EndsWith(text)
            | Self::Streq(text)
            | Self::StrMatch(text)
            | Self::Within(text)
            | Self::Eq(text)
            | Self::Ge(text)
            | Self::Gt(text)
            | Self::Le(text)
            | Self::Lt(text) => text,
            _ => return None,
        })
    }
}

/// Text with `%{…}` in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    /// In their order; texts never stand side by side.
    pub pieces: Vec<Piece>,
}

/// A piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(Box<[u8]>),
    /// `%{collection}` or `%{collection.key}`; the key in lower case.
    Macro(Collection, Option<Box<[u8]>>),
}

impl Template {
    /// What it says, where nothing in it depends on a transaction.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(b""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// What a match does beside the disruptive action.
#[derive(Debug, Clone)]
pub enum Effect {
    /// `setvar`.
    SetVar {
        /// `TX`, or one that is kept between requests.
        collection: Collection,
        /// Which variable; in lower case where it is text.
        name: Template,
        /// What becomes of it.
        change: Change,
    },
    /// `expirevar`: the variable is forgotten after so many seconds.
    ExpireVar(Collection, Template, Template),
    /// `initcol`, `setsid`, `setuid`, `setrsc`: which entry of what is kept is meant.
    InitCollection(Collection, Template),
    /// `ctl`.
    Ctl(Ctl),
}

/// What becomes of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names say it")]
pub enum Change {
    Set(Template),
    Add(Template),
    Subtract(Template),
    Remove,
}

/// What a match changes of the engine for this transaction.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the rule language's own words")]
pub enum Ctl {
    RuleEngine(EngineMode),
    RuleRemove(Which),
    RuleRemoveTarget(Which, Target),
    RequestBodyAccess(bool),
    ResponseBodyAccess(bool),
    RequestBodyProcessor(Processor),
    ResponseBodyProcessor(Processor),
    ForceRequestBodyVariable(bool),
    RequestBodyLimit(u64),
    ResponseBodyLimit(u64),
    /// `auditEngine`, `auditLogParts`, `debugLogLevel`: events are written all the same.
    Logging,
}

/// Which rules are meant.
#[derive(Debug, Clone)]
pub enum Which {
    /// Ids from and to, both included.
    Ids(Vec<(u64, u64)>),
    /// Those with a tag that this finds.
    Tag(Pattern),
    /// Those with a message that this finds.
    Message(Pattern),
}

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "their names say it")]
pub enum Processor {
    UrlEncoded,
    Multipart,
    Json,
    Xml,
    Raw,
    GraphQl,
    JsonLines,
    JsonSequence,
    Grpc,
    GrpcText,
    Message,
    Protobuf,
}
