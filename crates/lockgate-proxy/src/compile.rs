//! From a bundle to a snapshot: everything parsed, checked and put where a
//! request finds it. All errors at once, each with its place.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::hmac;
use http::{HeaderName, HeaderValue};
use lockgate_policy::apps;
use lockgate_policy::conditions::Conditions;
use lockgate_policy::introspection::Known;
use lockgate_policy::jwt::TokenCache;
use lockgate_policy::limits::Seed;
use lockgate_policy::objects::Relations;
use lockgate_policy::only::Meant;
use lockgate_policy::roles::Book;
use lockgate_policy::waf::Source as RuleSource;
use lockgate_policy::{ConfigError, Edit, Mode, Span};
use lockgate_wire::headers::reserved;
use lockgate_wire::target::TargetSwitches;

use crate::assertion::Signer;
use crate::bundle::{
    Api, Attached, Authorize, Bundle, Credential, Joined, PathMatch, Upstream, BUNDLE_VERSION,
};
use crate::geo::ReadFile;
use crate::metrics::Metrics;
use crate::mirror::Mirror;
use crate::normal::MAX_SETS;
use crate::operations::Operations;
use crate::route::Router;
use crate::snapshot::{
    CompiledApi, CompiledUpstream, Document, Forwarding, Open, Policy, Rule, Secret, Snapshot, Step,
};
use crate::split::Split;
use crate::tls::Source;
use crate::upstream::Registry;
use crate::versions::Versions;

mod geo;
mod limits;
mod listeners;
mod passthrough;
mod programs;
mod signers;
mod steps;
mod together;
mod tokens;
mod upstreams;

use listeners::listener;
use steps::{credentials, keys, steps};
use together::in_order;
use tokens::{issuers, Issuers};
use upstreams::upstream;

/// What a bundle is compiled with, besides itself.
pub struct Surroundings<'a> {
    /// The pepper of API keys.
    pub pepper: Arc<hmac::Key>,
    /// Resolves `env:NAME` and `file:/path`; `None` where there is no such secret.
    pub secret: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// What is known of upstreams.
    pub upstreams: Arc<Registry>,
    /// Where verified tokens are remembered.
    pub tokens: Arc<TokenCache>,
    /// The gate's state folder, in which the identity pages have their socket; empty where nothing is served.
    pub state: &'a Path,
    /// What issuers have said of tokens.
    pub introspected: Arc<Known>,
    /// Where certificates come from; none where nothing is served.
    pub tls: Option<&'a Source<'a>>,
    /// Reads databases where nothing is served; none where nobody is judged.
    pub databases: Option<ReadFile<'a>>,
}

/// What APIs of a bundle are compiled with.
#[derive(Clone, Copy)]
struct Given<'a> {
    around: &'a Surroundings<'a>,
    issuers: &'a Issuers,
    rule_sets: &'a [RuleSource<'a>],
    roles: &'a Arc<Book>,
    relations: &'a Relations,
    apps: &'a Arc<apps::Book>,
    /// Numbers of upstreams.
    upstreams: &'a HashMap<&'a str, usize>,
}

