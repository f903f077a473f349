#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use serde_json::json;

use super::*;

fn ann() -> Identity {
    let claims = json!({
        "sub": "ann", "iss": "red", "org": {"id": 7, "a.b": "red"}, "teams": ["red", "blue"], "half": 1.5, "no": "",
    });
    Identity {
        proved_by: "jwt",
        credential: "company/ann".into(),
        owner: "ann".into(),
        app: Some("crm".into()),
        claims: Some(Arc::new(claims.as_object().unwrap().clone())),
    }
}

fn answered(document: &Value) -> Noted {
    let mut noted = Noted::default();
    noted.add_answer(&ann(), document);
    noted
}

#[test]
fn a_request_says_what_a_claim_does() {
    let captures: [(Arc<str>, String); 2] =
        [("id".into(), "ann".into()), ("x".into(), "bob".into())];
    let query = "team=r%65d&org=7&org=8&12345=ann&half=1.5&no=&by=crm";
    let noted = Noted::of_request(&ann(), &captures, Some(query));
    assert_eq!(
        noted.own,
        [
            "path:id claim:sub",
            "path:id owner",
            "query:team claim:teams[]",
            "query:org claim:org.id",
            "query:by app",
        ]
    );
    assert!(!noted.answer);
}

#[test]
fn an_answer_does_too() {
    let noted = answered(
        &json!({"by": "ann", "org": {"id": 7}, "sum": 1.5, "no": "", "team": "blue", "else": "bob"}),
    );
    assert_eq!(
        noted.own,
        [
            "response:/by claim:sub",
            "response:/by owner",
            "response:/org/id claim:org.id",
            "response:/team claim:teams[]",
        ]
    );
    assert!(noted.answer && noted.partly.is_empty() && noted.empty.is_empty());
    assert_eq!(answered(&json!("ann")).own, [""; 0]);
}

#[test]
fn a_list_is_somebodys_if_each_of_its_items_is() {
    let own = |document: &Value| {
        let noted = answered(document);
        let of = |list: &[String]| list.iter().any(|one| one == "response:/orders/*/by owner");
        (of(&noted.own), of(&noted.partly), noted.empty)
    };
    let none = Vec::<String>::new;
    assert_eq!(
        own(&json!({"orders": [{"by": "ann"}, {"by": "ann"}]})),
        (true, false, none())
    );
    assert_eq!(
        own(&json!({"orders": [{"by": "ann"}, {"by": "bob"}]})),
        (false, true, none())
    );
    assert_eq!(
        own(&json!({"orders": [{"by": "ann"}, {}]})),
        (false, true, none())
    );
    assert_eq!(
        own(&json!({"orders": [{"by": "bob"}]})),
        (false, false, none())
    );
    assert_eq!(
        own(&json!({"orders": []})),
        (false, false, vec!["response:/orders/*".to_owned()])
    );
    assert_eq!(
        answered(&json!(["ann"])).own,
        ["response:/* claim:sub", "response:/* owner"]
    );
}

#[test]
fn no_value_is_told_and_no_id_that_is_a_key() {
    let wide: serde_json::Map<String, Value> = (0..=MAX_FIELDS)
        .map(|number| (format!("k{number}"), json!("ann")))
        .collect();
    for document in [
        json!({"12345": {"by": "ann"}, "u-10023": "ann", "a b": "ann", "ann@x.y": "ann"}),
        Value::Object(wide),
        json!({"x": "y".repeat(MAX_VALUE + 1)}),
    ] {
        assert_eq!(answered(&document).own, [""; 0], "{document}");
    }
    let long = json!({"sub": "y".repeat(MAX_VALUE + 1)});
    let identity = Identity {
        claims: Some(Arc::new(long.as_object().unwrap().clone())),
        ..ann()
    };
    let mut noted = Noted::default();
    noted.add_answer(&identity, &json!({"x": "y".repeat(MAX_VALUE + 1)}));
    assert_eq!(noted.own, [""; 0]);
}

#[test]
fn what_is_told_is_bounded() {
    let fields = |name: &str| {
        (0..60)
            .map(|one| (format!("{name}{one}"), json!("ann")))
            .collect()
    };
    let inner: serde_json::Map<String, Value> = fields("b");
    let outer: serde_json::Map<String, Value> = (0..60)
        .map(|one| (format!("a{one}"), json!(inner)))
        .collect();
    let noted = answered(&Value::Object(outer));
    assert_eq!(noted.own.len(), MAX_TOLD);
    let mut deep = json!({"by": "ann"});
    for _ in 0..MAX_DEPTH {
        deep = json!({ "in": deep });
    }
    assert_eq!(answered(&deep).own, [""; 0]);
    let lists: serde_json::Map<String, Value> =
        (0..60).map(|one| (format!("a{one}"), json!([]))).collect();
    assert_eq!(answered(&Value::Object(lists)).empty.len(), MAX_TOLD);
}
