#![allow(clippy::unwrap_used)]

use super::*;

fn config() -> bundle::Mirror {
    bundle::Mirror {
        upstream: "next".to_owned(),
        share: 10,
        methods: vec!["GET".to_owned(), "POST".to_owned()],
        bytes: 8,
    }
}

fn compiled(config: &bundle::Mirror) -> Result<Mirror, ConfigError> {
    Mirror::new(config, |name| (name == "next").then_some(3))
}

#[test]
fn what_is_wrong_is_said() {
    let mut cases = Vec::new();
    let mut case = |change: fn(&mut bundle::Mirror), code: &'static str| {
        let mut config = config();
        change(&mut config);
        cases.push((compiled(&config).unwrap_err().code, code));
    };
    case(|config| config.upstream = "none".to_owned(), "no-upstream");
    case(|config| config.share = 0, "mirror-share");
    case(|config| config.share = 101, "mirror-share");
    case(|config| config.bytes = MOST_KEPT + 1, "mirror-bytes");
    case(
        |config| config.methods = vec!["G T".to_owned()],
        "method-malformed",
    );
    for (found, wanted) in cases {
        assert_eq!(found, wanted);
    }
}

#[test]
fn a_share_is_that_part_of_all_draws() {
    let mirror = compiled(&config()).unwrap();
    assert_eq!(mirror.upstream, 3);
    let taken = (0..1000)
        .filter(|draw| mirror.takes(&Method::GET, || *draw))
        .count();
    assert_eq!(taken, 100);
    assert!(!mirror.takes(&Method::PUT, || 0));
}

#[test]
fn all_is_taken_without_a_draw() {
    let mirror = compiled(&bundle::Mirror {
        share: 100,
        ..config()
    })
    .unwrap();
    assert!(mirror.takes(&Method::GET, || unreachable!("nothing is drawn")));
}

#[test]
fn a_body_is_kept_whole_or_not_at_all() {
    let kept = Kept::new(8);
    kept.piece(b"12345");
    assert!(kept.whole().is_none(), "it is not over");
    kept.end();
    assert_eq!(kept.whole().unwrap().kept_bytes(), Some(5));

    let kept = Kept::new(8);
    for _ in 0..3 {
        kept.piece(b"12345");
    }
    kept.end();
    assert!(kept.whole().is_none(), "it is too long");
    assert!(
        kept.bytes.borrow().capacity() == 0,
        "and nothing of it stays"
    );
}
