//! Which policies can say anything of which operation, so that a request asks those alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::iter::empty;

use cedar_policy::{
    ActionConstraint, Effect, EntityTypeName, EntityUid, Policy, PrincipalConstraint,
    ResourceConstraint,
};
use cedar_policy_core::ast::{Eid, Entity, EntityType, EntityUID, Expr};
use cedar_policy_core::entities::{Entities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::fuzzy_match::fuzzy_search_limited;

use super::looks::Looks;
use super::schema::ROLE;
use super::shape::Field;
use super::text::Written;
use super::used::Used;
use super::Operation;
use crate::roles::Book;
use crate::ConfigError;

/// Letters that may be wrong where a role is taken for a misspelt one.
const FAR: usize = 3;

/// What is asked of an operation.
#[derive(Debug)]
pub struct Asked {
    /// The operation, as Cedar calls it.
    pub action: EntityUID,
    /// The operation and what it belongs to: what every request for it has.
    pub entities: Entities,
    /// The type of what is asked for.
    pub kind: EntityType,
    /// Policies for whoever calls.
    pub general: Box<[Ready]>,
    /// Policies for those alone who have a role, by the role's place in [`Asked::roles`].
    pub by_role: Box<[(usize, Box<[Ready]>)]>,
    /// The roles that its policies name: the book's numbers, and what Cedar calls them.
    pub roles: Box<[(usize, EntityUID)]>,
    /// What its policies look at.
    pub looks: Looks,
    /// Claims that they look at.
    pub claims: Box<[Field]>,
    /// What is in the braces of its path.
    pub path: Box<[Field]>,
    /// Parameters that they look at.
    pub query: Box<[Field]>,
    /// What of its body they look at.
    pub body: Option<Box<[Field]>>,
    /// Whether there always is a body.
    pub body_required: bool,
}

/// A policy to be asked: as it is written, it would be put together anew for each request.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Its place among all.
    pub number: usize,
    /// What it does where its condition holds.
    pub effect: Effect,
    /// For whom it is, for what, and when.
    pub condition: Expr,
}

/// The name of a thing of this type. Types are names that schema or Cedar has taken.
pub fn named(kind: &EntityType, id: &str) -> EntityUID {
    EntityUID::from_components(kind.clone(), Eid::new(id), None)
}

/// Reads a type's name.
///
/// # Errors
/// If it is none.
pub fn type_name(name: &str) -> Result<EntityType, ConfigError> {
    let kind: Result<EntityTypeName, _> = name.parse();
    kind.map(|kind| kind.as_ref().clone()).map_err(|wrong| {
        let message = format!("`{name}` cannot be a type of Cedar: {wrong}");
        ConfigError::new("cedar-schema", "", message)
    })
}

/// Roles that policies name and the book does not know.
pub fn strangers(written: &[Written], book: &Book) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for one in written {
        for uid in one.policy.entity_literals() {
            let name = uid.id().unescaped();
            if uid.type_name().as_ref().to_string() != ROLE || book.number(name).is_some() {
                continue;
            }
            let mut message = format!("there is no role `{name}`");
            let meant = fuzzy_search_limited(name, &book.names(), Some(FAR.min(name.len() / 2)));
            if let Some(meant) = meant {
                let _ = write!(message, "; did you mean `{meant}`?");
            }
            errors.push(ConfigError::new("role-unknown", "", message).at(one.span));
        }
    }
    errors
}

