//! Transformations: what is made of a value before an operator looks at it.
//!
//! Each is a pure function of bytes. [`Transformation::changes`] says which
//! bytes it can change at all, by which the engine leaves most of them out.
//! They do what ModSecurity 3 does, since rules were written against it; where
//! one does something else, the reason stands beside it.

mod base64;
mod code_page;
mod comments;
mod css;
mod digest;
mod escapes;
mod hex;
mod html;
mod letters;
mod path;
mod reach;
mod scan;
mod spaces;
mod unicode;
mod url;

use crate::bytes::ByteSet;

/// What can be made of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the rule language's own words")]
pub enum Transformation {
    Base64Decode,
    Base64DecodeExt,
    Base64Encode,
    CmdLine,
    CompressWhitespace,
    CssDecode,
    EscapeSeqDecode,
    HexDecode,
    HexEncode,
    HtmlEntityDecode,
    JsDecode,
    Length,
    Lowercase,
    Md5,
    NormalizePath,
    NormalizePathWin,
    ParityEven7Bit,
    ParityOdd7Bit,
    ParityZero7Bit,
    RemoveComments,
    RemoveCommentsChar,
    RemoveNulls,
    RemoveWhitespace,
    ReplaceComments,
    ReplaceNulls,
    Sha1,
    SqlHexDecode,
    Trim,
    TrimLeft,
    TrimRight,
    Uppercase,
    UrlDecode,
    UrlDecodeUni,
    UrlEncode,
    Utf8ToUnicode,
}

use Transformation as T;

/// All of them, with the names by which rules ask for them.
const NAMES: [(T, &str); 35] = [
    (T::Base64Decode, "base64Decode"),
    (T::Base64DecodeExt, "base64DecodeExt"),
    (T::Base64Encode, "base64Encode"),
    (T::CmdLine, "cmdLine"),
    (T::CompressWhitespace, "compressWhitespace"),
    (T::CssDecode, "cssDecode"),
    (T::EscapeSeqDecode, "escapeSeqDecode"),
    (T::HexDecode, "hexDecode"),
    (T::HexEncode, "hexEncode"),
    (T::HtmlEntityDecode, "htmlEntityDecode"),
    (T::JsDecode, "jsDecode"),
    (T::Length, "length"),
    (T::Lowercase, "lowercase"),
    (T::Md5, "md5"),
    (T::NormalizePath, "normalizePath"),
    (T::NormalizePathWin, "normalizePathWin"),
    (T::ParityEven7Bit, "parityEven7bit"),
    (T::ParityOdd7Bit, "parityOdd7bit"),
    (T::ParityZero7Bit, "parityZero7bit"),
    (T::RemoveComments, "removeComments"),
    (T::RemoveCommentsChar, "removeCommentsChar"),
    (T::RemoveNulls, "removeNulls"),
    (T::RemoveWhitespace, "removeWhitespace"),
    (T::ReplaceComments, "replaceComments"),
    (T::ReplaceNulls, "replaceNulls"),
    (T::Sha1, "sha1"),
    (T::SqlHexDecode, "sqlHexDecode"),
    (T::Trim, "trim"),
    (T::TrimLeft, "trimLeft"),
    (T::TrimRight, "trimRight"),
    (T::Uppercase, "uppercase"),
    (T::UrlDecode, "urlDecode"),
    (T::UrlDecodeUni, "urlDecodeUni"),
    (T::UrlEncode, "urlEncode"),
    (T::Utf8ToUnicode, "utf8toUnicode"),
];

/// Other spellings that rules use.
const ALIASES: [(T, &str); 2] = [
    (T::NormalizePath, "normalisePath"),
    (T::NormalizePathWin, "normalisePathWin"),
];

