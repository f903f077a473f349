//! What it costs to say whether somebody may do what they ask for: by a scope of the document, by a
//! role, and by one thousand policies in Cedar. For numbers to quote:
//! `cargo test --release -p lockgate-policy --test costs entitled -- --nocapture`.

// What is measured here is time.

use std::fmt::Write;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Method};
use lockgate_policy::cedar::{self, Around, Cedar, Field, Operation, Scalar, Shape, Source};
use lockgate_policy::only::Only;
use lockgate_policy::roles::{self, Book, ClaimTest, ClaimValue, Is, Role, Roles, Who};
use lockgate_policy::scopes::{self, Demand, Scheme, SchemeKind, Scopes, Security, Shown};
use lockgate_policy::ways::Ways;
use lockgate_policy::{Answers, Identity, RequestView, Span, Verdict};
use serde_json::json;

const OPERATIONS: usize = 100;
const POLICIES: usize = 1_000;
const ROUNDS: u32 = 20_000;

fn text(name: &str) -> Field {
    Field {
        name: name.to_owned(),
        shape: Shape::One(Scalar::Text),
        required: true,
    }
}

fn book() -> Arc<Book> {
    let role = |number: usize| {
        let test = ClaimTest {
            path: vec!["groups".to_owned()],
            test: Is::Contains(vec![ClaimValue::Text(format!("role{number}"))]),
        };
        Role {
            name: format!("role{number}"),
            who: vec![vec![Who::Claim(test)]],
            includes: Vec::new(),
            span: Span::default(),
        }
    };
    Arc::new(Book::new(&(0..7).map(role).collect::<Vec<_>>()).unwrap())
}

fn policies() -> Cedar {
    let operations = (0..OPERATIONS).map(|number| Operation {
        name: format!("op{number}"),
        groups: vec!["GET".to_owned()],
        path: vec![text("id")],
        query: Vec::new(),
        body: None,
        body_required: false,
    });
    let mut written = String::new();
    for number in 0..POLICIES {
        let (role, operation) = (number % 7, number % OPERATIONS);
        writeln!(
            written,
            "permit(principal in Role::\"role{role}\", action == Action::\"op{operation}\", resource)\n\
             when {{ principal.claims.tenant == \"t{operation}\" && resource.path.id == principal.owner }};"
        )
        .unwrap();
    }
    let config = cedar::Config {
        sources: vec![Source {
            file: 0,
            name: "orders.cedar".to_owned(),
            text: written,
        }],
        operations: operations.collect(),
        claims: vec![text("tenant")],
        body_bytes: 0,
    };
    Cedar::new(&config, &book()).unwrap()
}

fn each(name: &str, ask: impl Fn() -> Verdict) {
    assert!(matches!(ask(), Verdict::Granted(_)), "{name}: {:?}", ask());
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        black_box(ask());
    }
    println!("{name}: {:?} a request", begun.elapsed() / ROUNDS);
}

#[test]
fn entitled() {
    let headers = HeaderMap::new();
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example.com",
        path: "/orders/ada",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: Some("op42"),
        readings: &[],
    };
    let claims =
        json!({"scope": "orders:read orders:write", "groups": ["staff", "role0"], "tenant": "t42"});
    let identity = Identity {
        proved_by: "jwt",
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: None,
        claims: Some(Arc::new(claims.as_object().unwrap().clone())),
    };
    let scopes = Scopes::new(&scopes::Config {
        from_openapi: true,
        ..scopes::Config::default()
    })
    .unwrap();
    let demand = Demand::new(&Security {
        any: vec![vec![Scheme {
            name: "oauth".to_owned(),
            kind: SchemeKind::Token,
            scopes: vec!["orders:read".to_owned()],
        }]],
    });
    let shown = Shown {
        identity: Some(&identity),
        ways: Ways::of(&["jwt"]).unwrap(),
    };
    each("scopes of the document", || {
        scopes.decide(&view, shown, &[Some(&demand)])
    });
    let opens = (0..7).map(|number| roles::Opening {
        role: format!("role{number}"),
        what: vec![Only {
            operations: (0..OPERATIONS).map(|one| format!("op{one}")).collect(),
            ..Only::default()
        }],
    });
    let opens = opens.collect();
    let roles = Roles::new(&roles::Config { opens }, &book()).unwrap();
    each("roles", || roles.decide(&view, Some(&identity)));
    let cedar = policies();
    let captures = [(Arc::from("id"), "ada".to_owned())];
    let around = Around {
        identity: Some(&identity),
        captures: &captures,
        client: Ipv4Addr::LOCALHOST.into(),
        place: None,
        device: None,
        risk: None,
        body: false,
        now_ms: 1_800_000_000_000,
    };
    each("Cedar, a thousand policies", || {
        cedar.decide(&view, &around, &Answers::None).unwrap()
    });
}
