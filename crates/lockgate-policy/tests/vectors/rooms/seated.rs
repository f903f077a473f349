//! `users`: who comes, one after the other, and what the last of them gets.

use std::sync::Arc;

use lockgate_policy::limits::Seed;
use lockgate_policy::roles::Book;
use lockgate_policy::users::{self, Asked, Cap, Full, Of, Room, Users};
use lockgate_policy::{Answers, Identity, Need, Span, Verdict};
use serde::Deserialize;
use serde_json::json;

use super::check;

/// Noon of some day.
const NOON_MS: u64 = 20_000 * 86_400_000 + 43_200_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    cap: Said,
    comes: Vec<Comes>,
    verdict: String,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default)]
    distinct: u32,
    #[serde(default)]
    concurrent: u32,
    by: Option<Of>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Comes {
    who: String,
    app: Option<String>,
    tenant: Option<String>,
    #[serde(default)]
    after: u64,
    #[serde(default)]
    stays: bool,
}

impl Comes {
    fn identity(&self) -> Identity {
        let claims = self
            .tenant
            .as_ref()
            .map(|tenant| json!({ "tenant": tenant }));
        Identity {
            proved_by: "jwt",
            credential: format!("company/{}", self.who).into(),
            owner: self.who.as_str().into(),
            app: self.app.as_deref().map(Into::into),
            claims: claims
                .and_then(|claims| claims.as_object().cloned())
                .map(Arc::new),
        }
    }
}

#[test]
fn users() {
    let text = include_str!("../../../../../tests/vectors/users.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 15);
    let seed = Seed::of(&aws_lc_rs::hmac::Key::new(
        aws_lc_rs::hmac::HMAC_SHA256,
        b"a pepper",
    ));
    let book = Arc::new(Book::default());
    for case in vectors.cases {
        let cap = Cap {
            distinct: case.cap.distinct,
            concurrent: case.cap.concurrent,
            idle_ms: 60_000,
            by: case.cap.by.clone().unwrap_or(Of::Api),
            role: None,
            span: Span {
                file: 0,
                line: 1,
                column: 1,
            },
        };
        let policy = Users::new(&users::Config { caps: vec![cap] }, "orders", &book, seed).unwrap();
        let mut rooms = std::collections::HashMap::<u64, Room>::new();
        let (mut now_ms, mut last) = (NOON_MS, None);
        for comes in &case.comes {
            now_ms += comes.after * 1_000;
            let identity = comes.identity();
            let asked = Asked {
                identity: Some(&identity),
                shadow: false,
                now_ms,
            };
            let Verdict::Need(Need::Seat(seats)) = policy.decide(&asked, &Answers::None).unwrap()
            else {
                panic!("{}: a place is wanted", case.name);
            };
            let seat = seats.0[0];
            let room = rooms.entry(seat.key.0).or_default();
            let full = match room.look(&seat, now_ms) {
                Ok(()) => {
                    room.enter(&seat, comes.stays, now_ms);
                    None
                }
                Err((what, until_ms)) => Some(Full {
                    seat: 0,
                    what,
                    until_ms,
                }),
            };
            last = Some(
                policy
                    .decide(&asked, &Answers::Seated(seats, full))
                    .unwrap(),
            );
        }
        check(
            &case.name,
            &last.unwrap(),
            &case.verdict,
            case.reason.as_deref(),
        );
    }
}
