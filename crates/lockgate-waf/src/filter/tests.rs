use super::*;

use regex_automata::meta::Regex;

use rules::{core_rule_set, hir, questions, Asked, Question};
use strings::Dice;

mod rules;
mod strings;

/// Whether a pattern really matches.
enum Truth {
    Rx(Regex),
    Phrases(Vec<Box<[u8]>>),
    Literal(Box<[u8]>),
}

impl Truth {
    fn of(question: &Question) -> Self {
        match question {
            Question::Rx(hir) => Self::Rx(Regex::builder().build_from_hir(hir).unwrap()),
            Question::Phrases(phrases) => Self::Phrases(
                phrases
                    .iter()
                    .map(|phrase| phrase.to_ascii_lowercase().into())
                    .collect(),
            ),
            Question::Literal(text) => Self::Literal(text.clone()),
        }
    }

    fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Rx(regex) => regex.is_match(value),
            Self::Phrases(phrases) => {
                let lower = value.to_ascii_lowercase();
                phrases
                    .iter()
                    .any(|phrase| memchr::memmem::find(&lower, phrase).is_some())
            }
            Self::Literal(text) => memchr::memmem::find(value, text).is_some(),
        }
    }
}

fn pattern(question: &Question) -> Pattern<'_> {
    match question {
        Question::Rx(hir) => Pattern::Rx(hir),
        Question::Phrases(phrases) => Pattern::Phrases(phrases),
        Question::Literal(text) => Pattern::Literal(text),
    }
}

fn filter(asked: &[Asked]) -> Filter {
    let patterns: Vec<_> = asked.iter().map(|asked| pattern(&asked.question)).collect();
    Filter::new(&patterns, &Bounds::default()).unwrap()
}

/// What may match by a plan for the value's classes of bytes, and by one for a
/// whole alphabet too.
fn candidates(filter: &Filter, value: &[u8], room: &mut Room) -> Bits {
    let wanted = Bits::all(filter.count());
    let mask = Filter::mask(value);
    let [close, wide] = [Filter::classes(&mask), filter.alphabet(&mask)].map(|bytes| {
        let mut hits = Bits::none(filter.count());
        let plan = filter.plan(&bytes, &wanted);
        filter.tell(value, &mask, &plan, room, &mut hits);
        hits
    });
    close
        .iter()
        .filter(|number| wide.contains(*number))
        .collect()
}

