//! What is known of a past request where a policy asks for what events do not hold.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use lockgate_policy::apps::AppsPolicy;
use lockgate_policy::{
    api_key, apps, basic, body_limit, cedar, cors, decide, headers, introspection, ip_filter, jwt,
    minimise, objects, properties, redirect, rewrite, roles, scopes, signature, waf, Denial,
    Digest, Fault, Grant, Identity, KeyRecord, Reason, ReasonRef, RequestView, Terms, Verdict,
};
use serde_json::{json, Map, Value};

use super::rule_sets::{Differing, Meant, RuleSets};
use crate::bundle::{Bundle, PathMatch};
use crate::events::{Exchange, Outcome, Verdict as Said};
use crate::facts::usual_terms;
use crate::judge::Memory;
use crate::snapshot::{CompiledApi, Policy, Step, AUTHORIZE, OPERATION};

/// What a policy says that cannot be asked. It never leaves replay.
pub(super) static UNDECIDABLE: Reason = Reason {
    code: "undecidable",
    status: 0,
    title: "This cannot be told from what is kept.",
    room: "replay",
    fault: Fault::Gate,
    advice: "",
};

/// Policies that look at nothing but the address, the path, the caller and the
/// time, or refuse for nothing else.
const ASKED: [&str; 6] = [
    OPERATION,
    ip_filter::NAME,
    AUTHORIZE,
    redirect::NAME,
    rewrite::NAME,
    headers::NAME,
];

/// How policies were configured: by API and route, then by room, in order.
#[derive(Debug, Default)]
pub(super) struct Policies {
    rooms: HashMap<String, HashMap<String, Rooms>>,
    /// Rule sets that `waf` names, in the bundle's order.
    sets: Vec<Arc<Meant>>,
}

type Rooms = HashMap<String, Vec<Value>>;

impl Policies {
    /// Those of a bundle's text, of this version or an older one.
    pub fn read(text: &str, known: &mut RuleSets) -> Option<Self> {
        let document: Value = serde_json::from_str(text).ok()?;
        Self::walk(&document, known)
    }

    /// Those of a bundle.
    pub fn of(bundle: &Bundle, known: &mut RuleSets) -> Self {
        serde_json::to_value(bundle)
            .ok()
            .and_then(|document| Self::walk(&document, known))
            .unwrap_or_default()
    }

    fn walk(document: &Value, known: &mut RuleSets) -> Option<Self> {
        let mut found = Self {
            sets: known.of(document),
            ..Self::default()
        };
        let issuers = document.get("issuers").and_then(Value::as_array);
        let rules: HashMap<&str, &Value> = issuers
            .into_iter()
            .flatten()
            .filter_map(|issuer| Some((issuer.get("name")?.as_str()?, issuer.get("rules")?)))
            .collect();
        let about = About::of(document);
        for api in document.get("apis")?.as_array()? {
            let rooms = rooms(api.get("policies")?.as_object()?, &rules, &about);
            let routes = found.rooms.entry(api.get("name")?.as_str()?.to_owned());
            let routes = routes.or_default();
            for path in api.get("paths")?.as_array()? {
                let path: PathMatch = serde_json::from_value(path.clone()).ok()?;
                let known = routes.entry(path.pattern());
                let known = known.or_insert_with(|| rooms.clone());
                // Two that headers tell apart: which of them it was, no event says.
                if *known != rooms {
                    known.clear();
                }
            }
        }
        Some(found)
    }

    fn configs(&self, api: &str, route: &str, room: &str) -> &[Value] {
        let routes = self.rooms.get(api);
        let rooms = routes.and_then(|routes| routes.get(route));
        let configs = rooms.and_then(|rooms| rooms.get(room));
        configs.map_or(&[], Vec::as_slice)
    }

    /// The rules that a configuration of `waf` names.
    fn rules(&self, config: &Value) -> Option<&Meant> {
        let set = config.get("set")?.as_u64()?;
        self.sets.get(usize::try_from(set).ok()?).map(|set| &**set)
    }
}

/// What rooms go by that is said elsewhere than in their own configuration, without the places where it is said.
struct About {
    /// Who has which role.
    roles: Value,
    /// What documents demand of their operations.
    demands: Value,
    /// What programs were given.
    apps: Value,
    /// Where decision points are.
    upstreams: Value,
}

