use std::net::IpAddr;

use proptest::prelude::*;

use super::{leading, Caches, Captures, Compiled};
use crate::bytes::ByteSet;
use crate::rule::{Collection, Operator, Pattern, Piece, Template};

fn template(text: &[u8]) -> Template {
    Template {
        pieces: match text {
            b"" => Vec::new(),
            text => vec![Piece::Text(text.into())],
        },
    }
}

fn expanded() -> Template {
    Template {
        pieces: vec![Piece::Macro(Collection::Tx, Some((*b"x").into()))],
    }
}

fn pattern(source: &str) -> Pattern {
    let hir = regex_syntax::ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .build()
        .parse(source)
        .unwrap();
    Pattern {
        source: source.into(),
        hir,
    }
}

fn phrases(list: &[&str]) -> Operator {
    Operator::Pm(list.iter().map(|word| word.as_bytes().into()).collect())
}

/// What is found, where it matches; both ways of asking have to agree.
fn ask(operator: &Operator, argument: &[u8], value: &[u8]) -> Option<Captures> {
    let compiled = Compiled::compile(operator).unwrap();
    let mut caches = Caches::new();
    let mut captures = Captures::default();
    let found = compiled.find(value, argument, &mut caches, &mut captures);
    assert_eq!(compiled.matches(value, argument, &mut caches), found);
    found.then_some(captures)
}

fn holds(operator: &Operator, value: &str) -> bool {
    ask(operator, b"", value.as_bytes()).is_some()
}

/// The text of a group.
fn group(operator: &Operator, value: &str, group: usize) -> Option<String> {
    let span = ask(operator, b"", value.as_bytes())?.get(group)?;
    let at = span.at as usize;
    Some(value[at..at + span.len as usize].to_owned())
}

#[test]
fn text_with_text() {
    type Make = fn(Template) -> Operator;
    let cases: [(Make, &str, &str, Option<&str>); 24] = [
        (Operator::Contains, "b", "abc", Some("b")),
        (Operator::Contains, "B", "abc", None),
        (Operator::Contains, "", "abc", Some("")),
        (Operator::StrMatch, "bc", "abcd", Some("bc")),
        (Operator::StrMatch, "cb", "abcd", None),
        (Operator::BeginsWith, "ab", "abc", Some("ab")),
        (Operator::BeginsWith, "bc", "abc", None),
        (Operator::BeginsWith, "abcd", "abc", None),
        (Operator::EndsWith, "bc", "abc", Some("bc")),
        (Operator::EndsWith, "ab", "abc", None),
        (Operator::EndsWith, "", "abc", Some("")),
        (Operator::Streq, "abc", "abc", Some("abc")),
        (Operator::Streq, "abc", "abcd", None),
        (Operator::Within, "GET POST", "POST", Some("POST")),
        (Operator::Within, "GET POST", "PUT", None),
        (Operator::Within, "GET", "", Some("")),
        (Operator::ContainsWord, "or", "1 or 1", Some("or")),
        (Operator::ContainsWord, "or", "for or", Some("or")),
        (Operator::ContainsWord, "or", "for order", None),
        (Operator::ContainsWord, "or", "1or1", Some("or")),
        (Operator::ContainsWord, "aa", "baaa aa", Some("aa")),
        (Operator::ContainsWord, "", "x", Some("")),
        (Operator::ContainsWord, "or", "", None),
        (Operator::ContainsWord, "or", "or", Some("or")),
    ];
    for (make, argument, value, wanted) in cases {
        let fixed = make(template(argument.as_bytes()));
        let found = ask(&fixed, b"not looked at", value.as_bytes());
        let later = ask(&make(expanded()), argument.as_bytes(), value.as_bytes());
        assert_eq!(found, later, "{fixed:?} of {value:?}");
        assert_eq!(
            group(&fixed, value, 0).as_deref(),
            wanted,
            "{fixed:?} of {value:?}"
        );
    }
    let word = ask(&Operator::ContainsWord(template(b"aa")), b"", b"baaa aa").unwrap();
    assert_eq!(word.get(0).unwrap().at, 5);
}

#[test]
fn only_what_depends_on_the_transaction_is_asked_for() {
    let fixed = Compiled::compile(&Operator::Streq(template(b"x"))).unwrap();
    assert_eq!(fixed.argument(), None);
    for operator in [Operator::Streq(expanded()), Operator::Eq(expanded())] {
        let compiled = Compiled::compile(&operator).unwrap();
        assert_eq!(compiled.argument(), Some(&expanded()));
    }
}

#[test]
fn numbers_are_read_as_c_reads_them() {
    for (text, number) in [
        ("", 0),
        ("12", 12),
        (" \t-12x", -12),
        ("+7", 7),
        ("x7", 0),
        ("- 7", 0),
        ("0x10", 0),
        ("1e3", 1),
        ("9223372036854775807", i64::MAX),
        ("9223372036854775808", i64::MAX),
        ("-99999999999999999999", i64::MIN),
    ] {
        assert_eq!(leading(text.as_bytes()), number, "{text:?}");
    }
}

