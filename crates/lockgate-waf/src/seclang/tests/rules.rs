//! What rules say, once they are read.

use super::{faults, folder, link, loaded, rule, rules, told};
use crate::bytes::ByteSet;
use crate::rule::{
    Allowed, Change, Collection as C, Ctl, Disruptive, Effect, EngineMode, Item, Operator, Phase,
    Piece, Processor, Selector, Severity, Template, Which,
};
use crate::seclang::{read, Limits};
use crate::transform::Transformation as T;

fn text(text: &str) -> Template {
    Template {
        pieces: vec![Piece::Text(text.as_bytes().into())],
    }
}

fn effects(actions: &str) -> Vec<Effect> {
    link(&format!("SecAction \"id:1,{actions}\"")).effects
}

fn set(actions: &str) -> (C, Template, Change) {
    match effects(actions).as_slice() {
        [Effect::SetVar {
            collection,
            name,
            change,
        }] => (*collection, name.clone(), change.clone()),
        other => panic!("{actions}: {other:?}"),
    }
}

#[test]
fn lines_go_on_and_comments_end() {
    let all = loaded(
        "# comment \\\nSecAction id:1\n\
         #SecRule ARGS x \\\n  \"id:2,\\\n  deny\"\n\
         # SecAction \\\n  id:3\n\
         \t SecRule ARGS \\\n   \"@rx a\\\nb\" \\\r\n   \"id:4,\\\n    msg:'x'\"\r\n\
         \n   # SecAction id:5\nSecAction id:6",
    );
    let ids: Vec<u64> = rules(&all).iter().map(|rule| rule.id).collect();
    assert_eq!(ids, [1, 4, 6]);
    let joined = rules(&all)[1];
    assert_eq!(joined.place.line, 8);
    match &joined.links[0].test.operator {
        Operator::Rx(pattern) => assert_eq!(&*pattern.source, "ab"),
        other => panic!("{other:?}"),
    }
    loaded("\u{feff}SecRuleEngine On");
}

#[test]
fn everything_may_be_said_of_a_rule() {
    let said = rule(
        "SecRule ARGS x \"id:'42',phase:'response',msg:'It\\'s %{MATCHED_VAR}',logdata:'d',\
         tag:'a/b',tag:c,severity:'CRITICAL',ver:'1.0',rev:'2',maturity:'9',accuracy:8,\
         deny,status:406,log,noauditlog,skip:3,capture,multiMatch,t:none,t:lowercase\"",
    );
    assert_eq!((said.id, said.phase), (42, Phase::ResponseBody));
    let message = said.message.unwrap();
    assert_eq!(message.pieces[0], Piece::Text(b"It's ".as_slice().into()));
    assert_eq!(message.pieces[1], Piece::Macro(C::MatchedVar, None));
    assert_eq!(said.log_data, Some(text("d")));
    assert_eq!(said.tags, ["a/b".into(), "c".into()]);
    assert_eq!(said.severity, Some(Severity::Critical));
    assert_eq!(
        (said.version, said.revision),
        (Some("1.0".into()), Some("2".into()))
    );
    assert_eq!(
        (said.disruptive, said.status),
        (Disruptive::Deny, Some(406))
    );
    assert_eq!((said.log, said.audit_log, said.skip), (true, false, 3));
    let link = &said.links[0];
    assert!(link.capture && link.multi_match);
    assert_eq!(link.transformations, [T::Lowercase]);
}

#[test]
fn words_are_read_in_either_case_and_by_number() {
    for (written, phase) in [
        ("1", Phase::RequestHeaders),
        ("request", Phase::RequestBody),
        ("3", Phase::ResponseHeaders),
        ("RESPONSE", Phase::ResponseBody),
        ("logging", Phase::Logging),
    ] {
        assert_eq!(
            rule(&format!("secaction ID:1,PHASE:{written}")).phase,
            phase
        );
    }
    assert_eq!(rule("SecAction id:1").phase, Phase::RequestBody);
    let severity = |s: &str| rule(&format!("SecAction id:1,severity:{s}")).severity;
    assert_eq!(severity("2"), Some(Severity::Critical));
    assert_eq!(severity("warning"), Some(Severity::Warning));
    let becomes = |s: &str| rule(&format!("SecAction \"id:1,{s}\"")).disruptive;
    assert_eq!(becomes("allow"), Disruptive::Allow(Allowed::All));
    assert_eq!(becomes("allow:phase"), Disruptive::Allow(Allowed::Phase));
    assert_eq!(
        becomes("allow:request"),
        Disruptive::Allow(Allowed::Request)
    );
    assert_eq!(becomes("drop"), Disruptive::Drop);
    assert_eq!(
        becomes("redirect:'https://x/?a=1,2'"),
        Disruptive::Redirect(text("https://x/?a=1,2"))
    );
}

