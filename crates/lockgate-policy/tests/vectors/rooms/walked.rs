//! `enumeration`: one request after the other, and what the last of them gets.

use lockgate_policy::enumeration::{self, Asked, Bounds, Enumeration, Seen};
use lockgate_policy::limits::Seed;
use lockgate_policy::only::Only;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    bounds: Bounds,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    query: Vec<String>,
    asks: Vec<Ask>,
    verdict: String,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    path: String,
    query: Option<String>,
    from: Option<i64>,
    to: Option<i64>,
    by: Option<i64>,
    between: Option<String>,
    status: Option<u16>,
}

impl Ask {
    /// Path, query and status of each request.
    fn each(&self) -> Vec<(String, Option<String>, u16)> {
        let (by, to) = (self.by.unwrap_or(1), self.to.unwrap_or(1));
        let mut all = Vec::new();
        let mut number = self.from.unwrap_or(1);
        while (by > 0 && number <= to) || (by < 0 && number >= to) {
            let said = |text: &String| text.replace("{n}", &number.to_string());
            let query = self.query.as_ref().map(said);
            all.push((said(&self.path), query, self.status.unwrap_or(200)));
            all.extend(self.between.iter().map(|path| (path.clone(), None, 200)));
            number += by;
        }
        all
    }
}

#[test]
fn enumeration() {
    let text = include_str!("../../../../../tests/vectors/enumeration.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 15);
    let seed = Seed::of(&aws_lc_rs::hmac::Key::new(
        aws_lc_rs::hmac::HMAC_SHA256,
        b"a pepper",
    ));
    for case in vectors.cases {
        let config = enumeration::Config {
            what: vec![Only::default()],
            query: case.query.clone(),
            bounds: vectors.bounds,
        };
        let policy = Enumeration::new(&config, seed).unwrap();
        let mut seen = Seen::default();
        let mut last = None;
        for (path, query, status) in case.asks.iter().flat_map(Ask::each) {
            let none = HeaderMap::new();
            let view = RequestView {
                path: &path,
                query: query.as_deref(),
                ..view(&Method::GET, &none, None)
            };
            let asked = Asked {
                identity: None,
                captures: &[],
                address: IpAddr::from([192, 0, 2, 1]),
                proxy: false,
                shadow: false,
                now_ms: 1_000,
            };
            let mut verdict = policy.decide(&view, &asked, &Answers::None).unwrap();
            if let Verdict::Need(Need::Sight(one)) = verdict {
                let flag = seen.see(&one, true, 1_000);
                verdict = policy
                    .decide(&view, &asked, &Answers::Sighted(one, flag))
                    .unwrap();
                if flag.is_none() && matches!(status, 403 | 404 | 410) {
                    seen.refuse(policy.bounds(), 1_000);
                }
            }
            last = Some(verdict);
        }
        check(
            &case.name,
            &last.unwrap(),
            &case.verdict,
            case.reason.as_deref(),
        );
    }
}