/// The numbers of the patterns that may match.
fn told(patterns: &[Pattern<'_>], value: &[u8]) -> Vec<usize> {
    let filter = Filter::new(patterns, &Bounds::default()).unwrap();
    candidates(&filter, value, &mut Room::default())
        .iter()
        .collect()
}

#[test]
fn a_word_that_tolerates_quotes_is_a_word_where_there_are_none() {
    let evasive = hir(r#"(?i)\bc['"\\]*u['"\\]*r['"\\]*l\b"#);
    assert_eq!(
        told(&[Pattern::Rx(&evasive)], b"a blurred churl, uncle"),
        [0; 0]
    );
    assert_eq!(told(&[Pattern::Rx(&evasive)], b"now CURL it"), [0]);
    assert_eq!(told(&[Pattern::Rx(&evasive)], br#"now c'u"r\l it"#), [0]);
}

#[test]
fn what_needs_other_bytes_or_more_of_them_is_left_out() {
    let braces = hir(r"\{[^}]+\}");
    let digits = hir("^[0-9]{4}$");
    let empty = hir("^$");
    let patterns = [
        Pattern::Rx(&braces),
        Pattern::Rx(&digits),
        Pattern::Rx(&empty),
    ];
    assert_eq!(told(&patterns, b"word"), [0; 0]);
    assert_eq!(told(&patterns, b"123"), [0; 0]);
    assert_eq!(told(&patterns, b"{1}"), [0; 1]);
    assert_eq!(told(&patterns, b"1234"), [1; 1]);
    assert_eq!(told(&patterns, b"12345"), [0; 0]);
    assert_eq!(told(&patterns, b""), [2; 1]);
}

#[test]
fn each_kind_of_pattern_is_told() {
    let phrases: Vec<Box<[u8]>> = vec![b"Union Select".as_slice().into(), b"xp_".as_slice().into()];
    let patterns = [
        Pattern::Phrases(&phrases),
        Pattern::Literal(b"Referer"),
        Pattern::Outside(ByteSet::range(32, 126)),
        Pattern::NeedsAny(ByteSet::of(b"%"), 2),
        Pattern::Always,
        Pattern::Literal(b""),
        Pattern::Phrases(&[]),
    ];
    assert_eq!(told(&patterns, b""), [4, 5]);
    assert_eq!(told(&patterns, b"a union select b"), [0, 4, 5]);
    assert_eq!(told(&patterns, b"XP_cmdshell\n"), [0, 2, 4, 5]);
    assert_eq!(told(&patterns, b"Referer"), [1, 4, 5]);
    assert_eq!(told(&patterns, b"%"), [4, 5]);
    assert_eq!(told(&patterns, b"%4"), [3, 4, 5]);
}

#[test]
fn what_stands_beside_a_text_counts() {
    let word = hir(r"\b(?:cat|who)\b[ ;|]+[a-z/]");
    let shut = hir(r"^[a-z]+\(\)$");
    let patterns = [Pattern::Rx(&word), Pattern::Rx(&shut)];
    assert_eq!(told(&patterns, b"concatenate whom"), [0; 0]);
    assert_eq!(told(&patterns, b"the cat"), [0; 0]);
    assert_eq!(told(&patterns, b"a cat sat"), [0; 1]);
    assert_eq!(told(&patterns, b"WHO;ls"), [0; 1]);
    assert_eq!(told(&patterns, b"call() it"), [0; 0]);
    assert_eq!(told(&patterns, b"call()"), [1; 1]);
}

#[test]
fn texts_have_to_come_one_after_the_other() {
    let query = hir(r"(?i)as .+of.+ in ");
    let either = hir(r"(?i)(?:on.+to|at.+in).+;");
    let patterns = [Pattern::Rx(&query), Pattern::Rx(&either)];
    assert_eq!(told(&patterns, b"made in order of use, as usual"), [0; 0]);
    assert_eq!(told(&patterns, b"As one of many in use"), [0; 1]);
    assert_eq!(told(&patterns, b"at once, in turn;"), [1; 1]);
    assert_eq!(told(&patterns, b"into it; on at"), [0; 0]);
}

#[test]
fn what_is_taken_out_may_stand_anywhere() {
    let evasive = hir(r#"(?i)[;|]\s*w["'\\]*h["'\\]*o["'\\]*a["'\\]*m["'\\]*i\b"#);
    let patterns = [Pattern::Rx(&evasive)];
    assert_eq!(told(&patterns, b"'a'; 'who am I'"), [0; 0]);
    assert_eq!(told(&patterns, br#"'; who"a'm\i"#), [0; 1]);
    assert_eq!(told(&patterns, br"';w\\h\\o\\a\\m\\i'"), [0; 1]);
}

#[test]
fn texts_are_cut_where_there_are_too_many() {
    let phrases: Vec<Box<[u8]>> = (0..5_000_u32)
        .map(|number| {
            format!("phrase {:x}", number.wrapping_mul(0x9e37_79b9))
                .into_bytes()
                .into()
        })
        .collect();
    let bounds = Bounds {
        states: 600,
        ..Bounds::default()
    };
    let filter = Filter::new(&[Pattern::Phrases(&phrases)], &bounds).unwrap();
    assert!(filter.memory() < 600_000, "{} bytes", filter.memory());
    let mut room = Room::default();
    for phrase in &phrases {
        assert!(candidates(&filter, phrase, &mut room).contains(0));
    }
    assert!(!candidates(&filter, b"nothing", &mut room).contains(0));
}

#[test]
fn only_what_is_wanted_is_told_and_what_was_told_stays() {
    let one = hir("one");
    let two = hir("two");
    let filter = Filter::new(&[Pattern::Rx(&one), Pattern::Rx(&two)], &Bounds::default()).unwrap();
    let value = b"one two";
    let mut wanted = Bits::none(2);
    let mut hits = Bits::none(2);
    let mut room = Room::default();
    wanted.insert(1);
    let mask = Filter::mask(value);
    let plan = filter.plan(&mask, &wanted);
    filter.tell(value, &mask, &plan, &mut room, &mut hits);
    assert_eq!(hits.iter().collect::<Vec<_>>(), [1]);
    let plan = filter.plan(&mask, &Bits::none(2));
    filter.tell(value, &mask, &plan, &mut room, &mut hits);
    assert_eq!(hits.iter().collect::<Vec<_>>(), [1]);
}

#[test]
fn one_room_serves_one_filter_after_another() {
    let one = hir("one|[{]");
    let two = hir("two|[}]");
    let first = Filter::new(&[Pattern::Rx(&one)], &Bounds::default()).unwrap();
    let second = Filter::new(&[Pattern::Rx(&two)], &Bounds::default()).unwrap();
    let mut room = Room::default();
    for _ in 0..2 {
        assert!(candidates(&first, b"a one", &mut room).contains(0));
        assert!(candidates(&second, b"a two", &mut room).contains(0));
        assert!(!candidates(&second, b"a one", &mut room).contains(0));
    }
}

#[test]
fn too_many_patterns_are_refused() {
    let patterns = vec![Pattern::Always; MOST_PATTERNS + 1];
    let refused = Filter::new(&patterns, &Bounds::default()).err();
    assert_eq!(refused, Some(Error::TooManyPatterns(MOST_PATTERNS + 1)));
}

/// Texts that the Core Rule Set's own cases send, decoded once too.
fn sent(folder: &std::path::Path) -> Vec<Vec<u8>> {
    let mut out = std::collections::BTreeSet::new();
    for file in rules::files(&folder.with_file_name("tests"), "yaml") {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let line = line.trim().trim_start_matches("- ");
            let value = line.split_once(": ").map_or(line, |(_, value)| value);
            let value = value.trim_matches(['"', '\'']);
            for part in std::iter::once(value).chain(value.split(['&', '='])) {
                out.insert(part.as_bytes().to_vec());
                out.insert(unescaped(part.as_bytes()));
            }
        }
    }
    out.into_iter().collect()
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match (
            text[at],
            digits.and_then(|pair| u8::from_str_radix(pair, 16).ok()),
        ) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

/// Runs strings through a filter of the Core Rule Set, and gives how many
/// matches there were and which of them the filter did not foresee.
fn missed(
    filter: &Filter,
    asked: &[Asked],
    truths: &[Truth],
    per_pattern: usize,
    cases: &[Vec<u8>],
) -> (usize, Vec<String>) {
    let mut room = Room::default();
    let mut dice = Dice(0x5eed_1234_5678_9abc);
    let mut matches = 0;
    let mut missed = Vec::new();
    let mut check = |value: &[u8], numbers: &mut dyn Iterator<Item = usize>| {
        let told = candidates(filter, value, &mut room);
        for number in numbers {
            if truths[number].matches(value) {
                matches += 1;
                if !told.contains(number) {
                    missed.push(format!(
                        "{}: {:?}",
                        asked[number].name,
                        String::from_utf8_lossy(value)
                    ));
                }
            }
        }
    };
    for case in cases {
        check(case, &mut (0..asked.len()));
    }
    for (number, asked) in asked.iter().enumerate() {
        for turn in 0..per_pattern {
            let mut value = strings::surroundings(&mut dice).to_vec();
            match &asked.question {
                Question::Rx(hir) => strings::matched(hir, &mut dice, &mut value),
                Question::Phrases(phrases) => {
                    value.extend_from_slice(&phrases[dice.below(phrases.len())]);
                }
                Question::Literal(text) => value.extend_from_slice(text),
            }
            value.extend_from_slice(strings::surroundings(&mut dice));
            if dice.one_in(3) {
                strings::mutated(&mut value, &mut dice);
            }
            if turn % 200 == 0 {
                check(&value, &mut (0..truths.len()));
            } else {
                check(&value, &mut std::iter::once(number));
            }
        }
    }
    (matches, missed)
}

#[test]
fn what_matches_is_foreseen_for_the_core_rule_set() {
    let Some(folder) = core_rule_set() else {
        return;
    };
    let asked = questions(&folder);
    assert!(asked.len() > 300, "only {} patterns were read", asked.len());
    let truths: Vec<_> = asked
        .iter()
        .map(|asked| Truth::of(&asked.question))
        .collect();
    let cases = sent(&folder);
    assert!(cases.len() > 5_000, "only {} cases were read", cases.len());
    let mut filter = filter(&asked);
    let (matches, found) = missed(&filter, &asked, &truths, 400, &cases);
    assert!(matches > 100_000, "only {matches} matches");
    assert_eq!(found, [""; 0], "of {matches} matches");
    assert!(filter.memory() < 25 << 20, "{} bytes", filter.memory());

    // And that this would notice: two of a hundred texts say nothing.
    for level in &mut filter.levels {
        level.forget(50);
    }
    let (_, found) = missed(&filter, &asked, &truths, 100, &[]);
    assert!(found.len() > 100, "only {} were missed", found.len());
}

#[test]
fn what_any_expression_matches_is_foreseen() {
    let mut dice = Dice(0x0ddb_a115_0ddb_a115);
    let mut room = Room::default();
    let (mut matches, mut dismissed) = (0, 0);
    for turn in 0..60 {
        let sources: Vec<String> = (0..40).map(|_| strings::expression(&mut dice, 5)).collect();
        let hirs: Vec<_> = sources.iter().map(|source| hir(source)).collect();
        let patterns: Vec<_> = hirs.iter().map(Pattern::Rx).collect();
        // Short texts, few ways: what is cut has to be foreseen as well.
        let bounds = match turn % 3 {
            0 => Bounds::default(),
            1 => Bounds {
                text: 3,
                texts: 4,
                product: 4,
                ..Bounds::default()
            },
            _ => Bounds {
                class: 2,
                ways: 2,
                states: 200,
                ..Bounds::default()
            },
        };
        let filter = Filter::new(&patterns, &bounds).unwrap();
        let truths: Vec<_> = hirs
            .iter()
            .map(|hir| Regex::builder().build_from_hir(hir).unwrap())
            .collect();
        for value in (0..600).map(|_| strings::few(&mut dice)) {
            let told = candidates(&filter, &value, &mut room);
            for (number, truth) in truths.iter().enumerate() {
                if truth.is_match(&value) {
                    matches += 1;
                    let source = &sources[number];
                    assert!(
                        told.contains(number),
                        "{source} on {:?}",
                        String::from_utf8_lossy(&value)
                    );
                } else {
                    dismissed += usize::from(!told.contains(number));
                }
            }
        }
    }
    assert!(matches > 100_000, "only {matches} matches");
    assert!(dismissed > 100_000, "only {dismissed} were dismissed");
}
