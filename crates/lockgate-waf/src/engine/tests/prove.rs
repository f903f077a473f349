//! Values of which something is proved are not looked at; all else is.

use super::*;
use crate::engine::except::Part;

const RULES: &str = "SecRule ARGS \"@contains 7\" \"id:1,phase:2,log,pass\"\n\
                     SecRule ARGS_NAMES \"@contains 7\" \"id:2,phase:2,log,pass\"\n\
                     SecRule &ARGS \"@eq 2\" \"id:3,phase:2,log,pass\"";

/// As [`inspect`], with what is proved.
fn proving(
    engine: &Arc<Engine>,
    asked: &Asked,
    proof: fn(&Unproved<'_>) -> Option<Proof>,
) -> Inspection {
    let mut inspection = arrived(engine, asked, 0);
    inspection.prove(proof);
    while inspection.request_head() == Progress::More {}
    while inspection.body(&asked.body, true) == Progress::More {}
    inspection.prove(proof);
    while inspection.request_body() == Progress::More {}
    inspection
}

fn number(at: &Unproved<'_>) -> Option<Proof> {
    let way: Vec<_> = at.steps().collect();
    let named = way
        .iter()
        .map(|step| &**step)
        .eq([&b"items"[..], b"0", b"n"]);
    let here = at.part() == Part::Body && named || at.part() == Part::Query;
    (here && at.value().iter().all(u8::is_ascii_digit)).then_some(Proof::Number)
}

#[test]
fn rules_leave_a_proved_value_alone_and_nothing_else() {
    let body = r#"{"items":[{"n":7},{"n":8}]}"#;
    let asked = post("application/json", body);
    for engine in both(RULES) {
        assert_eq!(ids(&inspect(&engine, &asked, 0)), [1, 3]);
        let inspection = proving(&engine, &asked, number);
        // What is counted is counted all the same.
        assert_eq!(ids(&inspection), [3]);
        let proven: Vec<_> = inspection.proven().collect();
        assert_eq!(proven, [("body/items/0/n".to_owned(), Proof::Number)]);
        let other = post("application/json", r#"{"items":[{"n":8},{"n":7}]}"#);
        assert_eq!(ids(&proving(&engine, &other, number)), [1, 3]);
        let text = post("application/json", r#"{"items":[{"n":"7x"}]}"#);
        assert_eq!(ids(&proving(&engine, &text, number)), [1]);
    }
}

#[test]
fn names_are_looked_at_whatever_is_proved_of_the_value() {
    for engine in both(RULES) {
        let asked = get("/?a7=7");
        assert_eq!(ids(&inspect(&engine, &asked, 0)), [1, 2]);
        assert_eq!(ids(&proving(&engine, &asked, number)), [2]);
    }
}

#[test]
fn detectors_leave_it_alone_too() {
    let options = Options {
        native: Some(Detectors {
            detectors: detect::ALL.to_vec(),
            exclusions: Vec::new(),
            threshold: Some(5),
            adds_to: None,
            overrules: false,
        }),
        ..Options::default()
    };
    let engine = with("", &options);
    let attack = get("/?id=1%27%20OR%20%271%27%3D%271");
    assert_eq!(inspect(&engine, &attack, 0).detected().count(), 1);
    let proved = proving(&engine, &attack, |_| Some(Proof::Choice));
    assert_eq!(proved.detected().count(), 0);
    // What another request's values were is forgotten.
    assert_eq!(inspect(&engine, &attack, 0).detected().count(), 1);
    assert_eq!(inspect(&engine, &attack, 0).proven().count(), 0);
}
