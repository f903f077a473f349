//! Whose request it is: the normal form, the API, the version and the upstream.

use std::borrow::Cow;

use http::header::{HeaderValue, ALLOW};
use http::uri::PathAndQuery;
use http::Method;
use lockgate_policy::{cors, Denial, Verdict};
use lockgate_wire::headers::forwarded::Told;
use lockgate_wire::query;
use lockgate_wire::target::{self, normalize_host};

use super::own::{keys, reserved};
use super::{End, Judging, RESERVED};
use crate::bundle::Duplicates;
use crate::normal::{self, Fold, Located};
use crate::reasons;
use crate::route::{Asked, Found, Matched};
use crate::snapshot::Forwarding;
use crate::split::Chooser;
use crate::versions;

impl<'s, 'a> Judging<'s, 'a, '_> {
    pub(super) fn route(&mut self) -> Result<(), Denial> {
        // Methods differ by their letters (RFC 9110 section 9.1), and servers that fold them are many:
        // what no rule for POST would look at must not arrive as one.
        let method = self.arrival.method.as_str();
        if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(Denial::new(&reasons::METHOD_CASE));
        }
        let listener = self.arrival.listener;
        let peer = self.arrival.peer.to_canonical();
        self.judgement.client = peer;
        if listener.trusts(peer) {
            self.judgement.proxy = true;
            let trusts = |ip| listener.trusts_named(ip);
            let told = Told::read(self.arrival.headers, peer, trusts)?;
            self.judgement.client = told.client().unwrap_or(peer);
            self.judgement.proxy = told.client().is_none_or(trusts);
            self.judgement.told = Some(Box::new(told));
        }
        // HTTP/1.0 knows no Host: then only APIs for any host answer.
        if !self.arrival.host.is_empty() {
            self.host = normalize_host(self.arrival.host)?.name;
        }
        let target = self.arrival.target;
        let query = memchr::memchr(b'?', target.as_bytes()).map(|at| &target[at + 1..]);
        let asked = Asked {
            method: self.arrival.method,
            headers: self.arrival.headers,
            query,
        };
        let Located {
            normal,
            found,
            readings,
        } = match self.preflight(&asked) {
            Some(located) => located,
            None => normal::find(self.snapshot, &self.host, target, &asked)?,
        };
        self.path = normal.path;
        self.query = normal.query.map(Cow::Borrowed);
        let mut changed = normal.changed;
        if let Found::Route(matched) = &found {
            changed |= self.single_parameters(*matched)?;
        }
        if changed {
            self.judgement.rewritten = Some(match &self.query {
                Some(query) => format!("{}?{query}", self.path),
                None => self.path.to_string(),
            });
        }
        if self.arrival.listener.redirect_port != 0 {
            self.judgement.end = self.to_https()?;
            return Ok(());
        }
        let rest = self.path.strip_prefix(RESERVED);
        let own = match &found {
            Found::Route(matched) => self.snapshot.apis.get(matched.api).map(|api| api.own),
            _ => None,
        };
        let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with('/'));
        if let Some(rest) = rest.filter(|_| own != Some(true)) {
            let signer = self.snapshot.signer.as_deref();
            self.judgement.end = match signer.filter(|_| rest == "/jwks.json") {
                Some(signer) => keys(signer),
                None => reserved(rest)?,
            };
            return Ok(());
        }
        match found {
            Found::Route(matched) => {
                self.judgement.matched = Some(matched);
                if let Some(Forwarding::One(upstream)) = self.api().map(|api| &api.forwarding) {
                    self.judgement.upstream = Some(*upstream);
                }
                self.version(matched);
                self.one_version(&readings)?;
                self.outgoing(matched)?;
                self.judgement.operation = self.operation_of(&self.path);
                self.capture();
                self.readings = readings
                    .into_iter()
                    .map(|fold| self.reading(fold.path))
                    .collect();
                self.insecure()
            }
            Found::MethodNotAllowed(allow) => {
                let denial = Denial::new(&reasons::METHOD_NOT_ALLOWED);
                Err(match HeaderValue::from_str(allow) {
                    Ok(value) => denial.header(ALLOW, value),
                    Err(_) => denial,
                })
            }
            Found::Unmatched => Err(Denial::new(&reasons::NOT_MATCHED)),
            Found::Ambiguous => Err(Denial::new(&reasons::MATCH_AMBIGUOUS)),
            Found::Nothing => Err(Denial::new(&reasons::NO_ROUTE)),
        }
    }

    /// Treats a parameter that is there twice as the API wants it; whether that
    /// changed the query.
    fn single_parameters(&mut self, matched: Matched) -> Result<bool, Denial> {
        let api = self.snapshot.apis.get(matched.api);
        let duplicates = api.map_or(Duplicates::Keep, |api| api.duplicates);
        let Some(query) = self
            .query
            .as_deref()
            .filter(|_| duplicates != Duplicates::Keep)
        else {
            return Ok(false);
        };
        if query::duplicate(query).is_none() {
            return Ok(false);
        }
        if duplicates == Duplicates::Reject {
            return Err(Denial::new(&reasons::DUPLICATE_PARAMETER));
        }
        let single = query::without_duplicates(query, duplicates == Duplicates::Last);
        // What stands behind a `;` is nothing that could be taken out without a guess.
        if query::duplicate(&single).is_some() {
            return Err(Denial::new(&reasons::DUPLICATE_PARAMETER));
        }
        self.query = Some(Cow::Owned(single));
        Ok(true)
    }

    /// A browser's preflight goes to the API that the request which it asks about
    /// would go to, where that answers preflights.
    fn preflight(&self, asked: &Asked<'_>) -> Option<Located<'s, 'a>> {
        let question = cors::preflight(asked.method, asked.headers)?;
        let method = Method::from_bytes(question.as_bytes()).ok()?;
        let asked = Asked {
            method: &method,
            ..*asked
        };
        let located = normal::find(self.snapshot, &self.host, self.arrival.target, &asked).ok()?;
        let Found::Route(matched) = &located.found else {
            return None;
        };
        let api = self.snapshot.apis.get(matched.api)?;
        api.answers_preflights(self.now_ms).then_some(located)
    }

    /// The upstream gets what was judged, less the prefix where that is taken off.
    fn outgoing(&mut self, matched: Matched) -> Result<(), Denial> {
        let stripped = self.stripped(matched);
        if self.judgement.rewritten.is_none() && stripped == 0 {
            return Ok(());
        }
        let rest = target::after_match(&self.path, stripped);
        let root = if rest.starts_with('/') || rest == "*" {
            ""
        } else {
            "/"
        };
        let text = match &self.query {
            Some(query) => format!("{root}{rest}?{query}"),
            None => format!("{root}{rest}"),
        };
        // Never what arrived in place of what was judged: what cannot be sent is refused.
        let outgoing = PathAndQuery::try_from(text).map_err(|_| &target::reasons::FORM)?;
        self.judgement.outgoing = Some(outgoing);
        Ok(())
    }

    /// Once all agree that it goes on: where to, which may depend on who calls.
    pub(super) fn choose_upstream(&mut self) {
        if !matches!(self.judgement.end, End::Forward) || self.judgement.upstream.is_some() {
            return;
        }
        let Some(Forwarding::Split(split)) = self.api().map(|api| &api.forwarding) else {
            return;
        };
        let (upstream, by) = split.choose(&Chooser {
            headers: self.arrival.headers,
            query: self.query.as_deref(),
            identity: self.judgement.identity.as_ref(),
            client: self.judgement.client,
            request: self.arrival.id,
        });
        self.judgement.upstream = Some(upstream);
        self.judgement.chosen_by = by;
        if let Err(denial) = self.insecure() {
            self.judgement.end = End::Refuse(denial);
        }
    }

    /// Which version is asked for, where that goes, and what is said of its end.
    fn version(&mut self, matched: Matched) {
        let Some(listed) = self.api().and_then(|api| api.versions.as_ref()) else {
            return;
        };
        let rest = target::after_match(&self.path, matched.prefix);
        let form = target::for_matching(rest);
        self.asked = listed.asked(&form, self.query.as_deref(), self.arrival.headers);
        let versions::Asked::Version { number, .. } = self.asked else {
            return;
        };
        let Some(version) = listed.get(number) else {
            return;
        };
        self.judgement.version = Some(number);
        if version.upstream.is_some() {
            self.judgement.upstream = version.upstream;
        }
        if !version.answer_edits.is_empty() {
            let prefix = self.path.len() - rest.len();
            let link = listed.successor(number, &self.path, prefix, self.query.as_deref());
            let edits = &mut self.judgement.answer_edits;
            edits.extend(version.answer_edits.iter().cloned());
            edits.extend(link);
        }
    }

    /// Refuses a path in which another reader would find another version.
    fn one_version(&self, readings: &[Fold]) -> Result<(), Denial> {
        let Some(listed) = self.api().and_then(|api| api.versions.as_ref()) else {
            return Ok(());
        };
        let differs = readings.iter().any(|fold| {
            let rest = fold.prefix.and_then(|prefix| fold.path.get(prefix..));
            rest.is_some_and(|rest| {
                listed.asked(rest, self.query.as_deref(), self.arrival.headers) != self.asked
            })
        });
        if differs {
            return Err(Denial::new(&reasons::TARGET_AMBIGUOUS));
        }
        Ok(())
    }

    /// Whether the version is served.
    pub(super) fn served(&self) -> Verdict {
        let listed = self.api().and_then(|api| api.versions.as_ref());
        match listed.map_or(Ok(()), |listed| listed.serve(self.asked, self.now_ms)) {
            Ok(()) => Verdict::allow(),
            Err(denial) => Verdict::Deny(denial),
        }
    }

    /// Bytes of the path, in the form that is matched, that the upstream does not get.
    pub(super) fn stripped(&self, matched: Matched) -> usize {
        let segment = match self.asked {
            versions::Asked::Version { segment, .. } => segment,
            _ => 0,
        };
        match self.api() {
            Some(api) if api.strip_path => matched.prefix + segment,
            _ => 0,
        }
    }
}
