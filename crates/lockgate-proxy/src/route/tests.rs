#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::Method;
use proptest::prelude::*;

use super::*;
use crate::testing::{self, exact, line, prefix, template};

mod reference;

/// An API with hosts, one path and methods.
fn api(name: &str, hosts: &[&str], path: PathMatch, methods: &[&str]) -> Api {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let mut api = testing::api(name, &[path]);
    api.hosts = owned(hosts);
    api.methods = owned(methods);
    api
}

/// The name of the API that a GET finds; "405" or "404" where there is none.
fn named(apis: &[Api], host: &str, path: &str) -> String {
    asked(apis, host, path, &Method::GET)
}

fn asked(apis: &[Api], host: &str, path: &str, method: &Method) -> String {
    match look(&Router::new(apis).unwrap(), host, path, method) {
        Found::Route(matched) => apis[matched.api].name.clone(),
        Found::MethodNotAllowed(allow) => format!("405 {allow}"),
        Found::Nothing => "404".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What is found for a request that carries nothing.
fn look<'r>(router: &'r Router, host: &str, path: &str, method: &Method) -> Found<'r> {
    let headers = http::HeaderMap::new();
    let asked = Asked {
        method,
        headers: &headers,
        query: None,
    };
    router.find(host, path, &asked)
}

fn refused(apis: &[Api]) -> Vec<ConfigError> {
    Router::new(apis).unwrap_err()
}

#[test]
fn the_most_specific_host_wins_in_any_order_of_the_file() {
    let mut apis = vec![
        api("any", &[], prefix("/"), &[]),
        api("wide", &["*.example.com"], prefix("/"), &[]),
        api("long", &["*.shop.example.com"], prefix("/"), &[]),
        api("exact", &["a.shop.example.com"], prefix("/"), &[]),
    ];
    for _ in 0..apis.len() {
        apis.rotate_left(1);
        assert_eq!(named(&apis, "a.shop.example.com", "/"), "exact");
        assert_eq!(named(&apis, "b.shop.example.com", "/"), "long");
        assert_eq!(named(&apis, "c.b.shop.example.com", "/"), "long");
        assert_eq!(named(&apis, "shop.example.com", "/"), "wide");
        assert_eq!(named(&apis, "example.com", "/"), "any");
        assert_eq!(named(&apis, "notexample.com", "/"), "any");
        assert_eq!(named(&apis, "", "/"), "any");
    }
}

#[test]
fn a_host_without_the_path_leaves_it_to_a_less_specific_one() {
    let apis = [
        api("exact", &["a.example.com"], exact("/exact"), &[]),
        api("wildcard", &["*.example.com"], exact("/wildcard"), &[]),
        api("any", &[], exact("/any"), &[]),
    ];
    for name in ["exact", "wildcard", "any"] {
        assert_eq!(named(&apis, "a.example.com", &format!("/{name}")), name);
    }
    assert_eq!(named(&apis, "a.example.com", "/none"), "404");
    assert_eq!(named(&apis, "b.example.com", "/exact"), "404");
}

#[test]
fn hosts_are_compared_in_lower_case() {
    let apis = [
        api("exact", &["Shop.Example.COM"], prefix("/"), &[]),
        api("wildcard", &["*.Example.COM"], prefix("/"), &[]),
    ];
    assert_eq!(named(&apis, "shop.example.com", "/"), "exact");
    assert_eq!(named(&apis, "a.example.com", "/"), "wildcard");
}

#[test]
fn no_host_and_a_star_are_the_same_claim() {
    let errors = refused(&[
        api("first", &[], prefix("/"), &[]),
        api("second", &["*"], prefix("/"), &[]),
    ]);
    assert_eq!(errors[0].code, "route-conflict");
}

#[test]
fn an_exact_path_goes_before_a_template_and_that_before_a_prefix() {
    let mut apis = vec![
        api("root", &[], prefix("/"), &[]),
        api("orders", &[], prefix("/orders"), &[]),
        api("one", &[], template("/orders/{id}"), &[]),
        api("new", &[], exact("/orders/new"), &[]),
        api("items", &[], prefix("/orders/new/items"), &[]),
    ];
    for _ in 0..apis.len() {
        apis.rotate_left(1);
        for (path, name) in [
            ("/orders/new", "new"),
            ("/orders/7", "one"),
            ("/orders/", "orders"),
            ("/orders", "orders"),
            ("/orders/7/lines", "orders"),
            ("/orders/new/items", "items"),
            ("/orders/new/items/1", "items"),
            ("/orders/new/itemsx", "orders"),
            ("/ordersx", "root"),
            ("/", "root"),
        ] {
            assert_eq!(named(&apis, "h", path), name, "{path}");
        }
    }
}

