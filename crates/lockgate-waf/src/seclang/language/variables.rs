//! Variables: what rules can look at.

use super::{Entry, Kind, Support};
use crate::rule::Collection;
use crate::seclang::codes::Code;
use crate::seclang::errors::Fault;
use crate::seclang::text::Text;

/// Whether a variable has members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It is one value.
    Single,
    /// It has members, and stands for the first where one value is wanted.
    Keyed,
    /// It has members, and one of them has to be named where one value is wanted.
    Many,
}

/// A variable.
#[derive(Debug)]
pub struct Variable {
    pub name: &'static str,
    pub collection: Collection,
    pub shape: Shape,
    says: &'static str,
}

const fn variable(
    name: &'static str,
    collection: Collection,
    shape: Shape,
    says: &'static str,
) -> Variable {
    Variable {
        name,
        collection,
        shape,
        says,
    }
}

use Collection as C;
use Shape::{Keyed, Many, Single};

impl Collection {
    /// Its name, as rules write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = VARIABLES.iter().find(|known| known.collection == self);
        known.map_or("", |known| known.name)
    }
}

static VARIABLES: &[Variable] = &[
    variable(
        "ARGS",
        C::Args,
        Keyed,
        "values of parameters, from the query and the body",
    ),
    variable(
        "ARGS_GET",
        C::ArgsGet,
        Keyed,
        "values of parameters from the query",
    ),
    variable(
        "ARGS_POST",
        C::ArgsPost,
        Keyed,
        "values of parameters from the body",
    ),
    variable("ARGS_NAMES", C::ArgsNames, Keyed, "names of parameters"),
    variable(
        "ARGS_GET_NAMES",
        C::ArgsGetNames,
        Keyed,
        "names of parameters from the query",
    ),
    variable(
        "ARGS_POST_NAMES",
        C::ArgsPostNames,
        Keyed,
        "names of parameters from the body",
    ),
    variable(
        "ARGS_COMBINED_SIZE",
        C::ArgsCombinedSize,
        Single,
        "bytes of all parameters together",
    ),
    variable(
        "REQUEST_HEADERS",
        C::RequestHeaders,
        Keyed,
        "values of the request's header fields",
    ),
    variable(
        "REQUEST_HEADERS_NAMES",
        C::RequestHeadersNames,
        Keyed,
        "names of the request's header fields",
    ),
    variable(
        "REQUEST_COOKIES",
        C::RequestCookies,
        Keyed,
        "values of cookies",
    ),
    variable(
        "REQUEST_COOKIES_NAMES",
        C::RequestCookiesNames,
        Keyed,
        "names of cookies",
    ),
    variable(
        "REQUEST_LINE",
        C::RequestLine,
        Single,
        "the request's first line",
    ),
    variable("REQUEST_METHOD", C::RequestMethod, Single, "the method"),
    variable(
        "REQUEST_PROTOCOL",
        C::RequestProtocol,
        Single,
        "the protocol's version",
    ),
    variable("REQUEST_URI", C::RequestUri, Single, "path and query"),
    variable(
        "REQUEST_URI_RAW",
        C::RequestUriRaw,
        Single,
        "the target as it came, with scheme and host where they were said",
    ),
    variable("REQUEST_FILENAME", C::RequestFilename, Single, "the path"),
    variable(
        "REQUEST_BASENAME",
        C::RequestBasename,
        Single,
        "what follows the path's last slash",
    ),
    variable(
        "QUERY_STRING",
        C::QueryString,
        Single,
        "the query as it came",
    ),
    variable(
        "PATH_INFO",
        C::PathInfo,
        Single,
        "the path, as scripts are given it",
    ),
    variable(
        "REQUEST_BODY",
        C::RequestBody,
        Single,
        "the body of a form, or what was asked for by ctl:forceRequestBodyVariable",
    ),
    variable(
        "REQUEST_BODY_LENGTH",
        C::RequestBodyLength,
        Single,
        "bytes of the body",
    ),
    variable("FULL_REQUEST", C::FullRequest, Single, "head and body"),
    variable(
        "FULL_REQUEST_LENGTH",
        C::FullRequestLength,
        Single,
        "bytes of head and body",
    ),
    variable(
        "FILES",
        C::Files,
        Keyed,
        "names that files had where they came from",
    ),
    variable(
        "FILES_NAMES",
        C::FilesNames,
        Keyed,
        "names of the form fields of files",
    ),
    variable("FILES_SIZES", C::FilesSizes, Keyed, "bytes of each file"),
    variable(
        "FILES_COMBINED_SIZE",
        C::FilesCombinedSize,
        Single,
        "bytes of all files together",
    ),
    variable(
        "FILES_TMP_CONTENT",
        C::FilesContent,
        Keyed,
        "what is in files",
    ),
    variable(
        "MULTIPART_PART_HEADERS",
        C::MultipartPartHeaders,
        Keyed,
        "header fields of a form's parts, by the part's name",
    ),
    variable(
        "MULTIPART_FILENAME",
        C::MultipartFilename,
        Keyed,
        "filename of a part",
    ),
    variable("MULTIPART_NAME", C::MultipartName, Keyed, "name of a part"),
    variable(
        "MULTIPART_STRICT_ERROR",
        C::MultipartStrictError,
        Single,
        "1 where a form in parts is malformed in any way",
    ),
    variable(
        "MULTIPART_UNMATCHED_BOUNDARY",
        C::MultipartUnmatchedBoundary,
        Single,
        "1 where a line looks like a boundary and is none",
    ),
    variable(
        "MULTIPART_BOUNDARY_QUOTED",
        C::MultipartBoundaryQuoted,
        Single,
        "1 where the boundary is quoted",
    ),
    variable(
        "MULTIPART_BOUNDARY_WHITESPACE",
        C::MultipartBoundaryWhitespace,
        Single,
        "1 where white space is in the boundary",
    ),
    variable(
        "MULTIPART_CRLF_LF_LINES",
        C::MultipartCrlfLfLines,
        Single,
        "1 where lines end in both ways",
    ),
    variable(
        "MULTIPART_DATA_AFTER",
        C::MultipartDataAfter,
        Single,
        "1 where something follows the last boundary",
    ),
    variable(
        "MULTIPART_DATA_BEFORE",
        C::MultipartDataBefore,
        Single,
        "1 where something precedes the first boundary",
    ),
    variable(
        "MULTIPART_FILE_LIMIT_EXCEEDED",
        C::MultipartFileLimitExceeded,
        Single,
        "1 where there are too many files",
    ),
    variable(
        "MULTIPART_HEADER_FOLDING",
        C::MultipartHeaderFolding,
        Single,
        "1 where a part's header field is folded",
    ),
    variable(
        "MULTIPART_INVALID_HEADER_FOLDING",
        C::MultipartInvalidHeaderFolding,
        Single,
        "1 where it is folded wrongly",
    ),
    variable(
        "MULTIPART_INVALID_PART",
        C::MultipartInvalidPart,
        Single,
        "1 where a part is malformed",
    ),
    variable(
        "MULTIPART_INVALID_QUOTING",
        C::MultipartInvalidQuoting,
        Single,
        "1 where a value is quoted wrongly",
    ),
    variable(
        "MULTIPART_LF_LINE",
        C::MultipartLfLine,
        Single,
        "1 where a line ends with a line feed alone",
    ),
    variable("MULTIPART_LF_LINES", C::MultipartLfLine, Single, "the same"),
    variable(
        "MULTIPART_MISSING_SEMICOLON",
        C::MultipartMissingSemicolon,
        Single,
        "1 where a semicolon is missing",
    ),
    variable(
        "MULTIPART_SEMICOLON_MISSING",
        C::MultipartMissingSemicolon,
        Single,
        "the same",
    ),
    variable(
        "REQBODY_PROCESSOR",
        C::ReqbodyProcessor,
        Single,
        "how the body was read",
    ),
    variable(
        "REQBODY_ERROR",
        C::ReqbodyError,
        Single,
        "1 where the body could not be read",
    ),
    variable(
        "REQBODY_ERROR_MSG",
        C::ReqbodyErrorMsg,
        Single,
        "why it could not be read",
    ),
    variable(
        "REQBODY_PROCESSOR_ERROR",
        C::ReqbodyProcessorError,
        Single,
        "1 where the body's reader found it malformed",
    ),
    variable(
        "REQBODY_PROCESSOR_ERROR_MSG",
        C::ReqbodyProcessorErrorMsg,
        Single,
        "why it is malformed",
    ),
    variable(
        "XML",
        C::Xml,
        Many,
        "text of elements (XML:/*), values of attributes (XML://@*)",
    ),
    variable(
        "INBOUND_DATA_ERROR",
        C::InboundDataError,
        Single,
        "1 where the request's body is longer than is read",
    ),
    variable(
        "OUTBOUND_DATA_ERROR",
        C::OutboundDataError,
        Single,
        "1 where the answer's body is longer than is read",
    ),
    variable(
        "URLENCODED_ERROR",
        C::UrlencodedError,
        Single,
        "1 where percent signs encode nothing",
    ),
    variable(
        "RESPONSE_STATUS",
        C::ResponseStatus,
        Single,
        "the answer's status",
    ),
    variable(
        "RESPONSE_PROTOCOL",
        C::ResponseProtocol,
        Single,
        "the answer's protocol version",
    ),
    variable(
        "RESPONSE_HEADERS",
        C::ResponseHeaders,
        Keyed,
        "values of the answer's header fields",
    ),
    variable(
        "RESPONSE_HEADERS_NAMES",
        C::ResponseHeadersNames,
        Keyed,
        "names of the answer's header fields",
    ),
    variable(
        "RESPONSE_BODY",
        C::ResponseBody,
        Single,
        "the answer's body",
    ),
    variable(
        "RESPONSE_CONTENT_LENGTH",
        C::ResponseContentLength,
        Single,
        "bytes of the answer's body",
    ),
    variable(
        "RESPONSE_CONTENT_TYPE",
        C::ResponseContentType,
        Single,
        "the answer's media type",
    ),
    variable(
        "STATUS_LINE",
        C::StatusLine,
        Single,
        "the answer's first line",
    ),
    variable("REMOTE_ADDR", C::RemoteAddr, Single, "the client's address"),
    variable("USERAGENT_IP", C::RemoteAddr, Single, "the same"),
    variable(
        "REMOTE_HOST",
        C::RemoteHost,
        Single,
        "the client's address: names are not looked up",
    ),
    variable("REMOTE_PORT", C::RemotePort, Single, "the client's port"),
    variable(
        "REMOTE_USER",
        C::RemoteUser,
        Single,
        "who was authenticated",
    ),
    variable("AUTH_TYPE", C::AuthType, Single, "how"),
    variable("SERVER_ADDR", C::ServerAddr, Single, "the gate's address"),
    variable(
        "SERVER_NAME",
        C::ServerName,
        Single,
        "the host that was asked for",
    ),
    variable("SERVER_PORT", C::ServerPort, Single, "the gate's port"),
    variable("UNIQUE_ID", C::UniqueId, Single, "the request's id"),
    variable(
        "DURATION",
        C::Duration,
        Single,
        "microseconds since the request began",
    ),
    variable("TIME", C::Time, Single, "the time of day, as hh:mm:ss"),
    variable("TIME_DAY", C::TimeDay, Single, "day of the month, 1 to 31"),
    variable("TIME_EPOCH", C::TimeEpoch, Single, "seconds since 1970"),
    variable("TIME_HOUR", C::TimeHour, Single, "hour, 0 to 23"),
    variable("TIME_MIN", C::TimeMin, Single, "minute, 0 to 59"),
    variable("TIME_MON", C::TimeMon, Single, "month, 0 to 11"),
    variable("TIME_SEC", C::TimeSec, Single, "second, 0 to 59"),
    variable(
        "TIME_WDAY",
        C::TimeWday,
        Single,
        "day of the week, 0 to 6 from Sunday",
    ),
    variable("TIME_YEAR", C::TimeYear, Single, "year, with four digits"),
    variable("TX", C::Tx, Many, "variables of this transaction"),
    variable("IP", C::Ip, Many, "variables kept by address"),
    variable("GLOBAL", C::Global, Many, "variables kept for all"),
    variable("RESOURCE", C::Resource, Many, "variables kept by resource"),
    variable("SESSION", C::Session, Many, "variables kept by session"),
    variable("USER", C::User, Many, "variables kept by user"),
    variable("SESSIONID", C::SessionId, Single, "what setsid said"),
    variable("USERID", C::UserId, Single, "what setuid said"),
    variable(
        "MATCHED_VAR",
        C::MatchedVar,
        Single,
        "the value that matched last",
    ),
    variable("MATCHED_VAR_NAME", C::MatchedVarName, Single, "its name"),
    variable(
        "MATCHED_VARS",
        C::MatchedVars,
        Keyed,
        "values that matched in this chain",
    ),
    variable(
        "MATCHED_VARS_NAMES",
        C::MatchedVarsNames,
        Keyed,
        "their names",
    ),
    variable(
        "HIGHEST_SEVERITY",
        C::HighestSeverity,
        Single,
        "the worst severity that matched, 0 to 7; 255 where none did",
    ),
    variable(
        "RULE",
        C::Rule,
        Many,
        "what the rule says of itself: id, rev, severity, logdata, msg",
    ),
    variable(
        "ENV",
        C::Env,
        Many,
        "empty: a gate's environment is none of a rule's business",
    ),
    variable(
        "MSC_PCRE_ERROR",
        C::MscPcreError,
        Single,
        "0: patterns are matched in linear time",
    ),
    variable(
        "MSC_PCRE_LIMITS_EXCEEDED",
        C::MscPcreLimitsExceeded,
        Single,
        "0: patterns are matched in linear time",
    ),
];