/// Compiles `bundle`, whose hash is `hash`.
///
/// # Errors
/// Everything that is wrong with it, in the bundle's order.
pub fn compile(
    bundle: Bundle,
    hash: &str,
    around: &Surroundings<'_>,
) -> Result<Snapshot, Vec<ConfigError>> {
    let mut errors = Vec::new();
    // N and N-1 are readable; there is no N-1 yet.
    if bundle.bundle_version != BUNDLE_VERSION {
        let message = format!(
            "this gate reads bundles of version {BUNDLE_VERSION}, not {}; upgrade the older of gate and control process",
            bundle.bundle_version
        );
        return Err(vec![ConfigError::new(
            "bundle-version",
            "/bundle_version",
            message,
        )]);
    }
    // Listeners are told of first, and want to know upstreams.
    let mut wrong = Vec::new();
    let asserts = bundle.upstreams.iter().any(|one| one.assertion.is_some());
    let signer = asserts.then(|| Signer::new(&bundle.assertions, &around.pepper).map(Arc::new));
    let signer = signer.transpose().map_err(|error| vec![error])?;
    let upstreams: Vec<Arc<CompiledUpstream>> = keep(
        &mut wrong,
        bundle
            .upstreams
            .iter()
            .enumerate()
            .map(|(i, u)| upstream(i, u, around, signer.as_ref()).map(Arc::new)),
    );
    let listeners = keep(
        &mut errors,
        bundle
            .listeners
            .iter()
            .enumerate()
            .map(|(i, l)| listener(i, l, (&bundle.upstreams, &upstreams), around)),
    );
    errors.append(&mut wrong);
    errors.append(&mut passthrough::misled(&bundle));
    let geo = geo::databases(&bundle, around, &mut errors);
    geo::unanswered(&bundle, &mut errors);
    let router = Router::new(&bundle.apis)
        .map_err(|mut wrong| errors.append(&mut wrong))
        .unwrap_or_default();
    let documents = keep(
        &mut errors,
        bundle.documents.iter().enumerate().map(|(i, document)| {
            let within = |error: ConfigError| ConfigError {
                pointer: format!("/documents/{i}{}", error.pointer),
                ..error
            };
            Operations::new(document)
                .map(Arc::new)
                .map_err(|wrong| wrong.into_iter().map(within).collect())
        }),
    );
    // Where a document is wrong, that is told; what it is attached to would only tell it again.
    let documents = (documents.len() == bundle.documents.len()).then_some(documents);
    let names: HashMap<&str, usize> = bundle
        .upstreams
        .iter()
        .enumerate()
        .map(|(index, upstream)| (upstream.name.as_str(), index))
        .collect();
    let issuers = issuers(&bundle.issuers, around)
        .map_err(|mut wrong| errors.append(&mut wrong))
        .unwrap_or_default();
    let roles = Book::new(&bundle.roles)
        .map_err(|wrong| {
            errors.extend(wrong.into_iter().map(|error| ConfigError {
                pointer: format!("/roles{}", error.pointer),
                ..error
            }));
        })
        .ok();
    // Where one is wrong, that is told; APIs that name it would only tell it again.
    let roles_stand = roles.is_some();
    let roles = Arc::new(roles.unwrap_or_default());
    let relations = Relations::new(&bundle.relations).unwrap_or_else(|error| {
        errors.push(ConfigError {
            pointer: format!("/relations{}", error.pointer),
            ..error
        });
        Relations::default()
    });
    let apps = bundle
        .apps
        .as_ref()
        .map_or_else(|| Ok(apps::Book::default()), apps::Book::new);
    let apps = Arc::new(apps.unwrap_or_else(|wrong| {
        errors.extend(wrong.into_iter().map(|error| ConfigError {
            pointer: format!("/apps{}", error.pointer),
            ..error
        }));
        apps::Book::default()
    }));
    let rule_sets: Vec<RuleSource<'_>> = bundle.rule_sets.iter().map(RuleSource::new).collect();
    let given = Given {
        around,
        issuers: &issuers,
        rule_sets: &rule_sets,
        roles: &roles,
        relations: &relations,
        apps: &apps,
        upstreams: &names,
    };
    let mut wrong = Vec::new();
    let apis = keep(
        &mut wrong,
        bundle.apis.iter().enumerate().map(|(i, api)| {
            let documents = documents.as_deref();
            compile_api(i, api, &bundle.upstreams, &names, documents, &given)
        }),
    );
    errors.extend(
        wrong
            .into_iter()
            .filter(|error| roles_stand || error.code != "role-unknown"),
    );
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut switches: Vec<TargetSwitches> = Vec::new();
    for api in &apis {
        let set = api.switches;
        if set != TargetSwitches::default() && !switches.contains(&set) {
            switches.push(set);
        }
    }
    if switches.len() > MAX_SETS {
        let message = format!(
            "the APIs have {} different sets of `normal_form`; at most {MAX_SETS} are taken, since an unusual path is looked at with each",
            switches.len()
        );
        return Err(vec![ConfigError::new(
            "too-many-normal-forms",
            "/apis",
            message,
        )]);
    }
    let unfit = tokens::unfit(&bundle.issuers, &issuers, around)
        .chain(signers::unfit(&apis))
        .chain(unfit_credentials(&bundle.upstreams, &upstreams))
        .collect();
    let keyed = apis.iter().flat_map(|api: &CompiledApi| &api.edits);
    let proving = upstreams
        .iter()
        .filter_map(|upstream| upstream.credential.as_ref());
    let mut credentials: Vec<HeaderName> = keyed
        .map(|edit| edit.header().clone())
        .chain(proving.map(|secret| secret.header.clone()))
        .collect();
    credentials.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    credentials.dedup();
    let (programs, header_orders) = programs::asked_for(&bundle.events, &apis);
    let takes_websockets = |step: &Step| matches!(step.policy, Policy::WebSocket(_));
    let mut steps = apis.iter().flat_map(|api| &api.steps);
    let decides = |step: &Step| matches!(step.policy, Policy::Decide(_));
    let decided = apis.iter().flat_map(|api| &api.steps).any(decides);
    Ok(Snapshot {
        decisions: decided.then(Box::default),
        programs,
        header_orders,
        tells_clients: upstreams.iter().any(|one| one.proxy_protocol.is_some()),
        websockets: steps.any(|step| takes_websockets(step) && step.mode != Mode::Off),
        credentials,
        unfit,
        guards: Vec::new(),
        geo,
        hash: hash.into(),
        sequence: bundle.sequence,
        sources: bundle.sources,
        router,
        switches,
        apis,
        upstreams,
        listeners: listeners.into_iter().map(Arc::new).collect(),
        documents: documents.unwrap_or_default(),
        facts: bundle.facts,
        events: bundle.events,
        problem_base: bundle.problem_base,
        signer,
        plugins: bundle.plugins,
        pool: None,
    })
}

