//! A request as Cedar sees it: with what policies for it look at, and nothing else.

use std::borrow::Cow;
use std::collections::HashSet;
use std::iter::empty;
use std::sync::Arc;

use cedar_policy::RestrictedExpression;
use cedar_policy_core::ast::{Context, Entity, EntityUID, PartialValue, Request, Value};
use cedar_policy_core::entities::{Entities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::evaluator::RestrictedEvaluator;
use cedar_policy_core::extensions::Extensions;
use lockgate_wire::query;
use lockgate_wire::target::for_matching;
use serde_json::Value as Json;

use super::index::{named, Asked};
use super::looks::Look;
use super::shape::{values, Field, Shape, MAX_VALUES};
use super::{Around, Cedar};
use crate::step_up::proved_at;
use crate::{Identity, RequestView};

/// A request, with the things that it is about.
pub struct Made {
    pub request: Request,
    pub entities: Entities,
}

type Wrong = Cow<'static, str>;
type Attributes<'a> = Vec<(&'a str, Value)>;

impl Made {
    /// Makes it.
    ///
    /// # Errors
    /// What of the request is not as its document says.
    pub fn new(
        cedar: &Cedar,
        asked: &Asked,
        roles: &[bool],
        view: &RequestView<'_>,
        around: &Around<'_>,
        body: Option<&Json>,
    ) -> Result<Self, Wrong> {
        let id = around.identity.map_or("", |identity| &*identity.credential);
        let principal = named(&cedar.caller, id);
        let target = named(&asked.kind, &for_matching(view.path));
        let held = asked.roles.iter().zip(roles).filter(|(_, held)| **held);
        let parents: HashSet<_> = held.map(|((_, uid), _)| uid.clone()).collect();
        let who = caller(asked, around.identity)?;
        let what = resource(asked, view, around, body)?;
        let entity = |uid: &EntityUID, attributes: Attributes<'_>, parents| {
            let attributes = attributes.into_iter();
            let attributes =
                attributes.map(|(name, value)| (name.into(), PartialValue::Value(value)));
            let uid = uid.clone();
            Arc::new(Entity::new_with_attr_partial_value(
                uid,
                attributes,
                HashSet::new(),
                parents,
                empty(),
            ))
        };
        let entities = [
            entity(&principal, who, parents),
            entity(&target, what, HashSet::new()),
        ];
        // Whoever is within something is so directly: roles are within nothing, groups neither.
        let entities = asked
            .entities
            .clone()
            .add_entities(
                entities,
                None::<&NoEntitiesSchema>,
                TCComputation::AssumeAlreadyComputed,
                Extensions::all_available(),
            )
            .map_err(lost)?;
        let context = context(asked, around)?.into_iter();
        let context = context.map(|(name, value)| (name.into(), value)).collect();
        let request = Request::new_unchecked(
            principal.into(),
            asked.action.clone().into(),
            target.into(),
            Some(Context::Value(Arc::new(context))),
        );
        Ok(Self { request, entities })
    }
}

/// What cannot be, as all values are made here.
fn lost<E>(_: E) -> Wrong {
    "it cannot be told as Cedar wants it".into()
}

fn set<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    Value::set(texts.map(Value::from), None)
}

/// A value that Cedar has a function for.
fn called(value: &RestrictedExpression) -> Result<Value, Wrong> {
    let evaluator = RestrictedEvaluator::new(Extensions::all_available());
    let called = evaluator.interpret(value.as_ref().as_borrowed());
    called.map_err(lost)
}

