use proptest::prelude::*;
use regex_automata::meta::Regex;

use super::{edges, Caches, Captures, Rx};
use crate::rule::Pattern;

fn parse(source: &str) -> Option<Pattern> {
    let hir = regex_syntax::ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .dot_matches_new_line(true)
        .build()
        .parse(source)
        .ok()?;
    Some(Pattern {
        source: source.into(),
        hir,
    })
}

fn rx(source: &str) -> Rx {
    Rx::new(&parse(source).unwrap()).unwrap()
}

/// What the library says of it.
fn library(pattern: &Pattern) -> Regex {
    Regex::builder()
        .configure(Regex::config().utf8_empty(false))
        .build_from_hir(&pattern.hir)
        .unwrap()
}

#[test]
fn an_expression_is_cut_to_what_matters() {
    for (source, cut) in [
        (r"\s*select\s*", "select"),
        (r"(?:a*b+c{2,9})", "bcc"),
        (r"(x|y*z*)a", "a"),
        (r"a(?:b*|c)", "a"),
        (r".*?(union).{0,100}select.*", ".*?(union).{0,100}select.*"),
    ] {
        let wanted = edges::necessary(&parse(cut).unwrap().hir);
        assert_eq!(
            edges::necessary(&parse(source).unwrap().hir),
            wanted,
            "{source}"
        );
    }
    let cut = edges::necessary(&parse(r"\s*select\s*").unwrap().hir);
    assert_eq!(cut, parse("select").unwrap().hir);
    // What looks around may not be left out, though it takes no byte.
    let kept = parse(r"^a*(?:\b|$)").unwrap().hir;
    assert_ne!(edges::necessary(&kept), parse("").unwrap().hir);
}

#[test]
fn all_that_looks_around_is_seen() {
    let sources = [
        r"\bor\b",
        r"\Bor\B",
        r"\bor",
        r"or\B",
        r"^or",
        r"or$",
        r"(?m)^or$",
        r"^$",
        r"(?m)^$",
        r"\b",
        r"\B",
        r"^",
        r"$",
        r"x*\b\w+",
        r"(?:^|;)\s*or",
        r"or(?:\b|;)",
        r"\b\B",
        r"$^",
        r"(?m)(?:^|x)or(?:$|y)",
        r"\b{start}or",
        r"or\b{end}",
        r"\b{start-half}or\b{end-half}",
        r"",
        r"[^\x00-\xff]",
        r"a|",
        r"(?:a|b)*",
        r"(?-u)\xff\b",
    ];
    let values: [&[u8]; 16] = [
        b"",
        b"or",
        b"for",
        b"ore",
        b" or ",
        b"a or b",
        b"or\n",
        b"\nor",
        b"x\nor\ny",
        b"\n",
        b";or;",
        b"xory",
        b"_or_",
        b"\xffor\xff",
        b"a",
        b" ",
    ];
    for source in sources {
        let (own, library) = (rx(source), library(&parse(source).unwrap()));
        assert!(own.automaton.is_some(), "{source}");
        let mut caches = Caches::new();
        for value in values {
            let wanted = library.is_match(value);
            assert_eq!(
                own.is_match(value, &mut caches),
                wanted,
                "{source} in {value:?}"
            );
        }
    }
}

#[test]
fn what_takes_more_to_see_is_left_to_the_library() {
    for source in [r"(?Rm)^a$", r"(?Rm)a$"] {
        let own = rx(source);
        assert!(own.automaton.is_none(), "{source}");
        assert!(own.is_match(b"x\r\na\r\n", &mut Caches::new()), "{source}");
    }
}

#[test]
fn groups_of_long_values() {
    let own = rx(r"a(b+).*c");
    let mut caches = Caches::new();
    let mut captures = Captures::default();
    let mut ask = |value: &[u8]| {
        assert!(own.captures(value, &mut caches, &mut captures));
        [0, 1].map(|group| {
            captures
                .get(group)
                .map(|at| at.at as usize..(at.at + at.len) as usize)
        })
    };
    let far = |before: usize, between: usize| {
        [
            &vec![b'-'; before][..],
            b"abb",
            &vec![b'-'; between],
            b"c",
            &[b'-'; 20_000],
        ]
        .concat()
    };
    assert_eq!(
        ask(&far(50_000, 10)),
        [Some(50_000..50_014), Some(50_001..50_003)]
    );
    // It begins too far ahead of its end: what is told is a part of it.
    let end = 50_000 + 3 + 9_000 + 1;
    assert_eq!(
        ask(&far(50_000, 9_000)),
        [Some(end - super::WINDOW..end), None]
    );
    assert!(!own.captures(&[b'a'; 50_000], &mut caches, &mut captures));
    assert_eq!(captures.get(0), None);
}

#[test]
fn counted_repetitions_need_few_states() {
    // Each byte may begin one more repetition: the sets of places are 2^100 without
    // leaving out those that others stand for.
    let own = rx(r"(?:union.{1,100}?select|[ab]{1,90}c.{5,80}d|x.*y.*z.*!)");
    let mut caches = Caches::new();
    let mut seed = 1_u32;
    let value: Vec<u8> = (0..100_000)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"abcunionselctxyz"[(seed >> 28) as usize]
        })
        .collect();
    assert!(!own.is_match(&value, &mut caches));
    assert!(caches.memory() < 500_000, "{}", caches.memory());
}

/// Expressions of the kinds that rules are made of.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a", "b", "ab", "[ab]", "[^a]", ".", r"\b", r"\B", "^", "$", r"\w", r"\W", r"\s", " ", "",
        "(?m:^)", "(?m:$)", "c", "abc",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            3 => prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|parts| format!("(?:{})", parts.join("|"))),
            3 => (inner.clone(), prop::sample::select(vec!["*", "+", "?", "*?", "{2}", "{0,3}", "{1,4}?", "{2,}"]))
                .prop_map(|(part, again)| format!("(?:{part}){again}")),
            1 => inner.prop_map(|part| format!("({part})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_same_as_the_library(
        source in expressions(),
        values in prop::collection::vec("[abc \n_;é]{0,14}", 1..12),
    ) {
        let pattern = parse(&source).unwrap();
        let (own, library) = (rx(&source), library(&pattern));
        prop_assert!(own.automaton.is_some());
        let mut caches = Caches::new();
        for value in &values {
            prop_assert_eq!(
                own.is_match(value.as_bytes(), &mut caches),
                library.is_match(value.as_bytes()),
                "{} in {:?}",
                source,
                value
            );
        }
    }
}
