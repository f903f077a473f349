#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

fn plugin(request: bool, response: bool) -> Plugin {
    let config = Config {
        name: "checks:Tenant".into(),
        plugin: 3,
        deadline_ms: 50,
        request,
        response,
    };
    let key = [HeaderName::from_static("x-api-key")];
    Plugin::new(&config, (&key, &key)).unwrap()
}

fn heard(said: &str, of_answer: bool) -> Result<Verdict, PolicyError> {
    let said: Said = serde_json::from_str(said).unwrap();
    plugin(true, true).heard(&Ok(said), of_answer)
}

#[test]
fn a_plugin_without_a_hook_or_without_time_is_refused() {
    for (request, deadline_ms, code) in [
        (false, 50, "plugin-without-hook"),
        (true, 0, "plugin-deadline"),
    ] {
        let config = Config {
            name: "a:B".into(),
            plugin: 0,
            deadline_ms,
            request,
            response: false,
        };
        let error = Plugin::new(&config, (&[], &[])).unwrap_err();
        assert_eq!(error.code, code);
    }
}

#[test]
fn a_plugin_changes_what_headers_may_change_and_no_more() {
    let allowed = r#"{"allow":{"request":[["set","X-Tenant","a"]],"answer":[["remove","Server",""]]}}"#;
    let Ok(Verdict::Allow(edits)) = heard(allowed, false) else {
        panic!("it is allowed");
    };
    assert_eq!((edits.request.len(), edits.answer.len()), (1, 1));
    for change in [
        r#"["set","Host","a"]"#,
        r#"["set","X-API-Key","a"]"#,
        r#"["set","Authorization","a"]"#,
        r#"["add","X-Forwarded-For","a"]"#,
        r#"["set","X-Tenant","a\r\nX-Role: admin"]"#,
        r#"["set","X Tenant","a"]"#,
        r#"["drop","X-Tenant","a"]"#,
    ] {
        let said = format!(r#"{{"allow":{{"request":[{change}],"answer":[]}}}}"#);
        assert!(heard(&said, false).is_err(), "{change}");
    }
    assert!(heard(allowed, true).is_err(), "a request that was sent cannot be changed");
}

#[test]
fn a_plugin_denies_with_a_reason_of_its_own() {
    let said = r#"{"deny":{"reason":"tenant-missing","status":400,"detail":"Send X-Tenant."}}"#;
    let Ok(Verdict::Deny(denial)) = heard(said, false) else {
        panic!("it is denied");
    };
    assert_eq!((denial.reason, denial.status()), (&DENIED, 400));
    assert_eq!(&*denial.own.unwrap().code, "tenant-missing");
    for said in [
        r#"{"deny":{"reason":"Tenant Missing","status":400,"detail":null}}"#,
        r#"{"deny":{"reason":"","status":400,"detail":null}}"#,
        r#"{"deny":{"reason":"a","status":200,"detail":null}}"#,
        r#"{"deny":{"reason":"a","status":401,"detail":null}}"#,
        r#"{"deny":{"reason":"a","status":400,"detail":"a\nb"}}"#,
        r#"{"error":"ValueError: bad"}"#,
    ] {
        assert!(heard(said, false).is_err(), "{said}");
    }
}
