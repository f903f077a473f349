//! What the tables say does not fold, does not.

use super::super::sql::Sql;
use super::super::token::{Token, KINDS};
use super::{Step, Window, ROOM};

/// One of each kind at least, and of what is asked of texts.
const TEXTS: &[&str] = &[
    "int", "sin", "user", "a", "a_b", "1", "@a", "'a'", "+", "%", "!", "~", "!!", "not", "::", "=",
    "<=>", "like", "in", "&&", "and", "/**/", "(", ")", "{", "}", ".", ",", ":", ";", "if", "?",
    "/*!*/", "\\", "select", "union", "group", "collate", "``", "[a]", "database", "is", "current",
    "$1", "case", "having", "except", "abort", "call",
];

/// All texts, and each one's token, which no phrase goes on from.
fn tokens() -> (String, Vec<Token>) {
    let text = TEXTS.join("\n");
    let mut tokens = Vec::new();
    let mut end = 0;
    for one in TEXTS {
        end += one.len();
        let mut sql = Sql::new(&text.as_bytes()[..end], 0, false);
        let mut last = None;
        while let Some(token) = sql.next() {
            last = Some(token);
        }
        tokens.extend(last.filter(|last| !last.begins()));
        // What is between them.
        end += 1;
    }
    (text, tokens)
}

fn window<'a>(text: &'a str, tokens: &[Token]) -> Window<'a> {
    let mut all = [Token::NONE; ROOM];
    all[..tokens.len()].copy_from_slice(tokens);
    Window {
        text: text.as_bytes(),
        tokens: all,
        end: tokens.len(),
        left: 0,
        more: false,
        comment: Token::NONE,
    }
}

fn kinds(window: &Window<'_>) -> (Vec<u8>, usize, usize) {
    let kinds = window.tokens.iter().map(|token| token.kind()).collect();
    (kinds, window.left, window.end)
}

#[test]
fn what_may_not_fold_stays() {
    let (text, all) = tokens();
    let known: Vec<u8> = all.iter().map(|token| token.kind()).collect();
    for kind in &KINDS[1..] {
        // A colon at the end is an operator.
        assert!(
            *kind == b':' || known.contains(kind),
            "{}",
            char::from(*kind)
        );
    }
    let (mut stay, mut fold) = (0, 0);
    for first in &all {
        for second in &all {
            let mut two = window(&text, &[*first, *second]);
            let before = kinds(&two);
            if !two.two_may_fold() {
                assert!(matches!(two.fold_two(), Step::Same), "{before:?}");
                assert_eq!(kinds(&two), before);
            }
            for third in &all {
                let mut three = window(&text, &[*first, *second, *third]);
                let before = kinds(&three);
                if three.three_may_fold() {
                    fold += 1;
                    continue;
                }
                stay += 1;
                assert!(matches!(three.fold_three(), Step::Same), "{before:?}");
                assert_eq!(kinds(&three), before);
            }
        }
    }
    assert!(stay > fold && fold > 100, "{stay} {fold}");
}

/// Kinds by themselves, so that none is left out for want of a text.
#[test]
fn what_may_not_fold_stays_for_every_kind() {
    let of = |kind: u8| Token::new(kind, 0, 0);
    for first in KINDS {
        for second in KINDS {
            let mut two = window("", &[of(*first), of(*second)]);
            let before = kinds(&two);
            if !two.two_may_fold() {
                assert!(matches!(two.fold_two(), Step::Same), "{before:?}");
                assert_eq!(kinds(&two), before);
            }
            for third in KINDS {
                let mut three = window("", &[of(*first), of(*second), of(*third)]);
                let before = kinds(&three);
                if !three.three_may_fold() {
                    assert!(matches!(three.fold_three(), Step::Same), "{before:?}");
                    assert_eq!(kinds(&three), before);
                }
            }
        }
    }
}
