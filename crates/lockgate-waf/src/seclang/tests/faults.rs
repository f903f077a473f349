//! Every kind of error: where it is, and how it is told.

use std::collections::BTreeSet;

use super::{faults, folder, told};
use crate::seclang::{read, Code, Limits};

/// Text, and the errors of it: code, line, column.
type Case = (&'static str, &'static [(Code, u32, u32)]);

const GOLDEN: &[Case] = &[
    // Lines and words.
    (
        "SecRuleEngine On\nSecRul ARGS x id:1",
        &[(Code::UnknownDirective, 2, 1)],
    ),
    (
        "<IfModule x>\nSecRuleEngine On\n</IfModule>",
        &[
            (Code::UnknownDirective, 1, 1),
            (Code::UnknownDirective, 3, 1),
        ],
    ),
    ("SecRule ARGS \"@rx x \"id:1\"", &[(Code::StrayText, 1, 22)]),
    ("SecRule ARGS x \"id:1", &[(Code::UnclosedQuote, 1, 16)]),
    (
        "SecRule ARGS x \\\n  \"id:1,\\\n  pass",
        &[(Code::UnclosedQuote, 2, 3)],
    ),
    ("SecRule ARGS x \"id:1\" more", &[(Code::StrayText, 1, 23)]),
    (
        "SecRule ARGS x \\ \n  \"id:1\"",
        &[(Code::StrayText, 1, 16), (Code::UnknownDirective, 2, 4)],
    ),
    ("SecRule ARGS x \\\n# why\n", &[(Code::StrayText, 2, 1)]),
    ("SecRule ARGS", &[(Code::MissingArgument, 1, 13)]),
    ("SecAction", &[(Code::MissingArgument, 1, 10)]),
    ("SecMarker", &[(Code::MissingArgument, 1, 10)]),
    ("SecMarker a b", &[(Code::StrayText, 1, 13)]),
    // Settings.
    ("SecRuleEngine Maybe", &[(Code::BadValue, 1, 15)]),
    ("SecRequestBodyAccess 1", &[(Code::BadValue, 1, 22)]),
    ("SecRequestBodyLimit -5", &[(Code::BadValue, 1, 21)]),
    ("SecArgumentsLimit 99999999999", &[(Code::BadValue, 1, 19)]),
    ("SecRequestBodyLimitAction Drop", &[(Code::BadValue, 1, 27)]),
    ("SecArgumentSeparator ;;", &[(Code::BadValue, 1, 22)]),
    ("SecXmlExternalEntity On", &[(Code::BadValue, 1, 22)]),
    ("SecResponseBodyMimeType", &[(Code::MissingArgument, 1, 24)]),
    (
        "SecResponseBodyMimeTypesClear x",
        &[(Code::StrayText, 1, 31)],
    ),
    ("SecAuditEngine Sometimes", &[(Code::BadValue, 1, 16)]),
    ("SecStatusEngine", &[(Code::MissingArgument, 1, 16)]),
    ("SecHashEngine On", &[(Code::UnsupportedDirective, 1, 15)]),
    ("SecCookieFormat 1", &[(Code::UnsupportedDirective, 1, 17)]),
    ("SecRuleScript x.lua", &[(Code::UnsupportedDirective, 1, 1)]),
    (
        "SecRemoteRules key https://example.org/",
        &[(Code::UnsupportedDirective, 1, 1)],
    ),
    // Files.
    ("Include no.conf", &[(Code::FileNotFound, 1, 9)]),
    ("Include no/*.conf", &[(Code::FileNotFound, 1, 9)]),
    ("IncludeOptional ../up.conf", &[(Code::PathOutside, 1, 17)]),
    ("Include rules.conf", &[(Code::IncludeCycle, 1, 9)]),
    (
        "SecRule ARGS \"@pmFromFile no.data\" id:1",
        &[(Code::FileNotFound, 1, 27)],
    ),
    (
        "SecRule ARGS \"@pmFromFile ../no.data\" id:1",
        &[(Code::PathOutside, 1, 27)],
    ),
    (
        "SecRule ARGS \"@pmFromFile https://example.org/x\" id:1",
        &[(Code::BadArgument, 1, 27)],
    ),
    (
        "SecRule ARGS \"@pmFromFile empty.data\" id:1",
        &[(Code::BadArgument, 1, 27)],
    ),
    (
        "SecRule REMOTE_ADDR \"@ipMatchFromFile bad.data\" id:1",
        &[(Code::BadArgument, 1, 39)],
    ),
    // Targets.
    ("SecRule ARG x id:1", &[(Code::UnknownVariable, 1, 9)]),
    (
        "SecRule ARGS|!REQUEST_HEADER:x|ARGS_NAME x id:1",
        &[
            (Code::UnknownVariable, 1, 15),
            (Code::UnknownVariable, 1, 32),
        ],
    ),
    (
        "SecRule GEO:COUNTRY_CODE x id:1",
        &[(Code::UnsupportedVariable, 1, 9)],
    ),
    (
        "SecRule REQUEST_METHOD:x x id:1",
        &[(Code::BadTarget, 1, 24)],
    ),
    ("SecRule ARGS| x id:1", &[(Code::BadTarget, 1, 14)]),
    ("SecRule ARGS: x id:1", &[(Code::BadTarget, 1, 14)]),
    ("SecRule ARGS:/a x id:1", &[(Code::BadTarget, 1, 14)]),
    ("SecRule ARGS:/(/ x id:1", &[(Code::BadPattern, 1, 15)]),
    ("SecRule XML x id:1", &[(Code::BadTarget, 1, 9)]),
    ("SecRule XML:/a/b x id:1", &[(Code::BadTarget, 1, 13)]),
    ("SecRule RULE x id:1", &[(Code::BadTarget, 1, 9)]),
    // Operators.
    (
        "SecRule ARGS \"@contain x\" id:1",
        &[(Code::UnknownOperator, 1, 16)],
    ),
    (
        "SecRule ARGS \"!@rbl x\" id:1",
        &[(Code::UnsupportedOperator, 1, 17)],
    ),
    (
        "SecRule ARGS \"@contains\" id:1",
        &[(Code::MissingArgument, 1, 16)],
    ),
    (
        "SecRule ARGS \"@detectSQLi x\" id:1",
        &[(Code::BadArgument, 1, 27)],
    ),
    (
        "SecRule ARGS \"@eq one\" id:1",
        &[(Code::BadArgument, 1, 19)],
    ),
    (
        "SecRule ARGS \"@validateByteRange 1-256\" id:1",
        &[(Code::BadArgument, 1, 34)],
    ),
    (
        "SecRule ARGS \"@validateByteRange 1-9,8-5\" id:1",
        &[(Code::BadArgument, 1, 38)],
    ),
    (
        "SecRule REMOTE_ADDR \"@ipMatch 10.0.0.0/8,10.0.0\" id:1",
        &[(Code::BadArgument, 1, 42)],
    ),
    (
        "SecRule REMOTE_ADDR \"@ipMatch ::/129\" id:1",
        &[(Code::BadArgument, 1, 31)],
    ),
    (
        "SecRule ARGS \"@pm a|b\" id:1",
        &[(Code::BadArgument, 1, 20)],
    ),
    (
        "SecRule ARGS \"@pm |0g|\" id:1",
        &[(Code::BadArgument, 1, 20)],
    ),
    (
        "SecRule ARGS \"@streq %{tx.a\" id:1",
        &[(Code::BadMacro, 1, 22)],
    ),
    (
        "SecRule ARGS \"@streq %{tx}\" id:1",
        &[(Code::BadMacro, 1, 24)],
    ),
    (
        "SecRule ARGS \"@streq %{tx.}\" id:1",
        &[(Code::BadMacro, 1, 24)],
    ),
    (
        "SecRule ARGS \"@streq %{request_method.x}\" id:1",
        &[(Code::BadMacro, 1, 24)],
    ),
    (
        "SecRule ARGS \"@streq %{txx.a}\" id:1",
        &[(Code::UnknownMacro, 1, 24)],
    ),
    // Patterns.
    (
        "SecRule ARGS \"@rx a(b\" id:1",
        &[(Code::BadPattern, 1, 20)],
    ),
    (
        "SecRule ARGS \"@rx a[b\" id:1",
        &[(Code::BadPattern, 1, 20)],
    ),
    ("SecRule ARGS \"@rx *a\" id:1", &[(Code::BadPattern, 1, 19)]),
    (
        "SecRule ARGS \"@rx [z-a]\" id:1",
        &[(Code::BadPattern, 1, 20)],
    ),
    (
        "SecRule ARGS \"@rx [[:foo:]]\" id:1",
        &[(Code::BadPattern, 1, 20)],
    ),
    (
        "SecRule ARGS \"@rx \\x{263a}\" id:1",
        &[(Code::BadPattern, 1, 19)],
    ),
    (
        "SecRule ARGS \"@rx \\y\" id:1",
        &[(Code::BadPattern, 1, 19)],
    ),
    (
        "SecRule ARGS \"@rx a(?=b)\" id:1",
        &[(Code::UnsupportedPattern, 1, 20)],
    ),
    (
        "SecRule ARGS \"@rx (?<!b)a\" id:1",
        &[(Code::UnsupportedPattern, 1, 19)],
    ),
    (
        "SecRule ARGS \"@rx (a)\\1\" id:1",
        &[(Code::UnsupportedPattern, 1, 22)],
    ),
    (
        "SecRule ARGS \"@rx a++b\" id:1",
        &[(Code::UnsupportedPattern, 1, 20)],
    ),
    (
        "SecRule ARGS \"@rx (?>a|b)c\" id:1",
        &[(Code::UnsupportedPattern, 1, 19)],
    ),
    (
        "SecRule ARGS \"@rx (?R)\" id:1",
        &[(Code::UnsupportedPattern, 1, 19)],
    ),
    (
        "SecRule ARGS \"@rx a\\Z\" id:1",
        &[(Code::UnsupportedPattern, 1, 20)],
    ),
    (
        "SecRule ARGS \"@rx \\p{L}\" id:1",
        &[(Code::UnsupportedPattern, 1, 19)],
    ),
    (
        "SecRule ARGS \"@rx ^%{tx.a}$\" id:1",
        &[(Code::UnsupportedPattern, 1, 20)],
    ),
    (
        "SecRule ARGS \"@rx (a{1,1000}){1,1000}\" id:1",
        &[(Code::PatternTooLarge, 1, 19)],
    ),
    (
        "SecRule ARGS \"@rx a{,3}\" id:1",
        &[(Code::BadPattern, 1, 20)],
    ),
    (
        "SecRule ARGS \"@rx a{1, 3}\" id:1",
        &[(Code::BadPattern, 1, 20)],
    ),
    (
        "SecRule ARGS \"@rx a\\x\" id:1",
        &[(Code::BadPattern, 1, 20)],
    ),
    (
        "SecRule ARGS \"@rx a[:digit:]\" id:1",
        &[(Code::BadPattern, 1, 20)],
    ),
    // Actions.
    (
        "SecRule ARGS x \"id:1,dney\"",
        &[(Code::UnknownAction, 1, 22)],
    ),
    (
        "SecRule ARGS x \"id:1,,deny\"",
        &[(Code::UnknownAction, 1, 22)],
    ),
    (
        "SecRule ARGS x \"id:1,exec:/bin/x\"",
        &[(Code::UnsupportedAction, 1, 22)],
    ),
    (
        "SecRule ARGS x \"id:1,append:'x'\"",
        &[(Code::UnsupportedAction, 1, 22)],
    ),
    (
        "SecRule ARGS x \"id:1,ctl:hashEngine=On\"",
        &[(Code::UnsupportedAction, 1, 26)],
    ),
    (
        "SecRule ARGS x \"id:1,deny:403\"",
        &[(Code::BadAction, 1, 27)],
    ),
    ("SecRule ARGS x \"id:1,msg\"", &[(Code::BadAction, 1, 22)]),
    (
        "SecRule ARGS x \"id:1,msg:'a' b\"",
        &[(Code::StrayText, 1, 30)],
    ),
    (
        "SecRule ARGS x \"id:1,msg:'a\"",
        &[(Code::UnclosedQuote, 1, 26)],
    ),
    (
        "SecRule ARGS x \"id:1,phase:6\"",
        &[(Code::BadAction, 1, 28)],
    ),
    (
        "SecRule ARGS x \"id:1,severity:8\"",
        &[(Code::BadAction, 1, 31)],
    ),
    (
        "SecRule ARGS x \"id:1,status:99\"",
        &[(Code::BadAction, 1, 29)],
    ),
    (
        "SecRule ARGS x \"id:1,allow:some\"",
        &[(Code::BadAction, 1, 28)],
    ),
    (
        "SecRule ARGS x \"id:1,skip:0\"",
        &[(Code::BadAction, 1, 27)],
    ),
    (
        "SecRule ARGS x \"id:1,t:lowercas\"",
        &[(Code::UnknownTransformation, 1, 24)],
    ),
    (
        "SecRule ARGS x \"id:1,setvar:'args.a=1'\"",
        &[(Code::BadAction, 1, 30)],
    ),
    (
        "SecRule ARGS x \"id:1,setvar:tx\"",
        &[(Code::BadAction, 1, 29)],
    ),
    (
        "SecRule ARGS x \"id:1,setvar:'tx.a=%{foo}'\"",
        &[(Code::UnknownMacro, 1, 37)],
    ),
    (
        "SecRule ARGS x \"id:1,expirevar:ip.a\"",
        &[(Code::BadAction, 1, 32)],
    ),
    (
        "SecRule ARGS x \"id:1,initcol:tx=1\"",
        &[(Code::BadAction, 1, 30)],
    ),
    (
        "SecRule ARGS x \"id:1,tag:'%{tx.a}'\"",
        &[(Code::BadAction, 1, 27)],
    ),
    (
        "SecRule ARGS x \"id:1,ctl:ruleEngin=On\"",
        &[(Code::UnknownAction, 1, 26)],
    ),
    (
        "SecRule ARGS x \"id:1,ctl:ruleEngine=Maybe\"",
        &[(Code::BadAction, 1, 37)],
    ),
    (
        "SecRule ARGS x \"id:1,ctl:ruleRemoveTargetById=5\"",
        &[(Code::BadAction, 1, 47)],
    ),
    (
        "SecRule ARGS x \"id:1,ctl:ruleRemoveById=x\"",
        &[(Code::BadValue, 1, 41)],
    ),
    (
        "SecRule ARGS x \"id:1,ctl:requestBodyProcessor=YAML\"",
        &[(Code::BadAction, 1, 47)],
    ),
    // Rules among each other.
    ("SecRule ARGS x deny", &[(Code::IdMissing, 1, 1)]),
    ("SecRule ARGS x", &[(Code::IdMissing, 1, 1)]),
    ("SecRule ARGS x id:0", &[(Code::BadAction, 1, 19)]),
    (
        "SecRule ARGS x id:1\nSecAction id:1",
        &[(Code::IdTwice, 2, 14)],
    ),
    (
        "SecRule ARGS x \"id:1,chain\"\nSecRule ARGS y \"deny,t:none,msg:'x'\"",
        &[(Code::StarterOnly, 2, 17), (Code::StarterOnly, 2, 29)],
    ),
    (
        "SecRule ARGS x \"id:1,chain\"\nSecRule ARGS y \"id:2\"",
        &[(Code::StarterOnly, 2, 17)],
    ),
    (
        "SecRule ARGS x \"id:1,chain\"",
        &[(Code::ChainUnfinished, 1, 22)],
    ),
    (
        "SecRule ARGS x \"id:1,chain\"\nSecMarker a",
        &[(Code::ChainUnfinished, 1, 22)],
    ),
    (
        "SecRule ARGS x \"id:1,skipAfter:END\"",
        &[(Code::UnknownMarker, 1, 32)],
    ),
    (
        "SecMarker END\nSecRule ARGS x \"id:1,skipAfter:END\"",
        &[(Code::UnknownMarker, 2, 32)],
    ),
    (
        "SecDefaultAction \"phase:1,block\"",
        &[(Code::BadDefaults, 1, 27)],
    ),
    (
        "SecDefaultAction \"pass,id:5\"",
        &[(Code::BadDefaults, 1, 24), (Code::BadDefaults, 1, 1)],
    ),
    (
        "SecDefaultAction \"phase:1,log\"",
        &[(Code::BadDefaults, 1, 1)],
    ),
    ("SecRuleRemoveById", &[(Code::MissingArgument, 1, 18)]),
    ("SecRuleRemoveById 5-1", &[(Code::BadValue, 1, 19)]),
    ("SecRuleRemoveByTag \"(\"", &[(Code::BadPattern, 1, 21)]),
    (
        "SecRuleRemoveById 1\nSecAction id:1",
        &[(Code::UpdateTooEarly, 1, 1)],
    ),
    (
        "SecRuleUpdateTargetByTag a !ARGS:b\nSecAction id:1,tag:a",
        &[(Code::UpdateTooEarly, 1, 1)],
    ),
    (
        "SecRuleUpdateTargetById 1",
        &[(Code::MissingArgument, 1, 24)],
    ),
    (
        "SecAction id:1\nSecRuleUpdateTargetById 1 !ARG",
        &[(Code::UnknownVariable, 2, 28)],
    ),
    (
        "SecRuleUpdateActionById 1 pass",
        &[(Code::UpdateTooEarly, 1, 25)],
    ),
    (
        "SecAction id:1\nSecRuleUpdateActionById 1 phase:1",
        &[(Code::BadAction, 2, 27)],
    ),
    (
        "SecAction id:1\nSecRuleUpdateActionById 1:1 t:none",
        &[(Code::BadValue, 2, 25)],
    ),
    // Many at once, and on lines that go on.
    (
        "SecRule ARGS|NO \"@rx (\" \\\n    \"id:x,\\\n     t:none,t:no,\\\n\tfoo\"\nSecFoo 1",
        &[
            (Code::UnknownVariable, 1, 14),
            (Code::BadPattern, 1, 22),
            (Code::BadAction, 2, 9),
            (Code::UnknownTransformation, 3, 15),
            (Code::UnknownAction, 4, 2),
            (Code::UnknownDirective, 5, 1),
        ],
    ),
    // Columns are characters, not bytes.
    (
        "SecRule ARGS \"@contains é\" \"id:1,no\"",
        &[(Code::UnknownAction, 1, 34)],
    ),
];

