#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair, ECDSA_P256_SHA256_FIXED_SIGNING};
use http::Method;
use serde_json::json;

use super::*;

const NOW: u64 = 1_800_000_000_000;
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

struct Client(EcdsaKeyPair);

impl Client {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..])})
    }

    fn thumbprint(&self) -> String {
        jwk::thumbprint(self.jwk().as_object().unwrap()).unwrap()
    }

    fn proof(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = self
            .0
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", b64(signature))
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()})
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(text.as_bytes());
    hash.finish().as_ref().try_into().unwrap()
}

fn claims() -> Value {
    json!({
        "jti": "e1j3V_bKic8-LAEB", "htm": "GET", "htu": "https://shop.example.com/orders/7",
        "iat": NOW / 1000, "ath": b64(sha256(TOKEN)),
    })
}

fn nonces() -> Nonces {
    Nonces::of(&hmac::Key::new(hmac::HMAC_SHA256, b"pepper"))
}

struct Asked {
    headers: HeaderMap,
    path: &'static str,
    target: &'static str,
    authority: &'static str,
    port: Option<&'static str>,
    secure: bool,
    nonce: bool,
    now_ms: u64,
}

impl Asked {
    fn with(proofs: &[&str]) -> Self {
        let mut headers = HeaderMap::new();
        for proof in proofs {
            headers.append(DPOP, HeaderValue::from_str(proof).unwrap());
        }
        Self {
            headers,
            path: "/orders/7",
            target: "/orders/7?q=1",
            authority: "shop.example.com",
            port: None,
            secure: true,
            nonce: false,
            now_ms: NOW,
        }
    }

    fn check(&self, client: &Client) -> Result<Holds, Denial> {
        let view = RequestView {
            method: &Method::GET,
            host: "shop.example.com",
            path: self.path,
            query: None,
            headers: &self.headers,
            content_length: None,
            api: "shop",
            operation: None,
            readings: &[],
        };
        let shown = Shown {
            certificate: None,
            secure: self.secure,
            authority: self.authority,
            port: self.port,
            target: self.target,
            again: false,
        };
        let wanted = Wanted {
            rules: ProofRules {
                max_age_ms: 60_000,
                nonce: self.nonce,
            },
            nonces: &nonces(),
            skew_ms: 30_000,
            key: &client.thumbprint(),
            token: &sha256(TOKEN),
        };
        wanted.check(&view, &shown, self.now_ms)
    }

    fn said(&self, client: &Client) -> String {
        match self.check(client) {
            Ok(_) => "holds".to_owned(),
            Err(denial) => denial.detail.unwrap().into_owned(),
        }
    }
}

#[test]
fn a_proof_holds_for_its_request_and_is_known_again() {
    let client = Client::new();
    let proof = client.proof(&client.header(), &claims());
    let first = Asked::with(&[&proof]).check(&client).unwrap();
    assert_eq!(first.until_ms, NOW + 90_000);
    let again = client.proof(&client.header(), &claims());
    let second = Asked::with(&[&again]).check(&client).unwrap();
    assert_eq!(first.mark, second.mark, "signed anew, of the same name");
    let mut other = claims();
    other["jti"] = json!("another");
    let other = client.proof(&client.header(), &other);
    let other = Asked::with(&[&other]).check(&client).unwrap();
    assert_ne!(first.mark, other.mark);
}