fn caller<'a>(asked: &Asked, identity: Option<&'a Identity>) -> Result<Attributes<'a>, Wrong> {
    let mut made = Attributes::new();
    let Some(identity) = identity else {
        return Ok(made);
    };
    for (look, name, said) in [
        (Look::Id, "id", Some(&*identity.credential)),
        (Look::Owner, "owner", Some(&*identity.owner)),
        (Look::Way, "way", Some(identity.proved_by)),
        (Look::App, "app", identity.app.as_deref()),
        (Look::Issuer, "issuer", identity.issuer()),
    ] {
        if let Some(said) = said.filter(|_| asked.looks.at(look)) {
            made.push((name, said.into()));
        }
    }
    if asked.looks.at(Look::Scopes) {
        made.push(("scopes", set(crate::scopes::all(identity))));
    }
    if asked.looks.at(Look::Claims) {
        let none = serde_json::Map::new();
        let claims = identity.claims.as_deref().unwrap_or(&none);
        let claims = values(&asked.claims, claims, "claims", &mut MAX_VALUES.clone())?;
        made.push(("claims", claims));
    }
    Ok(made)
}

fn resource<'a>(
    asked: &Asked,
    view: &RequestView<'_>,
    around: &Around<'_>,
    body: Option<&Json>,
) -> Result<Attributes<'a>, Wrong> {
    let mut made = Attributes::new();
    let used = |look| asked.looks.at(look);
    for (look, name, said) in [
        (Look::Api, "api", view.api),
        (Look::Method, "method", view.method.as_str()),
        (Look::Host, "host", view.host),
    ] {
        if used(look) {
            made.push((name, said.into()));
        }
    }
    if used(Look::Target) {
        made.push(("target", (&*for_matching(view.path)).into()));
    }
    if used(Look::Path) {
        made.push(("path", path(&asked.path, around)?));
    }
    if used(Look::Query) {
        made.push(("query", parameters(&asked.query, view.query)?));
    }
    if used(Look::Body) {
        if let (Some(wanted), Some(body)) = (&asked.body, body) {
            let Json::Object(found) = body else {
                return Err("its body is no object".into());
            };
            let body = values(wanted, found, "body", &mut MAX_VALUES.clone())?;
            made.push(("body", body));
        } else if asked.body_required {
            return Err("it has no body".into());
        }
    }
    Ok(made)
}

fn path(fields: &[Field], around: &Around<'_>) -> Result<Value, Wrong> {
    let made = fields.iter().map(|field| {
        let found = around
            .captures
            .iter()
            .find(|(name, _)| **name == *field.name);
        let wrong = || {
            format!(
                "`{}` in its path is not of the type that the document says",
                field.name
            )
        };
        let value = found.and_then(|(_, value)| match &field.shape {
            Shape::One(scalar) => scalar.of_text(value),
            _ => None,
        });
        Ok((&*field.name, value.ok_or_else(wrong)?))
    });
    Ok(Value::record(
        made.collect::<Result<Attributes<'_>, Wrong>>()?,
        None,
    ))
}

fn parameters(fields: &[Field], query: Option<&str>) -> Result<Value, Wrong> {
    let mut made = Attributes::new();
    for field in fields {
        let wrong =
            |what: &str| -> Wrong { format!("`{}` in its query {what}", field.name).into() };
        let value = match &field.shape {
            Shape::One(scalar) => match query::find_strictly(query, &field.name) {
                query::Found::Absent => None,
                query::Found::Ambiguous => return Err(wrong("is there twice")),
                query::Found::Once(text) => {
                    let value = scalar.of_text(&text);
                    Some(value.ok_or_else(|| wrong("is not of the type that the document says"))?)
                }
            },
            Shape::Many(scalar) => {
                let named = || query.into_iter().flat_map(query::pairs);
                let split = |pair: query::Pair<'_>| {
                    let of_it = query::is_named(pair.name, &field.name);
                    (of_it && pair.value.contains(';'))
                        || query::behind_semicolon(pair.text, &field.name)
                };
                let like = |pair: query::Pair<'_>| {
                    query::decoded(pair.name) == format!("{}[]", field.name)
                };
                if named().any(split) || named().any(like) {
                    return Err(wrong("can be read in two ways"));
                }
                let named = named().filter(|pair| query::is_named(pair.name, &field.name));
                let all = named.map(|pair| scalar.of_text(&query::decoded(pair.value)));
                let all = all.collect::<Option<Vec<Value>>>();
                let all = all.ok_or_else(|| wrong("is not of the type that the document says"))?;
                (!all.is_empty()).then(|| Value::set(all, None))
            }
            Shape::Record(_) => None,
        };
        match value {
            Some(value) => made.push((&*field.name, value)),
            None if field.required => return Err(wrong("is missing")),
            None => {}
        }
    }
    Ok(Value::record(made, None))
}

