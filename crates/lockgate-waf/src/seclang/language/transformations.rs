//! Transformations, by all names that rules give them.

use super::{Entry, Kind, Support};
use crate::seclang::codes::Code;
use crate::seclang::errors::Fault;
use crate::seclang::text::Text;
use crate::transform::Transformation as T;

static TRANSFORMATIONS: &[(&str, T, &str)] = &[
    (
        "base64Decode",
        T::Base64Decode,
        "decodes base64, up to what is none",
    ),
    (
        "base64DecodeExt",
        T::Base64DecodeExt,
        "decodes base64, and passes over what is none",
    ),
    ("base64Encode", T::Base64Encode, "encodes as base64"),
    ("cmdLine", T::CmdLine, "brings a command line into one form"),
    (
        "compressWhitespace",
        T::CompressWhitespace,
        "makes one space of white space",
    ),
    ("cssDecode", T::CssDecode, "decodes CSS escapes"),
    (
        "escapeSeqDecode",
        T::EscapeSeqDecode,
        "decodes the escapes of ANSI C",
    ),
    ("hexDecode", T::HexDecode, "decodes hexadecimal digits"),
    ("hexEncode", T::HexEncode, "encodes as hexadecimal digits"),
    (
        "htmlEntityDecode",
        T::HtmlEntityDecode,
        "decodes HTML's character references",
    ),
    ("jsDecode", T::JsDecode, "decodes JavaScript escapes"),
    ("length", T::Length, "makes of a value its length in bytes"),
    (
        "lowercase",
        T::Lowercase,
        "puts ASCII letters in lower case",
    ),
    ("md5", T::Md5, "makes of a value its MD5 sum, as bytes"),
    ("normalizePath", T::NormalizePath, "resolves //, ./ and ../"),
    ("normalisePath", T::NormalizePath, "the same"),
    (
        "normalizePathWin",
        T::NormalizePathWin,
        "the same, with backslashes as slashes",
    ),
    ("normalisePathWin", T::NormalizePathWin, "the same"),
    (
        "parityEven7bit",
        T::ParityEven7Bit,
        "sets each byte's eighth bit for even parity",
    ),
    (
        "parityOdd7bit",
        T::ParityOdd7Bit,
        "sets each byte's eighth bit for odd parity",
    ),
    (
        "parityZero7bit",
        T::ParityZero7Bit,
        "clears each byte's eighth bit",
    ),
    ("removeComments", T::RemoveComments, "takes out comments"),
    (
        "removeCommentsChar",
        T::RemoveCommentsChar,
        "takes out what begins and ends comments",
    ),
    ("removeNulls", T::RemoveNulls, "takes out zero bytes"),
    (
        "removeWhitespace",
        T::RemoveWhitespace,
        "takes out white space",
    ),
    (
        "replaceComments",
        T::ReplaceComments,
        "makes a space of each C comment",
    ),
    (
        "replaceNulls",
        T::ReplaceNulls,
        "makes spaces of zero bytes",
    ),
    ("sha1", T::Sha1, "makes of a value its SHA-1 sum, as bytes"),
    (
        "sqlHexDecode",
        T::SqlHexDecode,
        "decodes SQL's hexadecimal strings (0x…)",
    ),
    ("trim", T::Trim, "takes white space from both ends"),
    (
        "trimLeft",
        T::TrimLeft,
        "takes white space from the beginning",
    ),
    ("trimRight", T::TrimRight, "takes white space from the end"),
    (
        "uppercase",
        T::Uppercase,
        "puts ASCII letters in upper case",
    ),
    (
        "urlDecode",
        T::UrlDecode,
        "decodes percent signs and plus signs",
    ),
    ("urlDecodeUni", T::UrlDecodeUni, "the same, with %uHHHH"),
    ("urlEncode", T::UrlEncode, "encodes with percent signs"),
    (
        "utf8toUnicode",
        T::Utf8ToUnicode,
        "writes UTF-8 characters as %uHHHH",
    ),
];

/// The transformation of this name; `None` is `none`, which takes back all before it.
pub fn find(name: Text<'_>) -> Result<Option<T>, Fault> {
    if name.is("none") {
        return Ok(None);
    }
    if let Some((_, found, _)) = TRANSFORMATIONS.iter().find(|(known, _, _)| name.is(known)) {
        return Ok(Some(*found));
    }
    Err(Fault::misspelt(
        name,
        Kind::Transformation,
        Code::UnknownTransformation,
        format!("There is no transformation `{}`.", name.shown()),
    ))
}

pub fn entries() -> Vec<Entry> {
    let entry = |name, says| Entry {
        kind: Kind::Transformation,
        name,
        says,
        support: Support::Done,
    };
    let mut entries = vec![entry("none", "takes back all transformations before it")];
    entries.extend(
        TRANSFORMATIONS
            .iter()
            .map(|(name, _, says)| entry(name, says)),
    );
    entries
}
