use super::*;
use crate::detect::cases;

#[test]
fn names_are_found() {
    cases::are_found(
        &DETECTOR,
        Where::ParameterName,
        &[
            "password[$ne]",
            "a[b][$gt]",
            "/user/$ne",
            "/$where",
            "/a/0/$regex",
            "filter.$or",
            "user[$regex]",
        ],
    );
}

#[test]
fn values_are_found() {
    cases::are_found(
        &DETECTOR,
        Where::Parameter,
        &[
            "{\"$ne\": null}",
            "{$gt: ''}",
            "{\"a\": 1, \"$where\": \"1\"}",
            "x[$ne]=1",
            "'; return true; var x='",
            "1; return true",
            "';sleep(5000);'",
            "' || this.password == 'x",
            "'; db.users.drop(); '",
            "' || 1==1//",
            "'});db.x.drop();({'a':'",
            "0;it=new Date();do{pt=new Date();}while(pt-it<5000);",
        ],
    );
}

#[test]
fn good_names_and_text_pass() {
    cases::pass(
        &DETECTOR,
        Where::ParameterName,
        &[
            "$filter", "$where", "$select", "/$ref", "/$schema", "price[$]", "a[b]", "$type",
        ],
    );
    cases::pass(
        &DETECTOR,
        Where::Parameter,
        &[
            "$5 or $10",
            "use $ne to compare",
            "{\"$ref\": \"#/a\"}",
            "I'll return; return to me",
            "do this; do that",
            "echo $in; ls",
            "the cat's; it was new",
            "a || b && c",
            "x; return x + 1;",
        ],
    );
}

#[test]
fn whole_scripts_are_found_on_one_line() {
    cases::are_found(
        &DETECTOR,
        Where::Parameter,
        &[
            "function(){return true}",
            "function (x) { return this.a == x }",
            "this.a=='x'||true",
            "this.password == 'x' && this.b == 1",
            "db.users.drop()",
            "db.a.b.insert({x: 1});",
            "$where: '1 == 1'",
            "$expr: {a: 1}",
        ],
    );
    cases::pass(
        &DETECTOR,
        Where::Parameter,
        &[
            "function f(a) { return a; }",
            "function () {\n  return this.x;\n}",
            "this.a = b || c",
            "this.is it == what you want || not at all",
            "db.users",
            "db.example.com (main)",
            "db.session.commit()",
            "$where is an operator",
            "$ne: not equal",
        ],
    );
}
