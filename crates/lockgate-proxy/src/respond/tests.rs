#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::header::{ALLOW, WWW_AUTHENTICATE};
use http_body::Body;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
}

fn own(answer: &Answer) -> &HeaderMap {
    match &answer.fields {
        Fields::Own(headers) => headers,
        Fields::Passed(_) => panic!("a refusal is the gate's own"),
    }
}

#[test]
fn every_reason_makes_a_problem_that_is_json() {
    for reason in crate::reasons() {
        let problem = json(&problem("/reasons/", &Denial::new(reason), "01ARZ"));
        assert_eq!(problem["type"], format!("/reasons/{}", reason.code));
        assert_eq!(problem["title"], reason.title);
        assert_eq!(problem["status"], reason.status);
        assert_eq!(problem["instance"], "01ARZ");
        assert_eq!(problem["reason"], reason.code);
        assert_eq!(
            problem.as_object().unwrap().len(),
            5,
            "a detail only where there is one"
        );
    }
}

#[test]
fn reasons_have_codes_of_their_own_and_statuses_that_are_errors() {
    let mut codes: Vec<&str> = crate::reasons().iter().map(|reason| reason.code).collect();
    let all = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all);
    // Who has to sign in, or to prove more, is sent there.
    let leads = [
        &lockgate_policy::session::SIGN_IN,
        &lockgate_policy::step_up::PAGE,
    ];
    for reason in crate::reasons() {
        let error = (400..600).contains(&reason.status);
        assert!(error || leads.contains(&reason), "{}", reason.code);
    }
}

#[test]
fn a_refusal_says_what_it_is_and_is_kept_by_no_cache() {
    let value = HeaderValue::from_static("ApiKey");
    let denial = Denial::new(&reasons::NOT_AUTHENTICATED).header(WWW_AUTHENTICATE, value);
    let response = shaped(
        &denial,
        refusal(&denial),
        AnswerBody::own(Bytes::from_static(b"{}"), None),
        false,
    );
    assert_eq!(response.status, 401);
    let headers = own(&response);
    assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
    assert_eq!(headers[CACHE_CONTROL], "no-store");
    assert_eq!(headers[WWW_AUTHENTICATE], "ApiKey");
    assert!(!response.close && !headers.contains_key(ALLOW));
    assert_eq!(response.body.size_hint().exact(), Some(2));
}

#[test]
fn a_connection_that_cannot_go_on_is_told_so() {
    let denial = Denial::new(&reasons::GARBAGE);
    let response = shaped(
        &denial,
        refusal(&denial),
        AnswerBody::own(Bytes::new(), None),
        true,
    );
    assert!(response.close && response.body.is_end_stream());
}

#[test]
fn after_a_panic_there_is_an_answer_all_the_same() {
    let response = after_panic("https://errors.example.com/");
    assert_eq!(response.status, 500);
    assert!(response.close);
    let AnswerBody::Own(Some(body), None) = &response.body else {
        panic!("a body of the gate's own");
    };
    let problem = json(body);
    assert_eq!(problem["type"], "https://errors.example.com/internal-panic");
    assert_eq!(problem["instance"], "");
}

proptest! {
    /// Whatever a detail or a base holds, the answer is JSON and says it.
    #[test]
    fn odd_details_are_escaped(
        base in "[\\PC\"\\\\\\n]{0,12}",
        detail in proptest::collection::vec(any::<char>(), 0..40),
    ) {
        let detail: String = detail.into_iter().collect();
        let denial = Denial::new(&reasons::NO_ROUTE).detail(detail.clone());
        let problem = json(&problem(&base, &denial, "id"));
        prop_assert_eq!(problem["detail"].as_str(), Some(detail.as_str()));
        let wanted = format!("{base}no-route");
        prop_assert_eq!(problem["type"].as_str(), Some(wanted.as_str()));
    }
}
