use proptest::prelude::*;

use super::{changes_case, ignores_case, steps};
use crate::transform::Transformation as T;

fn made(which: T, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if which.apply(input, &mut out) {
        out
    } else {
        input.to_vec()
    }
}

fn shown(transformations: &[T]) -> Vec<(T, bool)> {
    let steps = steps(transformations);
    steps.iter().map(|step| (step.last, step.folds)).collect()
}

#[test]
fn what_only_changes_case_is_left_out_where_nobody_takes_notice() {
    assert_eq!(shown(&[T::Lowercase]), []);
    assert_eq!(
        shown(&[T::Lowercase, T::UrlDecodeUni]),
        [(T::UrlDecodeUni, false)]
    );
    assert_eq!(
        shown(&[T::Lowercase, T::JsDecode]),
        [(T::Lowercase, false), (T::JsDecode, false)]
    );
    assert_eq!(
        shown(&[T::Base64Decode, T::CmdLine]),
        [(T::Base64Decode, false), (T::CmdLine, true)]
    );
    assert_eq!(
        shown(&[T::CmdLine, T::Base64Decode]),
        [(T::CmdLine, false), (T::Base64Decode, false)]
    );
}

#[test]
fn each_step_has_a_bit() {
    let all = T::all().flat_map(|last| [true, false].map(|folds| super::Step { last, folds }));
    let bits: std::collections::HashSet<u128> = all.map(super::Step::bit).collect();
    assert_eq!(bits.len(), T::all().count() * 2);
}

proptest! {
    #[test]
    fn what_ignores_case_does_the_same_in_any(
        text in "[%uU+xX0-9a-fA-F/.\\\\*#\\- \t;&'\"^A-Za-z\u{0}\u{e9}]{0,40}",
        which in prop::sample::select(T::all().collect::<Vec<_>>()),
    ) {
        if ignores_case(which) {
            let lower = text.to_ascii_lowercase();
            let of_lower = made(which, lower.as_bytes());
            let of_text = made(which, text.as_bytes());
            prop_assert!(of_lower.eq_ignore_ascii_case(&of_text), "{which:?} of {text:?}");
        }
        prop_assert!(!changes_case(which) || ignores_case(which));
    }
}
