//! The room's config, and what its engines share.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;
use crate::{BodyMachine, BodyVerdict, Span, Waiver};
use bytes::Bytes;

pub(super) fn config() -> Config {
    Config {
        set: None,
        native: true,
        overrule: false,
        variables: BTreeMap::new(),
        threshold: 5,
        exclude: Vec::new(),
        inspect_bytes: 1 << 20,
        longer: Longer::Refuse,
        answers: None,
        scan: None,
    }
}

pub(super) fn set(text: &str) -> RuleSet {
    RuleSet {
        name: "own".into(),
        files: vec![RuleFile {
            name: "own.conf".into(),
            text: text.into(),
        }],
        entries: vec!["own.conf".into()],
        span: Span::default(),
    }
}

fn excluding(rule: &str, at: Option<&str>, until_ms: u64) -> Config {
    Config {
        exclude: vec![Exclude {
            rule: rule.into(),
            at: at.map(Into::into),
            request: None,
            waiver: Waiver {
                owner: "team".into(),
                reason: "a test".into(),
                until_ms,
                span: Span::default(),
            },
        }],
        ..config()
    }
}

const RULE: &str =
    r#"SecRule ARGS "@contains forbidden" "id:1,phase:2,deny,status:403,tag:'mine',msg:'a word'""#;

/// The first of what is wrong.
fn first(made: Result<Waf, Vec<ConfigError>>) -> ConfigError {
    made.unwrap_err().remove(0)
}

fn refuses(policy: &Waf, target: &str, now_ms: u64) -> bool {
    let headers = HeaderMap::new();
    let mut inspection = policy.begin(&Arrived {
        method: "GET",
        target,
        path: target.split('?').next().unwrap_or_default(),
        version: Version::HTTP_11,
        headers: &headers,
        client: IpAddr::from([127, 0, 0, 1]),
        port: 80,
        id: "id",
        now_ms,
    });
    whole(&mut inspection).is_err()
}

#[test]
fn a_config_without_sense_is_refused() {
    let code = |config: &Config| first(Waf::new(config, None)).code;
    let nothing = Config {
        native: false,
        ..config()
    };
    assert_eq!(code(&nothing), "waf-malformed");
    let zero = Config {
        threshold: 0,
        ..config()
    };
    assert_eq!(code(&zero), "waf-malformed");
    let much = Config {
        inspect_bytes: MAX_INSPECT_BYTES + 1,
        ..config()
    };
    assert_eq!(code(&much), "waf-malformed");
    assert_eq!(code(&excluding("999", None, 1)), "waf-exclude-rule");
    assert_eq!(
        code(&excluding("no-such-thing", None, 1)),
        "waf-exclude-rule"
    );
    assert_eq!(
        code(&excluding("sql-injection", Some("nowhere/x"), 1)),
        "waf-exclude-place"
    );
    assert_eq!(
        code(&excluding("sql-injection", Some("path/x"), 1)),
        "waf-exclude-place"
    );
}

#[test]
fn rules_with_errors_are_refused_with_their_places() {
    let set = set("SecRule ARGS \"@contians x\" \"id:1,phase:2,deny\"");
    let error = first(Waf::new(&config(), Some(&Source::new(&set))));
    assert_eq!(error.code, "waf-rules");
    assert!(error.message.contains("own.conf:1:"), "{}", error.message);
}

#[test]
fn rules_and_detectors_look_together() {
    let set = set(RULE);
    let policy = Waf::new(&config(), Some(&Source::new(&set))).unwrap();
    assert!(refuses(&policy, "/?a=forbidden", 0));
    assert!(!refuses(&policy, "/?a=allowed", 0));
}

#[test]
fn what_is_left_out_comes_back_when_its_time_is_over() {
    let set = set(RULE);
    for rule in ["1", "1-9", "mine"] {
        let policy = Waf::new(
            &excluding(rule, Some("query/a"), 100),
            Some(&Source::new(&set)),
        );
        let policy = policy.unwrap();
        assert!(!refuses(&policy, "/?a=forbidden", 99), "{rule}");
        assert!(refuses(&policy, "/?a=forbidden", 100), "{rule}");
        assert!(refuses(&policy, "/?b=forbidden", 99), "{rule}");
    }
}

#[test]
fn the_same_rules_are_compiled_once() {
    let set = set(RULE);
    let one = Waf::new(&config(), Some(&Source::new(&set))).unwrap();
    let other = Waf::new(
        &Config {
            inspect_bytes: 1024,
            ..config()
        },
        Some(&Source::new(&set.clone())),
    );
    assert!(Arc::ptr_eq(&one.engine, &other.unwrap().engine));
    let third = Waf::new(
        &Config {
            threshold: 6,
            ..config()
        },
        Some(&Source::new(&set)),
    );
    assert!(!Arc::ptr_eq(&one.engine, &third.unwrap().engine));
}

