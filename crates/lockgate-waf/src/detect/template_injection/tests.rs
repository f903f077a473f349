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
        ],
    );
}