fn keep<T>(
    errors: &mut Vec<ConfigError>,
    items: impl Iterator<Item = Result<T, Vec<ConfigError>>>,
) -> Vec<T> {
    items
        .filter_map(|item| item.map_err(|mut wrong| errors.append(&mut wrong)).ok())
        .collect()
}

fn at(pointer: String, span: Span) -> impl Fn(ConfigError) -> ConfigError {
    move |error| ConfigError {
        pointer: format!("{pointer}{}", error.pointer),
        span: error.span.or(Some(span)),
        ..error
    }
}

fn secret(credential: &Credential, around: &Surroundings<'_>) -> Result<Secret, ConfigError> {
    let header = HeaderName::try_from(credential.header.as_str()).map_err(|_| {
        let message = format!("`{}` is not a header name", credential.header);
        ConfigError::new("not-a-header", "/credential/header", message)
    })?;
    if reserved(header.as_str()).is_some() {
        let message = format!(
            "the gate itself writes `{}` or takes it off, so it can carry no credential; use X-Gate-Token",
            credential.header
        );
        return Err(ConfigError::new(
            "header-reserved",
            "/credential/header",
            message,
        ));
    }
    // A missing or unfit secret closes the routes that want it, and no others.
    let value = (around.secret)(&credential.secret).and_then(|bytes| {
        let mut value = HeaderValue::from_bytes(bytes.trim_ascii_end()).ok()?;
        value.set_sensitive(true);
        Some(value)
    });
    Ok(Secret { header, value })
}

/// What is wrong with credentials of upstreams, in words.
fn unfit_credentials<'b>(
    said: &'b [Upstream],
    compiled: &'b [Arc<CompiledUpstream>],
) -> impl Iterator<Item = String> + 'b {
    said.iter().zip(compiled).filter_map(|(said, compiled)| {
        let lacking = compiled.credential.as_ref()?.value.is_none();
        let reference = &said.credential.as_ref()?.secret;
        lacking.then(|| format!(
            "the credential of the upstream `{}` ({reference}) is not there, or fits no header: requests that go there are answered 503",
            said.name
        ))
    })
}

