//! Every case of the policies' files in `tests/vectors`, against the policies
//! themselves. Python runs the same cases against the whole engine.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use lockgate_policy::limits::Quota;
use lockgate_policy::{
    api_key, body_limit, cors, grpc, headers, ip_filter, mtls, websocket, Answers, BodyMachine,
    BodyVerdict, Caller, Denial, Edit, Grant, Identity, KeyRecord, Need, Ranges, RequestView,
    Terms, Verdict,
};
use serde::Deserialize;

const API: &str = "shop";

/// Compares a verdict with what the case expects.
fn check(name: &str, verdict: &Verdict, expected: &str, reason: Option<&str>) {
    let said = match verdict {
        Verdict::Allow(_) | Verdict::Granted(_) => ("allow", None),
        Verdict::Identify(_) | Verdict::Renewed(..) => ("identify", None),
        Verdict::Narrowed(..) => ("narrowed", None),
        Verdict::Deny(denial) => ("deny", Some(denial.reason.code)),
        Verdict::Respond(_) => ("respond", None),
        Verdict::Need(_) => ("need", None),
    };
    assert_eq!(said, (expected, reason), "{name}");
}

fn view<'a>(
    method: &'a Method,
    headers: &'a HeaderMap,
    content_length: Option<u64>,
) -> RequestView<'a> {
    RequestView {
        method,
        host: "a.example",
        path: "/",
        query: None,
        headers,
        content_length,
        api: API,
        operation: None,
        readings: &[],
    }
}

mod addresses {
    use lockgate_policy::{Country, Place};

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vectors {
        /// What the databases tell, by network.
        places: BTreeMap<String, Told>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Told {
        country: Option<String>,
        network: Option<u32>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        config: ip_filter::Config,
        address: IpAddr,
        verdict: String,
        reason: Option<String>,
    }

    #[test]
    fn ip_filter() {
        let text = include_str!("../../../../tests/vectors/ip_filter.yaml");
        let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
        assert!(vectors.cases.len() > 40);
        for case in vectors.cases {
            let policy = ip_filter::IpFilter::new(&case.config).unwrap();
            let caller = Caller {
                address: case.address,
                peer: case.address,
            };
            let there = vectors.places.iter().find(|(network, _)| {
                let network = Ranges::new(&[network]).unwrap();
                network.contains(case.address)
            });
            let place = there.map_or_else(Place::default, |(_, told)| Place {
                country: told.country.as_deref().and_then(Country::read),
                network: told.network,
                ..Place::default()
            });
            check(
                &case.name,
                &policy.decide(&caller, Some(&place)).unwrap(),
                &case.verdict,
                case.reason.as_deref(),
            );
        }
    }
}

mod bodies {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vectors {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        config: body_limit::Config,
        length: Option<u64>,
        sizes: Option<Vec<usize>>,
        verdict: String,
        reason: Option<String>,
    }

    #[test]
    fn body_limit() {
        let text = include_str!("../../../../tests/vectors/body_limit.yaml");
        let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
        assert!(vectors.cases.len() > 10);
        for case in vectors.cases {
            let policy = body_limit::BodyLimit::new(&case.config);
            let headers = HeaderMap::new();
            let by_head = policy.decide(&view(&Method::POST, &headers, case.length));
            let verdict = match (by_head, &case.sizes) {
                (Verdict::Allow(_), Some(sizes)) => watched(&policy, sizes),
                (verdict, _) => verdict,
            };
            check(&case.name, &verdict, &case.verdict, case.reason.as_deref());
        }
    }

    fn watched(policy: &body_limit::BodyLimit, sizes: &[usize]) -> Verdict {
        let mut counter = policy.watch();
        for size in sizes {
            if let BodyVerdict::Deny(denial) = counter.on_chunk(&Bytes::from(vec![0; *size])) {
                return Verdict::Deny(denial);
            }
        }
        match counter.on_end() {
            BodyVerdict::Deny(denial) => Verdict::Deny(denial),
            _ => Verdict::allow(),
        }
    }
}

mod keys;

mod fields {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vectors {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        config: headers::Config,
        #[serde(default)]
        headers: Vec<(String, String)>,
        client: Option<IpAddr>,
        known: Option<Known>,
        #[serde(default)]
        request: Vec<String>,
        #[serde(default)]
        response: Vec<String>,
        refused: Option<String>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Known {
        owner: String,
        app: Option<String>,
        claims: Option<serde_json::Map<String, serde_json::Value>>,
    }