fn fates(config: &Config, rules: Option<&Source<'_>>) -> Vec<Fate> {
    let policy = Waf::new(config, rules).unwrap();
    let tried = CANARIES.iter().map(|canary| policy.try_canary(canary, 1));
    tried.collect()
}

#[test]
fn detectors_refuse_every_canary() {
    assert_eq!(fates(&config(), None), vec![Fate::Refused; CANARIES.len()]);
}

#[test]
fn a_canary_that_passes_is_told_as_what_lets_it() {
    let high = Config {
        threshold: 10_000,
        ..config()
    };
    for fate in fates(&high, None) {
        assert!(matches!(fate, Fate::Below { score, threshold: 10_000 } if score >= 5));
    }
    let excluded = fates(&excluding("sql-injection", None, u64::MAX), None);
    let told = Fate::Excluded(vec!["sql-injection".into()]);
    assert_eq!(
        excluded,
        [
            told.clone(),
            Fate::Refused,
            Fate::Refused,
            told,
            Fate::Refused,
            Fate::Refused
        ]
    );
    // One that names another value explains nothing, and changes nothing.
    let narrow = fates(&excluding("sql-injection", Some("query/q"), u64::MAX), None);
    assert_eq!(narrow, vec![Fate::Refused; CANARIES.len()]);
}

#[test]
fn a_canary_that_no_rule_finds_is_missed() {
    let set = set(RULE);
    let source = Source::new(&set);
    let own = Config {
        set: Some(0),
        native: false,
        ..config()
    };
    assert_eq!(
        fates(&own, Some(&source)),
        vec![Fate::Missed; CANARIES.len()]
    );
    // An exclusion that holds for every value does not explain what nothing finds.
    let excluded = Config {
        exclude: excluding("1", None, u64::MAX).exclude,
        ..own.clone()
    };
    assert_eq!(
        fates(&excluded, Some(&source)),
        vec![Fate::Missed; CANARIES.len()]
    );
    let sampled = Config {
        variables: BTreeMap::from([("sampling_percentage".into(), "10".into())]),
        ..own
    };
    assert_eq!(
        fates(&sampled, Some(&source)),
        vec![Fate::Sampled("10".into()); CANARIES.len()]
    );
}

#[test]
fn directives_have_to_say_what_the_api_says() {
    let answers = Answered {
        types: vec!["text/plain".into()],
        bytes: 1000,
    };
    let looking = Config {
        answers: Some(answers),
        longer: Longer::Begin,
        ..config()
    };
    let told = |config: &Config, text: &str| {
        let set = set(text);
        match Waf::new(config, Some(&Source::new(&set))) {
            Ok(_) => String::new(),
            Err(errors) => {
                assert_eq!(errors[0].code, "waf-directive");
                errors[0].message.clone()
            }
        }
    };
    for (config, text) in [
        (&config(), "SecRuleEngine On"),
        (&config(), "SecRequestBodyLimit 1048576\nSecRequestBodyLimitAction Reject"),
        (&config(), "SecResponseBodyAccess Off\nSecResponseBodyLimit 5"),
        (&looking, "SecResponseBodyAccess On\nSecResponseBodyLimit 1000\nSecResponseBodyMimeType Text/Plain"),
        (&looking, "SecRequestBodyLimitAction ProcessPartial\nSecResponseBodyLimitAction ProcessPartial"),
    ] {
        assert_eq!(told(config, text), "", "{text}");
    }
    for (config, text, write) in [
        (&config(), "SecRuleEngine DetectionOnly", "`mode: observe`"),
        (&config(), "SecRuleEngine Off", "`mode: off`"),
        (
            &config(),
            "SecRequestBodyLimit 13107200",
            "`inspect_bytes: 13107200`",
        ),
        (
            &config(),
            "SecRequestBodyNoFilesLimit 131072",
            "`inspect_bytes`",
        ),
        (
            &config(),
            "SecRequestBodyLimitAction ProcessPartial",
            "`longer: begin`",
        ),
        (
            &looking,
            "SecRequestBodyLimitAction Reject",
            "`longer: refuse`",
        ),
        (
            &config(),
            "SecResponseBodyAccess On",
            "`answers: {types: [text/plain, text/html]}`",
        ),
        (&looking, "SecResponseBodyAccess Off", "no `answers`"),
        (&looking, "SecResponseBodyLimit 524288", "`bytes: 524288`"),
        (
            &looking,
            "SecResponseBodyMimeType text/xml",
            "`types: [text/xml]`",
        ),
        (
            &looking,
            "SecResponseBodyLimitAction Reject",
            "their beginning",
        ),
    ] {
        let said = told(config, &format!("# a line\n{text}"));
        let directive = text.split(' ').next().unwrap();
        assert!(
            said.starts_with(&format!("own.conf:2: {directive}: ")),
            "{said}"
        );
        assert!(
            said.contains(write) && said.ends_with("and take the line out"),
            "{said}"
        );
    }
    let both = told(&config(), "SecRuleEngine Off\nSecResponseBodyAccess On");
    assert_eq!(both.lines().count(), 2);
}