#[test]
fn numbers_are_compared() {
    type Make = fn(Template) -> Operator;
    let makes: [(Make, [bool; 3]); 5] = [
        (Operator::Eq, [false, true, false]),
        (Operator::Ge, [false, true, true]),
        (Operator::Gt, [false, false, true]),
        (Operator::Le, [true, true, false]),
        (Operator::Lt, [true, false, false]),
    ];
    for (make, wanted) in makes {
        for (value, wanted) in ["4", "5", "6"].into_iter().zip(wanted) {
            assert_eq!(holds(&make(template(b"5")), value), wanted, "{value}");
            let later = ask(&make(expanded()), b"5", value.as_bytes());
            assert_eq!(later.is_some(), wanted, "{value}");
        }
    }
}

#[test]
fn addresses() {
    let networks: Vec<(IpAddr, u8)> = [
        ("10.0.0.0", 8),
        ("192.0.2.7", 32),
        ("192.0.2.9", 40),
        ("10.1.0.0", 16),
        ("2001:db8::", 32),
        ("::1", 128),
    ]
    .map(|(address, bits)| (address.parse().unwrap(), bits))
    .into();
    let operator = Operator::IpMatch(networks);
    for inside in [
        "10.0.0.0",
        "10.255.255.255",
        "192.0.2.7",
        "192.0.2.9",
        "::ffff:10.1.2.3",
        "2001:db8:ffff::1",
        "::1",
    ] {
        assert!(holds(&operator, inside), "{inside}");
    }
    for outside in [
        "9.255.255.255",
        "11.0.0.0",
        "192.0.2.8",
        "2001:db9::",
        "::2",
        "",
        "x",
        "10.1",
    ] {
        assert!(!holds(&operator, outside), "{outside}");
    }
    let all = Operator::IpMatch(vec![("0.0.0.0".parse().unwrap(), 0)]);
    assert!(holds(&all, "255.255.255.255") && !holds(&all, "::1"));
    let all = Operator::IpMatch(vec![("::".parse().unwrap(), 0)]);
    assert!(holds(&all, "255.255.255.255") && holds(&all, "ffff::"));
    assert!(!holds(&Operator::IpMatch(Vec::new()), "::1"));
}

#[test]
fn encodings() {
    let printable = Operator::ValidateByteRange(ByteSet::range(32, 126));
    assert!(!holds(&printable, "plain"));
    assert_eq!(group(&printable, "a\nb\t", 0).as_deref(), Some("\n"));
    for (value, wanted) in [
        ("a%20b%C3%a4", None),
        ("", None),
        ("a%2", Some("%2")),
        ("%", Some("%")),
        ("%41%zz", Some("%zz")),
        ("%%41", Some("%%4")),
        ("%u0041", Some("%u0")),
    ] {
        let found = group(&Operator::ValidateUrlEncoding, value, 0);
        assert_eq!(found.as_deref(), wanted, "{value:?}");
    }
    let utf8 = Operator::ValidateUtf8Encoding;
    for valid in ["", "plain", "é€😀", "\u{10ffff}\u{d7ff}\u{e000}"] {
        assert!(!holds(&utf8, valid));
    }
    let invalid: [&[u8]; 8] = [
        b"a\xc0\xaf",
        b"a\xe0\x80\xaf",
        b"a\xf0\x80\x80\xaf",
        b"a\xed\xa0\x80",
        b"a\xf4\x90\x80\x80",
        b"a\xf5\x80\x80\x80",
        b"a\xe2\x82",
        b"a\x80",
    ];
    for value in invalid {
        let found = ask(&utf8, b"", value).unwrap();
        assert_eq!(found.get(0).unwrap().at, 1, "{value:?}");
    }
}

