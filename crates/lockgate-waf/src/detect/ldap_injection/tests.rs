use super::*;
use crate::detect::cases;

#[test]
fn attacks_are_found() {
    cases::are_found(
        &DETECTOR,
        Where::Parameter,
        &[
            "*)(uid=*))(|(uid=*",
            "*)(objectClass=*",
            "admin)(&)",
            "x))(|(cn=*",
            "*)(|(mail=*))",
            "admin*)((|userPassword=*)",
            "*))\0",
            "*(|(mail=*))",
            "x)(cn:dn:=abc",
            "a)(userPassword>=a",
            "x)(&",
            "*)(|(&",
            "x)(!)",
            "x)(|(*",
        ],
    );
}

#[test]
fn good_text_passes() {
    cases::pass(
        &DETECTOR,
        Where::Parameter,
        &[
            "(555) 123-4567",
            "1) first (a) 2) second (b)",
            ":) (: ;)",
            "if (a) (b = c)",
            "f(x)(y)",
            "a) (b) c",
            "see p. 3) (x = 2)",
            "*",
            "smith*",
            "((a+b)*c)",
            "(&(objectClass=person)(cn=a*))",
            "let g = (a) => (b)",
            "1) (n=3)",
            "a smile :)(!)",
        ],
    );
}

#[test]
fn whole_filters_are_found_where_they_ask_for_a_password() {
    for name in [
        "password",
        "userPassword",
        "unicodePassword",
        "x-Password;binary",
    ] {
        for value in ["*", "a*", "x"] {
            for operator in ["&", "|"] {
                let text = format!("({operator}(uid=a)({name}={value}))");
                cases::are_found(&DETECTOR, Where::Parameter, &[&text]);
            }
        }
    }
    let good = ["(&(uid=a)(mail=*))", "(&(a=b)(c=the password))"];
    cases::pass(&DETECTOR, Where::Parameter, &good);
}