fn scan() -> Scan {
    Scan {
        clamd: "127.0.0.1:3310".into(),
        timeout_ms: 5_000,
        bytes: 8,
        at_once: 8,
        on_error: Unscanned::Refuse,
    }
}

fn scanning(config: &Config) -> (Scanning, Inspection) {
    let policy = Waf::new(config, None).unwrap();
    let mut headers = HeaderMap::new();
    let kind = "application/octet-stream".parse().unwrap();
    headers.insert(http::header::CONTENT_TYPE, kind);
    let arrived = Arrived {
        method: "POST",
        target: "/inbox",
        path: "/inbox",
        version: Version::HTTP_11,
        headers: &headers,
        client: IpAddr::from([127, 0, 0, 1]),
        port: 80,
        id: "",
        now_ms: 0,
    };
    let mut inspection = policy.begin(&arrived);
    while inspection.request_head() == Progress::More {}
    (policy.scans(&arrived).unwrap(), inspection)
}

#[test]
fn a_scan_and_what_it_cannot_go_with() {
    let refused = |config: &Config| {
        let error = first(Waf::new(config, None));
        (error.code, error.pointer)
    };
    let scanned = Config {
        scan: Some(scan()),
        ..config()
    };
    assert!(Waf::new(&scanned, None).is_ok());
    let begun = Config {
        longer: Longer::Begin,
        ..scanned.clone()
    };
    assert_eq!(refused(&begun), ("waf-malformed", "/longer".into()));
    let left_out = excluding(SCANNER, Some("file/a"), 1);
    let wanted = ("waf-exclude-rule", "/exclude/0/rule".into());
    assert_eq!(refused(&left_out), wanted);
    let nowhere = Config {
        scan: Some(scan()),
        ..excluding(SCANNER, Some("somewhere"), 1)
    };
    let wanted = ("waf-exclude-place", "/exclude/0/at".into());
    assert_eq!(refused(&nowhere), wanted);
}

#[test]
fn where_nobody_can_be_asked_files_go_as_they_do_without_an_answer() {
    let said = |on_error, body: &'static [u8], fails| {
        let scan = Scan { on_error, ..scan() };
        let config = Config {
            scan: Some(scan),
            ..config()
        };
        let (scanning, inspection) = scanning(&config);
        let watched = Watched::new(inspection, (1 << 20, Longer::Refuse));
        let mut watched = watched.unscanned(Some(scanning), fails);
        watched.on_chunk(&Bytes::from_static(body));
        match watched.on_end() {
            BodyVerdict::Deny(denial) => Some(denial.reason.code),
            _ => None,
        }
    };
    let (refuse, pass) = (Unscanned::Refuse, Unscanned::Pass);
    assert_eq!(said(refuse, b"a file", true), Some("waf-scan-unavailable"));
    assert_eq!(said(pass, b"a file", true), None);
    assert_eq!(said(refuse, b"a file", false), None);
    for fails in [true, false] {
        assert_eq!(
            said(pass, b"too long a file", fails),
            Some("waf-file-too-long")
        );
    }
}

#[test]
fn what_rules_keep_from_being_read_is_one_file() {
    let set = set("SecRequestBodyAccess Off\nSecAction \"id:1,phase:1,pass\"");
    let rules = Source::new(&set);
    let config = Config {
        set: Some(0),
        scan: Some(scan()),
        ..config()
    };
    let policy = Waf::new(&config, Some(&rules)).unwrap();
    let headers = HeaderMap::new();
    let arrived = Arrived {
        method: "POST",
        target: "/",
        path: "/",
        version: Version::HTTP_11,
        headers: &headers,
        client: IpAddr::from([127, 0, 0, 1]),
        port: 80,
        id: "",
        now_ms: 0,
    };
    let inspection = policy.begin(&arrived);
    assert!(!inspection.wants_body());
    let files = policy.scans(&arrived).unwrap();
    let files = files.files(&inspection, b"bytes").unwrap();
    let wanted = File {
        bytes: 0..5,
        place: "body".into(),
    };
    assert_eq!(files, [wanted]);
}

