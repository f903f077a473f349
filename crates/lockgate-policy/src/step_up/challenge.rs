//! How a caller is asked for a newer or stronger proof.

use std::fmt::Write;

use http::header::{HeaderValue, LOCATION, WWW_AUTHENTICATE};
use http::Method;

use super::{IMPOSSIBLE, PAGE, WANTED};
use crate::session::{navigates, place, PAGES};
use crate::{introspection, jwt, session, Denial, Identity, RequestView};

/// A longer target is not brought back to.
const TARGET_BYTES: usize = 2_048;

/// What is asked for, in the words of whoever is asked.
#[derive(Debug)]
pub struct Challenge {
    /// What a header says of it (RFC 9470).
    parameters: String,
    /// What the page is told of it.
    query: String,
    within_s: Option<u32>,
}

impl Challenge {
    /// Writes what is asked for: how new the proof must be, in seconds; by which means; of which class.
    ///
    /// # Errors
    /// Where a word is none that a header can say.
    pub fn new(
        within_s: Option<u32>,
        amr: &[String],
        acr: &[String],
    ) -> Result<Self, &'static str> {
        let plain = |text: &String| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_graphic())
                && !text.contains(['"', '\\'])
        };
        if !amr.iter().chain(acr).all(plain) {
            return Err("`amr` and `acr` are plain words without blanks and quotes");
        }
        let mut parameters = "error=\"insufficient_user_authentication\", \
                              error_description=\"A newer or stronger authentication is wanted.\""
            .to_owned();
        let mut query = String::new();
        if !acr.is_empty() {
            let _ = write!(parameters, ", acr_values=\"{}\"", acr.join(" "));
            let _ = write!(query, "&acr={}", place::escaped(&acr.join(" ")));
        }
        if !amr.is_empty() {
            let _ = write!(query, "&amr={}", place::escaped(&amr.join(" ")));
        }
        Ok(Self {
            parameters,
            query,
            within_s,
        })
    }

    /// A refusal that asks for it: `why` it is wanted, and the sign-in whose pages a browser is sent to. `since` are
    /// the second which the proof must be newer than, and this one, where that is asked for.
    #[must_use]
    pub fn ask(
        &self,
        why: &'static str,
        view: &RequestView<'_>,
        identity: Option<&Identity>,
        sign_in: Option<&str>,
        since: Option<(u64, u64)>,
    ) -> Denial {
        let (parameters, query) = self.written(since);
        let by = identity.map(|identity| identity.proved_by);
        let challenge = match (by, sign_in) {
            (Some(session::NAME), Some(name)) => {
                let page = format!("{PAGES}/{name}/step-up");
                let form = view.headers.get("sec-fetch-mode");
                let form =
                    form.is_some_and(|mode| mode == "navigate") && *view.method == Method::POST;
                if form || navigates(view.method, view.headers) {
                    // What a form had in it is lost: its page is come back to, where the browser says which.
                    let to = match form {
                        true => place::before(view, TARGET_BYTES),
                        false => place::target(view, TARGET_BYTES),
                    };
                    let location = format!("{page}?to={to}{query}");
                    if let Ok(location) = HeaderValue::try_from(location) {
                        return Denial::new(&PAGE).detail(why).header(LOCATION, location);
                    }
                }
                format!("Session url=\"{page}\", {parameters}")
            }
            (Some(jwt::NAME | introspection::NAME) | None, _) => {
                format!("Bearer {parameters}")
            }
            // A key, a password that comes with the request, or a certificate is a program's: nobody is there who could prove more.
            _ => {
                return Denial::new(&IMPOSSIBLE)
                    .detail("it came with a key, a password or a certificate")
            }
        };
        let denial = Denial::new(&WANTED).detail(why);
        match HeaderValue::try_from(challenge) {
            Ok(challenge) => denial.header(WWW_AUTHENTICATE, challenge),
            Err(_) => denial,
        }
    }

    /// What a header and the page say, with how new it must be.
    fn written(&self, since: Option<(u64, u64)>) -> (String, String) {
        let (mut parameters, mut query) = (self.parameters.clone(), self.query.clone());
        let within_s = match since {
            // A provider that would answer by what it knows from before is asked to look again.
            Some((since_s, now_s)) => {
                let age = u32::try_from(now_s.saturating_sub(since_s)).unwrap_or(u32::MAX);
                self.within_s.map(|within| within.min(age))
            }
            None => self.within_s,
        };
        if let Some(seconds) = within_s {
            let _ = write!(parameters, ", max_age=\"{seconds}\"");
        }
        if let Some(seconds) = self.within_s {
            let _ = write!(query, "&within={seconds}");
        }
        if let Some((since_s, _)) = since {
            let _ = write!(query, "&since={since_s}");
        }
        (parameters, query)
    }
}
