use super::looks_for;
use crate::rule::{Item, Rule};
use crate::seclang::{self, Folder, Limits};

fn said(text: &str) -> Vec<String> {
    let mut files = Folder::default();
    files.insert("rules.conf", text.as_bytes());
    let rules = seclang::read(&files, &["rules.conf"], &Limits::default()).unwrap_or_default();
    let rule = |item: &Item| match item {
        Item::Rule(rule) => Some(Rule::clone(rule)),
        Item::Marker(_) => None,
    };
    rules
        .items
        .iter()
        .filter_map(rule)
        .map(|rule| looks_for(&rule))
        .collect()
}

#[test]
fn what_a_rule_looks_for_is_said_in_words() {
    let told = said(
        "SecRule ARGS|!ARGS:x \"@rx a+\" \"id:1,phase:2,pass\"\n\
         SecRule &ARGS:q \"!@eq 1\" \"id:2,phase:2,pass,chain\"\n\
         SecRule ARGS \"@contains b\"\n\
         SecRule REQUEST_HEADERS:User-Agent \"@pm nikto sqlmap\" \"id:3,phase:1,pass\"\n\
         SecRule ARGS \"@detectSQLi\" \"id:4,phase:2,pass\"\n\
         SecAction \"id:5,phase:1,pass\"\n\
         SecRule REQUEST_METHOD \"!@within %{tx.allowed_methods}\" \"id:6,phase:1,pass\"\n\
         SecRule ARGS \"@streq a%{tx.b}\" \"id:7,phase:2,pass\"\n",
    );
    assert_eq!(
        told,
        [
            "matches a regular expression, in ARGS",
            "does not equal `1`, in the number of ARGS:q; and 1 more condition",
            "has `nikto` or `sqlmap`, in REQUEST_HEADERS:user-agent",
            "reads as SQL (libinjection), in ARGS",
            "is always met",
            "is not one of what `tx.allowed_methods` says, in REQUEST_METHOD",
            "equals what another variable says, in ARGS",
        ]
    );
}
