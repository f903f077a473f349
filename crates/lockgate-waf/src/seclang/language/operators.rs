//! Operators: what rules ask of a value.

use super::{Entry, Kind, Support};
use crate::seclang::codes::Code;
use crate::seclang::errors::Fault;
use crate::seclang::text::Text;

/// An operator, before its argument is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::enum_variant_names,
    reason = "`containsWord` is the language's own"
)]
pub enum Word {
    UnconditionalMatch,
    NoMatch,
    Rx,
    Pm,
    PmFromFile,
    Contains,
    ContainsWord,
    BeginsWith,
    EndsWith,
    Streq,
    StrMatch,
    Within,
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
    IpMatch,
    IpMatchFromFile,
    ValidateByteRange,
    ValidateUrlEncoding,
    ValidateUtf8Encoding,
    DetectSqli,
    DetectXss,
    VerifyCc,
    VerifyCpf,
    VerifySsn,
    VerifySvnr,
}

static OPERATORS: &[(&str, Word, &str)] = &[
    (
        "unconditionalMatch",
        Word::UnconditionalMatch,
        "matches always",
    ),
    ("noMatch", Word::NoMatch, "matches never"),
    ("rx", Word::Rx, "a regular expression is found in it"),
    (
        "pm",
        Word::Pm,
        "one of these words is found in it, in letters of either case",
    ),
    (
        "pmFromFile",
        Word::PmFromFile,
        "the same, the words in a file, one a line",
    ),
    ("pmf", Word::PmFromFile, "the same"),
    ("contains", Word::Contains, "it contains this"),
    (
        "containsWord",
        Word::ContainsWord,
        "it contains this, and no letter, digit or _ next to it",
    ),
    ("beginsWith", Word::BeginsWith, "it begins with this"),
    ("endsWith", Word::EndsWith, "it ends with this"),
    ("streq", Word::Streq, "it is this"),
    ("strmatch", Word::StrMatch, "it contains this"),
    ("within", Word::Within, "this contains it"),
    ("eq", Word::Eq, "its number is this"),
    ("ge", Word::Ge, "its number is this or more"),
    ("gt", Word::Gt, "its number is more than this"),
    ("le", Word::Le, "its number is this or less"),
    ("lt", Word::Lt, "its number is less than this"),
    (
        "ipMatch",
        Word::IpMatch,
        "it is an address in one of these networks",
    ),
    (
        "ipMatchFromFile",
        Word::IpMatchFromFile,
        "the same, the networks in a file, one a line",
    ),
    ("ipMatchF", Word::IpMatchFromFile, "the same"),
    (
        "validateByteRange",
        Word::ValidateByteRange,
        "it has a byte that is not one of these",
    ),
    (
        "validateUrlEncoding",
        Word::ValidateUrlEncoding,
        "a percent sign in it encodes nothing",
    ),
    (
        "validateUtf8Encoding",
        Word::ValidateUtf8Encoding,
        "it is not UTF-8",
    ),
    (
        "detectSQLi",
        Word::DetectSqli,
        "libinjection finds SQL in it",
    ),
    (
        "detectXSS",
        Word::DetectXss,
        "libinjection finds a script in it",
    ),
    (
        "verifyCC",
        Word::VerifyCc,
        "a card number is found in it, and its check digit is right",
    ),
    (
        "verifyCPF",
        Word::VerifyCpf,
        "a Brazilian CPF is found in it, and its check digits are right",
    ),
    (
        "verifySSN",
        Word::VerifySsn,
        "a US social security number is found in it",
    ),
    (
        "verifySVNR",
        Word::VerifySvnr,
        "an Austrian social security number is found in it",
    ),
];

/// Operators that are understood and cannot be had, with the reason.
static REFUSED: &[(&str, &str)] = &[
    ("inspectFile", "it runs a program on each file; file uploads have a detector of their own, and a scanner can be attached to it"),
    ("rbl", "it asks a name server while the request waits; refuse addresses by lists in the ip_filter policy"),
    ("geoLookup", "it needs a database of places; refuse countries by the ip_filter policy"),
    ("gsbLookup", "its database is no longer published"),
    ("fuzzyHash", "it compares with hashes of known files; file uploads have a detector of their own"),
    ("validateSchema", "XML is not checked against schemas; what an API takes is for its OpenAPI document to say"),
    ("validateDTD", "DTDs are refused altogether: they are how XML attacks begin"),
    ("validateHash", "links are not signed here"),
    ("rsub", "rules do not rewrite bodies; the transform policies do"),
    ("restpath", "paths are matched by routes and the API's OpenAPI document"),
    ("ipMatchFromDataset", "data sets are files here: use @ipMatchFromFile"),
    ("pmFromDataset", "data sets are files here: use @pmFromFile"),
    ("validateNid", "use @rx, or the detectors of what must not leave"),
];

/// The operator of this name.
pub fn find(name: Text<'_>) -> Result<Word, Fault> {
    if let Some((_, found, _)) = OPERATORS.iter().find(|(known, _, _)| name.is(known)) {
        return Ok(*found);
    }
    if let Some((known, why)) = REFUSED.iter().find(|(known, _)| name.is(known)) {
        return Err(Fault::new(
            name.at,
            Code::UnsupportedOperator,
            format!("@{known} is not to be had: {why}."),
        ));
    }
    Err(Fault::misspelt(
        name,
        Kind::Operator,
        Code::UnknownOperator,
        format!("There is no operator `@{}`.", name.shown()),
    ))
}

pub fn entries() -> Vec<Entry> {
    let done = OPERATORS.iter().map(|(name, _, says)| Entry {
        kind: Kind::Operator,
        name,
        says,
        support: Support::Done,
    });
    let refused = REFUSED.iter().map(|(name, why)| Entry {
        kind: Kind::Operator,
        name,
        says: "not to be had",
        support: Support::Refused(why),
    });
    done.chain(refused).collect()
}