/// Variables that are understood and cannot be had, with the reason.
static REFUSED: &[(&str, &str)] = &[
    ("GEO", "where an address is comes from @geoLookup, which is not done here; refuse countries by the ip_filter policy"),
    ("FILES_TMPNAMES", "files are not written to disk; FILES_TMP_CONTENT is what is in them"),
    ("STREAM_INPUT_BODY", "it comes with @rsub, which rewrites bodies; REQUEST_BODY is the body"),
    ("STREAM_OUTPUT_BODY", "it comes with @rsub, which rewrites bodies; RESPONSE_BODY is the body"),
    ("WEBSERVER_ERROR_LOG", "there is no web server whose log could be read"),
    ("WEBAPPID", "APIs are told apart by the configuration: give each its own rules"),
    ("MODSEC_BUILD", "this is not ModSecurity"),
    ("SDBM_DELETE_ERROR", "nothing is kept in SDBM files"),
    ("SCRIPT_BASENAME", "scripts are the API's own; REQUEST_BASENAME is what was asked for"),
    ("SCRIPT_FILENAME", "scripts are the API's own; REQUEST_FILENAME is what was asked for"),
    ("SCRIPT_GID", "scripts are the API's own"),
    ("SCRIPT_GROUPNAME", "scripts are the API's own"),
    ("SCRIPT_MODE", "scripts are the API's own"),
    ("SCRIPT_UID", "scripts are the API's own"),
    ("SCRIPT_USERNAME", "scripts are the API's own"),
    ("PERF_ALL", "what rules cost is told by the metrics"),
    ("PERF_COMBINED", "what rules cost is told by the metrics"),
    ("PERF_GC", "what rules cost is told by the metrics"),
    ("PERF_LOGGING", "what rules cost is told by the metrics"),
    ("PERF_PHASE1", "what rules cost is told by the metrics"),
    ("PERF_PHASE2", "what rules cost is told by the metrics"),
    ("PERF_PHASE3", "what rules cost is told by the metrics"),
    ("PERF_PHASE4", "what rules cost is told by the metrics"),
    ("PERF_PHASE5", "what rules cost is told by the metrics"),
    ("PERF_RULES", "what rules cost is told by the metrics"),
    ("PERF_SREAD", "what rules cost is told by the metrics"),
    ("PERF_SWRITE", "what rules cost is told by the metrics"),
    ("RESPONSE_ARGS", "answers are not read as parameters; RESPONSE_BODY is the answer's body"),
    ("ARGS_PATH", "which parts of a path are parameters is for the API's OpenAPI document to say"),
    ("JSON", "members of a JSON body are ARGS"),
];