#[test]
fn all_that_is_wrong_with_exclusions_is_told_at_once() {
    let set = set(RULE);
    let wrong = |rule: &str, at: Option<&str>| excluding(rule, at, 1).exclude.remove(0);
    let config = Config {
        exclude: vec![
            wrong("9-1", None),
            wrong("7-8", Some("ARGS:note")),
            wrong("sql-injetcion", None),
            wrong("1", Some("REQUEST_HEADERS:X/Y")),
            wrong("1", Some("!ARGS:json.items.0.note")),
            wrong("1", Some("query/q")),
        ],
        ..config()
    };
    let errors = Waf::new(&config, Some(&Source::new(&set))).unwrap_err();
    let told: Vec<(&str, &str)> = errors
        .iter()
        .map(|error| (&*error.pointer, &*error.message))
        .collect();
    assert_eq!(
        told,
        [
            ("/exclude/0/rule", "`9-1` runs backwards: write `1-9`"),
            (
                "/exclude/1/at",
                "`ARGS:note` is how rules name it; here it is `query/note` or `body/note`"
            ),
            ("/exclude/1/rule", "no rule has an id from 7 to 8"),
            (
                "/exclude/2/rule",
                "`sql-injetcion` is no rule's id, no tag and no detector; did you mean `sql-injection`?"
            ),
            (
                "/exclude/3/at",
                "`REQUEST_HEADERS:X` is how rules name it; here it is `header/X`"
            ),
            (
                "/exclude/4/at",
                "`!ARGS:json.items.0.note` is how rules name it; here it is `body/items/0/note`"
            ),
        ]
    );
    // Where rules cannot be read, what can be told without them is.
    let set = self::set("SecNonsense");
    let errors = Waf::new(&config, Some(&Source::new(&set))).unwrap_err();
    let codes: Vec<&str> = errors.iter().map(|error| error.code).collect();
    assert_eq!(codes[0], "waf-rules");
    assert_eq!(
        codes[1..],
        [
            "waf-exclude-rule",
            "waf-exclude-place",
            "waf-exclude-place",
            "waf-exclude-place"
        ]
    );
}

#[test]
fn what_is_set_has_to_be_read_by_rules() {
    const TEXT: &str = r#"
SecAction "id:1,phase:1,nolog,pass,setvar:tx.points=5"
SecRule &TX:allowed_methods "@eq 0" "id:2,phase:1,nolog,pass,setvar:'tx.allowed_methods=GET'"
SecRule REQUEST_METHOD "!@within %{tx.allowed_methods}" "id:3,phase:1,deny,setvar:tx.score=+%{tx.points}"
"#;
    const LEVEL: &str = r#"
SecAction "id:1,phase:1,nolog,pass,setvar:tx.blocking_paranoia_level=2"
SecRule TX:blocking_paranoia_level "@lt 2" "id:2,phase:1,nolog,pass"
"#;
    let two = set(LEVEL);
    let set = set(TEXT);
    let with = |names: &[&str]| Config {
        variables: names
            .iter()
            .map(|name| ((*name).to_owned(), "1".to_owned()))
            .collect(),
        ..config()
    };
    let told = |config: &Config, rules: Option<&Source<'_>>| -> Vec<(&'static str, String)> {
        let errors = Waf::new(config, rules).err().unwrap_or_default();
        let told = errors.into_iter();
        told.map(|error| (error.code, error.message)).collect()
    };
    let source = Source::new(&set);
    assert_eq!(
        told(
            &with(&["allowed_methods", "sampling_percentage"]),
            Some(&source)
        ),
        []
    );
    let wrong = told(&with(&["allowed_method", "points", "score"]), Some(&source));
    let codes: Vec<&str> = wrong.iter().map(|(code, _)| *code).collect();
    assert_eq!(
        codes,
        [
            "waf-setup-unread",
            "waf-setup-overwritten",
            "waf-setup-unread"
        ]
    );
    assert!(
        wrong[0].1.ends_with("; did you mean `allowed_methods`?"),
        "{}",
        wrong[0].1
    );
    assert!(
        wrong[1].1.starts_with("own.conf:2 sets `points`"),
        "{}",
        wrong[1].1
    );
    // What has a field of its own is wrong only where a rule says something else.
    let two = Source::new(&two);
    for (level, wrong) in [("1", 1), ("2", 0)] {
        let mut config = with(&[]);
        let name = "blocking_paranoia_level".to_owned();
        config.variables.insert(name, level.to_owned());
        let errors = told(&config, Some(&two));
        assert_eq!(errors.len(), wrong, "{errors:?}");
        for (code, message) in errors {
            assert_eq!(code, "waf-setup-overwritten");
            assert!(
                message.starts_with("own.conf:2 sets `blocking_paranoia_level` to 2 for"),
                "{message}"
            );
        }
    }
    let (code, message) = &told(&with(&["allowed_methods"]), None)[0];
    assert_eq!(*code, "waf-setup-unread");
    assert!(message.contains("`rules` has no `core`"), "{message}");
}