impl Transformation {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(which, _)| *which)
    }

    /// The transformation of this name, without case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .chain(&ALIASES)
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(which, _)| *which)
    }

    /// Its name as rules write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(which, _)| *which == self)
            .map_or("", |(_, name)| name)
    }

    /// The bytes without which a value stays as it is: what has none of them is
    /// not changed. All bytes, where nothing can be said; then an empty value
    /// may change too.
    #[must_use]
    pub const fn changes(self) -> ByteSet {
        reach::changes(self)
    }

    /// A superset of the bytes that may come out, where only bytes of `input` go in.
    #[must_use]
    pub fn image(self, input: ByteSet) -> ByteSet {
        reach::image(self, input)
    }

    /// How many bytes come out at most, where `len` go in. Never more than three
    /// and a half times as many, but for the fixed lengths of `length`, `md5` and
    /// `sha1`.
    #[must_use]
    pub const fn max_len(self, len: usize) -> usize {
        reach::max_len(self, len)
    }

    /// Writes what becomes of `input` at the end of `out`, and says whether that
    /// is something else than `input`. What did not change is not written: `out`
    /// is then as it was.
    pub fn apply(self, input: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let changed = match self {
            T::Base64Decode => base64::decode(input, out),
            T::Base64DecodeExt => base64::decode_forgiving(input, out),
            T::Base64Encode => base64::encode(input, out),
            T::CmdLine => letters::command_line(input, out),
            T::CompressWhitespace => spaces::compress(input, out),
            T::CssDecode => css::decode(input, out),
            T::EscapeSeqDecode => escapes::decode_c(input, out),
            T::HexDecode => hex::decode(input, out),
            T::HexEncode => hex::encode(input, out),
            T::HtmlEntityDecode => html::decode(input, out),
            T::JsDecode => escapes::decode_js(input, out),
            T::Length => digest::length(input, out),
            T::Lowercase => letters::lowercase(input, out),
            T::Md5 => digest::md5(input, out),
            T::NormalizePath => path::normalize(input, out, path::Slashes::Forward),
            T::NormalizePathWin => path::normalize(input, out, path::Slashes::Both),
            T::ParityEven7Bit => letters::map(input, out, &letters::EVEN),
            T::ParityOdd7Bit => letters::map(input, out, &letters::ODD),
            T::ParityZero7Bit => letters::map(input, out, &letters::ZERO),
            T::RemoveComments => comments::remove(input, out),
            T::RemoveCommentsChar => comments::remove_marks(input, out),
            T::RemoveNulls => letters::remove_nulls(input, out),
            T::RemoveWhitespace => spaces::remove(input, out),
            T::ReplaceComments => comments::replace(input, out),
            T::ReplaceNulls => letters::replace_nulls(input, out),
            T::Sha1 => digest::sha1(input, out),
            T::SqlHexDecode => hex::decode_sql(input, out),
            T::Trim => spaces::trim(input, out, true, true),
            T::TrimLeft => spaces::trim(input, out, true, false),
            T::TrimRight => spaces::trim(input, out, false, true),
            T::Uppercase => letters::uppercase(input, out),
            T::UrlDecode => url::decode(input, out),
            T::UrlDecodeUni => url::decode_uni(input, out),
            T::UrlEncode => url::encode(input, out),
            T::Utf8ToUnicode => unicode::from_utf8(input, out),
        };
        if !changed {
            out.truncate(start);
        }
        changed
    }
}

/// Writes what several transformations, one after the other, make of `input` at
/// the end of `out`, and says whether that is something else than `input`. What
/// did not change is not written. `scratch` is overwritten.
pub fn chain(
    chain: &[Transformation],
    input: &[u8],
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> bool {
    enum Holds {
        Input,
        Out,
        Scratch,
    }
    let start = out.len();
    let mut holds = Holds::Input;
    for transformation in chain {
        match holds {
            Holds::Input => {
                if transformation.apply(input, out) {
                    holds = Holds::Out;
                }
            }
            Holds::Out => {
                scratch.clear();
                let before = out.get(start..).unwrap_or_default();
                if transformation.apply(before, scratch) {
                    out.truncate(start);
                    holds = Holds::Scratch;
                }
            }
            Holds::Scratch => {
                if transformation.apply(scratch, out) {
                    holds = Holds::Out;
                }
            }
        }
    }
    if matches!(holds, Holds::Input) {
        return false;
    }
    if matches!(holds, Holds::Scratch) {
        out.extend_from_slice(scratch);
    }
    let changed = out.get(start..) != Some(input);
    if !changed {
        out.truncate(start);
    }
    changed
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
