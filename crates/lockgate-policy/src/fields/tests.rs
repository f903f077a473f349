#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::roles::{Role, Who};

fn book() -> Book {
    let role = |name: &str, includes: &[&str]| Role {
        name: name.to_owned(),
        who: vec![vec![Who::Owner(vec![name.to_owned()])]],
        includes: includes.iter().map(|one| (*one).to_owned()).collect(),
        span: Span::default(),
    };
    Book::new(&[role("support", &[]), role("manager", &["support"])]).unwrap()
}

fn opening(to: For, fields: &[&str]) -> Opening {
    Opening {
        to,
        fields: fields.iter().map(|one| (*one).to_owned()).collect(),
    }
}

fn rule(openings: &[Opening]) -> Result<Rule, ConfigError> {
    Rule::new((&[Only::default()], openings), &book(), Span::default())
}

fn who(owner: &str, scope: &str) -> Identity {
    let claims = json!({"scope": scope});
    Identity {
        proved_by: "jwt",
        credential: "company/ann".into(),
        owner: owner.into(),
        app: None,
        claims: claims.as_object().cloned().map(Arc::new),
    }
}

#[test]
fn a_caller_has_what_any_of_theirs_opens() {
    let rule = rule(&[
        opening(For::Anyone, &["/id"]),
        opening(For::Role("support".into()), &["/note"]),
        opening(For::Scope("profile:read".into()), &["/email"]),
    ])
    .unwrap();
    let held = |owner: &str, scope: &str| rule.held(Some(&who(owner, scope)), &book());
    assert_eq!(held("ann", ""), 0b001);
    assert_eq!(held("support", ""), 0b011);
    assert_eq!(held("manager", "profile:read x"), 0b111);
    assert_eq!(held("ann", "profile"), 0b001);
    assert_eq!(rule.held(None, &book()), 0b001);
    assert!(rule.tells_apart());
    assert_eq!(
        rule.words(0b110),
        "the role `support` or the scope `profile:read`"
    );
    assert_eq!(rule.words(0b001), "anyone");
}

#[test]
fn a_rule_that_makes_no_sense_is_refused() {
    let code = |openings: &[Opening]| rule(openings).unwrap_err().code;
    assert_eq!(
        code(&[opening(For::Role("nobody".into()), &["/a"])]),
        "role-unknown"
    );
    assert_eq!(code(&[opening(For::Anyone, &["a"])]), "not-a-pointer");
    assert_eq!(code(&[opening(For::Anyone, &["/a~2"])]), "not-a-pointer");
    let long = "/a".repeat(65);
    assert_eq!(code(&[opening(For::Anyone, &[&long])]), "too-many-fields");
    let many = vec![opening(For::Anyone, &["/a"]); MAX_HOLDERS + 1];
    assert_eq!(code(&many), "too-many-fields");
    let same = |_: &()| (Span::default(), Ok(()));
    let made = Rule::all(&[(); MAX_RULES + 1], same);
    assert_eq!(made.unwrap_err().code, "too-many-rules");
}
