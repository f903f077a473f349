use super::{named, Secret, SITE};

#[test]
fn secrets_are_told_by_where_they_lie() {
    assert!(SITE.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(named(b"etc/passwd", true, false), Secret::System);
    assert_eq!(named(b"etc/", true, false), Secret::None);
    assert_eq!(named(b"notes/etc/passwd", true, false), Secret::None);
    assert_eq!(named(b"x/passwd", false, true), Secret::System);
    assert_eq!(named(b"a/.git/config", false, false), Secret::Site);
    assert_eq!(named(b"a/.github/x", false, false), Secret::None);
}
