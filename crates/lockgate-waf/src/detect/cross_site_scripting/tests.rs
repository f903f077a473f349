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
        "button.onclick = () => alert('hi')",
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
    ];
    let wrong: Vec<_> = goods
        .iter()
        .map(|good| (good, found(good)))
        .filter(|(_, severity)| severity.is_some_and(|severity| severity < Severity::Error))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