#[test]
fn every_part_of_a_proof_is_held_against_the_request() {
    let client = Client::new();
    let wrong = [
        ("htm", json!("POST"), "`htm`"),
        ("htm", json!("get"), "`htm`"),
        ("htm", Value::Null, "`htm`"),
        ("htu", json!("https://shop.example.com/orders/8"), "`htu`"),
        ("htu", json!("http://shop.example.com/orders/7"), "`htu`"),
        ("htu", json!("https://evil.example/orders/7"), "`htu`"),
        (
            "htu",
            json!("https://shop.example.com:8443/orders/7"),
            "`htu`",
        ),
        (
            "htu",
            json!("https://ann@shop.example.com/orders/7"),
            "`htu`",
        ),
        ("htu", json!("/orders/7"), "`htu`"),
        ("ath", json!(b64(sha256("another token"))), "`ath`"),
        ("ath", Value::Null, "`ath`"),
        ("jti", json!(""), "`jti`"),
        ("jti", json!("x".repeat(257)), "`jti`"),
        ("jti", Value::Null, "`jti`"),
        ("iat", Value::Null, "`iat`"),
        ("iat", json!("now"), "`iat`"),
        ("iat", json!(NOW / 1000 - 90), "too long ago"),
        ("iat", json!(NOW / 1000 + 31), "ahead"),
    ];
    for (name, value, said) in wrong {
        let mut claims = claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            ref value => claims[name] = value.clone(),
        }
        let proof = client.proof(&client.header(), &claims);
        let found = Asked::with(&[&proof]).said(&client);
        assert!(found.contains(said), "{name} {value}: {found}");
    }
    for (name, value, said) in [
        ("typ", json!("JWT"), "`typ`"),
        ("typ", Value::Null, "`typ`"),
        ("alg", json!("none"), "`alg`"),
        ("alg", json!("HS256"), "`alg`"),
        ("alg", json!("ES384"), "another kind"),
        ("jwk", Value::Null, "`jwk`"),
        ("jwk", Client::new().jwk(), "not the one"),
        ("crit", json!(["x"]), "`crit`"),
    ] {
        let mut header = client.header();
        match value {
            Value::Null => drop(header.as_object_mut().unwrap().remove(name)),
            ref value => header[name] = value.clone(),
        }
        let proof = client.proof(&header, &claims());
        let found = Asked::with(&[&proof]).said(&client);
        assert!(found.contains(said), "{name} {value}: {found}");
    }
    // The key comes with its private part: whoever does that has none any more.
    let mut header = client.header();
    header["jwk"]["d"] = json!("secret");
    let proof = client.proof(&header, &claims());
    assert!(Asked::with(&[&proof])
        .said(&client)
        .contains("private part"));
    // Another key's signature, under this one's name.
    let proof = Client::new().proof(&client.header(), &claims());
    assert!(Asked::with(&[&proof]).said(&client).contains("signature"));
}

#[test]
fn there_is_one_proof_and_it_is_short() {
    let client = Client::new();
    let proof = client.proof(&client.header(), &claims());
    let missing = Asked::with(&[]).check(&client).unwrap_err();
    assert_eq!(missing.reason.code, "jwt-proof-missing");
    let challenge = missing.headers[0].1.to_str().unwrap();
    assert!(
        challenge.starts_with("DPoP error=\"invalid_dpop_proof\""),
        "{challenge}"
    );
    assert!(challenge.contains("algs=\"RS256 "), "{challenge}");
    assert!(Asked::with(&[&proof, &proof]).said(&client).contains("two"));
    let long = "x".repeat(PROOF_BYTES + 1);
    assert!(Asked::with(&[&long]).said(&client).contains("too long"));
    for broken in ["", "a.b", "a.b.c", "a.b.c.d.e"] {
        assert_ne!(Asked::with(&[broken]).said(&client), "holds");
    }
}

