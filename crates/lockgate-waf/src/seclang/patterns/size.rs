//! How large a pattern becomes, before it is compiled.

use regex_syntax::hir::{Class, Hir, HirKind};

/// About how many states a compiled pattern has. Its depth is bounded by who parsed it.
pub(super) fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Bytes(class)) => 1 + class.ranges().len() / 4,
        HirKind::Class(Class::Unicode(class)) => 4 + class.ranges().len(),
        HirKind::Repetition(repetition) => {
            let copies = match repetition.max {
                Some(max) => max,
                None => repetition.min.saturating_add(1),
            };
            let copies = usize::try_from(copies).unwrap_or(usize::MAX).max(1);
            (states(&repetition.sub) + 1).saturating_mul(copies)
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(subs) => sum(subs),
        HirKind::Alternation(subs) => sum(subs).saturating_add(1),
    }
}

fn sum(subs: &[Hir]) -> usize {
    subs.iter()
        .fold(0, |sum: usize, sub| sum.saturating_add(states(sub)))
}