fn compile_api(
    index: usize,
    api: &Api,
    said: &[Upstream],
    upstreams: &HashMap<&str, usize>,
    documents: Option<&[Arc<Operations>]>,
    given: &Given<'_>,
) -> Result<CompiledApi, Vec<ConfigError>> {
    let around = given.around;
    let at = at(format!("/apis/{index}"), api.span);
    let mut errors = Vec::new();
    let forwarding = match forwarding(api, upstreams) {
        Ok(forwarding) => Some(forwarding),
        Err(error) => {
            errors.push(at(error));
            None
        }
    };
    if api.paths.is_empty() {
        errors.push(at(ConfigError::new(
            "no-paths",
            "/paths",
            "an API needs at least one path",
        )));
    }
    let switches = TargetSwitches::from(&api.normal_form);
    let keys = keys(api);
    let credentials = credentials(&keys, said);
    let (mut steps, mut wrong) = steps(index, api, (&keys, &credentials), switches, given);
    if let Err(error) = rewriting(api) {
        errors.push(at(error));
    }
    errors.append(&mut wrong);
    let mirror = api
        .mirror
        .as_ref()
        .map(|mirror| Mirror::new(mirror, |name| upstreams.get(name).copied()))
        .transpose()
        .map_err(|error| {
            let pointer = format!("/mirror{}", error.pointer);
            errors.push(at(ConfigError { pointer, ..error }));
        })
        .unwrap_or_default();
    let openapi = api
        .openapi
        .as_ref()
        .zip(documents)
        .map(|(attached, documents)| attach(attached, &api.name.as_str().into(), documents, around))
        .transpose()
        .map_err(|error| errors.push(at(error)))
        .unwrap_or_default();
    let versions = api
        .versions
        .as_ref()
        .zip(documents)
        .map(|(versions, documents)| {
            let name = api.name.as_str().into();
            Versions::new(
                versions,
                |upstream| upstreams.get(upstream).copied(),
                |attached| attach(attached, &name, documents, around),
            )
        })
        .transpose()
        .map_err(|error| {
            let pointer = format!("/versions{}", error.pointer);
            errors.push(at(ConfigError { pointer, ..error }));
        })
        .unwrap_or_default();
    steps.extend(held_to(api));
    let (mut limits, mut wrong) = limits::steps(index, api, Seed::of(&around.pepper));
    steps.append(&mut limits);
    errors.append(&mut wrong);
    match opening(api) {
        Ok(rule) => steps.push(Step::enforced(Policy::Authorize(rule), api.authorize_span)),
        Err(error) => errors.push(at(error)),
    }
    let steps = in_order(steps);
    match forwarding {
        Some(forwarding) if errors.is_empty() => {
            let strip = steps.iter().flat_map(|step| match &step.policy {
                Policy::ApiKey(policy) => vec![policy.edits()],
                Policy::Jwt(policy) => policy.edits().collect(),
                Policy::Session(policy) => policy.edits().collect(),
                Policy::Introspection(policy) => policy.edits().collect(),
                Policy::Signature(policy) => policy.edits().collect(),
                Policy::Webhook(policy) => policy.edits().into_iter().collect(),
                Policy::Basic(policy) => policy.edits().collect(),
                _ => Vec::new(),
            });
            Ok(CompiledApi {
                name: api.name.as_str().into(),
                span: api.span,
                forwarding,
                mirror: mirror.map(Box::new),
                route: api.route.as_deref().map(Arc::from),
                conditions: Conditions::new(&api.conditions)
                    .map(|conditions| conditions.text().into())
                    .unwrap_or_default(),
                switches,
                duplicates: api.normal_form.duplicate_parameters,
                strip_path: api.strip_path,
                own: api.own,
                client_cert: api.client_cert,
                openapi: openapi.map(Box::new),
                versions: versions.map(Box::new),
                edits: strip.collect::<Box<[Edit]>>(),
                stripped: steps
                    .iter()
                    .filter_map(|step| match &step.policy {
                        Policy::Decide(policy) => Some(policy.written()),
                        _ => None,
                    })
                    .flatten()
                    .cloned()
                    .collect(),
                judges_answers: steps.iter().any(|step| {
                    matches!(&step.policy, Policy::Plugin(plugin) if plugin.judges_answers())
                }),
                headers: steps.iter().position(|step| {
                    matches!(&step.policy, Policy::Headers(policy) if policy.changes_answers())
                }),
                locates: geo::is_asked(&steps),
                captures: api.suggest.is_some()
                    || steps.iter().any(|step| {
                        matches!(
                            step.policy,
                            Policy::Cedar(_) | Policy::Objects(_) | Policy::Enumeration(_)
                        )
                    }),
                suggest: api.suggest,
                steps: steps.into(),
                metrics: around.metrics.api(&api.name.as_str().into()),
            })
        }
        _ => Err(errors),
    }
}

