use super::*;

fn found(text: &str) -> Option<Severity> {
    let value = Value {
        bytes: text.as_bytes(),
        stood: Where::Parameter,
        name: b"q",
        declared: None,
    };
    crate::detect::look(&DETECTOR, &value).and_then(|finding| finding.severity)
}

#[test]
fn attacks_are_found() {
    let attacks = [
        "1 or 1=1",
        "1 or '{\"a\":1}'::jsonb @> '{}'",
        "SELECT/*x*/password/**/FROM/**/users",
        "1' and unistr(password)::bool--",
        "1' or '1'='1",
        "' or ''='",
        "' or 1=1-- -",
        "admin'--",
        "admin' #",
        "admin'/*",
        "1) or (1=1",
        "') or ('1'='1",
        "\" or \"\"=\"",
        "1' AND SLEEP(5)#",
        "1-sleep(5)",
        "1;select pg_sleep(5)",
        "';waitfor delay '0:0:5'--",
        "1 union select null,null--",
        "-1' UNION ALL SELECT 1,@@version,3 -- -",
        "1/**/union/**/select/**/password/**/from/**/users",
        "1/*!50000union*//*!50000select*/1,2",
        "1e0union select 1,2",
        "1 or(1)=(1)",
        "'||(select user from dual)||'",
        "id,(select case when (1=1) then 1 else 2 end)",
        "1 order by 10",
        "' order by 3--",
        "1 and extractvalue(1,concat(0x7e,version()))",
        "1;drop table users",
        "x'; drop table users; --",
        "1; exec master..xp_cmdshell 'dir'",
        "1' and ascii(substr((select database()),1,1))>64 and '1'='1",
        "1 and 1=convert(int,(select top 1 name from sysobjects))",
        "' having 1=1--",
        "1 procedure analyse(extractvalue(rand(),concat(0x3a,version())),1)",
        "1' into outfile '/var/www/x.php'#",
        "' or $$a$$=$$a$$--",
        "' or E'a'='a",
        "1'/**/oR/**/'a'/**/lIkE/**/'a",
        "1\u{a0}or\u{a0}1=1",
        "\\' or 1=1--",
        "' or 1 between 1 and 2--",
        "' or true--",
        "1' && '1'='1",
        "1' and exists(select * from users) and '1'='1",
        "x' or name like '%a%' -- ",
        "1 in (select 1)",
        "1' and 1=dbms_pipe.receive_message('a',5)--",
        "a' or [name]='x'--",
        "q'[x]' or 1=1--",
        "' union select ",
        "1 union all select",
        "') order by ",
        "' /*!order by*/ ",
        "' and ascii(",
        "1' div 0--",
        "'--/**_**/-",
    ];
    let missed: Vec<_> = attacks
        .iter()
        .filter(|attack| found(attack) != Some(Severity::Critical))
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn good_text_passes() {
    let goods = [
        "O'Brien",
        "setuid `nobody', unless this flag is\nset.  The setuid call will fail if this\nprogram is not run as root (in which case, use this flag).",
        "D'Angelo",
        "rock 'n' roll",
        "5 limit",
        "1 having",
        "it's 5 o'clock -- really",
        "a = b or c",
        "1 < 2 and 3 > 2",
        "select specialty hospital",
        "drop table reservations at the restaurant; union of the states",
        "the union select committee met",
        "Toppings (select one from the list)",
        "(select all that apply)",
        "He said \"yes\" and \"no\"",
        "use '-' as a separator",
        "if c == '#': return",
        "5' or 6' tall",
        "f'(x) = 2 and g(x) = 3",
        "=IF(A1=1,\"x\",\"y\")",
        "=A1&\" and \"&B1",
        "Terms and conditions",
        "{\"a\": 1, \"b\": \"it's\"}",
        "WHERE do we go?",
        "order by phone; group by age",
        "rate 5 - 3 * 2",
        "Tom & Jerry's -- best of",
        "import time; time.time()",
        "2024-01-01T10:00:00+01:00",
        "I like it as is; I do not know, or do I?",
        "x' = 3 and y' = 4",
        "'' or ''",
        "/* a comment */ int x = 1;",
        "# Title\n\nSome text and more = better",
        "price between 1 and 5",
        "s.split(',').map(x => x + ';').join(' ')",
        "SELECT name FROM users WHERE id = 3 AND x = 2",
        "`code` and `more` or `less`",
        "1 and 2",
        "5 or 6 people",
        "(555) 123-4567",
        "admin'",
    ];
    let wrong: Vec<_> = goods
        .iter()
        .map(|good| (good, found(good)))
        .filter(|(_, severity)| severity.is_some_and(|severity| severity < Severity::Error))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_end_of_a_long_value_is_looked_at() {
    // A list that no database would take, and what ends it.
    let mut text = "1".to_owned();
    text.push_str(&"+1".repeat(200_000));
    assert_eq!(found(&text), None);
    text.push_str(" or 1=1");
    assert_eq!(found(&text), Some(Severity::Critical));
}

/// Each of the templates with each of the parts in the place of `@@`, as it is and in capitals.
fn combined(templates: &[&str], parts: &[&str]) -> Vec<String> {
    let each = templates
        .iter()
        .flat_map(|template| parts.iter().map(|part| template.replace("@@", part)));
    each.flat_map(|text| [text.to_uppercase(), text]).collect()
}

fn all_are_found(texts: &[String]) {
    let missed: Vec<_> = texts
        .iter()
        .filter(|text| found(text) != Some(Severity::Critical))
        .collect();
    assert!(!texts.is_empty() && missed.is_empty(), "{missed:#?}");
}

#[test]
fn no_blank_and_no_sign_is_needed_around_a_word() {
    let texts = [
        "1or.1<.2",
        "1.or.1>0",
        "1or.1like.1",
        "1or.1is.1",
        "1or.1between.1and.2",
        "1or@@version<1",
        "\\Nor\\N<\\N",
        "9limit.1",
    ];
    all_are_found(&texts.map(str::to_owned));
}

#[test]
fn an_exponent_that_is_none_hides_nothing() {
    all_are_found(&combined(
        &[
            "@@(0)union(select @@(table_name)from information_schema.tables)",
            "1' or @@(1)=@@(1)#",
            "@@(1)or @@(1)=@@(1)",
            "1' or @@(ascii @@(substring(@@(select password from users limit 1 @@,1 @@) \
             @@,1 @@,1 @@)@@)@@) = 70 or'1'='2",
        ],
        &["1.e", "0.e", "12.34e"],
    ));
}

#[test]
fn a_name_in_braces_that_does_not_end_reaches_no_further_than_the_value() {
    for text in ["select ${`", "select ${`x", "1 or {`"] {
        let value = Value {
            bytes: text.as_bytes(),
            stood: Where::Parameter,
            name: b"q",
            declared: None,
        };
        let end = (DETECTOR.find)(&value).map_or(0, |finding| finding.at.end);
        assert!(end <= text.len(), "{text}");
    }
}

#[test]
fn braces_and_comments_hide_nothing() {
    let operands = ["{f 1}", "{f(1)}", "{`x` 1}", "{ ts/**/1}", "{d'1'}"];
    all_are_found(&combined(
        &["1 or@@", "1 and @@", "1 and@@=1", "1 xor @@", "' or @@#"],
        &operands,
    ));
    all_are_found(&combined(
        &["1/**/@@/**/1", "23/*x*/@@/*y*/45", "1/**/@@/**/true"],
        &["or", "and", "xor"],
    ));
    all_are_found(&combined(
        &["1 @@ 1 and 1", "3 @@ 2/**/and 4", "0x1 @@ 2 and 3--"],
        &["between", " not between ", "/**/between"],
    ));
}

#[test]
fn short_values_are_found_as_a_whole_only() {
    let operators = ["-", "+", "*", "^", "&", "|", "=", "<=>", ">=", " - "];
    let wholes = combined(&["'@@'", "\"@@\""], &operators);
    all_are_found(&wholes);
    all_are_found(&combined(
        &["@@('", "@@ (\""],
        &["cast", "convert", "concat"],
    ));
    let longer = wholes.iter().map(|whole| format!("write {whole} here"));
    let wrong: Vec<_> = longer
        .filter(|text| found(text) == Some(Severity::Critical))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn programs_and_the_table_of_oracle_are_found() {
    all_are_found(&combined(
        &["copy @@ program 'id'", "copy/**/@@ program $$id$$;"],
        &["(select '') to", "users to", "users from", "users(a) from"],
    ));
    all_are_found(&combined(
        &[
            "(select @@ from dual)",
            "(select/**/@@ from dual where 1=1)",
        ],
        &["user", "sysdate", "name", "1"],
    ));
}

#[test]
fn what_only_looks_like_it_passes() {
    let goods = [
        "5-6",
        "1 or 2",
        "1 and 2",
        "between 1 and 5 of",
        "scores between 1 and 5 of 10",
        "12 between 1 and 5 of them",
        "1.e",
        "1.e4",
        "see 1.e(2) and 1.e(3)",
        "{return 1 and 2}",
        "{f 1}",
        "f{x 1} or y",
        "'->'",
        "'a'",
        "''",
        "'/'",
        "'%'",
        "'or'",
        "\"and\"",
        "cast(",
        "cast('a')",
        "he said ('",
        "Copy the files to the program 'id' folder",
        "(select one from the list)",
        "(select one from list)",
        "(select phones with dual sim)",
        "(select one from dual camera phones)",
        "a /* note */ or /* note */ b",
        "1 /* a */ or 2",
        "2026-11-29",
        "10 - 12 = x",
        "{d '2026-11-29'}",
        "{\"a\": {\"b\": 1}}",
    ];
    let wrong: Vec<_> = goods
        .iter()
        .filter(|good| found(good) == Some(Severity::Critical))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn odd_forms_cost_linear_time() {
    // Each of them read to the end would be some 10^10 steps.
    for part in ["{`", "1.e(", "{f ", "1.e,", "{f(", "1/**/or/**/1 "] {
        let mut text = "1 or ".to_owned();
        text.push_str(&part.repeat(200_000));
        assert_ne!(found(&text), Some(Severity::Critical), "{part}");
    }
}

#[test]
fn values_in_comments_and_searches_are_found() {
    let openings = [
        "1*/",
        "x */",
        "*/",
        "1' IN BOOLEAN MODE)",
        "a\" in natural language mode)",
    ];
    let rests = [
        " OR 1=1",
        " AND 2=2--",
        " UNION ALL SELECT NULL,NULL",
        ",(SELECT CASE WHEN (1=2) THEN 1 ELSE 2 END)",
        ";DROP TABLE users",
        " AND SLEEP(5)",
        " AND 3=CAST((SELECT 1) AS NUMERIC)",
    ];
    let ends = ["--", "#", " /*", " -- -"];
    for opening in openings {
        for rest in rests {
            for end in ends {
                let text = format!("{opening}{rest}{end}");
                assert_eq!(found(&text), Some(Severity::Critical), "{text}");
            }
        }
    }
    let good = [
        "/* comment */ if (a = 1 and b = 2) { c(); }",
        " * the end of a comment\n */\nint main(void) { return a == 1 && 2 == 2; }",
        " */ static int x = 1;",
        "src/**/*.js, test/*/ or docs/*",
        "the files in */bin and */lib or all of them",
        "in boolean mode) or in natural language mode",
    ];
    for text in good {
        assert_ne!(found(text), Some(Severity::Critical), "{text}");
    }
}

#[test]
fn comparisons_of_people_are_a_hint_at_most() {
    for text in ["5 > 4 or 3 < 2", "1 < 2 and 3 > 2", "2 = 2 or 3 = 4"] {
        assert!(
            found(text).is_none_or(|severity| severity >= Severity::Notice),
            "{text}"
        );
    }
    for text in ["5>4/**/or/**/3<2", "5 > 4 or 3 < 2 --", "5 > 4 or 3 < 2#"] {
        assert!(
            found(text) < Some(Severity::Notice),
            "{text}: {:?}",
            found(text)
        );
    }
}

/// What is SQL to its end, and that people may write too, is a doubt.
#[test]
fn what_may_be_sql_is_a_doubt() {
    let calls = [
        "sleep(5)",
        "if(1,sleep(5),0)",
        "case when 1=1 then 1 else 2 end",
    ];
    all_are_found(&combined(&["id,@@", "price desc,@@", "id and @@"], &calls));
    all_are_found(&combined(
        &["name@@", "name desc;@@", "1@@"],
        &[";drop table x", ";update x set a=1"],
    ));
    let operators = [
        "=",
        "<>",
        " = ",
        "-",
        "+",
        "*",
        "|",
        "^",
        "<<",
        "or",
        "div",
        "mod",
        "like",
        " or ",
        "regexp",
        "sounds like",
        "::text=",
    ];
    let strings = combined(&["x'@@'x", "x\"@@\"x", "x'@@'1", "x'@@'"], &operators);
    let numbers = [
        "-1",
        "(1)",
        "~0",
        "!0",
        " pi()",
        " true",
        " true and 1",
        " 1::bool",
    ];
    let numbers = combined(&["1 or@@", "1 and@@", "1 div 0 or@@"], &numbers);
    let names = combined(
        &["id @@", "1 @@", "(id) @@"],
        &[
            "in (select name from users)",
            "between 1 and (select a from b)",
            "=sleep(5)",
            "like sleep(5)",
            "from a union select b",
            "union table users",
            "union (table users)",
            "union values row(1)",
            "union with a as (select 1) select b",
            ";exec p",
            ";handler users open",
            ";truncate logs",
            ";delete users",
        ],
    );
    let all = strings.iter().chain(&numbers).chain(&names);
    let clear: Vec<_> = all
        .filter(|text| !found(text).is_some_and(Severity::is_doubt))
        .collect();
    assert!(clear.is_empty(), "{clear:#?}");
}

#[test]
fn what_people_write_is_no_doubt() {
    let goods = [
        "1 or 2",
        "5 and 6 and 7",
        "id or name",
        "(0771)-834170",
        "a-b",
        "x, y, z",
        "a = b",
        "letters, digits and hyphens '-'.",
        "the word 'and' in it",
        "Set to `[\"*\"]` to receive all",
        "either \"or\" or \"and\"",
        "* Update symbols file",
        "O'Brien",
        "Tell every failed import; drop what nothing calls any more",
        "count the users",
        "rock 'n' roll",
    ];
    let doubts: Vec<_> = goods
        .iter()
        .filter(|text| found(text).is_some_and(Severity::is_doubt))
        .collect();
    assert!(doubts.is_empty(), "{doubts:#?}");
}

/// A parameter that is sent twice is one to some, with a comma between its values.
#[test]
fn halves_with_a_comment_between_them_are_found() {
    all_are_found(&combined(
        &["@@ union/*", "@@ union all /* "],
        &["1'", "x\"", "1')"],
    ));
    all_are_found(&combined(
        &["*/select @@ from users-- -", "*/ select @@ from users#"],
        &["password", "1,2", "*"],
    ));
    for text in [
        "the students' union",
        "*/ select one of them",
        "*/ select(a)",
    ] {
        assert!(!found(text).is_some_and(Severity::is_doubt), "{text}");
    }
}
