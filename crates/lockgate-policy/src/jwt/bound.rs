//! Tokens that are worth nothing without a key (RFC 7800): bound to the key of a proof
//! (DPoP, RFC 9449) or to the certificate of the handshake (RFC 8705). Whoever steals
//! such a token has stolen nothing.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::reasons::{BOUND, CERTIFICATE};
use super::refusal::refuse;
use crate::mtls::ClientCertificate;
use crate::Denial;

/// How a token can be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// To a key of which each request carries a proof.
    Dpop,
    /// To a certificate.
    Mtls,
}

/// What a request shows beside its token.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown<'a> {
    /// The certificate of its connection, which TLS trusts.
    pub certificate: Option<&'a ClientCertificate>,
    /// Whether the client spoke TLS.
    pub secure: bool,
    /// The host that it asked for, with its port where it names one.
    pub authority: &'a str,
    /// The port that it came to, where a trusted proxy tells.
    pub port: Option<&'a str>,
    /// Path and query, as they arrived.
    pub target: &'a str,
    /// Whether its proof was judged before, when what is still open began.
    pub again: bool,
}

/// To what a token says that it is bound.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Bound<'c> {
    /// The thumbprint of a proof's key (RFC 9449 section 6.1).
    pub key: Option<&'c str>,
    /// The SHA-256 of a certificate.
    pub certificate: Option<[u8; 32]>,
}

impl<'c> Bound<'c> {
    /// What the claims say. Of what is not known nobody can say that it was proved.
    pub fn read(claims: &'c Map<String, Value>) -> Result<Self, Denial> {
        let Some(cnf) = claims.get("cnf") else {
            return Ok(Self::default());
        };
        let mut bound = Self::default();
        for (name, value) in cnf.as_object().into_iter().flatten() {
            match (name.as_str(), value.as_str()) {
                ("jkt", Some(jkt)) => bound.key = Some(jkt),
                ("x5t#S256", Some(thumbprint)) => {
                    let decoded = URL_SAFE_NO_PAD.decode(thumbprint).ok();
                    bound.certificate = decoded.and_then(|bytes| bytes.try_into().ok());
                    if bound.certificate.is_none() {
                        return Err(refuse(&BOUND, "its `x5t#S256` is no SHA-256"));
                    }
                }
                _ => return Err(refuse(&BOUND, "its `cnf` is of a kind that is not known")),
            }
        }
        if bound == Self::default() {
            return Err(refuse(&BOUND, "its `cnf` names no key"));
        }
        Ok(bound)
    }

    /// Whether it is bound in this way.
    pub const fn is(&self, binding: Binding) -> bool {
        match binding {
            Binding::Dpop => self.key.is_some(),
            Binding::Mtls => self.certificate.is_some(),
        }
    }

    /// Holds the certificate of the connection against that of the token.
    pub fn check_certificate(&self, shown: &Shown<'_>) -> Result<(), Denial> {
        let Some(wanted) = &self.certificate else {
            return Ok(());
        };
        match shown.certificate {
            None => Err(refuse(&CERTIFICATE, "the connection showed no certificate")),
            Some(certificate) if certificate.fingerprint() == *wanted => Ok(()),
            Some(_) => Err(refuse(&CERTIFICATE, "the connection showed another one")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(cnf: Value) -> Result<(bool, bool), &'static str> {
        let claims = json!({ "cnf": cnf });
        let bound = Bound::read(claims.as_object().unwrap());
        bound
            .map(|bound| (bound.is(Binding::Dpop), bound.is(Binding::Mtls)))
            .map_err(|denial| denial.reason.code)
    }

    #[test]
    fn a_token_says_to_what_it_is_bound() {
        let none = Map::new();
        assert_eq!(Bound::read(&none).unwrap(), Bound::default());
        let certificate = URL_SAFE_NO_PAD.encode([7; 32]);
        assert_eq!(read(json!({"jkt": "k"})), Ok((true, false)));
        assert_eq!(read(json!({"x5t#S256": certificate})), Ok((false, true)));
        let both = json!({"jkt": "k", "x5t#S256": certificate});
        assert_eq!(read(both), Ok((true, true)));
    }

    #[test]
    fn what_nobody_can_prove_is_refused() {
        for cnf in [
            json!({}),
            json!(null),
            json!("k"),
            json!({"jkt": 7}),
            json!({"jwk": {}}),
            json!({"kid": "k"}),
            json!({"jkt": "k", "kid": "k"}),
            json!({"x5t#S256": "short"}),
            json!({"x5t#S256": "="}),
        ] {
            assert_eq!(read(cnf.clone()), Err("jwt-bound"), "{cnf}");
        }
    }
}