    #[test]
    fn headers() {
        let text = include_str!("../../../../tests/vectors/headers.yaml");
        let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
        assert!(vectors.cases.len() > 60);
        let keys = [HeaderName::from_static("x-api-key")];
        for case in vectors.cases {
            let policy = match (headers::Headers::new(&case.config, &keys), &case.refused) {
                (Ok(policy), None) => policy,
                (Err(error), Some(code)) => {
                    assert_eq!(error.code, code, "{}", case.name);
                    continue;
                }
                (made, _) => panic!("{}: {:?}", case.name, made.map(drop)),
            };
            let mut sent = HeaderMap::new();
            for (name, value) in &case.headers {
                let name = HeaderName::try_from(name.as_str()).unwrap();
                sent.append(name, HeaderValue::try_from(value.as_str()).unwrap());
            }
            let identity = case.known.map(|known| Identity {
                proved_by: "api_key",
                credential: "key_1".into(),
                owner: known.owner.as_str().into(),
                app: known.app.as_deref().map(Into::into),
                claims: known.claims.map(Arc::new),
            });
            let subject = headers::Subject {
                request_id: "00000000000000000000000000",
                client: case.client.unwrap_or_else(|| [127, 0, 0, 1].into()),
                identity: identity.as_ref(),
                api: API,
                operation: None,
                device: None,
                program: None,
                place: None,
            };
            let Verdict::Allow(edits) = policy.decide(&sent, &subject) else {
                panic!("{}: it allows", case.name);
            };
            assert_eq!(words(&edits.request), case.request, "{}", case.name);
            let answer: Vec<Edit> = policy.answer(&subject).collect();
            assert_eq!(words(&answer), case.response, "{}", case.name);
            assert_eq!(
                policy.changes_answers(),
                !case
                    .config
                    .response
                    .eq(&headers::ResponseChanges::default())
            );
        }
    }

    fn words(edits: &[Edit]) -> Vec<String> {
        let said = |edit: &Edit| match edit {
            Edit::Remove(name) => format!("remove {name}"),
            Edit::Set(name, value) => format!("set {name}: {}", text(value)),
            Edit::Add(name, value) => format!("add {name}: {}", text(value)),
            Edit::RemoveCookie(name) => format!("remove the cookie {name}"),
        };
        edits.iter().map(said).collect()
    }

    fn text(value: &HeaderValue) -> &str {
        std::str::from_utf8(value.as_bytes()).unwrap()
    }
}

mod pages {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vectors {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        config: cors::Config,
        method: Option<String>,
        #[serde(default)]
        headers: Vec<(String, String)>,
        verdict: Option<String>,
        reason: Option<String>,
        #[serde(default)]
        fields: BTreeMap<String, String>,
        refused: Option<String>,
    }

    #[test]
    fn cors() {
        let text = include_str!("../../../../tests/vectors/cors.yaml");
        let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
        assert!(vectors.cases.len() > 60);
        let keys = [HeaderName::from_static("x-api-key")];
        for case in vectors.cases {
            let policy = match (cors::Cors::new(&case.config, &keys), &case.refused) {
                (Ok(policy), None) => policy,
                (Err(error), Some(code)) => {
                    assert_eq!(error.code, code, "{}", case.name);
                    continue;
                }
                (made, _) => panic!("{}: {:?}", case.name, made.map(drop)),
            };
            let mut headers = HeaderMap::new();
            for (name, value) in &case.headers {
                let name = HeaderName::try_from(name.as_str()).unwrap();
                headers.append(name, HeaderValue::try_from(value.as_str()).unwrap());
            }
            let method = case.method.as_deref().unwrap_or("GET").parse().unwrap();
            let verdict = policy.decide(&view(&method, &headers, None));
            check(
                &case.name,
                &verdict,
                case.verdict.as_deref().unwrap(),
                case.reason.as_deref(),
            );
            assert_eq!(fields(&verdict), case.fields, "{}", case.name);
        }
    }

    /// What is said of CORS, to whoever asked.
    fn fields(verdict: &Verdict) -> BTreeMap<String, String> {
        let mut said = HeaderMap::new();
        match verdict {
            Verdict::Respond(response) => said.clone_from(response.headers()),
            Verdict::Allow(edits) => edits.answer.iter().for_each(|edit| edit.apply(&mut said)),
            _ => {}
        }
        let ours = said
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("access-control-"));
        ours.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    }
}

mod sockets {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vectors {
        cases: Vec<Case>,
    }

    /// The part of the file's config that a handshake is judged by.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Said {
        #[serde(default)]
        origins: Vec<String>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        config: Option<Said>,
        method: Option<String>,
        headers: BTreeMap<String, Option<String>>,
        verdict: String,
        reason: Option<String>,
    }

