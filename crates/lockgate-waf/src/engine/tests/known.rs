//! Values that come again are not looked at again, and rules without a value are not
//! asked: with the same outcome as asking every rule each time.

use super::{both, get, ids, inspect};

const RULES: &str = r#"
SecRule ARGS "@contains needle" "id:1,phase:2,log,pass,t:none,t:lowercase"
SecRule ARGS "@contains hay" "id:2,phase:2,log,pass,multiMatch,t:none,t:urlDecodeUni"
SecRule ARGS "@rx ^(n.*)$" "id:3,phase:2,log,pass,capture,setvar:tx.caught=%{TX.1}"
SecRule ARGS "@within %{tx.caught}" "id:4,phase:2,log,pass"
SecRule ARGS:b "@rx e" "id:5,phase:2,log,pass"
SecRule ARGS|!ARGS:c "@pm need thread" "id:6,phase:2,log,pass"
SecRule REQUEST_METHOD "@streq GET" "id:7,phase:1,log,pass,chain"
    SecRule ARGS:skip "@streq 1" "ctl:ruleRemoveTargetById=1;ARGS:a"
SecRule REQUEST_HEADERS:X-One "@rx ." "id:8,phase:1,log,pass"
SecRule REQUEST_HEADERS:X-Two "!@rx ^2$" "id:9,phase:1,log,pass"
SecRule &REQUEST_HEADERS:X-Two "@eq 0" "id:10,phase:1,log,pass"
SecRule REQUEST_HEADERS "@streq 2" "id:11,phase:1,log,pass"
SecRule REQUEST_COOKIES|REQUEST_HEADERS:X-Four "@rx ." "id:12,phase:1,log,pass"
SecRule ARGS_NAMES "@rx ^.*$" "id:13,phase:2,log,pass,capture,setvar:'tx.seen_%{TX.0}=/%{TX.0}/',chain"
    SecRule TX:/^seen_/ "@within /a/ /skip/" ""
"#;

#[test]
fn what_comes_again_ends_as_it_did() {
    let [sieved, plain] = both(RULES);
    let targets = [
        "/?a=NEEDLE&b=needle&c=needle",
        "/?a=needle&a=nothing&b=nothing",
        "/?a=%2568ay&b=hay&c=thread",
        "/?skip=1&a=needle",
        "/?a=",
        "/",
    ];
    let fields: [&[(&str, &str)]; 5] = [
        &[],
        &[("x-one", "1")],
        &[("X-Two", "2"), ("x-one", "")],
        &[("x-two", "3"), ("cookie", "a=1")],
        &[("x-four", "2"), ("x-two", "2"), ("x-two", "4")],
    ];
    let mut found = std::collections::BTreeSet::new();
    for _ in 0..3 {
        for (target, fields) in targets
            .iter()
            .flat_map(|one| fields.iter().map(move |two| (one, two)))
        {
            let mut asked = get(target);
            asked.headers.extend(
                fields
                    .iter()
                    .map(|(name, value)| ((*name).into(), (*value).into())),
            );
            let here = ids(&inspect(&sieved, &asked, 0));
            assert_eq!(
                here,
                ids(&inspect(&plain, &asked, 0)),
                "{target} {fields:?}"
            );
            found.extend(here);
        }
    }
    assert_eq!(found, (1..=13).collect());
}
