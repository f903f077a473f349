//! An API's policies, as steps.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::HeaderName;
use lockgate_policy::api_key::ApiKey;
use lockgate_policy::apps::AppsPolicy;
use lockgate_policy::body_limit::BodyLimit;
use lockgate_policy::cedar::Cedar;
use lockgate_policy::compress::Compress;
use lockgate_policy::cors::Cors;
use lockgate_policy::decide::Decide;
use lockgate_policy::device::Device;
use lockgate_policy::enumeration::Enumeration;
use lockgate_policy::grpc::Grpc;
use lockgate_policy::headers::Headers;
use lockgate_policy::inflate::Inflate;
use lockgate_policy::ip_filter::IpFilter;
use lockgate_policy::limits::Seed;
use lockgate_policy::minimise::Minimise;
use lockgate_policy::mtls::Mtls;
use lockgate_policy::objects::Objects;
use lockgate_policy::plugins::Plugin;
use lockgate_policy::properties::Properties;
use lockgate_policy::redirect::Redirect;
use lockgate_policy::rewrite::Rewrite;
use lockgate_policy::risk::Risk;
use lockgate_policy::roles::Roles;
use lockgate_policy::scopes::Scopes;
use lockgate_policy::session::{self, Session};
use lockgate_policy::signature;
use lockgate_policy::step_up::StepUp;
use lockgate_policy::users::Users;
use lockgate_policy::waf::{Source as RuleSource, Waf};
use lockgate_policy::webhook::Webhook;
use lockgate_policy::websocket::WebSocket;
use lockgate_policy::{waf, ConfigError, Mode, OnError, Span, Waiver};
use lockgate_wire::target::TargetSwitches;

use super::together::join;
use super::tokens::{introspected, passwords, token};
use super::{at, signers, Given};
use crate::bundle::{Api, Authenticator, Joined, Placed, Upstream};
use crate::route;
use crate::snapshot::{Policy, Step};

/// The fields that carry an API's keys. What is no name is refused where it is said.
pub(super) fn keys(api: &Api) -> Vec<HeaderName> {
    let ways = api.policies.authenticate.iter();
    ways.flat_map(|way| match way {
        Authenticator::ApiKey(placed) => {
            vec![HeaderName::try_from(placed.config.header.as_str()).ok()]
        }
        Authenticator::Jwt(placed) => vec![placed.config.place.header()],
        Authenticator::Introspection(placed) => vec![placed.config.place.header()],
        Authenticator::Basic(_) => vec![Some(AUTHORIZATION)],
        Authenticator::Mtls(_) => Vec::new(),
        Authenticator::Session(_) => vec![Some(session::HEADER)],
        Authenticator::Signature(_) => {
            vec![Some(signature::SIGNATURE), Some(signature::SIGNATURE_INPUT)]
        }
        Authenticator::Webhook(placed) => {
            vec![HeaderName::try_from(placed.config.form.header.as_str()).ok()]
        }
    })
    .flatten()
    .collect()
}

/// The fields that carry an API's keys, or prove the gate to an upstream.
pub(super) fn credentials(keys: &[HeaderName], upstreams: &[Upstream]) -> Vec<HeaderName> {
    let proving = upstreams.iter().filter_map(|upstream| {
        HeaderName::try_from(upstream.credential.as_ref()?.header.as_str()).ok()
    });
    keys.iter().cloned().chain(proving).collect()
}

