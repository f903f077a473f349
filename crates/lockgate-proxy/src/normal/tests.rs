#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::{HeaderMap, Method};

use crate::bundle::{Api, NormalForm, Odd as Word};
use crate::route::Asked;
use crate::testing::{self, exact, prefix, template};

use super::*;

fn keeping(name: &str, path: crate::bundle::PathMatch, change: fn(&mut NormalForm)) -> Api {
    let mut api = testing::api(name, &[path]);
    change(&mut api.normal_form);
    api
}

/// The API and the path that it is asked for, or the reason why there is none.
fn asked(apis: &[Api], target: &str) -> String {
    let names: Vec<String> = apis.iter().map(|api| api.name.clone()).collect();
    let snapshot = testing::snapshot(testing::bundle(apis.to_vec()));
    let headers = HeaderMap::new();
    let asked = Asked {
        method: &Method::GET,
        headers: &headers,
        query: None,
    };
    let said = match find(&snapshot, "", target, &asked) {
        Ok(located) => match located.found {
            Found::Route(matched) => format!("{} {}", names[matched.api], located.normal.path),
            found => format!("{found:?}"),
        },
        Err(denial) => denial.reason.code.to_owned(),
    };
    said
}

fn files() -> Vec<Api> {
    vec![
        testing::api("site", &[prefix("/")]),
        keeping("files", template("/files/{name}"), |form| {
            form.encoded_slash = Word::Keep
        }),
        keeping("ocsp", prefix("/ocsp"), |form| {
            form.double_slash = Word::Keep
        }),
        keeping("old", prefix("/old"), |form| {
            form.backslash = Word::Normalize
        }),
        keeping("strict", prefix("/strict"), |form| {
            form.dot_segments = Word::Reject
        }),
        keeping("names", prefix("/names"), |form| form.nul = Word::Keep),
    ]
}

#[test]
fn each_api_has_what_it_keeps() {
    let apis = files();
    for (target, said) in [
        ("/files/a%2fb", "files /files/a%2Fb"),
        ("/ocsp/MFMw//Td", "ocsp /ocsp/MFMw//Td"),
        ("/old/a\\b", "old /old/a/b"),
        ("/names/a%00b", "names /names/a%00b"),
        ("/strict/a", "strict /strict/a"),
        ("/a/./b", "site /a/b"),
        // The others have not.
        ("/a%2fb", "target-encoded-slash"),
        ("/ocsp/a%2fb", "target-encoded-slash"),
        ("/a//b", "target-double-slash"),
        ("/files/a//b", "target-double-slash"),
        ("/strict/./a", "target-dot-segment"),
        ("/strict/a/../b", "target-dot-segment"),
        ("/a%00b", "target-control"),
        ("/files/..%2fb", "target-encoded-slash"),
    ] {
        assert_eq!(asked(&apis, target), said, "{target}");
    }
}

#[test]
fn nobody_walks_around_another_apis_rules() {
    let mut apis = files();
    apis.push(testing::api("secret", &[prefix("/files/secret")]));
    apis.push(testing::api("exact", &[exact("/ocsp/admin")]));
    apis.push(testing::api("beside", &[prefix("/names/a")]));
    for target in ["/files/secret%2fx", "/ocsp//admin", "/names/a%00"] {
        assert_eq!(asked(&apis, target), "target-ambiguous", "{target}");
    }
    assert_eq!(asked(&apis, "/files/other%2fx"), "files /files/other%2Fx");
    assert_eq!(asked(&apis, "/ocsp//other"), "ocsp /ocsp//other");
}

