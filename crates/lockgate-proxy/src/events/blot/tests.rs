#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use lockgate_policy::api_key::mint;
use proptest::prelude::*;

use super::*;

#[test]
fn a_key_is_taken_out_wherever_it_stands() {
    let key = mint("live").unwrap();
    let other = mint("a").unwrap();
    for (text, wanted) in [
        (key.clone(), "lg_live_[secret]".to_owned()),
        (format!("/a/{key}/b"), "/a/lg_live_[secret]/b".to_owned()),
        (
            format!("{key},{other} é"),
            "lg_live_[secret],lg_a_[secret] é".to_owned(),
        ),
        (format!("lglg_{key}x"), "lglg_lg_live_[secret]".to_owned()),
    ] {
        assert_eq!(blotted_text(&text), wanted);
        assert_eq!(blotted(text.as_bytes()), wanted.as_bytes());
    }
}

#[test]
fn an_admin_token_is_taken_out() {
    let text = "Bearer lgadm_0123456789-_abcdefghij; x";
    assert_eq!(blotted_text(text), "Bearer lgadm_[secret]; x");
}

#[test]
fn a_key_that_is_mistyped_or_hidden_is_taken_out_too() {
    let secret = "0123456789abcdefghijABCDEFGHIJ01234567";
    for (text, wanted) in [
        (format!("LG_live_{secret}"), "LG_live_[secret]"),
        (format!("lg-Live-{secret}"), "lg-Live-[secret]"),
        (
            format!("/%6cg%5Flive%5F{secret}/%00"),
            "/lg_live_[secret]/%00",
        ),
        (format!("/lg_live%5f{secret}/%2f"), "/lg_live_[secret]/%2f"),
        (
            format!("/lg_live_{}%0d{}", &secret[..12], &secret[12..]),
            "/lg_live_[secret]",
        ),
        (format!("/lg_live_{}", &secret[..30]), "/lg_live_[secret]"),
    ] {
        assert_eq!(blotted_text(&text), wanted);
    }
    assert_eq!(blotted_text("/a%20b%zz%"), "/a%20b%zz%");
}

#[test]
fn what_is_no_credential_stays() {
    for text in [
        "",
        "/lg-monitors-ultra-wide-34-inch-curved-and-more",
        "lg",
        "/algebra/lg_",
        "lg_live_short",
        "lg__0123456789abcdefghijABCDEFGHIJ01234567",
        "lg_seventeenletterss_0123456789abcdefghijABCDEFGHIJ01234567",
        "lgadm_short",
    ] {
        assert!(
            matches!(blotted_text(text), Cow::Borrowed(same) if same == text),
            "{text}"
        );
    }
}

proptest! {
    /// Nothing of a key's secret part is left, whatever stands around it.
    #[test]
    fn no_secret_is_left(before in "\\PC{0,40}", after in "\\PC{0,40}") {
        let key = mint("test").unwrap();
        let text = format!("{before}{key}{after}");
        let blotted = blotted_text(&text);
        prop_assert!(!blotted.contains(&key[8..]), "{}", blotted);
    }

    /// Any bytes at all are borne.
    #[test]
    fn odd_bytes_are_borne(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = blotted(&bytes);
    }
}