    #[test]
    fn websocket() {
        let text = include_str!("../../../../tests/vectors/websocket.yaml");
        let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
        assert!(vectors.cases.len() > 10);
        for case in vectors.cases {
            // Where an API says nothing, the gate refuses, and no policy is asked.
            let Some(config) = case.config else { continue };
            let policy = websocket::WebSocket::new(&websocket::Config {
                origins: config.origins,
                frame_bytes: 1,
                message_bytes: 1,
                messages: 0,
                idle_ms: 1,
            })
            .unwrap();
            let usual = [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ];
            let mut told: BTreeMap<String, Option<String>> = usual
                .map(|(name, value)| (name.to_owned(), Some(value.to_owned())))
                .into();
            told.extend(case.headers);
            let mut headers = HeaderMap::new();
            for (name, value) in told {
                let Some(value) = value else { continue };
                let name = HeaderName::try_from(name).unwrap();
                headers.append(name, HeaderValue::try_from(value).unwrap());
            }
            let method = case.method.as_deref().unwrap_or("GET").parse().unwrap();
            let verdict = policy.decide(&view(&method, &headers, None));
            check(&case.name, &verdict, &case.verdict, case.reason.as_deref());
        }
    }
}

mod certificates {
    use base64::engine::general_purpose::STANDARD;
    use base64::Engine as _;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vectors {
        now_ms: u64,
        certificates: BTreeMap<String, String>,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        certificate: Option<String>,
        #[serde(default)]
        allow: Vec<serde_json::Value>,
        #[serde(default)]
        known_by: mtls::KnownBy,
        now_ms: Option<u64>,
        verdict: String,
        reason: Option<String>,
        credential: Option<String>,
    }

    #[test]
    fn mtls() {
        let text = include_str!("../../../../tests/vectors/mtls.yaml");
        let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
        assert!(vectors.cases.len() > 40);
        for case in vectors.cases {
            let mut allow = Vec::new();
            for mut wanted in case.allow {
                wanted
                    .as_object_mut()
                    .unwrap()
                    .entry("subject")
                    .or_insert_with(|| serde_json::json!({}));
                allow.push(serde_json::from_value(wanted).unwrap());
            }
            let policy = mtls::Mtls::new(&mtls::Config {
                allow,
                known_by: case.known_by,
            });
            let shown = case.certificate.map(|name| {
                let der = STANDARD.decode(&vectors.certificates[&name]).unwrap();
                mtls::ClientCertificate::read(&[der]).unwrap()
            });
            let now_ms = case.now_ms.unwrap_or(vectors.now_ms);
            let verdict = policy.unwrap().decide(shown.as_ref(), now_ms);
            check(&case.name, &verdict, &case.verdict, case.reason.as_deref());
            if let (Verdict::Identify(identity), Some(credential)) = (&verdict, case.credential) {
                assert_eq!(*identity.credential, *credential, "{}", case.name);
            }
        }
    }
}

mod apps;
mod decided;
mod devices;
mod entitled;
mod opened;
mod proofs;
mod risks;
mod seated;
mod sessions;
mod walked;

