use super::*;
use crate::detect::cases;

#[test]
fn attacks_are_found() {
    cases::are_found(
        &DETECTOR,
        Where::Parameter,
        &[
            "' or count(//*)>0 or '1'='2",
            "']|//*|//a['",
            "'] | //user/*[contains(*,'",
            "') or contains(name(),'a') or ('",
            "x' or name()='username' or 'x'='y",
            "' and string-length(name(/*[1]))=4 and '1'='1",
            "1 or count(/comments)=1",
            "' or position()=1 or '",
            "' or 1=1 or substring(//user[1]/password,1,1)='a",
            "\" or /child::node() or \"",
            "' or //user[@id='1",
            "' or not(contains(., 'x')) or '1",
            "' and doc('http://example.com/')/a and '1'='1",
        ],
    );
}

#[test]
fn good_text_passes() {
    cases::pass(
        &DETECTOR,
        Where::Parameter,
        &[
            "//div[@class='x']/a",
            "a[href='x'] or b",
            "O'Brien or count(me in)",
            "and/or",
            "either ' or / works",
            "1 or 2 (or 3)",
            "https://example.com/a?b=c",
            "it's @home or @work",
            "1 and /2",
            "string(s) or count(ers)",
        ],
    );
}

#[test]
fn functions_over_a_document_are_found_as_whole_values() {
    for function in ["count", "string", "name", "string-length", "boolean", "sum"] {
        for given in [
            "//*",
            "/child::node()",
            "//user[name='a']/pw",
            "/a/b/*",
            "//a/text()",
        ] {
            let text = format!("{function}({given})");
            cases::are_found(&DETECTOR, Where::Parameter, &[&text]);
        }
    }
    let good = [
        "count(/a/b)",
        "name(s)",
        "open(//host/share)",
        "string(//a b",
        "count (them) / 2",
    ];
    cases::pass(&DETECTOR, Where::Parameter, &good);
}
