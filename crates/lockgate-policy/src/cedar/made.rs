//! A request as Cedar sees it: with what policies for it look at, and nothing else.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use cedar_policy::{Context, Entities, Entity, Request, RestrictedExpression as Value};
use lockgate_wire::query;
use lockgate_wire::target::for_matching;
use serde_json::Value as Json;

use super::index::{named, Asked};
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
type Attributes = Vec<(String, Value)>;

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
        let path = for_matching(view.path);
        let target = named(&asked.kind, &path);
        let held = asked.roles.iter().zip(roles).filter(|(_, held)| **held);
        let parents: HashSet<_> = held.map(|((_, uid), _)| uid.clone()).collect();
        let who = caller(cedar, asked, around.identity)?;
        let what = resource(asked, view, around, body)?;
        let entity = |uid: &cedar_policy::EntityUid, attributes: Attributes, parents| {
            Entity::new(uid.clone(), HashMap::from_iter(attributes), parents).map_err(lost)
        };
        let entities = [
            entity(&principal, who, parents)?,
            entity(&target, what, HashSet::new())?,
        ];
        let entities = asked
            .entities
            .clone()
            .add_entities(entities, None)
            .map_err(lost)?;
        let context = Context::from_pairs(context(asked, around)).map_err(lost)?;
        let request =
            Request::new(principal, asked.action.clone(), target, context, None).map_err(lost)?;
        Ok(Self { request, entities })
    }
}

/// What cannot be, as all values are made here.
fn lost<E>(_: E) -> Wrong {
    "it cannot be told as Cedar wants it".into()
}

fn text(text: &str) -> Value {
    Value::new_string(text.to_owned())
}

fn caller(cedar: &Cedar, asked: &Asked, identity: Option<&Identity>) -> Result<Attributes, Wrong> {
    let mut made = Attributes::new();
    let Some(identity) = identity else {
        return Ok(made);
    };
    let used = |name: &str| asked.used.has(&format!("principal.{name}"));
    let mut add =
        |name: &str, value: Option<Value>| made.extend(value.map(|value| (name.to_owned(), value)));
    if used("id") {
        add("id", Some(text(&identity.credential)));
    }
    if used("owner") {
        add("owner", Some(text(&identity.owner)));
    }
    if used("way") {
        add("way", Some(text(identity.proved_by)));
    }
    if used("app") {
        add("app", identity.app.as_deref().map(text));
    }
    if used("issuer") {
        add("issuer", identity.issuer().map(text));
    }
    if used("scopes") {
        let scopes = crate::scopes::all(identity).map(text);
        add("scopes", Some(Value::new_set(scopes)));
    }
    if used("claims") {
        let none = serde_json::Map::new();
        let claims = identity.claims.as_deref().unwrap_or(&none);
        let wanted: Vec<Field> = looked_at(&cedar.claims, "principal.claims", asked);
        let claims = values(&wanted, claims, "claims", &mut MAX_VALUES.clone())?;
        add("claims", Some(claims));
    }
    Ok(made)
}

/// Those of some fields that policies look at.
fn looked_at(fields: &[Field], at: &str, asked: &Asked) -> Vec<Field> {
    let looked = |field: &&Field| asked.used.has(&format!("{at}.{}", field.name));
    fields.iter().filter(looked).cloned().collect()
}

fn resource(
    asked: &Asked,
    view: &RequestView<'_>,
    around: &Around<'_>,
    body: Option<&Json>,
) -> Result<Attributes, Wrong> {
    let used = |name: &str| asked.used.has(&format!("resource.{name}"));
    let mut made = Attributes::new();
    let mut add = |name: &str, value: Value| made.push((name.to_owned(), value));
    for (name, value) in [
        ("api", view.api),
        ("method", view.method.as_str()),
        ("host", view.host),
        ("target", &for_matching(view.path)),
    ] {
        if used(name) {
            add(name, text(value));
        }
    }
    let operation = &asked.operation;
    if used("path") {
        add("path", path(operation.path.as_slice(), around)?);
    }
    if used("query") {
        let wanted = looked_at(&operation.query, "resource.query", asked);
        add("query", parameters(&wanted, view.query)?);
    }
    if used("body") {
        if let (Some(fields), Some(body)) = (&operation.body, body) {
            let Json::Object(found) = body else {
                return Err("its body is no object".into());
            };
            let wanted = looked_at(fields, "resource.body", asked);
            add(
                "body",
                values(&wanted, found, "body", &mut MAX_VALUES.clone())?,
            );
        } else if operation.body_required {
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
        Ok((field.name.clone(), value.ok_or_else(wrong)?))
    });
    Value::new_record(made.collect::<Result<Attributes, Wrong>>()?).map_err(lost)
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
                (!all.is_empty()).then(|| Value::new_set(all))
            }
            Shape::Record(_) => None,
        };
        match value {
            Some(value) => made.push((field.name.clone(), value)),
            None if field.required => return Err(wrong("is missing")),
            None => {}
        }
    }
    Value::new_record(made).map_err(lost)
}

