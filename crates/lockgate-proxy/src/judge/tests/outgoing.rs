//! What is judged is what goes out.

use proptest::prelude::*;

use super::*;

fn shop(strip: bool, path: &str) -> Arc<Snapshot> {
    let mut api = api("shop", &[prefix(path)]);
    api.strip_path = strip;
    snapshot(bundle(vec![api]))
}

/// What the upstream is asked for.
fn sent(snapshot: &Snapshot, target: &str) -> String {
    let judged = get(target).of(snapshot);
    assert_eq!(end(&judged), "forward", "{target}");
    judged
        .outgoing
        .map_or_else(|| target.to_owned(), |outgoing| outgoing.to_string())
}

#[test]
fn a_normal_target_goes_out_as_it_arrived() {
    let snapshot = shop(false, "/");
    for target in ["/", "/a/b", "/a?b=c%2Fd&e", "/caf%C3%A9", "/a%3Ab", "/a?"] {
        let judged = get(target).of(&snapshot);
        assert!(
            judged.outgoing.is_none() && judged.rewritten.is_none(),
            "{target}"
        );
    }
}

#[test]
fn another_target_goes_out_in_normal_form() {
    let snapshot = shop(false, "/");
    for (target, normal) in [
        ("/a/./b", "/a/b"),
        ("/a/x/../b?q=../", "/a/b?q=../"),
        ("/%61dmin", "/admin"),
        ("/%c3%a9", "/%C3%A9"),
        ("/a/%2e%2e/b", "/b"),
        ("/a%252e", "/a%252e"),
    ] {
        assert_eq!(sent(&snapshot, target), normal);
    }
    let judged = get("/a/./b?c").of(&snapshot);
    assert_eq!(judged.rewritten.as_deref(), Some("/a/b?c"));
}

#[test]
fn the_route_is_found_by_the_normal_form() {
    let open = api("open", &[prefix("/")]);
    let closed = keyed("admin", &[prefix("/admin")]);
    let snapshot = snapshot(bundle(vec![open, closed]));
    for target in [
        "/admin",
        "/x/../admin",
        "/%61dmin/x",
        "/./admin/",
        "/adm%69n?x",
    ] {
        let judged = get(target).of(&snapshot);
        assert_eq!(end(&judged), "key-missing", "{target}");
    }
}

#[test]
fn the_matched_prefix_is_taken_off() {
    let snapshot = shop(true, "/api/v1");
    for (target, stripped) in [
        ("/api/v1", "/"),
        ("/api/v1/", "/"),
        ("/api/v1/x/y?z=1", "/x/y?z=1"),
        ("/api/v1?z", "/?z"),
        ("/api/%761/x", "/x"),
        ("/api/v1/./x", "/x"),
        ("/api/v1/caf%C3%A9", "/caf%C3%A9"),
        ("/api/v1/a%3Ab", "/a%3Ab"),
    ] {
        assert_eq!(sent(&snapshot, target), stripped, "{target}");
    }
}

#[test]
fn a_prefix_is_taken_off_in_each_of_its_spellings() {
    for (configured, targets) in [
        ("/jobs:x", ["/jobs:x/a", "/jobs%3Ax/a", "/jobs%3ax/a"]),
        (
            "/caf%C3%A9",
            ["/caf%C3%A9/a", "/caf%c3%a9/a", "/c%61f%c3%a9/a"],
        ),
    ] {
        let snapshot = shop(true, configured);
        for target in targets {
            assert_eq!(sent(&snapshot, target), "/a", "{configured} {target}");
        }
    }
}

#[test]
fn a_prefix_that_is_configured_in_another_spelling_is_taken_off_whole() {
    for (configured, target) in [
        ("/jobs%3Ax", "/jobs:x/abcdef"),
        ("/%61bc", "/abc/abcdef"),
        ("/a%7Cb", "/a%7Cb/abcdef"),
        ("/a|b", "/a|b/abcdef"),
    ] {
        let snapshot = shop(true, configured);
        assert_eq!(sent(&snapshot, target), "/abcdef", "{configured}");
    }
}

#[test]
fn nothing_is_taken_off_but_by_a_prefix() {
    let mut api = api("shop", &[exact("/a/b"), prefix("/")]);
    api.strip_path = true;
    let snapshot = snapshot(bundle(vec![api]));
    for target in ["/a/b", "/c", "/"] {
        assert_eq!(sent(&snapshot, target), target);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever is forwarded is in normal form, and matches the same route
    /// again: no second reader of it can come to another API.
    #[test]
    fn what_goes_out_is_judged_the_same_again(
        target in "(/(a|b|admin|%61|%2e|\\.|\\.\\.|%C3%A9|a%3Ab|a:b|%7B)){1,5}(\\?[a-z%/.]{0,4})?",
    ) {
        let open = api("open", &[prefix("/")]);
        let other = api("admin", &[prefix("/admin"), prefix("/a:b"), exact("/a/b")]);
        let snapshot = snapshot(bundle(vec![open, other]));
        let first = get(&target).of(&snapshot);
        prop_assume!(end(&first) == "forward");
        let out = first.outgoing.map_or_else(|| target.clone(), |out| out.to_string());
        let again = get(&out).of(&snapshot);
        prop_assert_eq!(end(&again), "forward");
        prop_assert_eq!(again.matched, first.matched);
        prop_assert!(again.outgoing.is_none(), "{} became {:?}", out, again.outgoing);
    }
}
