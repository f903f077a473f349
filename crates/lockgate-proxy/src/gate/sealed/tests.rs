use super::*;

#[test]
fn hexadecimal_is_read_and_nothing_else() {
    assert_eq!(unhex("00fFa0"), Some(vec![0, 255, 160]));
    assert_eq!(unhex(""), Some(Vec::new()));
    for odd in ["0", "0g", "+1", "é", " 0"] {
        assert_eq!(unhex(odd), None, "{odd}");
    }
}

#[test]
fn a_bundles_hash_is_half_of_half_its_digest() {
    assert_eq!(hash(""), "e3b0c44298fc1c14");
    assert_eq!(hash("abc"), "ba7816bf8f01cfea");
}