mod codings {
    use base64::prelude::{Engine as _, BASE64_STANDARD};
    use http::StatusCode;
    use lockgate_policy::compress::{self, Compress};
    use lockgate_policy::inflate::{self, Inflate};
    use lockgate_policy::ReasonRef;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Packed {
        cases: Vec<PackedCase>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct PackedCase {
        name: String,
        config: SaidOfPacked,
        encoding: Option<String>,
        body: String,
        verdict: String,
        reason: Option<String>,
        at: Option<String>,
        length: Option<usize>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SaidOfPacked {
        codings: Option<Vec<compress::Named>>,
        ratio: Option<u32>,
        layers: Option<u32>,
        window: Option<u64>,
    }

    fn unpacked(plan: Option<inflate::Plan>, body: &[u8]) -> Result<usize, ReasonRef> {
        let Some(plan) = plan else {
            return Ok(body.len());
        };
        let mut inflater = plan.begin()?;
        let mut length = 0;
        for piece in body.chunks(100) {
            inflater.take(Bytes::copy_from_slice(piece))?;
            while let Some(piece) = inflater.unpack()? {
                length += piece.len();
            }
        }
        inflater.end()?;
        Ok(length)
    }

    #[test]
    fn inflate() {
        use compress::Named::{Br, Deflate, Gzip, Zstd};
        let text = include_str!("../../../../tests/vectors/inflate.yaml");
        let vectors: Packed = serde_saphyr::from_str(text).unwrap();
        assert!(vectors.cases.len() > 20);
        for case in vectors.cases {
            let said = case.config;
            let policy = Inflate::new(&inflate::Config {
                codings: said.codings.unwrap_or(vec![Gzip, Deflate, Br, Zstd]),
                ratio: said.ratio.unwrap_or(100),
                layers: said.layers.unwrap_or(1),
                window: said.window.unwrap_or(8 << 20),
            })
            .unwrap();
            let mut headers = HeaderMap::new();
            if let Some(encoding) = &case.encoding {
                let value = HeaderValue::from_str(encoding).unwrap();
                headers.insert("content-encoding", value);
            }
            let body = BASE64_STANDARD.decode(&case.body).unwrap();
            let became = match policy.plan(&view(&Method::POST, &headers, None)) {
                Err(denial) => Err((denial.reason.code, "head")),
                Ok(plan) => unpacked(plan, &body).map_err(|reason| (reason.code, "body")),
            };
            let expected = match (case.length, &case.reason, &case.at) {
                (Some(length), None, None) => Ok(length),
                (None, Some(reason), Some(at)) => Err((&**reason, &**at)),
                _ => panic!("{}: a length, or a reason and where", case.name),
            };
            assert_eq!(became, expected, "{}", case.name);
            assert_eq!(became.is_ok(), case.verdict == "allow", "{}", case.name);
        }
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Plain {
        cases: Vec<PlainCase>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct PlainCase {
        name: String,
        config: Option<SaidOfPlain>,
        request: BTreeMap<String, String>,
        status: Option<u16>,
        answer: BTreeMap<String, String>,
        coding: Option<String>,
        verdict: String,
        #[serde(default)]
        fields: BTreeMap<String, Option<String>>,
    }

    #[derive(Deserialize, Default)]
    #[serde(deny_unknown_fields)]
    struct SaidOfPlain {
        codings: Option<Vec<compress::Named>>,
        types: Option<Vec<String>>,
        min_bytes: Option<u64>,
        unsafe_with_cookies: Option<bool>,
    }

    fn fields(told: &BTreeMap<String, String>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in told {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn compress() {
        use compress::Named::{Br, Gzip, Zstd};
        let text = include_str!("../../../../tests/vectors/compress.yaml");
        let vectors: Plain = serde_saphyr::from_str(text).unwrap();
        assert!(vectors.cases.len() > 20);
        for case in vectors.cases {
            let said = case.config.unwrap_or_default();
            let types = [
                "text/*",
                "application/json",
                "application/*+json",
                "image/svg+xml",
            ];
            let policy = Compress::new(&compress::Config {
                codings: said.codings.unwrap_or(vec![Zstd, Br, Gzip]),
                types: said.types.unwrap_or(types.map(str::to_owned).into()),
                min_bytes: said.min_bytes.unwrap_or(1024),
                gzip_level: 4,
                br_level: 4,
                zstd_level: 3,
                unsafe_with_cookies: said.unsafe_with_cookies.unwrap_or(false),
            })
            .unwrap();
            let request = fields(&case.request);
            let mut answer = fields(&case.answer);
            answer.insert("content-length", HeaderValue::from_static("4000"));
            let asked = policy.asked(&view(&Method::GET, &request, None));
            let status = StatusCode::from_u16(case.status.unwrap_or(200)).unwrap();
            let coding = asked
                .and_then(|asked| policy.make_of((asked, false), status, &mut answer, |_| true));
            let coding = coding.map(|coding| coding.name().to_owned());
            assert_eq!(coding, case.coding, "{}", case.name);
            for (name, value) in case.fields {
                let there = answer
                    .get(name.as_str())
                    .map(|value| value.to_str().unwrap());
                assert_eq!(there, value.as_deref(), "{}: {name}", case.name);
            }
            check(&case.name, &policy.decide(), &case.verdict, None);
        }
    }
}

mod calls {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Vectors {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Said {
        #[serde(default)]
        web: bool,
        only: Option<bool>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        config: Said,
        method: Option<String>,
        headers: BTreeMap<String, String>,
        verdict: String,
        reason: Option<String>,
        /// The gate ends it before the upstream is asked.
        #[serde(default, rename = "late")]
        _late: bool,
    }

    #[test]
    fn grpc() {
        let text = include_str!("../../../../tests/vectors/grpc.yaml");
        let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
        assert!(vectors.cases.len() > 10);
        for case in vectors.cases {
            let policy = grpc::Grpc::new(&grpc::Config {
                message_bytes: 1,
                deadline_ms: 0,
                web: case.config.web,
                only: case.config.only.unwrap_or(true),
            })
            .unwrap();
            let mut headers = HeaderMap::new();
            for (name, value) in case.headers {
                let name = HeaderName::try_from(name).unwrap();
                headers.append(name, HeaderValue::try_from(value).unwrap());
            }
            let method = case.method.as_deref().unwrap_or("POST").parse().unwrap();
            let verdict = policy.decide(&view(&method, &headers, None));
            check(&case.name, &verdict, &case.verdict, case.reason.as_deref());
        }
    }
}
