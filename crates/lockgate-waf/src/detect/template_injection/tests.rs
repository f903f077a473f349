use super::*;
use crate::detect::cases;

#[test]
fn attacks_are_found() {
    cases::are_found(
        &DETECTOR,
        Where::Parameter,
        &[
            "{{7*7}}",
            "{{ 7*'7' }}",
            "${7*7}",
            "<%= 7*7 %>",
            "#{7*7}",
            "*{7*7}",
            "@(7*7)",
            "${{7*7}}",
            "{{{7*7}}}",
            "{%print(7*7)%}",
            "a{{1337 * 1337}}b",
            "${\"a\"+\"b\"}",
            "{{''.__class__.__mro__[1].__subclasses__()}}",
            "{{config.items()}}",
            "{{request.application.__globals__}}",
            "{{self._TemplateReference__context.cycler.__init__.__globals__.os}}",
            "{{_self.env.registerUndefinedFilterCallback(\"exec\")}}",
            "{{['id']|filter('system')}}",
            "${T(java.lang.Runtime).getRuntime().exec('id')}",
            "__${new java.util.Scanner(T(java.lang.Runtime).getRuntime())}__::.x",
            "<#assign ex=\"freemarker.template.utility.Execute\"?new()>${ex(\"id\")}",
            "#set($x='')#set($rt=$x.class.forName('java.lang.Runtime'))",
            "<%= system('id') %>",
            "<%= File.open('/etc/passwd').read %>",
            "{{constructor.constructor('alert(1)')()}}",
            "{{$on.constructor('alert(1)')()}}",
            "{% import os %}{{os.system('id')}}",
            "{{\"abc\".toUpperCase()}}",
            "${''.getClass().forName('java.lang.Runtime')}",
            "#{''.getClass()}",
            "{{range.constructor(\"return global.process.mainModule\")()}}",
            "{{this.push \"return require('child_process').exec('id');\"}}",
            "@{System.Diagnostics.Process.Start(\"cmd\");}",
            "@System.IO.File.ReadAllText(\"x\")",
            "{$smarty.version}",
            "{math equation='7*7'}",
            "{fetch file='/x'}",
            "{php}",
            "{{7|times:7}}",
            "{{'id'|system}}",
            "{{['id',1]|sort('system')}}",
            "{{#with \"s\" as |x|}}",
            "{{lookup x \"constructor\"}}",
            "{% debug %}",
            "{{_context}}",
            "${requestScope}",
            "${pageContext.request}",
            "%{(#a=new java.lang.ProcessBuilder('id')).start()}",
            "#set($x='')$x",
            "#set( $x = 7 )",
            "#include(\"/x\")",
            "<%= require 'open3'; Open3.capture2('id') %>",
            "<%= `id` %>",
            "#{ %x|id| }",
            "<%= System.cmd(\"id\", []) %>",
            "${{<%[%'\"}}%\\.",
        ],
    );
}

#[test]
fn good_text_passes() {
    cases::pass(
        &DETECTOR,
        Where::Parameter,
        &[
            "{{name}}",
            "Hello {{ user.name | upper }}",
            "{{#each items}}{{this.title}}{{/each}}",
            "${user.name}",
            "`total: ${items.map(x => x.price).join(', ')}`",
            "`${count + 1} of ${all}`",
            "${x:-1} ${#x} ${x%%.*} $((1+2))",
            "<%= user.name %>",
            "{% if user %}hello{% endif %}",
            "<div style={{ margin: 2 * 3 }}>",
            "*{margin:0} a{color:#123}",
            "#{user.name} signed in",
            "$5 and 10% off @ the shop #1",
            "x^{2*3} + y_{1}",
            "{\"a\": {\"b\": 1}}",
            "${{ github.event.number }}",
            "{{ form.submit() }}",
            "{{date}} {{ 2024-01-01 }}",
            "me@example.com #tag",
            "function f() { return {a: 1}; }",
            "{{ 'a title' | translate }}",
            "100% {of} the people",
            "$name.first",
            "{request.user}",
            "{{ url_for('static', filename='a.css') }}",
            "{{ 5|floatformat }}",
            "#include <stdio.h>",
            "a list: #set of things",
            "In Velocity one writes #set($x = 7) to keep a number",
            "{include the file=\"a\" in it}",
            "{math is fun}",
            "%{name} of %{count}",
            "see @System.out and @Systems",
            "!@#$%^&*(){}[]",
        ],
    );
}

