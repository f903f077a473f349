//! Who may call what: of each API and route each operation, and where there is no document each
//! part that rules name. For each a request is made up, and the policies are asked about it that
//! judge requests: there is no second copy of what they decide.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use lockgate_policy::roles::Holder;
use lockgate_policy::{Mode, Waiver};
use serde::Serialize;

use super::{Engine, Place, Told};
use crate::bundle::{Api, ApiDocument, Attached, Bundle};
use crate::clock::wall_ms;
use crate::gate::GateError;
use crate::head::Head;
use crate::judge::{Access, Arrival, Behind, Judgement, Judging, MayCall, Said, Way};
use crate::operations::Operation;
use crate::snapshot::CompiledListener;

mod named;
mod sample;

use named::named;
pub use sample::Sample;
use sample::{filled, places, sample, SEGMENTS};

/// A part of an API, and who may call it.
#[derive(Debug, Default, Serialize)]
pub struct Part {
    /// The API.
    pub api: String,
    /// The route of the API that it comes to; none for the API itself.
    pub route: Option<String>,
    /// The version of the API.
    pub version: Option<String>,
    /// The operation of its document; none where no document has it.
    pub operation: Option<String>,
    /// Its method; `*` for those that no rule names.
    pub method: String,
    /// Its path, as a pattern.
    pub path: String,
    /// Whether it is what nothing else names.
    pub rest: bool,
    /// Where that is said.
    pub span: Place,
    /// A request for it.
    pub request: Option<Sample>,
    /// Who may call it, in a word.
    pub who: MayCall,
    /// Why nobody may.
    pub reason: Option<&'static str>,
    /// Who answers for it that anyone may, or could until it ended.
    pub waiver: Option<Waived>,
    /// Whether callers must prove who they are, where it is not open to anyone.
    pub proved: bool,
    /// What speaks of it.
    pub rules: Vec<Rule>,
    /// What may yet refuse those who may call.
    pub behind: Vec<More>,
}

/// An exception that somebody answers for.
#[derive(Debug, Serialize)]
pub struct Waived {
    owner: String,
    reason: String,
    until_ms: u64,
    span: Place,
}

/// What a rule says of a part.
#[derive(Debug, Serialize)]
pub struct Rule {
    policy: &'static str,
    mode: Mode,
    span: Place,
    /// Whether it lets in everyone who is known.
    free: bool,
    /// Credentials of which any one is enough.
    ways: serde_json::Value,
    /// Roles of which any one is enough.
    roles: serde_json::Value,
}

/// A room that asks for more.
#[derive(Debug, Serialize)]
pub struct More {
    policy: &'static str,
    mode: Mode,
    span: Place,
}

/// Where a request came to.
struct Came<'s> {
    place: usize,
    version: Option<&'s str>,
    operation: Option<&'s Operation>,
    pattern: &'s str,
}

/// What is to be asked about.
struct Wanted<'b> {
    version: Option<&'b str>,
    operation: Option<&'b crate::bundle::Operation>,
    method: String,
    /// As it is shown.
    path: String,
    rest: bool,
    /// Requests of which the first that comes there is asked about: methods and paths.
    tries: Vec<(String, String)>,
}

/// Who may call what under a bundle (not signed), at `now_ms`; with a request, who may make that.
///
/// # Errors
/// What is wrong with the bundle.
pub fn access(
    bundle: &[u8],
    request: Option<&Sample>,
    now_ms: Option<u64>,
) -> Result<Vec<Part>, GateError> {
    let parsed: Bundle =
        serde_json::from_slice(bundle).map_err(|error| GateError::Malformed(error.to_string()))?;
    let engine = Engine::new::<&[u8]>(bundle, &[], &[])?;
    let named = request.and_then(|request| request.listener.as_deref());
    let asking = Asking {
        listener: match named {
            Some(_) => engine.listener(named),
            None => engine.plain(),
        },
        engine: &engine,
        bundle: &parsed,
        now_ms: now_ms.unwrap_or_else(wall_ms),
    };
    if let Some(request) = request {
        return Ok(asking.asked(request).into_iter().collect());
    }
    let mut parts = Vec::new();
    for (first, api) in parsed.apis.iter().enumerate() {
        // An API and its routes stand one after the other, and share what is asked about.
        let before = first.checked_sub(1).and_then(|one| parsed.apis.get(one));
        if !api.own && before.is_none_or(|before| before.name != api.name) {
            asking.family(first, &mut parts);
        }
    }
    Ok(parts)
}