impl About {
    fn of(document: &Value) -> Self {
        let documents = document.get("documents").and_then(Value::as_array);
        let demands = documents.into_iter().flatten().map(|one| {
            let operations = one.get("operations").and_then(Value::as_array);
            let demanded = operations
                .into_iter()
                .flatten()
                .map(|operation| json!([operation.get("name"), operation.get("security")]));
            json!([one.get("security"), demanded.collect::<Vec<_>>()])
        });
        Self {
            roles: unplaced(document.get("roles").unwrap_or(&Value::Null)),
            demands: demands.collect(),
            apps: unplaced(document.get("apps").unwrap_or(&Value::Null)),
            upstreams: unplaced(document.get("upstreams").unwrap_or(&Value::Null)),
        }
    }

    fn with(&self, room: &str, config: &Value) -> Value {
        let elsewhere = match room {
            scopes::NAME => &self.demands,
            apps::NAME => &self.apps,
            roles::NAME | cedar::NAME | objects::NAME | properties::NAME | minimise::NAME => {
                &self.roles
            }
            decide::NAME => {
                let mut all = self.upstreams.as_array().into_iter().flatten();
                let asked = all.find(|one| one.get("name") == config.get("upstream"));
                let targets = asked.and_then(|asked| asked.get("targets"));
                &json!([targets, self.roles])
            }
            _ => return config.clone(),
        };
        json!({ "config": unplaced(config), "elsewhere": elsewhere })
    }
}

/// The same without places: a line more above a rule makes it no other rule.
fn unplaced(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !["span", "file"].contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), unplaced(value)))
            .collect(),
        Value::Array(all) => all.iter().map(unplaced).collect(),
        other => other.clone(),
    }
}

/// The configuration of each room, of several ways in their order. What an
/// issuer's tokens must be belongs to the policy that takes them.
fn rooms(policies: &Map<String, Value>, rules: &HashMap<&str, &Value>, about: &About) -> Rooms {
    let mut found = Rooms::new();
    let mut add = |room: &str, placed: &Value| {
        if let Some(config) = placed.get("config") {
            let configs = found.entry(room.to_owned()).or_default();
            let issuer = config.get("issuer").filter(|_| {
                [jwt::NAME, introspection::NAME, basic::NAME, signature::NAME].contains(&room)
            });
            configs.push(match issuer.and_then(|name| rules.get(name.as_str()?)) {
                Some(rules) => json!({ "config": config, "rules": rules }),
                None => about.with(room, config),
            });
        }
    };
    for (room, placed) in policies {
        match placed {
            Value::Array(several) => {
                for one in several {
                    // Of one room, or ways that each name theirs.
                    add(room, one);
                    let ways = one.as_object().into_iter().flatten();
                    ways.for_each(|(room, placed)| add(room, placed));
                }
            }
            placed => add(room, placed),
        }
    }
    found
}

/// What a key opens, by its id, where it is not what keys usually open.
pub(super) type Grants = HashMap<String, Arc<Terms>>;

/// What a key may be refused for that is known and open.
const RULES: [ReasonRef; 4] = [
    &api_key::WRONG_ENVIRONMENT,
    &api_key::NOT_FOR_API,
    &api_key::NOT_FROM_NETWORK,
    &api_key::NOT_FOR_METHOD,
];

/// One past request.
pub(super) struct Past<'a> {
    pub then: &'a Exchange,
    /// When it was, milliseconds since the epoch.
    pub at_ms: u64,
    /// How policies were configured that judged it; none where that is not kept.
    pub before: Option<&'a Policies>,
    pub proposed: &'a Policies,
    pub grants: &'a Grants,
    /// Whether the size of its body is known.
    pub whole: bool,
    /// Why a credential could not be judged.
    pub unknown_credential: Cell<Option<&'static str>>,
    /// APIs whose rules are others now.
    pub differing: &'a RefCell<Differing>,
}