#[test]
fn directives_of_servers_and_caches_are_found() {
    let before = ["", "x", "\">", "<pre>", "a=1&b="];
    let directives = [
        "<!--#exec cmd=\"id\" -->",
        "<!--#exec cgi='/x.cgi'-->",
        "<!--#include virtual=\"/a\"-->",
        "<!-- #include file=\"a\" -->",
        "<!--#echo var=DATE_LOCAL -->",
        "<!--#printenv-->",
        "<!--#PrintEnv -->",
        "<!--#set var=\"a\" value=\"b\" -->",
        "<!--#if expr=\"$A\" -->",
        "<esi:include src=\"//a.example/\"/>",
        "<esi:vars>$(HTTP_COOKIE)</esi:vars>",
        "<esi:debug/>",
        "<ESI:remove>",
        "<!--esi $(HTTP_COOKIE)-->",
    ];
    for before in before {
        for directive in directives {
            cases::are_found(
                &DETECTOR,
                Where::Parameter,
                &[&format!("{before}{directive}")],
            );
        }
    }
    let good = [
        "<!-- a comment #1 -->",
        "<!--#region Helpers -->",
        "<!--#endregion-->",
        "<!--#todo: include this -->",
        "<!-- #include <stdio.h> -->",
        "<!--essential-->",
        "<esi>",
        "the server has directives such as <!--#exec cmd=\"ls\" --> for that",
        "Akamai reads tags as <esi:include src=\"a\"/> in pages",
        "#include \"a.h\"",
    ];
    cases::pass(&DETECTOR, Where::Parameter, &good);
}

#[test]
fn what_is_an_expression_alone_is_a_probe() {
    let probes = [
        "{{config}}",
        " {{ self }} ",
        "{{_self}}",
        "{{this}}",
        "{{.}}",
        "<%= ENV %>",
        "<%= self.methods %>",
        "<%= @x %>",
        "{{= _.VERSION}}",
        "{{printf \"%s\" \"x\"}}",
        "{{js 'x'}}",
        "{{call .Run \"id\"}}",
        "${new URL(\"http://a.example\").getText()}",
        "${this.evaluate(\"9*9\")}",
        "${\"calc\".execute()}",
        "{{ 7 | times: 7 }}",
        "{if 7*7==49}yes{/if}",
        "{if phpinfo()}{/if}",
    ];
    cases::are_found(&DETECTOR, Where::Parameter, &probes);
    let good = [
        "{{name}}",
        "the file is {{config}} here",
        "<%= name %>",
        "see <%= ENV %> of it",
        "{{ t \"key\" }}",
        "In Ansible {{ 8 | log(5) }} is a logarithm",
        "${user.name}",
        "{{#if a}}{{this}}{{/if}}",
        "if (a) { if b } else {c}",
    ];
    cases::pass(&DETECTOR, Where::Parameter, &good);
}

#[test]
fn names_of_ognl_and_functions_by_name_are_found() {
    let mut texts = Vec::new();
    for open in ["%{", "${", "redirect:${", "x %{", "%{(", "${("] {
        for inside in [
            "#a=1",
            "#context[\"x\"]",
            "#_memberAccess['y']=true",
            "#req.getSession()",
            "@java.lang.Runtime@getRuntime()",
        ] {
            texts.push(format!("{open}{inside}}}"));
        }
    }
    for list in ["['id']", "[0]", "{'id':'x'}", "['a', 'b']"] {
        for filter in ["map", "filter", "sort", "reduce"] {
            texts.push(format!("{{{{{list}|{filter}('f')}}}}"));
        }
    }
    for text in &texts {
        cases::are_found(&DETECTOR, Where::Parameter, &[text]);
    }
    let good = [
        "${#list[@]} ${#name} ${#a[*]}",
        "${#x}",
        "{{ names|map('upper')|join(', ') }}",
        "{{ users|map(attribute='name')|sort }}",
        "{{ ', '.join(hosts) }}",
        "{{ '%s'.format(name) }}",
        "<%- include('user/show') %>",
        "<%= include('file', {person: 'x'}) %>",
        "$z = @($a, [System.IO.Path]::GetTempPath())",
    ];
    cases::pass(&DETECTOR, Where::Parameter, &good);
    let bad = ["<%- include('/etc/passwd') %>", "<%- include('../../x') %>"];
    cases::are_found(&DETECTOR, Where::Parameter, &bad);
}

#[test]
fn what_is_padded_is_found() {
    let blanks = " ".repeat(5000);
    let letters = "a".repeat(5000);
    let sums = "1+".repeat(2500);
    for text in [
        format!("{{{{{blanks}config.__class__.__init__.__globals__}}}}"),
        format!("{{{{{blanks}7*7}}}}"),
        format!("{{{{'{letters}' and ''.__class__.__mro__[1].__subclasses__()}}}}"),
        format!("{{{{{sums}cycler.__init__.__globals__.os.environ{blanks}}}}}"),
        format!("${{{blanks}T(java.lang.Runtime).getRuntime().exec('id'){blanks}}}"),
    ] {
        let found = cases::severity(&DETECTOR, Where::Parameter, &text);
        assert_eq!(found, Some(Severity::Critical), "{text}");
    }
}

#[test]
fn long_texts_with_signs_of_templates_pass() {
    let prose =
        "Some text of a paper, in which things are \\emph{{emphasised} and so on. ".repeat(200);
    let found = cases::severity(&DETECTOR, Where::Parameter, &prose);
    assert_eq!(found, None);
}