#[test]
fn phrases_are_found_without_case() {
    let operator = phrases(&["select", "Union All", "", "union"]);
    assert_eq!(
        group(&operator, "x UNION ALL select", 0).as_deref(),
        Some("UNION")
    );
    assert_eq!(group(&operator, "SeLeCt", 0).as_deref(), Some("SeLeCt"));
    assert!(!holds(&operator, "unio selec"));
    assert!(!holds(&phrases(&[]), "x"));
    let many: Vec<String> = (1000..3000)
        .map(|number| format!("word{number}z"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        group(&phrases(&many), "a WORD2999Z", 0).as_deref(),
        Some("WORD2999Z")
    );
}

#[test]
fn expressions_and_their_groups() {
    let operator = Operator::Rx(pattern("(?i)(se(l)ect)|(x)(y)?"));
    assert_eq!(group(&operator, "a SELECT", 0).as_deref(), Some("SELECT"));
    assert_eq!(group(&operator, "a SELECT", 2).as_deref(), Some("L"));
    assert_eq!(group(&operator, "a SELECT", 3), None);
    assert_eq!(group(&operator, "ax", 3).as_deref(), Some("x"));
    assert_eq!(group(&operator, "ax", 4), None);
    assert!(!holds(&operator, "SELEC"));
    let many = Operator::Rx(pattern("(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)"));
    assert_eq!(group(&many, "xabcdefghijk", 9).as_deref(), Some("i"));
    assert_eq!(ask(&many, b"", b"abcdefghijk").unwrap().get(10), None);
    assert!(ask(&Operator::Rx(pattern(r"\xff\x00")), b"", b"a\xff\0").is_some());
}

#[test]
fn injections() {
    assert!(holds(&Operator::DetectSqli, "1' or '1'='1"));
    assert!(!holds(&Operator::DetectSqli, "O'Brien"));
    assert!(holds(&Operator::DetectXss, "<script>alert(1)</script>"));
    assert!(!holds(&Operator::DetectXss, "a < b"));
}

#[test]
fn what_is_too_large_is_refused() {
    let error = Compiled::compile(&Operator::Rx(pattern("(?:[a-z]{1000}){1000}"))).unwrap_err();
    assert!(error.to_string().contains("needs more than"), "{error}");
}

#[test]
fn numbers_of_people_and_cards() {
    let card = Operator::VerifyCc(pattern(r"\d{13,16}"));
    assert_eq!(
        group(&card, "no 4111111111111111.", 0).as_deref(),
        Some("4111111111111111")
    );
    // The right number begins within a wrong one.
    assert_eq!(
        group(&card, "94111111111111111", 0).as_deref(),
        Some("4111111111111111")
    );
    let whole = Operator::VerifyCc(pattern(r"^\d{16}$"));
    assert!(holds(&whole, "4111111111111111") && !holds(&whole, "4111111111111112"));
    assert!(!holds(&Operator::VerifyCc(pattern("x")), "xx"));
    let cpf = Operator::VerifyCpf(pattern(r"[\d.-]{11,14}"));
    assert!(holds(&cpf, "529.982.247-25"));
    assert!(!holds(&cpf, "529.982.247-26") && !holds(&cpf, "111.111.111-11"));
    let ssn = Operator::VerifySsn(pattern(r"\d{3}-?\d{2}-?\d{4}"));
    assert!(holds(&ssn, "078-05-1120"));
    for wrong in [
        "000-12-3456",
        "666-12-3456",
        "740-12-3456",
        "123-00-4567",
        "123-45-0000",
        "123456789",
        "111111111",
    ] {
        assert!(!holds(&ssn, wrong), "{wrong}");
    }
    let svnr = Operator::VerifySvnr(pattern(r"\d{4} ?\d{6}"));
    assert!(holds(&svnr, "1237 010180") && !holds(&svnr, "1238 010180"));
}

#[test]
fn what_overlaps_stays_linear() {
    let operator = Operator::VerifyCc(pattern(r"\d+"));
    let value = vec![b'1'; 200_000];
    let wanted = ask(&operator, b"", &value);
    assert!(wanted.is_none_or(|found| found.get(0).is_some()));
}

#[test]
fn room_is_given_back() {
    let mut caches = Caches::new();
    let mut most = 0;
    let value: Vec<u8> = (0..2000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    for number in 0..60 {
        let source = format!("(?:[a-q][^a-z]{{{},40}}[b-z]){{3}}", number % 7);
        let compiled = Compiled::compile(&Operator::Rx(pattern(&source))).unwrap();
        compiled.matches(&value, b"", &mut caches);
        most = most.max(caches.memory());
    }
    assert!(most > 0 && most <= super::rx::KEPT_BYTES, "{most}");
    caches.clear();
    assert_eq!(caches.memory(), 0);
}

proptest! {
    #[test]
    fn no_operator_minds_what_it_gets(
        value in prop::collection::vec(any::<u8>(), 0..300),
        argument in prop::collection::vec(any::<u8>(), 0..5),
    ) {
        for make in [Operator::Contains, Operator::ContainsWord, Operator::BeginsWith, Operator::EndsWith,
            Operator::Streq, Operator::Within, Operator::Eq, Operator::Lt] {
            let fixed = make(template(&argument));
            prop_assert_eq!(ask(&fixed, b"", &value), ask(&make(expanded()), &argument, &value));
        }
        ask(&Operator::ValidateUrlEncoding, b"", &value);
        ask(&Operator::ValidateUtf8Encoding, b"", &value);
        ask(&Operator::VerifyCc(pattern(r"\d+")), b"", &value);
    }

    #[test]
    fn luhn_s_sum_completes_any_digits(digits in "[0-9]{12,18}") {
        let card = Operator::VerifyCc(pattern(r"^\d+$"));
        let right = (0..10).filter(|last| holds(&card, &format!("{digits}{last}"))).count();
        prop_assert_eq!(right, 1);
    }
}