#[test]
fn a_prefix_ends_with_a_segment() {
    let apis = [api("a", &[], prefix("/a/"), &[])];
    assert_eq!(named(&apis, "h", "/a"), "a");
    assert_eq!(named(&apis, "h", "/a/"), "a");
    assert_eq!(named(&apis, "h", "/a/b"), "a");
    assert_eq!(named(&apis, "h", "/ab"), "404");
}

#[test]
fn an_exact_path_takes_its_own_final_slash_alone() {
    let apis = [
        api("with", &[], exact("/a/"), &[]),
        api("without", &[], exact("/a"), &[]),
        api("root", &[], exact("/"), &[]),
    ];
    assert_eq!(named(&apis, "h", "/a/"), "with");
    assert_eq!(named(&apis, "h", "/a"), "without");
    assert_eq!(named(&apis, "h", "/"), "root");
    assert_eq!(named(&apis, "h", "/a/b"), "404");
}

#[test]
fn templates_go_back_where_the_literal_leads_nowhere() {
    let apis = [
        api("literal", &[], template("/a/b/{x}/d"), &[]),
        api("braces", &[], template("/a/{x}/c/e"), &[]),
        api("all", &[], template("/{x}/{y}/{z}/{w}"), &[]),
    ];
    assert_eq!(named(&apis, "h", "/a/b/c/d"), "literal");
    assert_eq!(named(&apis, "h", "/a/b/c/e"), "braces");
    assert_eq!(named(&apis, "h", "/a/b/c/f"), "all");
    assert_eq!(named(&apis, "h", "/a/b/c"), "404");
}

#[test]
fn literals_left_of_braces_go_first() {
    let apis = [
        api("left", &[], template("/a/{y}"), &[]),
        api("right", &[], template("/{x}/b"), &[]),
    ];
    assert_eq!(named(&apis, "h", "/a/b"), "left");
    assert_eq!(named(&apis, "h", "/c/b"), "right");
}

#[test]
fn braces_take_one_segment_and_never_an_empty_one() {
    let apis = [api("one", &[], template("/orders/{id}"), &[])];
    assert_eq!(named(&apis, "h", "/orders/%2E%2F"), "one");
    assert_eq!(named(&apis, "h", "/orders/"), "404");
    assert_eq!(named(&apis, "h", "/orders"), "404");
    assert_eq!(named(&apis, "h", "/orders/1/2"), "404");
}

#[test]
fn the_method_comes_last() {
    let apis = [
        api("read", &[], exact("/x"), &["GET"]),
        api("write", &[], exact("/x"), &["PUT", "POST"]),
        api("below", &[], prefix("/"), &[]),
    ];
    assert_eq!(asked(&apis, "h", "/x", &Method::GET), "read");
    assert_eq!(asked(&apis, "h", "/x", &Method::POST), "write");
    // 405, and not the API with the less specific path.
    let answer = asked(&apis, "h", "/x", &Method::DELETE);
    assert_eq!(answer, "405 GET, HEAD, POST, PUT");
}

#[test]
fn a_host_that_has_the_path_answers_405_by_itself() {
    let apis = [
        api("exact", &["a.example.com"], exact("/x"), &["GET"]),
        api("any", &[], exact("/x"), &["DELETE"]),
    ];
    assert_eq!(
        asked(&apis, "a.example.com", "/x", &Method::DELETE),
        "405 GET, HEAD"
    );
}

#[test]
fn an_api_that_takes_any_method_takes_what_no_other_names() {
    let apis = [
        api("rest", &[], exact("/x"), &[]),
        api("read", &[], exact("/x"), &["GET"]),
    ];
    assert_eq!(asked(&apis, "h", "/x", &Method::GET), "read");
    assert_eq!(asked(&apis, "h", "/x", &Method::HEAD), "read");
    let odd = Method::from_bytes(b"PURGE").unwrap();
    assert_eq!(asked(&apis, "h", "/x", &odd), "rest");
}

#[test]
fn a_head_goes_where_the_get_goes_unless_somebody_has_it() {
    let get = [api("get", &[], exact("/x"), &["GET"])];
    assert_eq!(asked(&get, "h", "/x", &Method::HEAD), "get");
    let both = [
        api("get", &[], exact("/x"), &["GET"]),
        api("head", &[], exact("/x"), &["HEAD"]),
    ];
    assert_eq!(asked(&both, "h", "/x", &Method::HEAD), "head");
    let post = [api("post", &[], exact("/x"), &["POST"])];
    assert_eq!(asked(&post, "h", "/x", &Method::HEAD), "405 POST");
}

