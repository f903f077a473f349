//! Canaries: requests that are attacks beyond doubt, judged by the very engine
//! that judges traffic. One that is let through says that the guard does not
//! guard, or is told not to.

use std::net::IpAddr;

use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Version};
use lockgate_waf::engine::{Inspection, Progress};

use super::{verdict, Arrived, Config, Waf};

/// An attack that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canary {
    /// What it is: `sql-injection`.
    pub name: &'static str,
    /// Where it stands: `query` or `body`.
    pub place: &'static str,
    method: &'static str,
    target: &'static str,
    body: &'static [u8],
}

/// What is tried: three attacks that every rule set and every detector of worth
/// knows, each in the query and in a JSON body.
pub const CANARIES: [Canary; 6] = [
    in_query(
        "sql-injection",
        "/?lockgate_canary=1%27%20UNION%20SELECT%20user%2Cpassword%20FROM%20users--%20-",
    ),
    in_query(
        "xss",
        "/?lockgate_canary=%3Cscript%3Ealert(document.cookie)%3C%2Fscript%3E",
    ),
    in_query(
        "path-traversal",
        "/?lockgate_canary=..%2F..%2F..%2F..%2Fetc%2Fpasswd",
    ),
    in_body(
        "sql-injection",
        br#"{"lockgate_canary":"1' UNION SELECT user,password FROM users-- -"}"#,
    ),
    in_body(
        "xss",
        br#"{"lockgate_canary":"<script>alert(document.cookie)</script>"}"#,
    ),
    in_body(
        "path-traversal",
        br#"{"lockgate_canary":"../../../../etc/passwd"}"#,
    ),
];

const fn in_query(name: &'static str, target: &'static str) -> Canary {
    Canary {
        name,
        place: "query",
        method: "GET",
        target,
        body: b"",
    }
}

const fn in_body(name: &'static str, body: &'static [u8]) -> Canary {
    Canary {
        name,
        place: "body",
        method: "POST",
        target: "/",
        body,
    }
}

/// What became of a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was refused, as it must be.
    Refused,
    /// It was found, and scored less than what the configuration refuses from.
    Below {
        /// Its score.
        score: u32,
        /// What is refused from.
        threshold: u32,
    },
    /// It is refused without exclusions; these hold for every value, or are all there are.
    Excluded(Vec<String>),
    /// It was not found, and of a hundred requests so many are looked at.
    Sampled(String),
    /// It was not found. Nothing in the configuration explains it.
    Missed,
}

/// What of a configuration lets an attack through because somebody wants that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lenient {
    /// Exclusions that hold for every value; all, where none does.
    excluded: Vec<String>,
    /// When no exclusion holds any more, milliseconds since the epoch.
    ended_ms: u64,
    sampling: Option<String>,
}

impl Lenient {
    pub(super) fn of(config: &Config) -> Self {
        let wide = |said: &Option<String>| said.as_ref().is_none_or(|said| said.contains('*'));
        let all = || config.exclude.iter();
        let mut excluded: Vec<String> = all()
            .filter(|one| wide(&one.at) && wide(&one.request))
            .map(|one| one.rule.clone())
            .collect();
        if excluded.is_empty() {
            excluded = all().map(|one| one.rule.clone()).collect();
        }
        let mut named = std::collections::BTreeSet::new();
        excluded.retain(|rule| named.insert(rule.clone()));
        let sampling = config.variables.get("sampling_percentage");
        Self {
            excluded,
            ended_ms: all().map(|one| one.waiver.until_ms).max().unwrap_or(0),
            sampling: sampling.filter(|share| *share != "100").cloned(),
        }
    }
}

impl Waf {
    /// Tries one canary, as if it had arrived at `now_ms`.
    #[must_use]
    pub fn try_canary(&self, canary: &Canary, now_ms: u64) -> Fate {
        let Some((score, threshold)) = self.passes(canary, now_ms) else {
            return Fate::Refused;
        };
        // Once their time is over, exclusions leave nothing out: then it tells what they do.
        let ended = self.lenient.ended_ms;
        if ended > now_ms && self.passes(canary, ended).is_none() {
            return Fate::Excluded(self.lenient.excluded.clone());
        }
        if score > 0 && score < threshold {
            return Fate::Below { score, threshold };
        }
        match &self.lenient.sampling {
            Some(share) => Fate::Sampled(share.clone()),
            None => Fate::Missed,
        }
    }

    /// Up to which level of paranoia rules count once all of them have run, where
    /// they count by levels: a rule may set another one than the configuration.
    #[must_use]
    pub fn paranoia(&self, now_ms: u64) -> Option<u8> {
        let harmless = Canary {
            name: "",
            place: "",
            method: "GET",
            target: "/",
            body: b"",
        };
        self.judged(&harmless, now_ms).paranoia()
    }

    /// Its score and the threshold where it is let through; nothing where it is refused.
    fn passes(&self, canary: &Canary, now_ms: u64) -> Option<(u32, u32)> {
        let inspection = self.judged(canary, now_ms);
        verdict(&inspection).ok().map(|()| inspection.score())
    }

    fn judged(&self, canary: &Canary, now_ms: u64) -> Inspection {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("canary.example"));
        headers.insert(USER_AGENT, HeaderValue::from_static("Mozilla/5.0"));
        if !canary.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut inspection = self.begin(&Arrived {
            method: canary.method,
            target: canary.target,
            path: canary.target.split('?').next().unwrap_or_default(),
            version: Version::HTTP_11,
            headers: &headers,
            client: IpAddr::from([127, 0, 0, 1]),
            port: 80,
            id: "canary",
            now_ms,
        });
        while inspection.request_head() == Progress::More {}
        if verdict(&inspection).is_ok() {
            while inspection.body(canary.body, true) == Progress::More {}
            while inspection.request_body() == Progress::More {}
        }
        inspection
    }

    /// How many rules there are, and how many of them the configuration leaves to run.
    #[must_use]
    pub fn rules(&self) -> (usize, usize) {
        self.engine.rules()
    }
}