impl Memory for Past<'_> {
    fn recall(
        &self,
        api: &CompiledApi,
        route: &str,
        number: usize,
        view: &RequestView<'_>,
        now_ms: u64,
    ) -> Option<Verdict> {
        let step = api.steps.get(number)?;
        let room = step.policy.name();
        // What is no preflight, `cors` lets through.
        let asked = ASKED.contains(&room)
            || (room == body_limit::NAME && self.whole)
            || (room == cors::NAME && view.method != http::Method::OPTIONS);
        if asked {
            return None;
        }
        match &step.policy {
            // Counted anew, in counters of the replay's own.
            Policy::Limits(limits) if limits.needs_headers_or_claims() => {
                return Some(Verdict::Deny(Denial::new(&UNDECIDABLE).detail("not-kept")));
            }
            Policy::Limits(_) | Policy::Penalty(_) => return None,
            // All that is said of a key's holder is in the key.
            Policy::Scopes(_) | Policy::Roles(_) if self.by_known_key() => return None,
            Policy::Users(users) if !users.needs_claims() => return None,
            Policy::Apps(policy) => {
                if let Some(verdict) = self.through(policy, view, now_ms) {
                    return Some(verdict);
                }
            }
            _ => {}
        }
        let earlier = api.steps[..number].iter();
        let nth = earlier.filter(|step| step.policy.name() == room).count();
        let verdict = if step.policy.authenticates() {
            self.credential(step, (route, nth), view, now_ms)
        } else if room == body_limit::NAME {
            let again = self.again(room, (route, nth), view);
            again.map_err(|_| "body-not-read")
        } else {
            self.again(room, (route, nth), view)
        };
        Some(verdict.unwrap_or_else(|why| {
            if step.policy.authenticates() {
                self.unknown_credential.set(Some(why));
            }
            Verdict::Deny(Denial::new(&UNDECIDABLE).detail(why))
        }))
    }
}

/// A route, and which of the policies of one room that it has.
type Place<'a> = (&'a str, usize);

type Recalled = Result<Verdict, &'static str>;

