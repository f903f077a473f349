#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

const CAPTURES: Captures<'_> = Captures {
    path: "/orders/7",
    rest: "/7",
    host: "a.example",
    named: &[("id", "7&b=1")],
};

fn filled(text: &str) -> String {
    let template = Template::new(text, &|name| matches!(name, "id" | PATH | REST | HOST));
    template.unwrap().fill(&CAPTURES, plain)
}

#[test]
fn names_are_replaced_by_what_the_request_gives() {
    assert_eq!(filled("/v2/items/{id}/x"), "/v2/items/7&b=1/x");
    assert_eq!(filled("{path}"), "/orders/7");
    assert_eq!(filled("/v2{rest}"), "/v2/7");
    assert_eq!(filled("https://{host}/"), "https://a.example/");
    assert_eq!(filled(""), "");
}

#[test]
fn in_a_query_a_piece_adds_no_parameter() {
    let template = Template::new("{id}", &|_| true).unwrap();
    assert_eq!(template.fill(&CAPTURES, for_query), "7%26b%3D1");
    assert!(template.has("id") && !template.has("path"));
}

#[test]
fn braces_that_are_no_names_are_refused() {
    for text in ["/{", "/}", "/{}", "/{a", "/{{id}}", "/{other}"] {
        let error = Template::new(text, &|name| name == "id").unwrap_err();
        assert_eq!(error.code, "not-a-template", "{text}");
    }
    assert!(Template::new(&"{id}".repeat(MAX_NAMES * 2 + 1), &|_| true).is_err());
}
