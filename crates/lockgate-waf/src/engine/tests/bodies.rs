//! Bodies that rules have no name for: GraphQL, lines of JSON, messages of gRPC.

use super::*;

/// A message, or a field of one, that holds this text as field `number`.
pub fn field(number: u8, text: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(text.len()).unwrap()];
    out.extend_from_slice(text);
    out
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut out = vec![flag, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    out.extend_from_slice(message);
    out
}

fn posted(kind: &str, body: &[u8]) -> Asked {
    let mut asked = post(kind, "");
    asked.body = body.to_vec();
    asked
}

fn unfit(asked: &Asked) -> Option<&'static str> {
    let [engine, _] = both("SecAction \"id:1,phase:2,pass\"");
    inspect(&engine, asked, 0)
        .body_unfit()
        .map(|reason| reason.code)
}

#[test]
fn values_are_found_in_each() {
    let document = "query Q($n: String = \"y\") { user(name: \"x y\") { id } }";
    let in_json = r#"{"query": "{ user(name: \"x\\u0020y\") { id } }", "variables": {"n": "z"}}"#;
    let call = [
        framed(0, &field(1, b"a")),
        framed(0, &field(2, &field(3, b"x y"))),
    ];
    let call = call.concat();
    for (kind, body, target, value) in [
        (
            "application/graphql",
            document,
            "ARGS:graphql.user.name",
            "x y",
        ),
        (
            "application/graphql; charset=utf-8",
            document,
            "ARGS:graphql.n",
            "y",
        ),
        ("application/json", in_json, "ARGS:graphql.user.name", "x y"),
        ("application/json", in_json, "ARGS:json.variables.n", "z"),
        (
            "application/x-ndjson",
            "{\"a\":1}\n{\"a\":\"x y\"}\n",
            "ARGS:json.array_1.a",
            "x y",
        ),
        (
            "application/jsonl",
            "{\"a\":1}\n{\"a\":\"x y\"}",
            "ARGS:json.array_1.a",
            "x y",
        ),
        ("application/x-ndjson", "1", "REQBODY_PROCESSOR", "JSON"),
        (
            "application/json-seq",
            "\u{1e}{\"a\":1}\n\u{1e}{\"a\":\n\"x y\"}\n",
            "ARGS:json.array_1.a",
            "x y",
        ),
        (
            "application/geo+json-seq",
            "\u{1e}{\"a\":\"x y\"}\n",
            "ARGS:json.array_0.a",
            "x y",
        ),
        (
            "application/grpc-web-text",
            "AAAAAAUKA3ggeQ==",
            "ARGS:grpc.1",
            "x y",
        ),
    ] {
        let rule = format!("SecRule {target} \"@streq {value}\" \"id:1,phase:2,log,pass\"");
        assert_eq!(matched(&rule, &post(kind, body)), [1], "{kind} {target}");
        assert_eq!(unfit(&post(kind, body)), None, "{kind}");
    }
    let rule = "SecRule ARGS:grpc.2.3 \"@streq x y\" \"id:1,phase:2,log,pass\"";
    for kind in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc-web",
    ] {
        assert_eq!(matched(rule, &posted(kind, &call)), [1], "{kind}");
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let deep = format!("{}a{}", "{a".repeat(70), "}".repeat(70));
    let deep_in_json = format!("{{\"query\": \"{deep}\"}}");
    for (kind, body, code) in [
        ("application/graphql", &b"{ user("[..], "graphql-syntax"),
        ("application/graphql", deep.as_bytes(), "graphql-depth"),
        ("application/json", deep_in_json.as_bytes(), "graphql-depth"),
        ("application/x-ndjson", b"{}\n{\"a\":\n", "json-end"),
        (
            "application/x-ndjson",
            b"{\"a\":1,\"a\":2}",
            "json-duplicate-key",
        ),
        ("application/json-seq", b"\x1e{}\n\x1e{", "json-end"),
        ("application/grpc", b"\0\0\0\0\x05abc", "grpc-not-protobuf"),
        (
            "application/grpc",
            b"\0\0\0\0\x02\x0a\x09",
            "grpc-not-protobuf",
        ),
        ("application/grpc", b"\x01\0\0\0\x01x", "grpc-compressed"),
        ("application/grpc-web-text", b"AAAA*", "grpc-web-text"),
    ] {
        assert_eq!(unfit(&posted(kind, body)), Some(code), "{kind}");
    }
}