/// Sorts policies by operation and role.
///
/// # Errors
/// A name that cannot be Cedar's.
pub fn index(
    operations: &[Operation],
    claims: &[Field],
    kinds: &[String],
    written: &[Written],
    book: &Book,
) -> Result<HashMap<Box<str>, Asked>, Vec<ConfigError>> {
    let one = |error: ConfigError| vec![error];
    let (action, role) = (
        type_name("Action").map_err(one)?,
        type_name(ROLE).map_err(one)?,
    );
    let mut sorted = Vec::with_capacity(written.len());
    for (number, one) in written.iter().enumerate() {
        let literals = one.policy.entity_literals().into_iter();
        let roles = literals.filter(|uid| *uid.type_name().as_ref() == role);
        let roles = roles.filter_map(|uid| {
            let number = book.number(uid.id().unescaped())?;
            Some((number, uid.as_ref().clone()))
        });
        let roles: Vec<(usize, EntityUID)> = roles.collect();
        let policy: &cedar_policy_core::ast::Policy = one.policy.as_ref();
        let ready = Ready {
            number,
            effect: one.policy.effect(),
            condition: policy.condition(),
        };
        let looks = one.policy.to_json().unwrap_or_default();
        sorted.push((&one.policy, ready, roles, looks));
    }
    let mut made = HashMap::new();
    for (operation, kind) in operations.iter().zip(kinds) {
        let uid = named(&action, &operation.name);
        let groups = operation.groups.iter().map(|id| named(&action, id));
        let groups: Vec<EntityUID> = groups.collect();
        let kind = type_name(kind).map_err(one)?;
        let for_this = sorted
            .iter()
            .filter(|(policy, ..)| acts(policy, &uid, &groups) && concerns(policy, &kind));
        let (mut general, mut by_role) = (Vec::new(), BTreeMap::<usize, Vec<Ready>>::new());
        let mut roles: BTreeMap<usize, EntityUID> = BTreeMap::new();
        let mut used = Used::default();
        for (policy, ready, named, looks) in for_this {
            roles.extend(named.iter().cloned());
            used.add(looks);
            let bound = match policy.principal_constraint() {
                PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => Some(uid),
                _ => None,
            };
            match bound
                .filter(|uid| *uid.type_name().as_ref() == role)
                .and_then(|uid| book.number(uid.id().unescaped()))
            {
                Some(number) => by_role.entry(number).or_default().push(ready.clone()),
                None => general.push(ready.clone()),
            }
        }
        let roles: Box<[(usize, EntityUID)]> = roles.into_iter().collect();
        let place = |number: usize| roles.iter().position(|(known, _)| *known == number);
        let mut placed = Vec::new();
        for (number, policies) in by_role {
            match place(number) {
                Some(place) => placed.push((place, policies.into())),
                None => general.extend(policies),
            }
        }
        let acting = Entity::new_with_attr_partial_value(
            uid.clone(),
            empty(),
            HashSet::new(),
            groups.into_iter().collect(),
            empty(),
        );
        let entities = Entities::from_entities(
            [acting],
            None::<&NoEntitiesSchema>,
            TCComputation::ComputeNow,
            Extensions::all_available(),
        )
        .map_err(|wrong| one(ConfigError::new("cedar-schema", "", wrong.to_string())))?;
        let asked = Asked {
            entities,
            by_role: placed.into(),
            general: general.into(),
            action: uid,
            kind,
            roles,
            looks: used.looks(),
            claims: used.of(claims, "principal.claims"),
            path: operation.path.clone().into(),
            query: used.of(&operation.query, "resource.query"),
            body: operation
                .body
                .as_ref()
                .map(|body| used.of(body, "resource.body")),
            body_required: operation.body_required,
        };
        made.insert(operation.name.as_str().into(), asked);
    }
    Ok(made)
}

/// Whether a policy can be for an operation.
fn acts(policy: &Policy, action: &EntityUID, groups: &[EntityUID]) -> bool {
    let is = |uid: &EntityUid| uid.as_ref() == action || groups.contains(uid.as_ref());
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid.as_ref() == action,
        ActionConstraint::In(all) => all.iter().any(is),
    }
}

/// Whether a policy can be for what an operation is asked for.
fn concerns(policy: &Policy, kind: &EntityType) -> bool {
    match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::In(_) | ResourceConstraint::Eq(_) => true,
        ResourceConstraint::Is(wanted) | ResourceConstraint::IsIn(wanted, _) => {
            wanted.as_ref() == kind
        }
    }
}
