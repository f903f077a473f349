//! What the runners of signed cases have in common.

use std::collections::{BTreeMap, HashSet};

use lockgate_policy::jwt::ProofMark;
use lockgate_policy::{Answers, First, Need, Verdict};
use serde_json::Value;

/// The marks that were seen.
pub type Once = HashSet<ProofMark>;

/// The configuration above, refined by a case's.
pub fn refined(above: &Value, case: &BTreeMap<String, Value>) -> Value {
    let mut refined = above.clone();
    for (name, value) in case {
        refined[name] = value.clone();
    }
    refined
}

/// The text with `{now}`, `{now-400}` and the like filled in.
pub fn filled(text: &str, now: u64) -> String {
    let mut parts = text.split("{now");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (offset, rest) = part.split_once('}').expect("`{now` ends with `}`");
        let offset: i64 = if offset.is_empty() {
            0
        } else {
            offset.parse().expect("a number")
        };
        filled.push_str(&now.checked_add_signed(offset).expect("a time").to_string());
        filled.push_str(rest);
    }
    filled
}

/// What comes out once all that is asked for was answered.
pub fn told(once: &mut Once, body: Option<&[u8]>, decide: impl Fn(&Answers) -> Verdict) -> Verdict {
    let mut answers = Answers::None;
    loop {
        answers = match decide(&answers) {
            Verdict::Need(Need::Content(gather)) => Answers::content(gather, body),
            Verdict::Need(Need::First(proved)) => {
                let first = if once.insert(proved.mark) {
                    First::Yes
                } else {
                    First::No
                };
                Answers::First(proved, first)
            }
            verdict => return verdict,
        };
    }
}