#[test]
fn a_query_that_is_no_graphql_is_a_text_like_others() {
    for body in [
        r#"{"query": "shoes {size 9"}"#,
        r#"{"query": "{"}"#,
        r#"{"query": ""}"#,
        r#"{"query": {"match": {"a": "b"}}}"#,
    ] {
        assert_eq!(unfit(&post("application/json", body)), None, "{body}");
    }
    let many = format!("[{}]", vec![r#"{"query": "{a}"}"#; 500].join(","));
    assert_eq!(unfit(&post("application/json", &many)), None);
}

#[test]
fn a_message_of_a_call_is_read_by_itself() {
    let rule = "SecRule ARGS \"@streq x y\" \"id:1,phase:2,log,pass\"";
    let [engine, _] = both(rule);
    for (kind, message) in [
        ("application/grpc", field(1, b"x y")),
        ("application/grpc-web-text+proto", field(1, b"x y")),
        ("application/grpc+json", b"{\"a\": \"x y\"}".to_vec()),
    ] {
        let mut inspection = inspect_head(&engine, &post(kind, ""));
        while inspection.message(&message, true) == Progress::More {}
        while inspection.request_body() == Progress::More {}
        assert_eq!(ids(&inspection), [1], "{kind}");
        assert_eq!(inspection.body_unfit(), None);
    }
    let mut inspection = inspect_head(&engine, &post("application/grpc+json", ""));
    while inspection.message(b"{", true) == Progress::More {}
    assert_eq!(inspection.body_unfit().unwrap().code, "json-end");
}

#[test]
fn rules_that_want_the_whole_body_have_it() {
    let rule = "SecRule REQUEST_BODY \"@contains user\" \"id:1,phase:2,log,pass\"";
    let forced =
        format!("SecAction \"id:2,phase:1,nolog,pass,ctl:forceRequestBodyVariable=On\"\n{rule}");
    let asked = post("application/graphql", "{ user }");
    assert!(matched(rule, &asked).is_empty());
    assert_eq!(matched(&forced, &asked), [1]);
}

#[test]
fn directives_bound_what_is_read() {
    let [engine, _] = both("SecArgumentsLimit 2\nSecRequestBodyJsonDepthLimit 3");
    assert!(!inspect(&engine, &get("/?a=1&b=2"), 0).overflowed());
    assert!(inspect(&engine, &get("/?a=1&b=2&c=3"), 0).overflowed());
    let code = |body| {
        let inspection = inspect(&engine, &post("application/json", body), 0);
        inspection.body_unfit().map(|reason| reason.code)
    };
    assert_eq!(code("[[[1]]]"), None);
    assert_eq!(code("[[[[1]]]]"), Some("json-depth"));
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let [engine, _] = both("SecRequestBodyJsonDepthLimit 512");
    assert_eq!(
        inspect(&engine, &post("application/json", &deep), 0).body_unfit(),
        None
    );
}

#[test]
fn directives_say_whether_bodies_are_read() {
    let rule = "SecRule RESPONSE_BODY x \"id:1,phase:4,pass\"";
    for (said, request, answer) in [
        ("", true, true),
        ("SecRequestBodyAccess Off", false, true),
        ("SecResponseBodyAccess Off", true, false),
        (
            "SecRequestBodyAccess On\nSecResponseBodyAccess On",
            true,
            true,
        ),
    ] {
        for engine in both(&format!("{said}\n{rule}")) {
            let inspection = inspect_head(&engine, &get("/"));
            assert_eq!(inspection.wants_body(), request, "{said}");
            assert_eq!(inspection.wants_answer_body(), answer, "{said}");
        }
    }
    let anyway =
        "SecRequestBodyAccess Off\nSecAction \"id:1,phase:1,pass,ctl:requestBodyAccess=On\"";
    for engine in both(anyway) {
        assert!(inspect_head(&engine, &get("/")).wants_body());
    }
}

#[test]
fn rules_of_each_phase_are_written_down_by_themselves() {
    for defaults in [
        "",
        "SecDefaultAction \"phase:3,pass\"\nSecDefaultAction \"phase:5,pass\"\n",
    ] {
        let rules: String = (1..=5)
            .map(|phase| format!("SecAction \"id:{phase},phase:{phase},pass,msg:'m'\"\n"))
            .collect();
        for engine in both(&format!("{defaults}{rules}")) {
            let mut inspection = inspect(&engine, &get("/"), 0);
            let head = AnswerHead {
                status: 200,
                protocol: b"HTTP/1.1",
            };
            inspection.answer(&head, std::iter::empty());
            while inspection.answer_head() == Progress::More {}
            while inspection.answer_end() == Progress::More {}
            while inspection.end() == Progress::More {}
            assert_eq!(ids(&inspection), [1, 2, 3, 4, 5], "{defaults}");
        }
    }
}

#[test]
fn slices_of_an_answer_are_judged_each_by_itself() {
    let rules = "SecResponseBodyAccess On\n\
                 SecAction \"id:1,phase:1,nolog,pass,setvar:tx.n=0\"\n\
                 SecRule RESPONSE_BODY \"@contains bad\" \"id:2,phase:4,log,pass,setvar:tx.n=+3\"\n\
                 SecRule TX:n \"@ge 5\" \"id:3,phase:4,deny,log\"\n\
                 SecRule RESPONSE_BODY \"@contains worst\" \"id:4,phase:4,deny,log\"";
    for engine in both(rules) {
        let mut inspection = inspect(&engine, &get("/"), 0);
        for _ in 0..100 {
            inspection.answer_slice(b"a bad one");
            while inspection.answer_end() == Progress::More {}
            assert!(
                inspection.refusal().is_none(),
                "two bad ones are not one worse"
            );
        }
        let told: Vec<u64> = inspection.matched().map(|matched| matched.id()).collect();
        assert_eq!(told, [2; 17], "some are written down, and not all");
        inspection.answer_slice(b"good");
        while inspection.answer_end() == Progress::More {}
        assert!(inspection.refusal().is_none());
        inspection.answer_slice(b"the worst");
        while inspection.answer_end() == Progress::More {}
        assert_eq!(inspection.refusal().unwrap().rule, Some(4));
    }
}

#[test]
fn what_was_made_of_a_long_slice_is_not_taken_for_the_next_one() {
    let rules = "SecResponseBodyAccess On\n\
                 SecRule RESPONSE_BODY \"@contains the worst\" \
                 \"id:1,phase:4,deny,log,t:urlDecode,t:lowercase\"";
    for engine in both(rules) {
        let mut inspection = inspect(&engine, &get("/"), 0);
        for (said, refused) in [("the+best+", None), ("the+WORST", Some(Some(1)))] {
            inspection.answer_slice(said.repeat(1000).as_bytes());
            while inspection.answer_end() == Progress::More {}
            let rule = inspection.refusal().map(|refusal| refusal.rule);
            assert_eq!(rule, refused, "{said}");
        }
    }
}
