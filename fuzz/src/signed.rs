//! Promises of what reads signatures of requests, and of webhooks.

use http::{HeaderMap, HeaderValue, Method};
use lockgate_policy::signature::{
    base, read, Component, Digests, Request, CONTENT_DIGEST, SIGNATURE, SIGNATURE_INPUT,
};

/// What is read is written in one way, and what is written so is read as the same.
pub fn signature(input: &[u8], signature: &[u8], target: &str) {
    let mut headers = HeaderMap::new();
    let (Ok(input), Ok(value)) = (
        HeaderValue::from_bytes(input),
        HeaderValue::from_bytes(signature),
    ) else {
        return;
    };
    headers.append(SIGNATURE_INPUT, input);
    headers.append(SIGNATURE, value.clone());
    headers.append(CONTENT_DIGEST, value);
    let _ = Digests::read(&headers).map(|digests| digests.are_of(signature));
    let Ok(Some(signed)) = read(&headers) else {
        return;
    };
    let request = Request {
        method: &Method::GET,
        secure: true,
        authority: "a.example",
        target,
        headers: &headers,
    };
    for one in &signed {
        for component in &one.components {
            let again = Component::parse(component.text());
            assert_eq!(again.as_ref(), Ok(component), "an identifier is its own");
            assert!(component.covers(component));
        }
        let Ok(made) = base(one, &request) else {
            continue;
        };
        let lines = made.split(|byte| *byte == b'\n').count();
        assert_eq!(lines, one.components.len() + 1, "no value breaks a line");
        let mut same = HeaderMap::new();
        let text = format!("{}={}", one.label, one.parameters);
        same.append(
            SIGNATURE_INPUT,
            HeaderValue::try_from(text).expect("what was a field's value is one"),
        );
        same.append(
            SIGNATURE,
            HeaderValue::try_from(format!("{}=:AAAA:", one.label)).expect("it is plain"),
        );
        let again = read(&same)
            .expect("it was read before")
            .expect("it is there");
        assert_eq!(
            again[0].parameters, one.parameters,
            "it is written in one way"
        );
    }
}