#[test]
fn methods_are_told_apart_by_case() {
    let apis = [api("read", &[], exact("/x"), &["GET"])];
    let lower = Method::from_bytes(b"get").unwrap();
    assert_eq!(asked(&apis, "h", "/x", &lower), "405 GET, HEAD");
}

#[test]
fn two_apis_that_claim_the_same_are_refused_and_named() {
    for (first, second) in [
        (exact("/a"), exact("/a")),
        (exact("/a"), template("/a")),
        (template("/a/{x}"), template("/a/{other}")),
        (prefix("/a"), prefix("/a/")),
        (exact("/a%3Ab"), exact("/a:b")),
        (exact("/%61"), exact("/a")),
    ] {
        let errors = refused(&[
            api("first", &[], first.clone(), &["GET"]),
            api("second", &[], second.clone(), &["POST", "GET"]),
        ]);
        let [error] = &errors[..] else {
            panic!("{first:?} and {second:?}: {errors:?}");
        };
        assert_eq!(error.code, "route-conflict");
        assert_eq!(error.pointer, "/apis/1/paths/0");
        assert_eq!(error.span, Some(line(10)));
        assert!(error.message.contains("`first`"), "{error}");
        assert!(error.message.contains("GET"), "{error}");
    }
}

#[test]
fn claims_that_differ_in_host_method_or_kind_live_together() {
    let apis = [
        api("a", &["a.example.com"], exact("/x"), &["GET"]),
        api("b", &["b.example.com"], exact("/x"), &["GET"]),
        api("post", &["a.example.com"], exact("/x"), &["POST"]),
        api("prefix", &["a.example.com"], prefix("/x"), &["GET"]),
        api("any", &["*"], exact("/x"), &["GET"]),
    ];
    assert_eq!(named(&apis, "a.example.com", "/x"), "a");
    assert_eq!(named(&apis, "a.example.com", "/x/y"), "prefix");
    assert_eq!(named(&apis, "b.example.com", "/x"), "b");
    assert_eq!(named(&apis, "c.example.com", "/x"), "any");
}

#[test]
fn each_wrong_path_and_method_is_told_with_its_place() {
    let mut many = api("many", &[], exact("/fine"), &[]);
    many.paths.extend([
        exact("relative"),
        exact(""),
        template("/a{id}"),
        template("/{}"),
        template("/{a}{b}"),
        exact("/a/../b"),
        exact("/a\\b"),
        exact("/a%2Fb"),
        exact("/%zz"),
        exact("/a b"),
        exact("/a/./b"),
        prefix("/é"),
        exact(&"/a".repeat(65)),
    ]);
    let errors = refused(&[
        many.clone(),
        api("odd", &[], exact("/odd"), &["GET", "NO WAY"]),
    ]);
    let places: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
    let mut wanted: Vec<String> = (1..many.paths.len())
        .map(|place| format!("/apis/0/paths/{place}"))
        .collect();
    wanted.push("/apis/1/paths/0".to_owned());
    assert_eq!(places, wanted);
    let (last, paths) = errors.split_last().unwrap();
    assert!(paths.iter().all(|error| error.code == "not-a-path"));
    assert_eq!(last.code, "not-a-method");
}

#[test]
fn a_path_with_a_query_is_refused() {
    for path in [exact("/q?x"), prefix("/q?x=1"), template("/{id}?x")] {
        let errors = refused(&[api("odd", &[], path, &[])]);
        assert_eq!(errors[0].code, "not-a-path");
    }
}

#[test]
fn a_template_may_have_sixty_four_segments() {
    let pattern = "/{x}".repeat(64);
    let apis = [api("deep", &[], template(&pattern), &[])];
    assert_eq!(named(&apis, "h", &"/s".repeat(64)), "deep");
    assert_eq!(named(&apis, "h", &"/s".repeat(65)), "404");
    let errors = refused(&[api("deeper", &[], template(&"/{x}".repeat(65)), &[])]);
    assert_eq!(errors[0].code, "not-a-path");
}

#[test]
fn deep_paths_below_a_prefix_are_found() {
    let apis = [api("root", &[], prefix("/"), &[])];
    assert_eq!(named(&apis, "h", &"/s".repeat(1000)), "root");
}