#[test]
fn what_a_reader_might_take_a_path_for_goes_along() {
    let set = TargetSwitches {
        double_slash: Odd::Keep,
        path_parameters: Odd::Keep,
        ..TargetSwitches::default()
    };
    let read = |path| folds(path, &target::for_matching(path), &set).unwrap();
    assert_eq!(read("/a/b"), Vec::<String>::new());
    assert_eq!(
        read("/a//b;x"),
        ["/a/b;x", "/a//b", "/a/b"].map(str::to_owned)
    );
    assert_eq!(read("/a%3Bx/b"), ["/a/b"].map(str::to_owned));
    // What a reader would find hidden dots in is nothing that could be compared.
    let slashes = TargetSwitches {
        encoded_slash: Odd::Keep,
        dot_segments: Odd::Reject,
        ..TargetSwitches::default()
    };
    assert_eq!(folds("/a%2F..%2Fb", "/a%2F..%2Fb", &slashes), None);
}

/// What is kept, and the path that must not pass for the wide API: a reader
/// folds it into one that wants more.
#[test]
fn readers_fold_one_spelling_and_in_their_own_order() {
    let everything = |form: &mut NormalForm| {
        form.double_slash = Word::Keep;
        form.encoded_slash = Word::Keep;
        form.backslash = Word::Keep;
        form.path_parameters = Word::Keep;
    };
    let apis = [
        keeping("wide", prefix("/"), everything),
        testing::api("admin", &[prefix("/v1/admin")]),
        testing::api("user", &[template("/users/{id}")]),
    ];
    for target in [
        "/v1%2Fadmin/x",
        // Parameters are taken off before anything is decoded.
        "/v1;%2Fx/admin%2Fusers",
        "/v1;\\x/admin\\users",
        "/v1;%5Cx/admin%5Cusers",
        "/%2F;%2Fx/v1/admin",
        // One of two spellings is folded, the other is data.
        "/users\\a%5Cb",
        "/users%5Ca\\b",
        "/users;y/%3Bb",
    ] {
        assert_eq!(asked(&apis, target), "target-ambiguous", "{target}");
    }
    for target in ["/a;x", "/a//b", "/a\\b%5Cc", "/a%3Bb", "/v1;x/a%2Fb"] {
        assert_eq!(asked(&apis, target), format!("wide {target}"), "{target}");
    }
}

#[test]
fn what_can_be_read_in_too_many_ways_is_refused() {
    let everything = TargetSwitches {
        double_slash: Odd::Keep,
        encoded_slash: Odd::Keep,
        backslash: Odd::Keep,
        path_parameters: Odd::Keep,
        nul: Odd::Keep,
        ..TargetSwitches::default()
    };
    let read = |path: &str| folds(path, &target::for_matching(path), &everything);
    let long = format!("/{}", "a%2F;x\\b%5C%3B//".repeat(4_000));
    assert_eq!(read(&long), None);
    let mixed = "/a//b%2Fc;%2Fd\\e;\\f%5Cg;%5Ch%3Bi%3B%2Fj;//k";
    assert!(read(mixed).is_none_or(|found| found.len() <= MAX_READINGS));
}

#[test]
fn two_apis_that_both_would_take_it_take_it_not() {
    let apis = [
        keeping("one", template("/x/{a}"), |form| {
            form.encoded_slash = Word::Keep
        }),
        keeping("two", template("/x/{a}/{b}"), |form| {
            form.encoded_slash = Word::Normalize
        }),
    ];
    assert_eq!(asked(&apis, "/x/a%2fb"), "target-ambiguous");
}

#[test]
fn sets_are_bounded() {
    let words = [Word::Reject, Word::Normalize, Word::Keep];
    let apis: Vec<Api> = (0..=MAX_SETS + 1)
        .map(|number| {
            let mut api = testing::api(&format!("a{number}"), &[prefix(&format!("/a{number}"))]);
            api.normal_form.double_slash = words[number % 3];
            api.normal_form.encoded_slash = words[number / 3 % 3];
            api.normal_form.backslash = words[number / 9 % 3];
            api
        })
        .collect();
    let around = testing::surroundings();
    let errors = crate::compile::compile(testing::bundle(apis), "", &around).unwrap_err();
    assert_eq!(errors[0].code, "too-many-normal-forms");
}