pub(super) fn steps(
    index: usize,
    api: &Api,
    (keys, credentials): (&[HeaderName], &[HeaderName]),
    switches: TargetSwitches,
    given: &Given<'_>,
) -> (Vec<Step>, Vec<ConfigError>) {
    let Given {
        around,
        issuers,
        rule_sets,
        roles,
        relations,
        apps,
        upstreams,
    } = *given;
    let mut steps = Vec::new();
    let mut errors = Vec::new();
    let mut add = |pointer: String, common: Common<'_>, policy: Result<Policy, ConfigError>| {
        let place = at(format!("/apis/{index}/policies/{pointer}"), common.span);
        match policy.and_then(|policy| common.step(policy)) {
            Ok(step) => steps.push(step),
            Err(error) => errors.push(place(error)),
        }
    };
    if let Some(placed) = &api.policies.ip_filter {
        add(
            "ip_filter".into(),
            placed.into(),
            IpFilter::new(&placed.config).map(|policy| Policy::IpFilter(policy.into())),
        );
    }
    if let Some(placed) = &api.policies.cors {
        add(
            "cors".into(),
            placed.into(),
            Cors::new(&placed.config, keys).map(|policy| Policy::Cors(policy.into())),
        );
    }
    for (place, way) in api.policies.authenticate.iter().enumerate() {
        let (common, policy) = match way {
            Authenticator::ApiKey(placed) => {
                let policy = ApiKey::new(&placed.config, Arc::clone(&around.pepper));
                (placed.into(), policy.map(Policy::ApiKey))
            }
            Authenticator::Jwt(placed) => (placed.into(), token(placed, (api, issuers), around)),
            Authenticator::Introspection(placed) => {
                let policy = introspected(placed, (api, issuers), around);
                (placed.into(), policy)
            }
            Authenticator::Basic(placed) => (placed.into(), passwords(placed, issuers, around)),
            Authenticator::Mtls(placed) => {
                let policy = Mtls::new(&placed.config);
                (
                    placed.into(),
                    policy.map(|policy| Policy::Mtls(policy.into())),
                )
            }
            Authenticator::Signature(placed) => {
                (placed.into(), signers::signature(placed, issuers, around))
            }
            Authenticator::Webhook(placed) => {
                let policy = Webhook::new(&placed.config, around.secret);
                (
                    placed.into(),
                    policy.map(|policy| Policy::Webhook(policy.into())),
                )
            }
            Authenticator::Session(placed) => {
                let memory = Arc::clone(&around.tokens);
                let policy = Session::new(&placed.config, &around.pepper, memory);
                (
                    placed.into(),
                    policy.map(|policy| Policy::Session(policy.into())),
                )
            }
        };
        add(format!("authenticate/{place}"), common, policy);
    }
    if let Some(placed) = &api.policies.apps {
        let policy = AppsPolicy::new(&placed.config, apps, &around.pepper);
        let policy = policy.map(|policy| Policy::Apps(policy.into()));
        add("apps".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.scopes {
        let policy = Scopes::new(&placed.config).map(|policy| Policy::Scopes(policy.into()));
        add("scopes".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.roles {
        let policy = Roles::new(&placed.config, roles);
        let policy = policy.map(|policy| Policy::Roles(policy.into()));
        add("roles".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.enumeration {
        let policy = Enumeration::new(&placed.config, Seed::of(&around.pepper));
        let policy = policy.map(|policy| Policy::Enumeration(policy.into()));
        add("enumeration".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.users {
        let policy = Users::new(&placed.config, &api.name, roles, Seed::of(&around.pepper));
        let policy = policy.map(|policy| Policy::Users(policy.into()));
        add("users".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.properties {
        let policy = Properties::new(&placed.config, roles);
        let policy = policy.map(|policy| Policy::Properties(policy.into()));
        add("properties".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.minimise {
        let policy = Minimise::new(&placed.config, roles);
        let policy = policy.map(|policy| Policy::Minimise(policy.into()));
        add("minimise".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.cedar {
        match Cedar::new(&placed.config, roles) {
            Ok(policy) => add(
                "cedar".into(),
                placed.into(),
                Ok(Policy::Cedar(policy.into())),
            ),
            Err(found) => found
                .into_iter()
                .for_each(|error| add("cedar".into(), placed.into(), Err(error))),
        }
    }
    for (place, placed) in api.policies.decide.iter().enumerate() {
        let name = placed.config.upstream.as_str();
        let upstream = upstreams.get(name).copied().ok_or_else(|| {
            let message = format!("there is no upstream `{name}`");
            ConfigError::new("no-upstream", "/upstream", message)
        });
        let policy = upstream
            .and_then(|number| Decide::new(&placed.config, number, roles, (keys, credentials)));
        let policy = policy.map(|policy| Policy::Decide(policy.into()));
        add(format!("decide/{place}"), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.objects {
        let policy = Objects::new(&placed.config, roles, relations);
        let policy = policy.map(|policy| Policy::Objects(policy.into()));
        add("objects".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.device {
        let policy = Device::new(&placed.config).map(|policy| Policy::Device(policy.into()));
        add("device".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.risk {
        let policy = Risk::new(&placed.config).map(|policy| Policy::Risk(policy.into()));
        add("risk".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.step_up {
        let policy = StepUp::new(&placed.config);
        let policy = policy.map(|policy| Policy::StepUp(policy.into()));
        add("step_up".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.inflate {
        let policy = Inflate::new(&placed.config);
        let policy = policy.map(|policy| Policy::Inflate(policy.into()));
        add("inflate".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.compress {
        let policy = Compress::new(&placed.config);
        let policy = policy.map(|policy| Policy::Compress(policy.into()));
        add("compress".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.body_limit {
        add(
            "body_limit".into(),
            placed.into(),
            Ok(Policy::BodyLimit(BodyLimit::new(&placed.config))),
        );
    }
    if let Some(placed) = &api.policies.waf {
        match guard(&placed.config, rule_sets) {
            Ok(policy) => add("waf".into(), placed.into(), Ok(Policy::Waf(policy.into()))),
            Err(found) => found
                .into_iter()
                .for_each(|error| add("waf".into(), placed.into(), Err(error))),
        }
    }
    if let Some(placed) = &api.policies.websocket {
        let policy = WebSocket::new(&placed.config);
        let policy = policy.map(|policy| Policy::WebSocket(policy.into()));
        add("websocket".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.grpc {
        let policy = Grpc::new(&placed.config).map(Policy::Grpc);
        add("grpc".into(), placed.into(), policy);
    }
    // A name that one of several paths does not give would be empty there.
    let own = |name: &str| {
        let gives = |path| route::names(path).iter().any(|known| known == name);
        api.paths.iter().all(gives)
    };
    if let Some(placed) = &api.policies.redirect {
        let policy = Redirect::new(&placed.config, &own, switches);
        let policy = policy.map(|policy| Policy::Redirect(policy.into()));
        add("redirect".into(), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.rewrite {
        let policy = Rewrite::new(&placed.config, &own, switches);
        let policy = policy.map(|policy| Policy::Rewrite(policy.into()));
        add("rewrite".into(), placed.into(), policy);
    }
    for (place, placed) in api.policies.plugins.iter().enumerate() {
        let policy = Plugin::new(&placed.config, (keys, credentials));
        let policy = policy.map(|policy| Policy::Plugin(policy.into()));
        add(format!("plugins/{place}"), placed.into(), policy);
    }
    if let Some(placed) = &api.policies.headers {
        match Headers::all(&placed.config, credentials) {
            Ok(policy) => add("headers".into(), placed.into(), Ok(Policy::Headers(policy))),
            Err(found) => found
                .into_iter()
                .for_each(|error| add("headers".into(), placed.into(), Err(error))),
        }
    }
    join(&mut steps, &api.policies.together);
    (steps, errors)
}

/// What looks for attacks, with the rules that it names.
fn guard(config: &waf::Config, rule_sets: &[RuleSource<'_>]) -> Result<Waf, Vec<ConfigError>> {
    let rules = config.set.map(|set| {
        rule_sets.get(set as usize).ok_or_else(|| {
            let message = format!("there is no rule set {set}");
            vec![ConfigError::new("no-rule-set", "/set", message)]
        })
    });
    Waf::new(config, rules.transpose()?)
}

/// What [`Placed`] says of every policy.
pub(super) struct Common<'a> {
    mode: Mode,
    on_error: OnError,
    waiver: Option<&'a Waiver>,
    span: Span,
}

impl<'a, C> From<&'a Placed<C>> for Common<'a> {
    fn from(placed: &'a Placed<C>) -> Self {
        Self {
            mode: placed.mode,
            on_error: placed.on_error,
            waiver: placed.waiver.as_ref(),
            span: placed.span,
        }
    }
}

impl Common<'_> {
    pub(super) fn step(&self, policy: Policy) -> Result<Step, ConfigError> {
        let strict = match &policy {
            policy if policy.authenticates() => Some((
                "authentication",
                "fail-open-authentication",
                "unenforced-authentication",
            )),
            policy if policy.authorizes() => Some((
                "authorization",
                "fail-open-authorization",
                "unenforced-authorization",
            )),
            _ => None,
        };
        if let Some((what, open, unenforced)) = strict {
            // Whoever asks elsewhere may have to go on without: somebody answers for it, until a day.
            let asks = matches!(policy, Policy::Decide(_));
            if self.on_error == OnError::Allow && asks && self.waiver.is_none() {
                let message =
                    "`on_error: allow` of `decide` wants `waiver: {owner, reason, until}`";
                return Err(ConfigError::new(open, "/on_error", message));
            }
            if self.on_error == OnError::Allow && !asks {
                let message = format!("{what} that fails must deny; take `on_error: allow` away");
                return Err(ConfigError::new(open, "/on_error", message));
            }
            if self.mode != Mode::Enforce && self.waiver.is_none() {
                let message =
                    format!("{what} that is not enforced wants `waiver: {{owner, reason, until}}`");
                return Err(ConfigError::new(unenforced, "/mode", message));
            }
        }
        Ok(Step {
            joined: Joined::Alone,
            mode: self.mode,
            on_error: self.on_error,
            waiver: self.waiver.cloned().map(Box::new),
            ..Step::enforced(policy, self.span)
        })
    }
}