#[test]
fn encoded_literals_match_as_requests_are_matched() {
    let apis = [
        api("colon", &[], exact("/jobs%3Apurge"), &[]),
        api("letter", &[], exact("/%61bc"), &[]),
        api("braces", &[], exact("/{x}"), &[]),
        api("latin", &[], exact("/caf%c3%a9"), &[]),
    ];
    let seen = |raw: &str| {
        let normal = target::normalize(raw, &TargetSwitches::default()).unwrap();
        named(&apis, "h", &normal.match_path())
    };
    for (raw, name) in [
        ("/jobs:purge", "colon"),
        ("/jobs%3apurge", "colon"),
        ("/abc", "letter"),
        ("/%61%62c", "letter"),
        ("/%7Bx%7D", "braces"),
        ("/y", "404"),
        ("/caf%C3%A9", "latin"),
    ] {
        assert_eq!(seen(raw), name, "{raw}");
    }
}

#[test]
fn the_pattern_is_told_as_the_configuration_says_it() {
    let apis = [
        api("one", &[], template("/orders/{id}"), &[]),
        api("two", &[], prefix("/static/"), &[]),
        api("three", &[], prefix("/"), &[]),
    ];
    let router = Router::new(&apis).unwrap();
    for (path, pattern, taken) in [
        ("/orders/1", "/orders/{id}", 0),
        ("/static/x", "/static/*", "/static".len()),
        ("/other", "/*", 0),
    ] {
        let Found::Route(matched) = look(&router, "h", path, &Method::GET) else {
            panic!("{path}");
        };
        assert_eq!(router.pattern(matched), pattern);
        assert_eq!(matched.prefix, taken);
    }
    let unknown = Matched {
        api: 0,
        pattern: 99,
        prefix: 0,
    };
    assert_eq!(router.pattern(unknown), "");
}

#[test]
fn ten_thousand_routes_are_all_found() {
    let apis: Vec<Api> = (0..10_000)
        .map(|number| {
            let path = match number % 3 {
                0 => exact(&format!("/v{number}/things")),
                1 => template(&format!("/v{number}/{{id}}")),
                _ => prefix(&format!("/v{number}")),
            };
            let host = format!("h{}.example.com", number % 7);
            api(&number.to_string(), &[&host], path, &["GET"])
        })
        .collect();
    let router = Router::new(&apis).unwrap();
    for number in 0..10_000_usize {
        let host = format!("h{}.example.com", number % 7);
        let Found::Route(matched) =
            look(&router, &host, &format!("/v{number}/things"), &Method::GET)
        else {
            panic!("route {number} is not found");
        };
        assert_eq!(matched.api, number);
    }
    let beyond = look(&router, "h0.example.com", "/v10000/things", &Method::GET);
    assert_eq!(beyond, Found::Nothing);
}

fn claims() -> impl Strategy<Value = Vec<Api>> {
    let hosts = prop::sample::subsequence(vec!["h.x", "a.h.x", "*.h.x", "*.x", "*"], 0..=2);
    let segment = prop::sample::select(vec!["a", "b", "ab", "%61", "{p}"]);
    let path = (0..3, prop::collection::vec(segment, 0..4)).prop_map(|(kind, segments)| {
        let text = format!("/{}", segments.join("/"));
        match kind {
            0 => exact(&text),
            1 => prefix(&text),
            _ => template(&text),
        }
    });
    let methods = prop::sample::subsequence(vec!["GET", "HEAD", "POST"], 0..=2);
    let claim = (hosts, prop::collection::vec(path, 1..3), methods);
    prop::collection::vec(claim, 1..7).prop_map(|claims| {
        let with_name =
            |(number, (hosts, paths, methods)): (usize, (Vec<_>, Vec<PathMatch>, Vec<_>))| {
                let mut api = api(&number.to_string(), &hosts, paths[0].clone(), &methods);
                api.paths = paths;
                api
            };
        claims.into_iter().enumerate().map(with_name).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_table_says_what_a_walk_over_all_routes_says(
        apis in claims(),
        asked in prop::collection::vec(
            (
                prop::sample::select(vec!["h.x", "a.h.x", "b.h.x", "c.b.h.x", "y.x", "z", ""]),
                "(/(a|b|ab|c|\\{p\\})?){1,4}",
                prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST, Method::PUT]),
            ),
            1..20,
        ),
    ) {
        let walk = reference::Walk::new(&apis);
        match Router::new(&apis) {
            Err(_) => prop_assert!(walk.conflicts()),
            Ok(router) => {
                prop_assert!(!walk.conflicts());
                for (host, path, method) in &asked {
                    let found = match look(&router, host, path, method) {
                        Found::Route(matched) => Ok(matched.api),
                        Found::MethodNotAllowed(allow) => Err(Some(allow.to_owned())),
                        _ => Err(None),
                    };
                    prop_assert_eq!(found, walk.find(host, path, method), "{} {}", host, path);
                }
            }
        }
    }
}
