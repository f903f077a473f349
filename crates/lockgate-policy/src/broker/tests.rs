use super::*;

#[test]
fn an_order_is_known_by_all_that_it_says() {
    let [a, b]: [Arc<str>; 2] = ["a".into(), "b".into()];
    let order = |goods, about, of, shown: &[u8]| Order::new(goods, about, of, shown).mark;
    let one = order(Goods::TokenOfToken, &a, &b, b"secret");
    assert_eq!(one, order(Goods::TokenOfToken, &a, &b, b"secret"));
    for other in [
        order(Goods::TokenOfSession, &a, &b, b"secret"),
        order(Goods::TokenOfToken, &b, &b, b"secret"),
        order(Goods::TokenOfToken, &a, &a, b"secret"),
        order(Goods::TokenOfToken, &a, &b, b"secrets"),
        // Where one part ends and the next begins counts.
        order(Goods::TokenOfToken, &"ab".into(), &"".into(), b"secret"),
        order(Goods::TokenOfToken, &a, &"".into(), b"bsecret"),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn credentials_are_in_no_log() {
    let order = Order::new(Goods::Session, &"staff".into(), &"staff".into(), b"secret");
    let outcome = Brought::Got("secret".into());
    let told = format!("{order:?} {outcome:?}");
    assert!(!told.contains("secret") && !told.contains("115"), "{told}");
    assert!(told.contains("staff"), "{told}");
}
