//! A cookie by which a client keeps its server. It says nothing of the server,
//! and nobody but the gate can make one.

use aws_lc_rs::hmac;
use http::HeaderValue;

use crate::bundle::StickyCookie;

/// Hexadecimal digits of a token: 128 bits.
const DIGITS: usize = 32;

/// How clients are given their servers' tokens.
#[derive(Debug)]
pub struct Sticky {
    /// The cookie's name.
    pub name: String,
    max_age_s: u32,
    key: hmac::Key,
}

impl Sticky {
    /// With a key made of the installation's pepper, so that all its gates agree.
    #[must_use]
    pub fn new(cookie: &StickyCookie, pepper: &hmac::Key) -> Self {
        let own = hmac::sign(pepper, b"lockgate sticky cookies");
        Self {
            name: cookie.name.clone(),
            max_age_s: cookie.max_age_s,
            key: hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()),
        }
    }

    /// The token of a server.
    #[must_use]
    pub fn token(&self, upstream: &str, server: &str) -> Option<HeaderValue> {
        let told = hmac::sign(&self.key, format!("{upstream}\n{server}").as_bytes());
        let digits: String = told
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        HeaderValue::from_str(digits.get(..DIGITS)?).ok()
    }

    /// The `Set-Cookie` of a token. A `secure` one goes over TLS alone (RFC 6265 section 5.2.5).
    #[must_use]
    pub fn set(&self, token: &HeaderValue, secure: bool) -> Option<HeaderValue> {
        let age = match self.max_age_s {
            0 => String::new(),
            seconds => format!("; Max-Age={seconds}"),
        };
        let secure = if secure { "; Secure" } else { "" };
        let token = token.to_str().ok()?;
        HeaderValue::try_from(format!(
            "{}={token}; Path=/; HttpOnly; SameSite=Lax{secure}{age}",
            self.name
        ))
        .ok()
    }
}
