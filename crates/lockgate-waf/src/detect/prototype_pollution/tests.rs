use super::*;
use crate::detect::cases;

#[test]
fn names_are_found() {
    cases::are_found(
        &DETECTOR,
        Where::ParameterName,
        &[
            "a[__proto__][admin]",
            "__proto__[admin]",
            "__proto__.admin",
            "/a/__proto__/admin",
            "/constructor/prototype/admin",
            "constructor[prototype][admin]",
            "a.constructor.prototype.x",
            "a[\"__proto__\"].x",
            "constructor][prototype",
        ],
    );
}

#[test]
fn values_are_found() {
    cases::are_found(
        &DETECTOR,
        Where::Parameter,
        &[
            "{\"__proto__\": {\"admin\": true}}",
            "x=1&__proto__[admin]=true",
            "__proto__.admin=1",
            "constructor[prototype][admin]=1",
        ],
    );
}

#[test]
fn good_names_and_text_pass() {
    cases::pass(
        &DETECTOR,
        Where::ParameterName,
        &[
            "prototype",
            "constructor",
            "/constructor/name",
            "my__proto__x",
            "a.prototype.constructor",
            "/prototype/constructor",
        ],
    );
    cases::pass(
        &DETECTOR,
        Where::Parameter,
        &[
            "`__proto__` is deprecated; use Object.getPrototypeOf",
            "what does __proto__ mean",
            "Array.prototype.map.call(x)",
            "a.constructor.prototype.map",
        ],
    );
}

#[test]
fn paths_and_texts_of_xml_are_values_too() {
    for stood in [Where::Path, Where::Xml, Where::FileName] {
        for text in [
            "/items/?__proto__[a]=b",
            "/items/{\"__proto__\": {\"a\": 1}}",
        ] {
            let found = cases::severity(&DETECTOR, stood, text);
            assert_eq!(found, Some(Severity::Critical), "{stood:?} {text}");
        }
    }
}

#[test]
fn ways_to_members_are_found_as_values() {
    let found = [
        "/__proto__/x",
        "/a/__proto__/b",
        "/constructor/prototype/x",
        "constructor.prototype.polluted",
        "__proto__.polluted",
        "[__proto__][x]",
    ];
    cases::are_found(&DETECTOR, Where::Parameter, &found);
    let good = [
        "/prototype/constructor",
        "/docs/prototype/x",
        "constructor.name",
        "Array.prototype.map",
        "/a/constructor/b/prototype",
    ];
    cases::pass(&DETECTOR, Where::Parameter, &good);
}