#[test]
fn an_address_may_be_written_in_several_ways() {
    let client = Client::new();
    let good = [
        "HTTPS://SHOP.example.com/orders/7",
        "https://shop.example.com:443/orders/7",
        "https://shop.example.com/orders/%37",
        "https://shop.example.com/orders/7?x=y#z",
        "https://shop.example.com./orders/7",
    ];
    for htu in good {
        let mut claims = claims();
        claims["htu"] = json!(htu);
        let proof = client.proof(&client.header(), &claims);
        assert_eq!(Asked::with(&[&proof]).said(&client), "holds", "{htu}");
    }
    let at = |htu: &str, change: &dyn Fn(&mut Asked)| {
        let mut claims = claims();
        claims["htu"] = json!(htu);
        let proof = client.proof(&client.header(), &claims);
        let mut asked = Asked::with(&[&proof]);
        change(&mut asked);
        asked.said(&client) == "holds"
    };
    assert!(at("https://shop.example.com", &|asked| {
        (asked.path, asked.target) = ("/", "/");
    }));
    assert!(at("http://127.0.0.1:8080/orders/7", &|asked| {
        (asked.authority, asked.secure) = ("127.0.0.1:8080", false);
    }));
    // What a trusted proxy tells counts, and not the port that it came to itself.
    assert!(at("https://shop.example.com/orders/7", &|asked| {
        (asked.authority, asked.port) = ("shop.example.com:9443", Some("443"));
    }));
    // As it arrived, if it is that to the letter.
    assert!(at("https://shop.example.com/a%2Fb", &|asked| {
        (asked.path, asked.target) = ("/a%2Fb", "/a%2Fb?c");
    }));
    assert!(!at("https://shop.example.com/a/b", &|asked| {
        (asked.path, asked.target) = ("/a%2Fb", "/a%2Fb");
    }));
}

#[test]
fn a_nonce_of_the_gates_own_takes_the_place_of_the_clients_clock() {
    let client = Client::new();
    let with = |nonce: &str, iat: u64| {
        let mut claims = claims();
        claims["nonce"] = json!(nonce);
        claims["iat"] = json!(iat);
        let mut asked = Asked::with(&[&client.proof(&client.header(), &claims)]);
        asked.nonce = true;
        asked
    };
    let mut without = Asked::with(&[&client.proof(&client.header(), &claims())]);
    without.nonce = true;
    let denial = without.check(&client).unwrap_err();
    assert_eq!(denial.reason.code, "jwt-proof-nonce");
    let header = |name: &str| {
        let found = denial.headers.iter().find(|(other, _)| other == name);
        found.unwrap().1.to_str().unwrap().to_owned()
    };
    assert!(header("www-authenticate").contains("use_dpop_nonce"));
    let nonce = header("dpop-nonce");
    assert_eq!(nonce, nonces().current(NOW));
    // Its clock is an hour behind.
    let holds = with(&nonce, NOW / 1000 - 3600).check(&client).unwrap();
    assert!(holds.until_ms > NOW + NONCE_MS && holds.until_ms <= NOW + 2 * NONCE_MS);
    let mut late = with(&nonce, NOW / 1000);
    late.now_ms = holds.until_ms - 1;
    assert!(late.check(&client).is_ok());
    late.now_ms = holds.until_ms;
    assert_eq!(
        late.check(&client).unwrap_err().reason.code,
        "jwt-proof-nonce"
    );
    // One that nobody gave out, and one of a time to come.
    let ahead = nonces().current(NOW + NONCE_MS);
    for nonce in ["", "AAAA", "eyJuZXZlciI6ImdpdmVuIG91dCJ9", &ahead] {
        let denial = with(nonce, NOW / 1000).check(&client).unwrap_err();
        assert_eq!(denial.reason.code, "jwt-proof-nonce", "{nonce}");
    }
    let others = Nonces::of(&hmac::Key::new(hmac::HMAC_SHA256, b"another installation"));
    let denial = with(&others.current(NOW), NOW / 1000).check(&client);
    assert_eq!(denial.unwrap_err().reason.code, "jwt-proof-nonce");
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    // RFC 9449 section 6.1.
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    });
    let thumbprint = jwk::thumbprint(jwk.as_object().unwrap()).unwrap();
    assert_eq!(thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    // RFC 7638 section 3.1.
    let rsa = json!({
        "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    let thumbprint = jwk::thumbprint(rsa.as_object().unwrap()).unwrap();
    assert_eq!(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}