/// One upstream, or several to choose among.
fn forwarding(api: &Api, upstreams: &HashMap<&str, usize>) -> Result<Forwarding, ConfigError> {
    match (&api.upstream, &api.split) {
        (None, None) if api.versions.is_some() => Ok(Forwarding::Versions),
        (Some(name), None) => match upstreams.get(name.as_str()) {
            Some(index) => Ok(Forwarding::One(*index)),
            None => {
                let message = format!("there is no upstream `{name}`");
                Err(ConfigError::new("no-upstream", "/upstream", message))
            }
        },
        (None, Some(split)) => Split::new(split, |name| upstreams.get(name).copied())
            .map(|split| Forwarding::Split(Box::new(split)))
            .map_err(|error| ConfigError {
                pointer: format!("/split{}", error.pointer),
                ..error
            }),
        (None, None) if api.policies.redirect.is_some() => Ok(Forwarding::Nowhere),
        (None, None) => Err(ConfigError::new(
            "no-upstream",
            "",
            "an API needs `upstream`, or `split` for several of them",
        )),
        (Some(_), Some(_)) => Err(ConfigError::new(
            "upstream-and-split",
            "/split",
            "`upstream` and `split` exclude each other: name the upstream among those of the split",
        )),
    }
}

/// The steps of versions and documents.
fn held_to(api: &Api) -> Vec<Step> {
    let step = |policy, mode, span| Step {
        joined: Joined::Alone,
        mode,
        ..Step::enforced(policy, span)
    };
    let mut steps = Vec::new();
    if let Some(attached) = &api.openapi {
        steps.push(step(Policy::Operation, attached.mode, attached.span));
    }
    if let Some(versions) = &api.versions {
        // Who asks for what is not served must not be let through to look.
        steps.push(step(Policy::Version, Mode::Enforce, versions.span));
        if versions
            .list
            .iter()
            .any(|version| version.openapi.is_some())
        {
            // The mode is each document's own.
            steps.push(step(Policy::Operation, Mode::Enforce, versions.span));
        }
    }
    steps
}

/// The document with this number, as the API `name` has it.
fn attach(
    attached: &Attached,
    name: &Arc<str>,
    documents: &[Arc<Operations>],
    around: &Surroundings<'_>,
) -> Result<Document, ConfigError> {
    let document = attached.document as usize;
    let operations = documents.get(document).ok_or_else(|| {
        let message = format!("there is no document {document}");
        ConfigError::new("no-document", "/openapi", message)
    })?;
    Ok(Document {
        document,
        operations: Arc::clone(operations),
        mode: attached.mode,
        metrics: operations.metrics(&around.metrics, name),
    })
}

/// An API is open to those who prove who they are, or to all by a waiver; nothing between.
fn opening(api: &Api) -> Result<Rule, ConfigError> {
    let authenticated = !api.policies.authenticate.is_empty();
    match (api.authorize, &api.public, authenticated) {
        (Authorize::Authenticated | Authorize::Ruled, None, true) => Ok(Rule::Known {
            ruled: api.authorize == Authorize::Ruled,
            open: open(api)?,
        }),
        (Authorize::Public, Some(waiver), false) => Ok(Rule::Public(waiver.clone())),
        (_, None, false) => Err(ConfigError::new(
            "closed-api",
            "/policies/authenticate",
            "an API needs `authenticate`, or `public: {owner, reason, until}`",
        )),
        _ => Err(ConfigError::new(
            "open-and-closed",
            "/public",
            "`public` and `authenticate` exclude each other",
        )),
    }
}

/// What of an API is open to anyone.
fn open(api: &Api) -> Result<Box<[Open]>, ConfigError> {
    let opened = api.open.iter().enumerate().map(|(place, open)| {
        let meant = Meant::new(&open.only).map_err(|error| ConfigError {
            pointer: format!("/open/{place}{}", error.pointer),
            ..error.at(open.waiver.span)
        });
        Ok(Open {
            meant: meant?,
            waiver: open.waiver.clone(),
        })
    });
    opened.collect()
}

/// The path is written anew in one way.
fn rewriting(api: &Api) -> Result<(), ConfigError> {
    let Some(rewrite) = api.policies.rewrite.as_ref().map(|placed| &placed.config) else {
        return Ok(());
    };
    let path = rewrite.prefix.is_some() || rewrite.path.is_some() || rewrite.regex.is_some();
    if api.strip_path && path {
        let message = "`strip_path` and a rewritten path exclude each other: `prefix: /` takes the prefix off";
        return Err(ConfigError::new(
            "strip-and-rewrite",
            "/policies/rewrite",
            message,
        ));
    }
    let prefixes = |path: &PathMatch| matches!(path, PathMatch::Prefix(_));
    if rewrite.prefix.is_some() && !api.paths.iter().all(prefixes) {
        let message =
            "a prefix is replaced where every path of the route is a prefix; use `path` or `regex`";
        return Err(ConfigError::new(
            "rewrite-no-prefix",
            "/policies/rewrite",
            message,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