#[test]
fn each_error_is_told_where_it_is() {
    let mut wrong = Vec::new();
    for (text, expected) in GOLDEN {
        let errors = faults(text);
        let found: Vec<_> = errors.iter().map(|e| (e.code, e.line, e.column)).collect();
        if found != *expected {
            wrong.push(format!(
                "{text}\n  expected {expected:?}\n  found    {found:?}\n{}",
                told(&errors)
            ));
        }
        for error in &errors {
            assert!(error.message.ends_with(['.', '?']), "{error}");
            assert_eq!(&*error.file, "rules.conf");
            assert!(
                error.caret as usize <= error.excerpt.chars().count(),
                "{error}"
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_kind_of_error_has_a_case() {
    let golden = GOLDEN.iter().flat_map(|(_, errors)| errors.iter());
    let mut shown: BTreeSet<Code> = golden.map(|(code, _, _)| *code).collect();
    // Limits have their own tests.
    shown.extend([Code::TooMuch, Code::MoreErrors]);
    let all: BTreeSet<Code> = Code::ALL.iter().copied().collect();
    assert_eq!(shown, all);
    let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), Code::ALL.len());
}

#[test]
fn what_was_meant_is_proposed() {
    for (text, meant) in [
        ("SecRuleRemovebyID2 1", "SecRuleRemoveById"),
        ("SecRlue ARGS x id:1", "SecRule"),
        ("SecRule REQEUST_HEADERS:Host x id:1", "REQUEST_HEADERS"),
        ("SecRule ARGS \"@beginWith x\" id:1", "beginsWith"),
        ("SecRule ARGS x id:1,t:urldecodeuin", "urlDecodeUni"),
        ("SecRule ARGS x id:1,sevrity:1", "severity"),
        (
            "SecRule ARGS x id:1,ctl:ruleRemoveByID2=1",
            "ruleRemoveById",
        ),
        ("SecRule ARGS \"@streq %{remote_adr}\" id:1", "REMOTE_ADDR"),
    ] {
        let errors = faults(text);
        assert_eq!(errors.len(), 1, "{text}");
        let wanted = format!("Did you mean {meant}?");
        assert!(errors[0].message.ends_with(&wanted), "{}", errors[0]);
    }
    let far = faults("SecSomethingElse 1");
    assert!(!far[0].message.contains("Did you mean"), "{}", far[0]);
}

#[test]
fn an_error_is_drawn() {
    let errors = faults("SecRuleEngine On\n\tSecRule ARGS|ARG \"@rx x\" id:1");
    assert_eq!(
        told(&errors),
        "rules.conf:2:15: There is no variable `ARG`. Did you mean ARGS? [unknown-variable]\n  \
         SecRule ARGS|ARG \"@rx x\" id:1\n               ^"
    );
    let long = format!("SecRule ARGS \"@rx {}(\" id:1", "a".repeat(500));
    let errors = faults(&long);
    assert!(errors[0].excerpt.chars().count() < 150);
    let caret = errors[0].caret as usize;
    assert_eq!(errors[0].excerpt.chars().nth(caret), Some('('));
    assert!(errors[0].excerpt.starts_with('…'));
}

#[test]
fn errors_are_bounded() {
    let text = "SecFoo\n".repeat(250);
    let errors = faults(&text);
    assert_eq!(errors.len(), 101);
    assert_eq!(errors[100].code, Code::MoreErrors);
    assert_eq!(&*errors[100].message, "There are 150 more errors.");
}

#[test]
fn each_limit_holds() {
    let small = Limits {
        file_bytes: 2_000,
        total_bytes: 4_000,
        files: 4,
        include_depth: 2,
        directive_bytes: 200,
        rules: 3,
        targets: 5,
        words: 4,
        updates: 2,
        ..Limits::default()
    };
    let long = "a".repeat(300);
    let filler = format!("{}\n", "#".repeat(1_500));
    let files = [
        (
            "fine.conf",
            "SecRule ARGS|ARGS_NAMES \"@pm a b c d\" id:1\nSecAction id:2\nSecAction id:3\n",
        ),
        ("file.conf", &"#\n".repeat(1_001)),
        (
            "total.conf",
            &format!("{filler}Include big1.conf\nInclude big2.conf"),
        ),
        ("big1.conf", &filler),
        ("big2.conf", &filler),
        (
            "files.conf",
            "Include one.conf\nInclude one.conf\nInclude one.conf\nInclude one.conf",
        ),
        ("one.conf", ""),
        ("depth.conf", "Include depth2.conf"),
        ("depth2.conf", "Include depth3.conf"),
        ("depth3.conf", "Include one.conf"),
        ("line.conf", &format!("SecMarker {long}")),
        (
            "rules.conf",
            "SecAction id:1\nSecAction id:2\nSecAction id:3\nSecAction id:4",
        ),
        (
            "targets.conf",
            "SecRule ARGS|ARGS|ARGS x id:1\nSecRule ARGS|ARGS|ARGS x id:2",
        ),
        (
            "spread.conf",
            "SecRule ARGS x id:1\nSecRule ARGS x id:2\nSecRuleUpdateTargetById 1-2 !ARGS:a|!ARGS:b",
        ),
        (
            "words.conf",
            "SecRule ARGS \"@pm a b c\" id:1\nSecRule ARGS \"@pmFromFile words.data\" id:2",
        ),
        ("words.data", "d\ne\n"),
        (
            "updates.conf",
            "SecRuleRemoveById 1\nSecRuleRemoveById 1\nSecRuleRemoveById 1",
        ),
    ];
    let folder = folder(&files.map(|(name, text)| (name, text)));
    let codes = |name: &str| -> Vec<(Code, String, u32)> {
        let errors = read(&folder, &[name], &small).err().unwrap_or_default();
        errors
            .iter()
            .map(|e| (e.code, e.file.to_string(), e.line))
            .collect()
    };
    assert_eq!(codes("fine.conf"), []);
    for (name, file, line) in [
        ("file.conf", "file.conf", 1),
        ("total.conf", "total.conf", 3),
        ("files.conf", "files.conf", 4),
        ("depth.conf", "depth3.conf", 1),
        ("line.conf", "line.conf", 1),
        ("rules.conf", "rules.conf", 4),
        ("targets.conf", "targets.conf", 2),
        ("spread.conf", "spread.conf", 3),
        ("words.conf", "words.conf", 2),
        ("updates.conf", "updates.conf", 3),
    ] {
        assert_eq!(
            codes(name),
            [(Code::TooMuch, file.to_owned(), line)],
            "{name}"
        );
    }
}

#[test]
fn entries_that_are_not_there_are_errors() {
    let folder = folder(&[("a.conf", "")]);
    for (entry, code) in [
        ("b.conf", Code::FileNotFound),
        ("*.rules", Code::FileNotFound),
        ("../a.conf", Code::PathOutside),
    ] {
        let errors = read(&folder, &[entry], &Limits::default()).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert_eq!((errors[0].code, &*errors[0].file), (code, entry));
    }
}