struct Asking<'e> {
    engine: &'e Engine,
    bundle: &'e Bundle,
    listener: CompiledListener,
    now_ms: u64,
}

impl<'e> Asking<'e> {
    /// All parts of an API and of its routes, which begin at this place.
    fn family(&self, first: usize, parts: &mut Vec<Part>) {
        let name = &self.bundle.apis[first].name;
        let family = self.bundle.apis.iter().enumerate().skip(first);
        let family: Vec<(usize, &Api)> = family.take_while(|(_, api)| api.name == *name).collect();
        let mut reached: HashSet<(Option<&str>, &str, String)> = HashSet::new();
        let mut missed = Vec::new();
        for (place, api) in family {
            for wanted in self.wanted(api) {
                let key = |wanted: &Wanted<'e>| {
                    let operation = wanted.operation.map_or("", |one| &one.name);
                    (
                        wanted.version,
                        operation,
                        format!("{} {}", wanted.method, wanted.path),
                    )
                };
                let mut tries = wanted.tries.iter();
                match tries.find_map(|(method, path)| self.ask(place, &wanted, method, path)) {
                    Some(part) => {
                        reached.insert(key(&wanted));
                        parts.push(part);
                    }
                    None => missed.push((place, key(&wanted), wanted)),
                }
            }
        }
        // What comes to none of them is told once.
        for (place, key, wanted) in missed {
            if reached.insert(key) {
                parts.push(self.part(place, &wanted));
            }
        }
    }

    fn wanted(&self, api: &'e Api) -> Vec<Wanted<'e>> {
        let mut wanted = Vec::new();
        let mut open = false;
        for (version, attached) in documents(api) {
            let document =
                attached.and_then(|one| self.bundle.documents.get(one.document as usize));
            // What a document does not know may still be called where that is not refused.
            open |= attached.is_none_or(|one| one.mode != Mode::Enforce);
            if let Some(document) = document {
                wanted.extend(operations(api, version, document));
            }
        }
        if open {
            wanted.extend(named(api));
        }
        wanted
    }

    /// Asks about a request, if it comes there.
    fn ask(&self, place: usize, wanted: &Wanted<'e>, method: &str, path: &str) -> Option<Part> {
        let api = &self.bundle.apis[place];
        let mut sample = sample(api, wanted.version, method, path)?;
        let listener = Some(self.listener.name.to_string());
        sample.listener = listener.filter(|name| !name.is_empty());
        self.judged(&sample, |came, access| {
            let there = came.place == place
                && (wanted.version.is_none() || came.version == wanted.version)
                // What is an operation is told of as that.
                && came.operation.map(|one| &*one.name) == wanted.operation.map(|one| &*one.name);
            there.then(|| self.filled(self.part(place, wanted), access, sample.clone()))
        })
    }

    /// Says who may make a request that somebody asks about; nothing where it comes to no API.
    fn asked(&self, sample: &Sample) -> Option<Part> {
        self.judged(sample, |came, access| {
            let api = &self.bundle.apis[came.place];
            let part = Part {
                api: api.name.clone(),
                route: api.route.clone(),
                version: came.version.map(str::to_owned),
                operation: came.operation.map(|one| one.name.to_string()),
                method: sample.method.clone(),
                path: came
                    .operation
                    .map_or(came.pattern, |one| &*one.path)
                    .to_owned(),
                rest: false,
                span: self
                    .engine
                    .place(came.operation.map_or(api.span, |one| one.span)),
                ..Part::default()
            };
            Some(self.filled(part, access, sample.clone()))
        })
    }

    fn judged<R>(
        &self,
        sample: &Sample,
        tell: impl FnOnce(&Came<'_>, &Access<'_>) -> Option<R>,
    ) -> Option<R> {
        let headers = sample.headers.iter();
        let headers: Vec<(&[u8], &[u8])> = headers
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let told = Told {
            method: sample.method.as_bytes(),
            target: sample.target.as_bytes(),
            headers: &headers,
            length: None,
            old: false,
        };
        let head = Head::read(&told, &self.listener.limits).ok()?;
        let arrival = Arrival {
            version: http::Version::HTTP_11,
            method: &head.method,
            target: &head.target,
            host: head.host(),
            headers: &head.headers,
            content_length: None,
            body: false,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            id: "",
            certificate: None,
            listener: &self.listener,
        };
        let mut judgement = Judgement::default();
        let snapshot = self.engine.snapshot();
        let access = Judging::new(snapshot, arrival, self.now_ms, &mut judgement).access()?;
        let matched = judgement.matched?;
        let api = snapshot.apis.get(matched.api)?;
        let versions = api.versions.as_ref();
        let version = judgement.version.and_then(|one| versions?.get(one));
        let document = api.document(judgement.version);
        let came = Came {
            place: matched.api,
            version: version.map(|version| &*version.name),
            operation: judgement
                .operation
                .and_then(|number| document?.operation(number)),
            pattern: snapshot.router.pattern(matched),
        };
        tell(&came, &access)
    }

    fn part(&self, place: usize, wanted: &Wanted<'e>) -> Part {
        let api = &self.bundle.apis[place];
        Part {
            api: api.name.clone(),
            route: api.route.clone(),
            version: wanted.version.map(str::to_owned),
            operation: wanted.operation.map(|operation| operation.name.clone()),
            method: wanted.method.clone(),
            path: wanted.path.clone(),
            rest: wanted.rest,
            span: self
                .engine
                .place(wanted.operation.map_or(api.span, |one| one.span)),
            ..Part::default()
        }
    }

    fn filled(&self, part: Part, access: &Access<'_>, sample: Sample) -> Part {
        let place = |span| self.engine.place(span);
        let waived = |waiver: &Waiver| Waived {
            owner: waiver.owner.to_string(),
            reason: waiver.reason.to_string(),
            until_ms: waiver.until_ms,
            span: place(waiver.span),
        };
        let rule = |said: &Said<'_>| Rule {
            policy: said.policy,
            mode: said.mode,
            span: place(said.span),
            free: said.free,
            ways: listed::<Way<'_>>(&said.ways),
            roles: listed::<Holder<'_>>(&said.roles),
        };
        let more = |behind: &Behind| More {
            policy: behind.policy,
            mode: behind.mode,
            span: place(behind.span),
        };
        Part {
            request: Some(sample),
            who: access.who,
            reason: access.reason.map(|reason| reason.code),
            waiver: access.waiver.map(waived),
            proved: access.proved,
            rules: access.rules.iter().map(rule).collect(),
            behind: access.behind.iter().map(more).collect(),
            ..part
        }
    }
}

