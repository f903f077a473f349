use crate::rule::{Item, Rule, Rules};
use crate::seclang::{read, Folder, Limits};

use super::{held, settings, How};

const RULES: &str = r#"
SecAction "id:1,phase:1,nolog,pass,setvar:tx.version=4"
SecRule &TX:version "@eq 0" "id:2,phase:1,deny"
SecRule &TX:Allowed_Methods "@eq 0" "id:3,phase:1,nolog,pass,setvar:'tx.allowed_methods=GET POST'"
SecRule &TX:points "@eq 0" "id:4,phase:1,nolog,pass,setvar:tx.points=5"
SecAction "id:5,phase:1,nolog,pass,setvar:tx.score=0"
SecRule REQUEST_METHOD "!@within %{tx.allowed_methods}" "id:6,phase:1,deny,setvar:tx.score=+%{tx.points}"
SecRule REQUEST_HEADERS_NAMES "@rx ^.*$" "id:7,phase:1,deny,capture,t:lowercase,setvar:'tx.name_%{tx.0}=/%{tx.0}/',chain"
    SecRule TX:/^name_/ "@within %{tx.refused-names}" ""
SecRule &ARGS "@gt %{tx.most}" "id:8,phase:2,deny"
SecRule TX:score "@ge %{tx.1}" "id:9,phase:2,deny"
SecRule TX:shop-plugin_enabled "@eq 0" "id:10,phase:1,nolog,pass,ctl:ruleRemoveById=8"
"#;

fn rules() -> Rules {
    let mut files = Folder::default();
    files.insert("a.conf", RULES.as_bytes());
    read(&files, &["a.conf"], &Limits::default()).unwrap()
}

fn rule(rules: &Rules, id: u64) -> &Rule {
    let found = rules.items.iter().find_map(|item| match item {
        Item::Rule(rule) if rule.id == id => Some(rule),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn what_is_asked_for_or_only_read_can_be_set() {
    let rules = rules();
    let found = settings(&rules);
    let names: Vec<&str> = found.keys().map(|name| &**name).collect();
    assert_eq!(
        names,
        [
            "allowed_methods",
            "most",
            "points",
            "refused-names",
            "shop-plugin_enabled",
            "version"
        ]
    );
    let default = |name: &str| found[name].default.as_deref();
    assert_eq!(default("allowed_methods"), Some("GET POST"));
    assert_eq!(default("most"), None);
    assert_eq!(
        found["version"].overwritten.map(|place| place.line),
        Some(2)
    );
    assert_eq!(found["points"].overwritten, None);
}

#[test]
fn what_a_rule_holds_a_value_against() {
    let rules = rules();
    let known = settings(&rules);
    let of = |id| -> Vec<(String, How, String)> {
        let found = held(rule(&rules, id), &known);
        let told = found.into_iter();
        told.map(|one| (one.setting.into(), one.how, one.of))
            .collect()
    };
    let said = |setting: &str, how, of: &str| vec![(setting.to_owned(), how, of.to_owned())];
    assert_eq!(
        of(6),
        said("allowed_methods", How::Unlisted, "REQUEST_METHOD")
    );
    assert_eq!(
        of(7),
        said("refused-names", How::Listed, "REQUEST_HEADERS_NAMES")
    );
    assert_eq!(of(8), said("most", How::More, "the number of ARGS"));
    assert_eq!(of(9), []);
}