#[test]
fn targets_are_read() {
    let targets = link(
        "SecRule \"ARGS|!ARGS:Token|&REQUEST_HEADERS:Host|ARGS_NAMES:/^a\\/|b,c$/|REQUEST_COOKIES:'x|y'|XML:/*|XML://@*|TX:'/^MSC_/'|files\" x id:1",
    )
    .targets;
    let named = |name: &str| Selector::Named(name.as_bytes().into());
    let expected: Vec<(C, Selector, bool, bool)> = vec![
        (C::Args, Selector::All, false, false),
        (C::Args, named("token"), true, false),
        (C::RequestHeaders, named("host"), false, true),
        (C::ArgsNames, named("^a\\/|b,c$"), false, false),
        (C::RequestCookies, named("x|y"), false, false),
        (C::Xml, Selector::Text, false, false),
        (C::Xml, Selector::Attributes, false, false),
        (C::Tx, named("^MSC_"), false, false),
        (C::Files, Selector::All, false, false),
    ];
    assert_eq!(targets.len(), expected.len());
    for (target, (collection, selector, excluded, counted)) in targets.iter().zip(expected) {
        assert_eq!(target.collection, collection);
        assert_eq!((target.excluded, target.counted), (excluded, counted));
        match (&target.selector, selector) {
            (Selector::Matching(pattern), Selector::Named(source)) => {
                assert_eq!(pattern.source.as_bytes(), &*source);
            }
            (Selector::Named(found), Selector::Named(name)) => assert_eq!(*found, name),
            (found, selector) => {
                assert_eq!(
                    std::mem::discriminant(found),
                    std::mem::discriminant(&selector)
                );
            }
        }
    }
    // What is left out may be XML as a whole.
    assert!(link("SecRule ARGS|!XML x id:1").targets[1].excluded);
}

#[test]
fn operators_are_read() {
    let test = |operator: &str| link(&format!("SecRule ARGS \"{operator}\" id:1")).test;
    assert!(test("!@rx a").negated && test("!a").negated && test("! @streq a").negated);
    assert!(!test("@rx a").negated);
    match test("a \\\"b\\\" ").operator {
        Operator::Rx(pattern) => assert_eq!(&*pattern.source, "a \\\"b\\\" "),
        other => panic!("{other:?}"),
    }
    match test("@contains \\\"%{tx.A}\\\"").operator {
        Operator::Contains(template) => assert_eq!(
            template.pieces,
            [
                Piece::Text(b"\"".as_slice().into()),
                Piece::Macro(C::Tx, Some(b"a".as_slice().into())),
                Piece::Text(b"\"".as_slice().into()),
            ]
        ),
        other => panic!("{other:?}"),
    }
    match test("@streq ").operator {
        Operator::Streq(template) => assert_eq!(template.constant(), Some(b"".as_slice())),
        other => panic!("{other:?}"),
    }
    match test("@pm  a b\tc |3C 73|x ").operator {
        Operator::Pm(words) => {
            let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
            assert_eq!(words, [b"a".as_slice(), b"b", b"c", b"<sx"]);
        }
        other => panic!("{other:?}"),
    }
    match test("@validateByteRange 9, 32-34").operator {
        Operator::ValidateByteRange(set) => assert_eq!(set, ByteSet::of(b"\t \"!")),
        other => panic!("{other:?}"),
    }
    match test("@ipMatch 10.0.0.0/8,::1").operator {
        Operator::IpMatch(networks) => assert_eq!(
            networks,
            [
                ("10.0.0.0".parse().unwrap(), 8),
                ("::1".parse().unwrap(), 128)
            ]
        ),
        other => panic!("{other:?}"),
    }
    assert!(matches!(test("@ge %{tx.a}").operator, Operator::Ge(_)));
    assert!(matches!(test("@LT -1").operator, Operator::Lt(_)));
    assert!(matches!(
        test("@verifyCC \\d{13,16}").operator,
        Operator::VerifyCc(_)
    ));
    assert!(matches!(test("@detectSQLi").operator, Operator::DetectSqli));
}

