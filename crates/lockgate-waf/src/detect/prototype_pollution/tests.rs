use super::*;
use crate::detect::cases;

#[test]
fn names_are_found() {
    cases::are_found(
        &DETECTOR,
        Where::ParameterName,
        &[
            "a[__proto__][admin]",
            "__proto__[admin]",
            "__proto__.admin",
            "/a/__proto__/admin",
            "/constructor/prototype/admin",
            "constructor[prototype][admin]",
            "a.constructor.prototype.x",
            "a[\"__proto__\"].x",
            "constructor][prototype",
        ],
    );
}

#[test]
fn values_are_found() {
    cases::are_found(
        &DETECTOR,
        Where::Parameter,
        &[
            "{\"__proto__\": {\"admin\": true}}",
            "x=1&__proto__[admin]=true",
            "__proto__.admin=1",
            "constructor[prototype][admin]=1",
        ],
    );
}

#[test]
fn good_names_and_text_pass() {
    cases::pass(
        &DETECTOR,
        Where::ParameterName,
        &[
            "prototype",
            "constructor",
            "/constructor/name",
            "my__proto__x",
            "a.prototype.constructor",
            "/prototype/constructor",
        ],
    );
    cases::pass(
        &DETECTOR,
        Where::Parameter,
        &[
            "`__proto__` is deprecated; use Object.getPrototypeOf",
            "what does __proto__ mean",
            "Array.prototype.map.call(x)",
            "a.constructor.prototype.map",
        ],
    );
}

#[test]
fn paths_and_texts_of_xml_are_values_too() {
    for stood in [Where::Path, Where::Xml, Where::FileName] {
        for text in [
            "/items/?__proto__[a]=b",
            "/items/{\"__proto__\": {\"a\": 1}}",
        ] {
            let found = cases::severity(&DETECTOR, stood, text);
            assert_eq!(found, Some(Severity::Critical), "{stood:?} {text}");
        }
    }
}

#[test]
fn ways_to_members_are_found_as_values() {
    let found = [
        "/__proto__/x",
        "/a/__proto__/b",
        "/constructor/prototype/x",
        "constructor.prototype.polluted",
        "__proto__.polluted",
        "[__proto__][x]",
    ];
    cases::are_found(&DETECTOR, Where::Parameter, &found);
    let good = [
        "/prototype/constructor",
        "/docs/prototype/x",
        "constructor.name",
        "Array.prototype.map",
        "/a/constructor/b/prototype",
    ];
    cases::pass(&DETECTOR, Where::Parameter, &good);
}

/// Ways to what loads classes, in the spellings of those who bind names.
fn ways_to_loaders() -> Vec<String> {
    let mut ways = Vec::new();
    for before in ["", "user.", "items[0].", "a.b.c."] {
        for between in ["", ".module", ".superclass.module"] {
            for behind in [
                "",
                ".resources.context.parent.pipeline.first.pattern",
                ".URLs[0]",
                ".defaultAssertionStatus",
            ] {
                let way = format!("{before}class{between}.classLoader{behind}");
                ways.push(
                    way.replace("classLoader", "ClassLoader")
                        .replace("class.", "Class."),
                );
                ways.push(format!(
                    "{before}class{}[classLoader]{behind}",
                    between.replace(".module", "[module]")
                ));
                ways.push(format!("{before}class['module']['classLoader']{behind}"));
                ways.push(way);
            }
        }
    }
    ways
}

#[test]
fn ways_to_loaders_of_classes_are_found_as_names_and_as_values() {
    let ways = ways_to_loaders();
    let ways: Vec<&str> = ways.iter().map(|way| &**way).collect();
    cases::are_found(&DETECTOR, Where::ParameterName, &ways);
    for (before, behind) in [
        ("", ""),
        (" ", "\n"),
        ("", "=x"),
        ("a=b&", "=%25{x}&c=d"),
        ("a=1\r\n", "=2\r\n"),
    ] {
        let values: Vec<String> = ways
            .iter()
            .map(|way| format!("{before}{way}{behind}"))
            .collect();
        let values: Vec<&str> = values.iter().map(|value| &**value).collect();
        cases::are_found(&DETECTOR, Where::Parameter, &values);
    }
    let padded = format!("{}class.classLoader.x", "a.".repeat(500));
    cases::are_found(&DETECTOR, Where::Parameter, &[&padded]);
}

#[test]
fn words_of_java_pass() {
    for stood in [Where::ParameterName, Where::Parameter] {
        let good = [
            "classLoader",
            "class",
            "class.name",
            "classLoader.class",
            "my.classloader.Loader",
            "java.lang.ClassLoader",
            "org.example.classes.ClassLoaderFactory",
        ];
        cases::pass(&DETECTOR, stood, &good);
    }
    let good = [
        "the class.module.classLoader of Java",
        "Set class.classLoader to null, then run it",
        "getClass().getClassLoader().getResource(name)",
        "Foo.class.getClassLoader()",
        "URLClassLoader loader = (URLClassLoader) Foo.class.getClassLoader();",
    ];
    cases::pass(&DETECTOR, Where::Parameter, &good);
}