impl Past<'_> {
    /// Whether who called is known, with all that is said of them.
    fn by_known_key(&self) -> bool {
        let by = |said: &Said| said.policy == api_key::NAME && said.outcome == Outcome::Identify;
        let mut keys = self.then.key.iter();
        self.then.verdicts.iter().any(by) && keys.any(|key| self.grants.contains_key(key))
    }

    /// What the policy said then, if it was configured as it is now. Without
    /// the bundle of then, it is taken for granted that it was.
    fn said(&self, room: &str, (route, nth): Place<'_>, api: &str) -> Result<&Said, &'static str> {
        let mut then = self.then.verdicts.iter().filter(|said| said.policy == room);
        let Some(before) = self.before else {
            let first = then.clone().next();
            return then.nth(nth).or(first).ok_or("policy-new");
        };
        let api_then = self.then.api.as_deref().unwrap_or(api);
        let route_then = self.then.route.as_deref().unwrap_or(route);
        let now = self.proposed.configs(api, route, room).get(nth);
        let configs = before.configs(api_then, route_then, room);
        if let (waf::NAME, [was], Some(now)) = (room, configs, now) {
            self.guarded(before, was, now, api)?;
            return then.next().ok_or("policy-not-asked");
        }
        let Some(same) = configs.iter().position(|config| Some(config) == now) else {
            return Err(if configs.is_empty() {
                "policy-new"
            } else {
                "policy-changed"
            });
        };
        then.nth(same).ok_or("policy-not-asked")
    }

    /// Whether `waf` looks for the same. Its rules are compared by what they say:
    /// bundles have them in a list, and the same place may hold others.
    fn guarded(
        &self,
        before: &Policies,
        was: &Value,
        now: &Value,
        api: &str,
    ) -> Result<(), &'static str> {
        let (was_rules, now_rules) = (before.rules(was), self.proposed.rules(now));
        if let (Some(was), Some(now)) = (was_rules, now_rules) {
            if was.digest != now.digest {
                self.differing.borrow_mut().add(api, was, now);
                return Err("rules-changed");
            }
        }
        if self.settled(was) == self.settled(now) {
            Ok(())
        } else {
            Err("policy-changed")
        }
    }

    /// What a configuration of `waf` has decided when the request was: exclusions
    /// that held then, whoever answers for them, beside rules that are compared
    /// on their own.
    fn settled(&self, config: &Value) -> Value {
        let mut settled = config.clone();
        if let Some(set) = settled.get_mut("set").filter(|set| !set.is_null()) {
            *set = Value::Bool(true);
        }
        if let (0, Some(scan)) = (self.then.bytes_in, settled.get_mut("scan")) {
            // Nothing was there to be scanned.
            *scan = Value::Null;
        }
        if let Some(excluded) = settled.get_mut("exclude").and_then(Value::as_array_mut) {
            excluded.retain_mut(|one| {
                let waiver = one.as_object_mut().and_then(|one| one.remove("waiver"));
                let until = waiver.and_then(|waiver| waiver.get("until_ms")?.as_u64());
                until.is_none_or(|until| self.at_ms < until)
            });
        }
        settled
    }

    fn credential(
        &self,
        step: &Step,
        place: Place<'_>,
        view: &RequestView<'_>,
        now_ms: u64,
    ) -> Recalled {
        let said = match self.said(step.policy.name(), place, view.api) {
            Ok(said) => said,
            Err("policy-changed") => return Err("credential-elsewhere"),
            Err(_) => return Err("credential-not-looked-at"),
        };
        let reason = said.reason.as_deref().and_then(reason);
        match (said.outcome, reason) {
            (Outcome::Identify, _) => self.identify(step, view, now_ms),
            (Outcome::Deny | Outcome::ObserveDeny, Some(reason)) => {
                // The refusals that depend on more than the credential alone.
                if RULES.contains(&reason) {
                    return self.identify(step, view, now_ms);
                }
                let denial = Denial::new(reason);
                Ok(Verdict::Deny(if reason.code.ends_with("-missing") {
                    denial.absent()
                } else {
                    denial
                }))
            }
            _ => Err("credential-not-looked-at"),
        }
    }

    /// The caller, as the gate verified it then. What a key opens is asked
    /// anew; whether it was revoked since is no matter of the configuration.
    fn identify(&self, step: &Step, view: &RequestView<'_>, now_ms: u64) -> Recalled {
        let (Some(key), Some(owner)) = (&self.then.key, &self.then.identity) else {
            return Err("credential-not-looked-at");
        };
        let (credential, owner): (Arc<str>, Arc<str>) =
            (key.as_str().into(), owner.as_str().into());
        if let Policy::ApiKey(policy) = &step.policy {
            let grant = Grant {
                owner,
                terms: self.grants.get(key).map_or_else(usual_terms, Arc::clone),
            };
            let record = KeyRecord::new(Digest([0; 32]), key, Arc::new(grant));
            return Ok(policy.admit(view, self.then.peer, &record, now_ms));
        }
        Ok(Verdict::Identify(Identity {
            proved_by: step.policy.name(),
            credential,
            owner,
            app: self.then.app.as_deref().map(Into::into),
            claims: None,
        }))
    }

    /// What is said of the program that the event names, where the configuration names it as well. Of its
    /// scopes, those count that something was opened by.
    fn through(&self, policy: &AppsPolicy, view: &RequestView<'_>, now_ms: u64) -> Option<Verdict> {
        let Some(app) = &self.then.app else {
            return Some(Verdict::allow());
        };
        let grounds = self.then.grounds.iter().flatten();
        let used = grounds.filter_map(|ground| ground.strip_prefix("scope "));
        policy.past(view, app, &used.collect::<Vec<_>>(), now_ms)
    }

    /// What the policy said holds on, if it is configured as it was.
    fn again(&self, room: &str, place: Place<'_>, view: &RequestView<'_>) -> Recalled {
        let said = self.said(room, place, view.api)?;
        match (said.outcome, said.reason.as_deref().and_then(reason)) {
            (Outcome::Allow, _) => Ok(Verdict::allow()),
            // What it answered is not kept, and not looked at: that it did is what counts.
            (Outcome::Respond, _) => Ok(Verdict::Respond(Box::default())),
            (Outcome::Deny | Outcome::ObserveDeny, Some(reason)) => {
                Ok(Verdict::Deny(Denial::new(reason)))
            }
            _ => Err("policy-not-asked"),
        }
    }
}

/// The reason of a code, if this version has it.
fn reason(code: &str) -> Option<ReasonRef> {
    static ALL: OnceLock<HashMap<&'static str, ReasonRef>> = OnceLock::new();
    ALL.get_or_init(|| {
        let all = crate::reasons().into_iter();
        all.map(|reason| (reason.code, reason)).collect()
    })
    .get(code)
    .copied()
}