fn context(asked: &Asked, around: &Around<'_>) -> Attributes {
    let used = |place: &str| asked.used.has(&format!("context.{place}"));
    let mut made = Attributes::new();
    let mut add = |name: &str, parts: Attributes| {
        if let Ok(record) = Value::new_record(parts) {
            made.push((name.to_owned(), record));
        }
    };
    if used("network") {
        let mut parts = Attributes::new();
        if used("network.address") {
            parts.push(("address".to_owned(), address(around.client)));
        }
        if let Some(country) = around.place.and_then(|place| place.code()) {
            parts.push(("country".to_owned(), text(country)));
        }
        if let Some(system) = around.place.and_then(|place| place.network) {
            parts.push(("system".to_owned(), Value::new_long(system.into())));
        }
        add("network", parts);
    }
    if let Some(device) = around.device.filter(|_| used("device")) {
        let signals = device.signals().map(text);
        add(
            "device",
            vec![
                ("id".to_owned(), text(&device.id)),
                ("approved".to_owned(), Value::new_bool(device.approved)),
                ("signals".to_owned(), Value::new_set(signals)),
            ],
        );
    }
    if let Some(risk) = around.risk.filter(|_| used("risk")) {
        let signals = risk.signals.iter().map(|one| text(one.signal.name()));
        add(
            "risk",
            vec![
                ("score".to_owned(), Value::new_long(risk.points.into())),
                ("signals".to_owned(), Value::new_set(signals)),
            ],
        );
    }
    if used("proof") {
        add("proof", proof(around));
    }
    if used("time") {
        let now_s = around.now_ms / 1000;
        let whole = |number: u64| Value::new_long(i64::try_from(number).unwrap_or(i64::MAX));
        let mut parts = vec![
            ("hour".to_owned(), whole(now_s / 3600 % 24)),
            // The epoch began on a Thursday; Monday is 1 (ISO 8601).
            ("weekday".to_owned(), whole((now_s / 86_400 + 3) % 7 + 1)),
        ];
        if used("time.now") {
            parts.push(("now".to_owned(), moment(around.now_ms)));
        }
        add("time", parts);
    }
    made
}

/// How long ago, and by what, the caller was authenticated.
fn proof(around: &Around<'_>) -> Attributes {
    let claims = around
        .identity
        .and_then(|identity| identity.claims.as_deref());
    let mut parts = Attributes::new();
    let at = claims.and_then(|claims| proved_at(claims, &[], &[]));
    if let Some(at) = at.and_then(|at| i64::try_from(at).ok()) {
        let now = i64::try_from(around.now_ms / 1000).unwrap_or(i64::MAX);
        parts.push(("age".to_owned(), Value::new_long(now.saturating_sub(at))));
    }
    let means = claims.and_then(|claims| claims.get("amr"));
    let means: Vec<Value> = match means {
        Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).map(text).collect(),
        Some(Json::String(one)) => vec![text(one)],
        _ => Vec::new(),
    };
    parts.push(("means".to_owned(), Value::new_set(means)));
    parts
}

fn address(client: IpAddr) -> Value {
    Value::new_ip(client.to_canonical().to_string())
}

fn moment(now_ms: u64) -> Value {
    let (year, month, day) = date(now_ms / 86_400_000);
    let second = now_ms / 1000 % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Value::new_datetime(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
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