fn context(asked: &Asked, around: &Around<'_>) -> Result<Attributes<'static>, Wrong> {
    let used = |look| asked.looks.at(look);
    let mut made = Attributes::new();
    let mut add = |name, parts: Attributes<'static>| made.push((name, Value::record(parts, None)));
    if used(Look::Network) {
        let mut parts = Attributes::new();
        if used(Look::Address) {
            let address = around.client.to_canonical().to_string();
            let address = called(&RestrictedExpression::new_ip(address))?;
            parts.push(("address", address));
        }
        if let Some(country) = around.place.and_then(|place| place.code()) {
            parts.push(("country", country.into()));
        }
        if let Some(system) = around.place.and_then(|place| place.network) {
            parts.push(("system", i64::from(system).into()));
        }
        add("network", parts);
    }
    if let Some(device) = around.device.filter(|_| used(Look::Device)) {
        let parts = vec![
            ("id", (&*device.id).into()),
            ("approved", device.approved.into()),
            ("signals", set(device.signals())),
        ];
        add("device", parts);
    }
    if let Some(risk) = around.risk.filter(|_| used(Look::Risk)) {
        let signals = risk.signals.iter().map(|one| one.signal.name());
        let parts = vec![
            ("score", i64::from(risk.points).into()),
            ("signals", set(signals)),
        ];
        add("risk", parts);
    }
    if used(Look::Proof) {
        add("proof", proof(around));
    }
    if used(Look::Time) {
        let now_s = around.now_ms / 1000;
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX).into();
        let mut parts = vec![
            ("hour", whole(now_s / 3600 % 24)),
            // The epoch began on a Thursday; Monday is 1 (ISO 8601).
            ("weekday", whole((now_s / 86_400 + 3) % 7 + 1)),
        ];
        if used(Look::Now) {
            let now = RestrictedExpression::new_datetime(moment(around.now_ms));
            parts.push(("now", called(&now)?));
        }
        add("time", parts);
    }
    Ok(made)
}

/// How long ago, and by what, the caller was authenticated.
fn proof(around: &Around<'_>) -> Attributes<'static> {
    let claims = around
        .identity
        .and_then(|identity| identity.claims.as_deref());
    let mut parts = Attributes::new();
    let at = claims.and_then(|claims| proved_at(claims, &[], &[]));
    if let Some(at) = at.and_then(|at| i64::try_from(at).ok()) {
        let now = i64::try_from(around.now_ms / 1000).unwrap_or(i64::MAX);
        parts.push(("age", now.saturating_sub(at).into()));
    }
    let means = match claims.and_then(|claims| claims.get("amr")) {
        Some(Json::Array(all)) => set(all.iter().filter_map(Json::as_str)),
        Some(Json::String(one)) => set(std::iter::once(&**one)),
        _ => set(empty()),
    };
    parts.push(("means", means));
    parts
}

fn moment(now_ms: u64) -> String {
    let (year, month, day) = date(now_ms / 86_400_000);
    let second = now_ms / 1000 % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of the day that is so many after 1970-01-01, in the Gregorian calendar
/// (Richards' algorithm, Explanatory Supplement to the Astronomical Almanac, 15.11).
fn date(days: u64) -> (u64, u64, u64) {
    let julian = days + 2_440_588;
    let f = julian + 1401 + (4 * julian + 274_277) / 146_097 * 3 / 4 - 38;
    let e = 4 * f + 3;
    let h = 5 * (e % 1461 / 4) + 2;
    let (day, month) = (h % 153 / 5 + 1, (h / 153 + 2) % 12 + 1);
    (e / 1461 - 4716 + (14 - month) / 12, month, day)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_have_their_dates() {
        for (days, wanted) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_787, (2026, 11, 30)),
            (20_818, (2026, 12, 31)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), wanted, "{days}");
        }
    }
}
