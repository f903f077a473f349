//! What a transformation can change at all, and what can come out of it.

use super::letters::{Map, EVEN, ODD, ZERO};
use super::scan::SPACES;
use super::spaces::is_removed;
use super::url::is_plain;
use super::Transformation as T;
use crate::bytes::ByteSet;

const UPPER: ByteSet = ByteSet::range(b'A', b'Z');
const LOWER: ByteSet = ByteSet::range(b'a', b'z');
const DIGITS: ByteSet = ByteSet::range(b'0', b'9');
const HEX: ByteSet = DIGITS.union(&ByteSet::range(b'a', b'f'));
const HIGH: ByteSet = ByteSet::range(0x80, 0xff);
/// What a mark of a comment cannot do without.
const MARKS: ByteSet = ByteSet::of(b"*-#");
/// What `cmdLine` drops, and what it makes blanks of.
const QUOTES: ByteSet = ByteSet::of(b"\"'\\^");
const BLANKS: ByteSet = ByteSet::of(b" ,;\t\r\n");

/// The bytes for which `is` says so; as a macro, since a constant cannot call a closure.
macro_rules! set_where {
    ($byte:ident, $is:expr) => {{
        let mut set = ByteSet::NONE;
        let mut value = 0_usize;
        while value < 256 {
            let $byte = value as u8;
            if $is {
                set = set.union(&ByteSet::of(&[$byte]));
            }
            value += 1;
        }
        set
    }};
}

/// What a map does not leave as it is.
const fn moved(map: &Map) -> ByteSet {
    set_where!(byte, map[byte as usize] != byte)
}

const EVEN_MOVES: ByteSet = moved(&EVEN);
const ODD_MOVES: ByteSet = moved(&ODD);
const ZERO_MOVES: ByteSet = moved(&ZERO);
const PLAIN: ByteSet = set_where!(byte, is_plain(byte));
const REMOVED: ByteSet = set_where!(byte, is_removed(byte));

pub(super) const fn changes(which: T) -> ByteSet {
    match which {
        T::Base64Decode
        | T::Base64DecodeExt
        | T::Base64Encode
        | T::HexDecode
        | T::HexEncode
        | T::Length
        | T::Md5
        | T::Sha1 => ByteSet::ALL,
        T::CmdLine => QUOTES.union(&BLANKS).union(&UPPER),
        T::CompressWhitespace | T::Trim | T::TrimLeft | T::TrimRight => SPACES,
        T::CssDecode | T::EscapeSeqDecode | T::JsDecode => ByteSet::of(b"\\"),
        T::HtmlEntityDecode => ByteSet::of(b"&"),
        T::Lowercase => UPPER,
        T::NormalizePath => ByteSet::of(b"/."),
        T::NormalizePathWin => ByteSet::of(b"/.\\"),
        T::ParityEven7Bit => EVEN_MOVES,
        T::ParityOdd7Bit => ODD_MOVES,
        T::ParityZero7Bit => ZERO_MOVES,
        T::RemoveComments | T::RemoveCommentsChar => MARKS,
        T::RemoveNulls | T::ReplaceNulls => ByteSet::of(b"\0"),
        T::RemoveWhitespace => REMOVED,
        T::ReplaceComments => ByteSet::of(b"*"),
        T::SqlHexDecode => ByteSet::of(b"xX"),
        T::Uppercase => LOWER,
        T::UrlDecode | T::UrlDecodeUni => ByteSet::of(b"%+"),
        T::UrlEncode => PLAIN.complement(),
        T::Utf8ToUnicode => HIGH.union(&ByteSet::of(b"\0")),
    }
}

/// The bytes of `set` without those of `less`.
const fn without(set: &ByteSet, less: &ByteSet) -> ByteSet {
    set.intersection(&less.complement())
}

/// What `map` makes of the bytes of a set.
fn mapped(set: ByteSet, map: impl Fn(u8) -> u8) -> ByteSet {
    let mut image = ByteSet::NONE;
    set.iter().for_each(|byte| image.insert(map(byte)));
    image
}

/// `set`, and `more` where it has one of `if_any`.
const fn with(set: ByteSet, if_any: &ByteSet, more: &ByteSet) -> ByteSet {
    if set.meets(if_any) {
        set.union(more)
    } else {
        set
    }
}

pub(super) fn image(which: T, input: ByteSet) -> ByteSet {
    let blank = ByteSet::of(b" ");
    match which {
        T::Base64Decode | T::Base64DecodeExt | T::HexDecode | T::Md5 | T::Sha1 => ByteSet::ALL,
        T::Base64Encode => DIGITS
            .union(&UPPER)
            .union(&LOWER)
            .union(&ByteSet::of(b"+/=")),
        T::HexEncode => HEX,
        T::Length => DIGITS,
        T::CssDecode
        | T::EscapeSeqDecode
        | T::HtmlEntityDecode
        | T::JsDecode
        | T::SqlHexDecode
        | T::UrlDecode
        | T::UrlDecodeUni => with(input, &changes(which), &ByteSet::ALL),
        T::CmdLine => {
            let kept = without(&input, &QUOTES);
            mapped(kept, |byte| match byte {
                byte if BLANKS.contains(byte) => b' ',
                byte => byte.to_ascii_lowercase(),
            })
        }
        T::CompressWhitespace => without(&with(input, &SPACES, &blank), &without(&SPACES, &blank)),
        T::Lowercase => mapped(input, |byte| byte.to_ascii_lowercase()),
        T::Uppercase => mapped(input, |byte| byte.to_ascii_uppercase()),
        T::NormalizePath | T::Trim | T::TrimLeft | T::TrimRight | T::RemoveCommentsChar => input,
        T::NormalizePathWin => mapped(input, |byte| if byte == b'\\' { b'/' } else { byte }),
        T::ParityEven7Bit => mapped(input, |byte| EVEN[usize::from(byte)]),
        T::ParityOdd7Bit => mapped(input, |byte| ODD[usize::from(byte)]),
        T::ParityZero7Bit => mapped(input, |byte| ZERO[usize::from(byte)]),
        T::RemoveComments | T::ReplaceComments => with(input, &changes(which), &blank),
        T::RemoveNulls => without(&input, &ByteSet::of(b"\0")),
        T::ReplaceNulls => mapped(input, |byte| if byte == 0 { b' ' } else { byte }),
        T::RemoveWhitespace => without(&input, &REMOVED),
        T::UrlEncode => {
            let coded = without(&input, &PLAIN.union(&blank));
            let mut image = input.intersection(&PLAIN);
            if !coded.is_empty() {
                image = image.union(&HEX).union(&ByteSet::of(b"%"));
            }
            if input.contains(b' ') {
                image.insert(b'+');
            }
            image
        }
        T::Utf8ToUnicode => {
            let kept = without(&input, &ByteSet::of(b"\0"));
            with(kept, &HIGH, &HEX.union(&ByteSet::of(b"%u")))
        }
    }
}

pub(super) const fn max_len(which: T, len: usize) -> usize {
    match which {
        T::Base64Decode | T::Base64DecodeExt => len.div_ceil(4).saturating_mul(3),
        T::Base64Encode => len.div_ceil(3).saturating_mul(4),
        T::HexDecode => len / 2,
        T::HexEncode => len.saturating_mul(2),
        T::Length => 20,
        T::Md5 => 16,
        T::Sha1 => 20,
        T::UrlEncode => len.saturating_mul(3),
        // An overlong character of two bytes is seven: `%u002f` and its first byte.
        T::Utf8ToUnicode => len.saturating_mul(7).div_ceil(2),
        _ => len,
    }
}
