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
