//! What takes long if anything does: a mebibyte that repeats itself.

use super::super::{sqli, xss};

/// The largest value that rules see at once, bytes, and one that comes to the same.
const LONG: usize = 1 << 20;
const SHORT: usize = 1 << 10;

/// How a value begins, and what it goes on with.
const REPEATED: &[(&str, &str)] = &[
    ("", "a"),
    ("", "(-"),
    ("", "1+"),
    ("", "a,"),
    ("", "[a]+"),
    ("", "@a+"),
    ("", "$a$b"),
    ("", "x'0"),
    ("", "q'(a"),
    ("", "1/**/+"),
    ("", "#a\n1+"),
    ("", "{a"),
    ("", "select."),
    ("`x`", "NOT`x`"),
    ("'", "\\'"),
    ("'", "''"),
    ("'", "\\"),
    ("'", "+\"-"),
    ("1-- ", "sp_passwor"),
    ("", "<"),
    ("", "</>"),
    ("=", "/"),
    ("<!--", "-\0"),
    ("<![CDATA[", "]]"),
    ("<%", "%"),
    ("href=", "&#0"),
    ("'\"`", "href=&#0 "),
    ("'\"`", "onfocuz=a "),
    ("'\"`", "attributename=onxxx "),
    ("'\"`=", "<!-->"),
];

#[test]
fn a_mebibyte_is_read_as_a_kibibyte_is() {
    for (begins, goes_on) in REPEATED {
        let value = |len: usize| {
            [
                begins.as_bytes(),
                goes_on.repeat(len / goes_on.len()).as_bytes(),
            ]
            .concat()
        };
        let (long, short) = (value(LONG), value(SHORT));
        assert_eq!(sqli(&long), sqli(&short), "{begins}{goes_on}");
        assert_eq!(xss(&long), xss(&short), "{begins}{goes_on}");
    }
}

/// Readings of a long value that come to the same go on as one; a short one is read
/// in each context by itself.
#[test]
fn a_long_value_is_judged_as_a_short_one() {
    let fill = "<p>word</p> ".repeat(30);
    for (value, _) in super::cases::HTML {
        let long = format!("<p>{fill}</p>'\"`{value}");
        let short = format!("<p></p>'\"`{value}");
        assert_eq!(xss(long.as_bytes()), xss(short.as_bytes()), "{value}");
    }
}