#[test]
fn variables_are_set_in_every_way() {
    assert_eq!(
        set("setvar:tx.A=1"),
        (C::Tx, text("a"), Change::Set(text("1")))
    );
    assert_eq!(
        set("setvar:'tx.a=b,=c d'"),
        (C::Tx, text("a"), Change::Set(text("b,=c d")))
    );
    assert_eq!(
        set("setvar:tx.a"),
        (C::Tx, text("a"), Change::Set(text("1")))
    );
    assert_eq!(
        set("setvar:tx.a="),
        (C::Tx, text("a"), Change::Set(Template::default()))
    );
    assert_eq!(set("setvar:!tx.a"), (C::Tx, text("a"), Change::Remove));
    assert_eq!(
        set("setvar:ip.a=-2"),
        (C::Ip, text("a"), Change::Subtract(text("2")))
    );
    let score = Template {
        pieces: vec![Piece::Macro(C::Tx, Some(b"critical".as_slice().into()))],
    };
    assert_eq!(
        set("setvar:'TX.score=+%{TX.Critical}'"),
        (C::Tx, text("score"), Change::Add(score))
    );
    let (_, name, _) = set("setvar:'tx.Count_%{MATCHED_VAR_NAME}=+1'");
    assert_eq!(
        name.pieces,
        [
            Piece::Text(b"count_".as_slice().into()),
            Piece::Macro(C::MatchedVarName, None)
        ]
    );
    match effects(
        "initcol:ip=%{REMOTE_ADDR},expirevar:'ip.a=60',setsid:%{ARGS.s},setuid:u,setrsc:r",
    )
    .as_slice()
    {
        [Effect::InitCollection(C::Ip, _), Effect::ExpireVar(C::Ip, name, seconds), Effect::InitCollection(C::Session, session), Effect::InitCollection(C::User, _), Effect::InitCollection(C::Resource, _)] =>
        {
            assert_eq!((name, seconds), (&text("a"), &text("60")));
            let key = Some(b"s".as_slice().into());
            assert_eq!(session.pieces, [Piece::Macro(C::Args, key)]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_engine_is_changed() {
    let change = |value: &str| match effects(&format!("ctl:{value}")).as_slice() {
        [Effect::Ctl(change)] => change.clone(),
        other => panic!("{value}: {other:?}"),
    };
    assert!(matches!(
        change("ruleEngine=detectionOnly"),
        Ctl::RuleEngine(EngineMode::DetectionOnly)
    ));
    assert!(matches!(
        change("RequestBodyProcessor=xml"),
        Ctl::RequestBodyProcessor(Processor::Xml)
    ));
    assert!(matches!(
        change("forceRequestBodyVariable=On"),
        Ctl::ForceRequestBodyVariable(true)
    ));
    assert!(matches!(
        change("requestBodyLimit=5"),
        Ctl::RequestBodyLimit(5)
    ));
    assert!(matches!(change("auditLogParts=+E"), Ctl::Logging));
    match change("ruleRemoveById=5-9") {
        Ctl::RuleRemove(Which::Ids(ids)) => assert_eq!(ids, [(5, 9)]),
        other => panic!("{other:?}"),
    }
    match change("ruleRemoveByTag=attack-sqli") {
        Ctl::RuleRemove(Which::Tag(pattern)) => assert_eq!(&*pattern.source, "attack-sqli"),
        other => panic!("{other:?}"),
    }
    match effects("ctl:'ruleRemoveTargetById=5;ARGS:Pwd,REQUEST_COOKIES:/^a/'").as_slice() {
        [Effect::Ctl(Ctl::RuleRemoveTarget(Which::Ids(_), first)), Effect::Ctl(Ctl::RuleRemoveTarget(_, second))] =>
        {
            assert!(matches!(&first.selector, Selector::Named(name) if **name == *b"pwd"));
            assert!(matches!(&second.selector, Selector::Matching(_)));
            assert!(!first.excluded);
        }
        other => panic!("{other:?}"),
    }
    assert!(effects("ctl:hashEngine=Off").is_empty());
}

#[test]
fn defaults_hold_for_what_follows() {
    let all = loaded(
        "SecAction id:1,block\n\
         SecDefaultAction \"phase:2,deny,status:405,nolog,auditlog,tag:'d',t:lowercase,setvar:tx.d=1\"\n\
         SecAction id:2,block\n\
         SecRule ARGS x id:3,t:trim,log,tag:e,status:409\n\
         SecRule ARGS x \"id:4,t:trim,t:none,t:length,pass\"\n\
         SecRule ARGS x \"id:5,chain\"\n SecRule ARGS y t:trim\n\
         SecAction id:6,phase:1,block\n\
         SecDefaultAction \"phase:2,pass\"\n\
         SecAction id:7,block",
    );
    let all = rules(&all);
    let deny: Vec<bool> = all
        .iter()
        .map(|r| r.disruptive == Disruptive::Deny)
        .collect();
    assert_eq!(deny, [false, true, true, false, true, false, false]);
    let status: Vec<_> = all.iter().map(|rule| rule.status).collect();
    assert_eq!(
        status,
        [None, Some(405), Some(409), None, Some(405), None, None]
    );
    assert_eq!((all[1].log, all[1].audit_log), (false, true));
    assert_eq!((all[2].log, all[2].audit_log), (true, true));
    assert_eq!(all[2].tags, ["d".into(), "e".into()]);
    assert_eq!(all[2].links[0].transformations, [T::Lowercase, T::Trim]);
    assert_eq!(all[3].links[0].transformations, [T::Length]);
    assert_eq!(all[4].links[1].transformations, [T::Lowercase, T::Trim]);
    let counts: Vec<_> = all.iter().map(|rule| rule.links[0].effects.len()).collect();
    assert_eq!(counts, [0, 1, 1, 1, 1, 0, 0]);
}

#[test]
fn chains_are_one_rule() {
    let said = rule(
        "SecRule ARGS a \"id:1,phase:1,deny,chain\"\n\
         SecRule ARGS b \"capture,t:none,setvar:tx.a=1,chain\"\n\
         SecAction \"multiMatch,nolog\"",
    );
    let lines: Vec<u32> = said.links.iter().map(|link| link.place.line).collect();
    assert_eq!(lines, [1, 2, 3]);
    assert!(said.links[1].capture && said.links[2].multi_match && !said.log);
    assert!(matches!(
        said.links[2].test.operator,
        Operator::UnconditionalMatch
    ));
}

#[test]
fn skips_find_their_markers() {
    let all = loaded(
        "SecRule ARGS x \"id:1,skipAfter:END\"\nSecAction \"id:2,skipAfter:'3'\"\n\
         SecAction id:3\nSecMarker \"END\"\nSecAction id:4,skipAfter:END\nSecMarker END",
    );
    let shown: Vec<String> = all
        .items
        .iter()
        .map(|item| match item {
            Item::Rule(rule) => rule.id.to_string(),
            Item::Marker(name) => format!("marker {name}"),
        })
        .collect();
    assert_eq!(
        shown,
        ["1", "2", "3", "marker 3", "marker END", "4", "marker END"]
    );
}

#[test]
fn rules_are_taken_out_and_changed() {
    let base = "SecRule ARGS x \"id:1,tag:attack-sqli,msg:'One',pass,t:lowercase\"\n\
                SecRule ARGS x \"id:2,tag:attack-xss,msg:'Two',chain\"\n SecRule ARGS_NAMES y t:none\n\
                SecRule ARGS|!ARGS:a x \"id:3,msg:'Three %{tx.a}'\"\n";
    let ids = |more: &str| -> Vec<u64> {
        let all = loaded(&format!("{base}{more}"));
        rules(&all).iter().map(|rule| rule.id).collect()
    };
    assert_eq!(ids("SecRuleRemoveById 1 \"3-5\""), [2]);
    assert_eq!(ids("SecRuleRemoveById '1,3'"), [2]);
    assert_eq!(ids("SecRuleRemoveByTag attack-"), [3]);
    assert_eq!(ids("SecRuleRemoveByMsg \"^T\""), [1]);
    // What follows stays, under the id that is free again.
    assert_eq!(ids("SecRuleRemoveById 1\nSecAction id:1"), [2, 3, 1]);

    let idle = loaded(&format!("{base}SecRuleRemoveById 9"));
    assert_eq!(idle.notices.len(), 1);
    assert_eq!(
        (&*idle.notices[0].directive, idle.notices[0].place.line),
        ("SecRuleRemoveById", 5)
    );

    let all = loaded(&format!(
        "{base}SecRuleUpdateTargetById 2-3 \"!ARGS:b|REQUEST_BODY\"\n\
         SecRuleUpdateTargetByTag attack-sqli \"REQUEST_URI\" \"ARGS\"\n\
         SecRuleUpdateTargetByMsg Three \"!ARGS:c,!ARGS:d\"\n\
         SecRuleUpdateActionById 1 \"deny,status:418,t:none,t:trim,msg:'New',setvar:tx.b=1,skipAfter:E\"\n\
         SecRuleUpdateActionById 2:1 \"capture,t:length\"\nSecMarker E",
    ));
    let all = rules(&all);
    let counts: Vec<_> = all.iter().map(|rule| rule.links[0].targets.len()).collect();
    assert_eq!(counts, [1, 3, 6]);
    assert_eq!(all[1].links[1].targets.len(), 1);
    assert_eq!(all[0].links[0].targets[0].collection, C::RequestUri);
    assert_eq!(
        (&all[0].disruptive, all[0].status),
        (&Disruptive::Deny, Some(418))
    );
    assert_eq!(all[0].links[0].transformations, [T::Trim]);
    assert_eq!(all[0].message, Some(text("New")));
    assert_eq!(all[0].links[0].effects.len(), 1);
    assert_eq!(all[0].skip_after.as_deref(), Some("E"));
    assert!(all[1].links[1].capture && !all[1].links[0].capture);
    assert_eq!(all[1].links[1].transformations, [T::Length]);
}

#[test]
fn settings_are_read() {
    let settings = loaded(
        "SecRuleEngine DetectionOnly\nSecRequestBodyAccess on\nSecResponseBodyAccess Off\n\
         SecRequestBodyLimit 10\nSecRequestBodyLimitAction ProcessPartial\nSecResponseBodyLimit 20\n\
         SecResponseBodyLimitAction Reject\nSecResponseBodyMimeType text/x\nSecResponseBodyMimeTypesClear\n\
         SecResponseBodyMimeType text/plain text/html\nSecResponseBodyMimeType text/xml\nSecArgumentsLimit 30\n\
         SecRequestBodyJsonDepthLimit 40\nSecArgumentSeparator \";\"\nSecCollectionTimeout 50\nSecXmlExternalEntity Off",
    )
    .settings;
    assert_eq!(settings.engine, Some(EngineMode::DetectionOnly));
    assert_eq!(
        (settings.request_body, settings.response_body),
        (Some(true), Some(false))
    );
    assert_eq!(
        (settings.request_body_limit, settings.response_body_limit),
        (Some(10), Some(20))
    );
    assert_eq!(
        (
            settings.request_body_partial,
            settings.response_body_partial
        ),
        (Some(true), Some(false))
    );
    let types = settings.response_types.unwrap();
    assert_eq!(
        types,
        ["text/plain".into(), "text/html".into(), "text/xml".into()]
    );
    assert_eq!(
        (settings.arguments_limit, settings.json_depth),
        (Some(30), Some(40))
    );
    assert_eq!(
        (settings.argument_separator, settings.collection_timeout_s),
        (Some(b';'), Some(50))
    );
    assert_eq!(settings.xml_entities, Some(false));
}

#[test]
fn what_clients_are_told_is_not_for_rules_to_say() {
    let all = loaded(
        "SecAction \"id:1,deny,status:403\"\nSecAction \"id:2,deny,status:404\"\nSecAction \"id:3,pass,status:404\"\n\
         SecAction \"id:4,drop\"\nSecAction \"id:5,redirect:https://example.com/\"\nSecRuleRemoveById 9",
    );
    let told: Vec<(&str, u32)> = all
        .notices
        .iter()
        .filter(|notice| notice.matters)
        .map(|notice| (&*notice.directive, notice.place.line))
        .collect();
    assert_eq!(
        told,
        [
            ("status", 2),
            ("drop", 4),
            ("redirect", 5),
            ("SecRuleRemoveById", 6)
        ]
    );
}

#[test]
fn what_is_decided_elsewhere_is_told() {
    let all = loaded(
        "SecAuditEngine RelevantOnly\nSecPcreMatchLimit 1000\nSecCookieFormat 0\nSecUnicodeMapFile unicode.mapping 20127\n\
         SecComponentSignature \"mine/1\"\nSecRule ARGS x \"id:1,sanitiseArg:p,accuracy:8\"",
    );
    let told: Vec<(&str, u32)> = all
        .notices
        .iter()
        .map(|n| (&*n.directive, n.place.line))
        .collect();
    assert_eq!(
        told,
        [
            ("SecAuditEngine", 1),
            ("SecPcreMatchLimit", 2),
            ("SecCookieFormat", 3),
            ("SecUnicodeMapFile", 4),
            ("sanitiseArg", 6),
            ("accuracy", 6)
        ]
    );
    assert_eq!(all.signatures, ["mine/1".into()]);
}

#[test]
fn files_are_found_from_where_they_are_named() {
    let files = folder(&[
        (
            "main.conf",
            "Include rules/*.conf\nIncludeOptional local/*.conf\nIncludeOptional none.conf",
        ),
        (
            "rules/b.conf",
            "SecRule ARGS \"@pmFromFile ../data/w.data x.data\" id:2",
        ),
        ("rules/a-1.conf", "SecAction id:1"),
        ("rules/deep/c.conf", "SecAction id:3"),
        ("rules/x.data", "# comment\n three \n"),
        ("data/w.data", "one\r\ntwo words\n\n"),
    ]);
    let all = read(
        &files,
        &["main.conf", "rules/[d-f]e?p/*"],
        &Limits::default(),
    );
    let all = all.unwrap_or_else(|errors| panic!("{}", told(&errors)));
    let names: Vec<&str> = all.files.iter().map(AsRef::as_ref).collect();
    assert_eq!(
        names,
        [
            "main.conf",
            "rules/a-1.conf",
            "rules/b.conf",
            "rules/deep/c.conf"
        ]
    );
    let ids: Vec<(u64, u32)> = rules(&all).iter().map(|r| (r.id, r.place.file)).collect();
    assert_eq!(ids, [(1, 1), (2, 2), (3, 3)]);
    match &rules(&all)[1].links[0].test.operator {
        Operator::Pm(words) => {
            let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
            assert_eq!(words, [b"one".as_slice(), b"two words", b"three"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let mut files = folder(&[]);
    assert!(!files.insert("../x", ""));
    assert!(!files.insert("a/../../x", ""));
    assert!(files.insert("a/../x.conf", "SecAction id:1"));
    assert!(files.insert("/etc//modsecurity/./y.conf", "SecAction id:2"));
    for name in [
        "x.conf",
        "./x.conf",
        "/etc/modsecurity/y.conf",
        "/etc/*/y.conf",
    ] {
        assert!(read(&files, &[name], &Limits::default()).is_ok(), "{name}");
    }
}

#[test]
fn a_faulty_rule_does_not_make_others_faulty() {
    let errors = faults(
        "SecRule ARG x \"id:1,skipAfter:END,chain\"\nSecRule ARGS y t:none\n\
         SecRuleUpdateTargetById 1 !ARGS:x\nSecRuleUpdateActionById 1 pass\nSecMarker END",
    );
    assert_eq!(errors.len(), 1, "{}", told(&errors));
}
