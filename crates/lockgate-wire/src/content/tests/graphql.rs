use super::{Progress, Told};
use crate::content::{
    graphql::{read, Envelope, Limits, Summary},
    json,
};

fn reading(document: &str) -> (Vec<String>, Result<Summary, (&'static str, usize)>) {
    let mut told = Told::default();
    let outcome = read(document.as_bytes(), &Limits::default(), &mut told);
    let outcome = outcome.map(|(summary, _)| summary);
    (
        told.lines,
        outcome.map_err(|flaw| (flaw.reason.code, flaw.at)),
    )
}

#[test]
fn texts_are_told_and_the_rest_counted() {
    let document = r#"
        query Q($id: [ID!]! = ["a\u0041\n"], $n: Int = 1 @d(x: "in a directive")) @live {
          me: user(id: $id, filter: {name: {eq: "O'Brien \"x\" \u{1F600}"}, n: [-1.5e3, null, ENUM, true]}) {
            ...F @include(if: $b)
            ... on Admin { __typename }
            ... @skip(if: true) { friends(first: 10) { name } } # "a comment"
            bio(format: """two "quotes" and \""" lines""")
          }
        }
        fragment F on User { name }
        mutation { drop(table: "users") }
        { __schema { types { name } } }
    "#;
    let (lines, outcome) = reading(document);
    assert_eq!(
        lines,
        [
            r"graphql.id=aA\n",
            "graphql.d.x=in a directive",
            r#"graphql.user.filter.name.eq=O\'Brien \"x\" \xf0\x9f\x98\x80"#,
            r#"graphql.user.bio.format=two \"quotes\" and \"\"\" lines"#,
            "graphql.drop.table=users",
        ]
    );
    let wanted = Summary {
        operations: 3,
        mutations: 1,
        fragments: 1,
        fields: 10,
        aliases: 1,
        directives: 4,
        depth: 4,
        introspects: true,
        comments: true,
    };
    assert_eq!(outcome, Ok(wanted));
}

#[test]
fn what_is_no_graphql_is_refused_with_its_place() {
    for (document, at) in [
        ("", 0),
        ("{", 1),
        ("{}", 1),
        ("{ a", 3),
        ("{ a() }", 4),
        ("{ a(b) }", 5),
        ("{ a(b:) }", 6),
        ("{ a(b: 01) }", 7),
        ("{ a(b: 1x) }", 7),
        ("{ a(b: \"x) }", 7),
        ("{ a(b: \"\\q\") }", 7),
        ("{ a(b: \"\\ud800\") }", 7),
        ("{ a(b: \"\n\") }", 7),
        ("{ a(b: \"\"\"x\") }", 7),
        ("{ a } x", 6),
        ("{ a } }", 6),
        ("query ($a) { b }", 9),
        ("query ($a: [Int) { b }", 15),
        ("fragment on on X { a }", 9),
        ("type A { a: Int }", 0),
        ("{ a: }", 5),
        ("{ a(b: ;) }", 7),
        ("{ é }", 2),
        ("{ .. a }", 2),
    ] {
        assert_eq!(
            reading(document).1,
            Err(("graphql-syntax", at)),
            "{document}"
        );
    }
}

#[test]
fn limits_hold() {
    let deep = |depth: usize| "{a".repeat(depth) + &"}".repeat(depth);
    assert!(reading(&deep(64)).1.is_ok());
    assert_eq!(reading(&deep(65)).1, Err(("graphql-depth", 129)));
    let list = |depth: usize| format!("{{a(b:{}{})}}", "[".repeat(depth), "]".repeat(depth));
    assert!(reading(&list(63)).1.is_ok());
    assert_eq!(
        reading(&list(64)).1.map_err(|flaw| flaw.0),
        Err("graphql-depth")
    );
    let long = format!("{{{}}}", "n".repeat(1100));
    assert_eq!(reading(&long).1, Err(("graphql-depth", 1101)));
    let many = format!("{{{}}}", "a ".repeat(15_000));
    assert_eq!(
        reading(&many).1.map_err(|flaw| flaw.0),
        Err("graphql-too-many")
    );
    let large = " ".repeat(300_000);
    assert_eq!(
        reading(&large).1.map_err(|flaw| flaw.0),
        Err("graphql-too-many")
    );
}

#[test]
fn documents_in_json_are_found() {
    let body = br#"[{"query":"{a(b:\"x\")}","variables":{"query":"{no"}},{"query":"mutation{c(d:\"y\")}"},{"query":1}]"#;
    let mut told = Told::default();
    let mut envelope = Envelope::new(&mut told, Limits::default());
    let mut reader = json::Reader::new(json::Limits::default());
    assert_eq!(
        reader.run(body, usize::MAX, &mut envelope),
        Ok(Progress::Done)
    );
    let (documents, summary, flaw) = envelope.outcome();
    assert_eq!(
        (documents, summary.operations, summary.mutations, flaw),
        (2, 2, 1, None)
    );
    assert_eq!(told.lines[1], "graphql.a.b=x");
    assert_eq!(told.lines[4], "graphql.c.d=y");

    let mut told = Told::default();
    let mut envelope = Envelope::new(&mut told, Limits::default());
    reader.reset(0);
    let body = br#"{"query":"{a(b:\"x\"","z":"still read"}"#;
    assert_eq!(
        reader.run(body, usize::MAX, &mut envelope),
        Ok(Progress::Done)
    );
    assert_eq!(
        envelope.outcome().2.map(|flaw| flaw.reason.code),
        Some("graphql-syntax")
    );
    assert_eq!(
        told.lines.last().map(String::as_str),
        Some("json.z /z Text still read")
    );
}
