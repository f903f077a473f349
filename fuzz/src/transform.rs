//! Promises of the transformations of rules.

use lockgate_waf::bytes::ByteSet;
use lockgate_waf::transform::{chain, Transformation};

/// Each of them keeps what stands before, writes what it says and no more than it
/// says, and leaves alone what it says it leaves alone; several in a row are the
/// same as one after the other.
pub fn value(bytes: &[u8], picks: &[u8]) {
    let all: Vec<Transformation> = Transformation::all().collect();
    let steps: Vec<Transformation> = picks
        .iter()
        .take(8)
        .map(|pick| all[usize::from(*pick) % all.len()])
        .collect();
    let mut value = bytes.to_vec();
    for step in &steps {
        value = apply(*step, value);
    }
    let mut out = b"kept".to_vec();
    let changed = chain(&steps, bytes, &mut Vec::new(), &mut out);
    assert_eq!(changed, value != bytes);
    assert!(out.starts_with(b"kept"));
    if changed {
        assert_eq!(&out[4..], value);
    } else {
        assert_eq!(out.len(), 4);
    }
}

fn apply(which: Transformation, input: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    let changed = which.apply(&input, &mut out);
    let bytes = ByteSet::of(&input);
    if !changed {
        assert!(out.is_empty(), "{which:?}");
        return input;
    }
    assert_ne!(out, input, "{which:?}");
    assert!(out.len() <= which.max_len(input.len()), "{which:?}");
    assert!(ByteSet::of(&out).within(&which.image(bytes)), "{which:?}");
    let triggers = which.changes();
    assert!(
        triggers == ByteSet::ALL || bytes.meets(&triggers),
        "{which:?}"
    );
    out
}
