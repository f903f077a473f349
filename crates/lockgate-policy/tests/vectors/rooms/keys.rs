//! The cases of `api_key`.

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    pepper: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    config: Option<api_key::Config>,
    #[serde(default)]
    keys: Vec<Known>,
    headers: Vec<(String, String)>,
    #[serde(default)]
    now_ms: u64,
    #[serde(default)]
    stale: bool,
    method: Option<String>,
    client: Option<IpAddr>,
    /// How often it is sent; the verdict is the last one's.
    times: Option<u32>,
    verdict: String,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    key: String,
    apis: Option<Vec<String>>,
    #[serde(default)]
    expires_ms: u64,
    #[serde(default)]
    replaced_ms: u64,
    #[serde(default)]
    revoked: bool,
    #[serde(default)]
    suspended: bool,
    environment: Option<String>,
    networks: Option<Vec<String>>,
    methods: Option<Vec<String>>,
    /// It has a limit of its own, of one an hour.
    #[serde(default)]
    once: bool,
    /// Known by its SHA-256 alone.
    #[serde(default)]
    imported: bool,
}

impl Known {
    fn record(&self, pepper: &aws_lc_rs::hmac::Key) -> KeyRecord {
        let terms = Terms {
            environment: self.environment.as_deref().unwrap_or("live").into(),
            apis: self
                .apis
                .as_ref()
                .map(|apis| apis.iter().map(|api| api.as_str().into()).collect()),
            methods: self.methods.as_ref().map(|methods| {
                let method = |name: &String| Method::from_bytes(name.as_bytes()).unwrap();
                methods.iter().map(method).collect()
            }),
            networks: self
                .networks
                .as_ref()
                .map(|networks| Ranges::new(networks).unwrap()),
            rate: self
                .once
                .then(|| Quota::new(1, 3_600_000_000_000, 1).unwrap()),
            app: None,
            claims: None,
        };
        let grant = Grant {
            owner: "vectors".into(),
            terms: Arc::new(terms),
        };
        let key = self.key.as_bytes();
        let digest = if self.imported {
            api_key::imported_digest(pepper, &api_key::sha256(key))
        } else {
            api_key::digest(pepper, key)
        };
        KeyRecord {
            expires_ms: self.expires_ms,
            replaced_ms: self.replaced_ms,
            revoked: self.revoked,
            suspended: self.suspended,
            ..KeyRecord::new(digest, "key_vector", Arc::new(grant))
        }
    }
}

#[test]
fn api_key() {
    let text = include_str!("../../../../../tests/vectors/api_key.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 20);
    let pepper = api_key::pepper(vectors.pepper.as_bytes());
    for case in vectors.cases {
        let config = case.config.clone().unwrap_or(api_key::Config {
            header: "X-API-Key".into(),
            environments: Vec::new(),
            imported: false,
        });
        let policy = api_key::ApiKey::new(&config, Arc::clone(&pepper)).unwrap();
        let records: Vec<Arc<KeyRecord>> = case
            .keys
            .iter()
            .map(|known| Arc::new(known.record(&pepper)))
            .collect();
        let client = case.client.unwrap_or(IpAddr::from([192, 0, 2, 1]));
        let method = case.method.as_deref().unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in &case.headers {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            headers.append(name, HeaderValue::try_from(value.as_str()).unwrap());
        }
        let view = view(&method, &headers, None);
        let first = policy
            .decide(&view, client, &Answers::None, case.now_ms)
            .unwrap();
        let verdict = if let Verdict::Need(Need::Key(digest)) = first {
            let found = records
                .iter()
                .find(|record| record.digest == digest)
                .cloned();
            let answer = if case.stale {
                Answers::Stale
            } else {
                Answers::Key(digest, found)
            };
            policy.decide(&view, client, &answer, case.now_ms).unwrap()
        } else {
            first
        };
        // One counter, which the first request leaves with nothing.
        let verdict = if let Verdict::Need(Need::Spend(mut spend)) = verdict {
            spend.take.refused = case.times.map(|_| (0, 1_000_000_000));
            let answer = Answers::Spent(spend);
            policy.decide(&view, client, &answer, case.now_ms).unwrap()
        } else {
            verdict
        };
        challenged(&case.name, &verdict);
        check(&case.name, &verdict, &case.verdict, case.reason.as_deref());
    }
}

/// RFC 9110, 15.5.2: a 401 carries a challenge.
fn challenged(name: &str, verdict: &Verdict) {
    if let Verdict::Deny(Denial {
        reason, headers, ..
    }) = verdict
    {
        let challenge = headers.iter().any(|(name, _)| name == "www-authenticate");
        assert_eq!(challenge, reason.status == 401, "{name}");
    }
}