/// The variable of this name.
///
/// # Errors
///
/// There is none, with `code`; or it cannot be had.
pub fn find(name: Text<'_>, code: Code) -> Result<&'static Variable, Fault> {
    if let Some(found) = VARIABLES.iter().find(|v| name.is(v.name)) {
        return Ok(found);
    }
    if let Some((known, why)) = REFUSED.iter().find(|(known, _)| name.is(known)) {
        return Err(Fault::new(
            name.at,
            Code::UnsupportedVariable,
            format!("{known} is not to be had: {why}."),
        ));
    }
    Err(Fault::misspelt(
        name,
        Kind::Variable,
        code,
        format!("There is no variable `{}`.", name.shown()),
    ))
}

/// Whether rules can set variables in it.
pub fn is_writable(collection: Collection) -> bool {
    use Collection::{Global, Ip, Resource, Session, Tx, User};
    matches!(collection, Tx | Ip | Global | Resource | Session | User)
}

pub fn entries() -> Vec<Entry> {
    let done = VARIABLES.iter().map(|v| Entry {
        kind: Kind::Variable,
        name: v.name,
        says: v.says,
        support: Support::Done,
    });
    let refused = REFUSED.iter().map(|(name, why)| Entry {
        kind: Kind::Variable,
        name,
        says: "not to be had",
        support: Support::Refused(why),
    });
    done.chain(refused).collect()
}