fn listed<T: Serialize>(all: &[T]) -> serde_json::Value {
    serde_json::to_value(all).unwrap_or_default()
}

impl Engine {
    /// The first listener that does not send everything elsewhere.
    fn plain(&self) -> CompiledListener {
        let mut listeners = self.snapshot.listeners.iter();
        let plain = listeners.find(|listener| listener.redirect_port == 0);
        plain.map_or_else(|| self.listener(None), |listener| (**listener).clone())
    }
}

/// The documents that hold for an API, by version.
fn documents(api: &Api) -> Vec<(Option<&str>, Option<&Attached>)> {
    match &api.versions {
        None => vec![(None, api.openapi.as_ref())],
        Some(versions) => {
            let each = versions.list.iter();
            each.map(|one| (Some(&*one.name), one.openapi.as_ref()))
                .collect()
        }
    }
}

fn operations<'b>(
    api: &Api,
    version: Option<&'b str>,
    document: &'b ApiDocument,
) -> Vec<Wanted<'b>> {
    let wanted = document.operations.iter().map(|operation| {
        let bases = operation.bases.as_ref().unwrap_or(&document.bases);
        let below = bases
            .iter()
            .map(|base| format!("{}{}", base.trim_end_matches('/'), operation.path));
        let all: Vec<String> = below
            .flat_map(|below| places(api, version, &below))
            .collect();
        let filled = SEGMENTS.iter().flat_map(|segment| {
            let tries = all.iter().map(|path| filled(path, segment));
            tries.map(|path| (operation.method.clone(), path))
        });
        Wanted {
            version,
            operation: Some(operation),
            method: operation.method.clone(),
            path: operation.path.clone(),
            rest: false,
            tries: filled.collect(),
        }
    });
    wanted.collect()
}

#[cfg(test)]
mod tests;
