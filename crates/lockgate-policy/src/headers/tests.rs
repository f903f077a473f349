#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::Ipv4Addr;
use std::sync::Arc;

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn subject(identity: &Identity) -> Subject<'_> {
    Subject {
        request_id: "01J",
        client: Ipv4Addr::LOCALHOST.into(),
        identity: Some(identity),
        api: "shop",
        operation: None,
        device: None,
        program: None,
        place: None,
    }
}

fn claiming(text: &str) -> Identity {
    let claims = serde_json::json!({ "said": text });
    Identity {
        proved_by: "jwt",
        credential: "issuer/sub".into(),
        owner: "crm".into(),
        app: None,
        claims: Some(Arc::new(claims.as_object().unwrap().clone())),
    }
}

fn setting(name: &str, value: &str) -> Config {
    let mut config = Config::default();
    config.request.set.insert(name.into(), value.into());
    config
}

#[test]
fn the_apis_own_credentials_are_left_alone() {
    let credentials = [HeaderName::from_static("x-shop-key")];
    for config in [setting("X-Shop-Key", "a"), {
        let mut config = Config::default();
        config.request.remove.push("x-shop-key".into());
        config
    }] {
        let error = Headers::new(&config, &credentials).unwrap_err();
        assert_eq!(error.code, "header-credential");
        assert!(Headers::new(&config, &[]).is_ok());
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let mut config = Config::default();
    config.response.hide = vec!["Server".into(), "Date".into()];
    assert_eq!(
        Headers::new(&config, &[]).unwrap_err().pointer,
        "/response/hide/1"
    );
    let error = Headers::new(&setting("X-Team", "{who}"), &[]).unwrap_err();
    assert_eq!(error.pointer, "/request/set/X-Team");
    assert!(
        error.message.contains("`{claim:NAME}`"),
        "{}",
        error.message
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let mut config = setting("X-Team", "{who}");
    config.request.set.insert("Host".into(), "a".into());
    config.request.remove = vec!["X-Debug".into(), "x-debug".into()];
    config
        .request
        .add
        .insert("X-Both".into(), vec!["{a}".into(), "{b}".into()]);
    config.response.hide = vec!["Date".into()];
    let errors = Headers::all(&config, &[]).unwrap_err();
    let places: Vec<_> = errors.iter().map(|error| &*error.pointer).collect();
    let expected = [
        "/request/remove/1",
        "/request/set/Host",
        "/request/set/X-Team",
        "/request/add/X-Both",
        "/request/add/X-Both",
        "/response/hide/0",
    ];
    assert_eq!(places, expected);
}

#[test]
fn there_is_a_bound_on_fields_and_on_values() {
    let mut config = Config::default();
    let values = vec!["a".to_owned(); MAX_FIELDS + 1];
    config.request.add.insert("X-Team".into(), values);
    assert_eq!(
        Headers::new(&config, &[]).unwrap_err().code,
        "headers-too-many"
    );
    assert!(Headers::new(&setting("X-Team", &"a".repeat(4096)), &[]).is_ok());
    assert!(Headers::new(&setting("X-Team", &"a".repeat(4097)), &[]).is_err());
    let filled = |length: usize| {
        let identity = claiming(&"a".repeat(length));
        let value = Template::parse("{claim:said}").unwrap();
        value.fill(&subject(&identity)).is_some()
    };
    assert!(filled(8192));
    assert!(!filled(8193));
}

proptest! {
    #[test]
    fn no_claim_ends_a_line(text in any::<String>(), value in "[ -~]{0,20}") {
        let identity = claiming(&text);
        let Ok(template) = Template::parse(&format!("{value}{{claim:said}}")) else {
            return Ok(());
        };
        if let Some(filled) = template.fill(&subject(&identity)) {
            prop_assert!(!filled.as_bytes().iter().any(u8::is_ascii_control));
            prop_assert!(filled.as_bytes().ends_with(text.as_bytes()));
            prop_assert!(!text.is_empty());
        }
    }

    #[test]
    fn any_text_is_taken_or_refused_and_a_fixed_one_stays_itself(text in any::<String>()) {
        if let Ok(template) = Template::parse(&text) {
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            if !text.contains(['{', '}']) {
                let identity = claiming("x");
                prop_assert_eq!(template.fill(&subject(&identity)), HeaderValue::from_str(&text).ok());
            }
        }
    }
}
