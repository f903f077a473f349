//! What of an expression can be left out where only whether it matches is asked.

use regex_syntax::hir::{Hir, HirKind, Repetition};

/// Whether it matches the empty text wherever it stands.
fn is_optional(hir: &Hir) -> bool {
    let properties = hir.properties();
    properties.minimum_len() == Some(0) && properties.look_set().is_empty()
}

/// Without groups; all of it that is left takes part in the match.
fn without_groups(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Capture(group) => without_groups(&group.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(without_groups).collect()),
        HirKind::Alternation(ways) => Hir::alternation(ways.iter().map(without_groups).collect()),
        HirKind::Repetition(again) => Hir::repetition(Repetition {
            min: again.min,
            max: again.max,
            greedy: true,
            sub: Box::new(without_groups(&again.sub)),
        }),
        _ => hir.clone(),
    }
}

/// Which end of an expression.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Front,
    Back,
}

/// Without what may as well be missing at that end: where `x*y` matches, `y`
/// does, and the other way round; `x{2,9}` is `x{2}` there.
fn trimmed(hir: &Hir, side: Side) -> Hir {
    if is_optional(hir) {
        return Hir::empty();
    }
    match hir.kind() {
        HirKind::Concat(parts) => {
            let mut parts = parts.clone();
            if side == Side::Front {
                parts.reverse();
            }
            while let Some(part) = parts.pop() {
                let part = trimmed(&part, side);
                if !is_optional(&part) {
                    parts.push(part);
                    break;
                }
            }
            if side == Side::Front {
                parts.reverse();
            }
            Hir::concat(parts)
        }
        HirKind::Alternation(ways) => {
            Hir::alternation(ways.iter().map(|way| trimmed(way, side)).collect())
        }
        HirKind::Repetition(again) if again.min > 0 => {
            let edge = trimmed(&again.sub, side);
            let inner = Hir::repetition(Repetition {
                min: again.min - 1,
                max: Some(again.min - 1),
                greedy: true,
                sub: again.sub.clone(),
            });
            Hir::concat(match side {
                Side::Front => vec![edge, inner],
                Side::Back => vec![inner, edge],
            })
        }
        _ => hir.clone(),
    }
}

/// An expression that matches somewhere in a text exactly where this one does,
/// and no larger.
pub(super) fn necessary(hir: &Hir) -> Hir {
    let mut hir = without_groups(hir);
    loop {
        let less = trimmed(&trimmed(&hir, Side::Front), Side::Back);
        if less == hir {
            return hir;
        }
        hir = less;
    }
}
