//! Which policies can say anything of which operation, so that a request asks those alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Entities, Entity, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet,
    PrincipalConstraint, ResourceConstraint,
};

use super::schema::ROLE;
use super::text::Written;
use super::used::Used;
use super::Operation;
use crate::roles::Book;
use crate::ConfigError;

/// What is asked of an operation.
#[derive(Debug)]
pub struct Asked {
    /// The operation, as Cedar calls it.
    pub action: EntityUid,
    /// The operation and what it belongs to: what every request for it has.
    pub entities: Entities,
    /// The type of what is asked for.
    pub kind: EntityTypeName,
    /// Policies for whoever calls.
    pub general: PolicySet,
    /// Policies for those alone who have a role, by the role's place in [`Asked::roles`].
    pub by_role: Box<[(usize, PolicySet)]>,
    /// The roles that its policies name: the book's numbers, and what Cedar calls them.
    pub roles: Box<[(usize, EntityUid)]>,
    /// What its policies look at.
    pub used: Used,
    /// Its parameters and body.
    pub operation: Arc<Operation>,
}

/// The name of a thing of this type. Types are names that schema or Cedar has taken.
pub fn named(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), cedar_policy::EntityId::new(id))
}

/// Reads a type's name.
///
/// # Errors
/// If it is none.
pub fn type_name(name: &str) -> Result<EntityTypeName, ConfigError> {
    name.parse().map_err(|wrong| {
        let message = format!("`{name}` cannot be a type of Cedar: {wrong}");
        ConfigError::new("cedar-schema", "", message)
    })
}

/// Sorts policies by operation and role.
///
/// # Errors
/// A role that the book does not know, where it is named.
pub fn index(
    operations: &[Operation],
    kinds: &[String],
    written: &[Written],
    book: &Book,
) -> Result<HashMap<Box<str>, Asked>, Vec<ConfigError>> {
    let one = |error: ConfigError| vec![error];
    let (action, role) = (
        type_name("Action").map_err(one)?,
        type_name(ROLE).map_err(one)?,
    );
    let mut errors = Vec::new();
    let mut named_roles: HashMap<PolicyId, Vec<(usize, EntityUid)>> = HashMap::new();
    let mut looks: HashMap<PolicyId, serde_json::Value> = HashMap::new();
    for one in written {
        let mut roles = Vec::new();
        for uid in one.policy.entity_literals() {
            if *uid.type_name() != role {
                continue;
            }
            match book.number(uid.id().unescaped()) {
                Some(number) => roles.push((number, uid)),
                None => {
                    let message = format!("there is no role `{}`", uid.id().unescaped());
                    errors.push(ConfigError::new("role-unknown", "", message).at(one.span));
                }
            }
        }
        roles.sort_by_key(|(number, _)| *number);
        roles.dedup();
        named_roles.insert(one.policy.id().clone(), roles);
        let json = one.policy.to_json().unwrap_or_default();
        looks.insert(one.policy.id().clone(), json);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut made = HashMap::new();
    for (operation, kind) in operations.iter().zip(kinds) {
        let uid = named(&action, &operation.name);
        let groups: Vec<EntityUid> = operation
            .groups
            .iter()
            .map(|id| named(&action, id))
            .collect();
        let kind = type_name(kind).map_err(one)?;
        let for_this = written
            .iter()
            .map(|one| &one.policy)
            .filter(|policy| acts(policy, &uid, &groups) && concerns(policy, &kind));
        let (mut general, mut by_role) = (Vec::new(), BTreeMap::<usize, Vec<Policy>>::new());
        let mut roles: BTreeMap<usize, EntityUid> = BTreeMap::new();
        let mut used = Used::default();
        for policy in for_this {
            roles.extend(named_roles.get(policy.id()).into_iter().flatten().cloned());
            used.add(looks.get(policy.id()).unwrap_or(&serde_json::Value::Null));
            let bound = match policy.principal_constraint() {
                PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => Some(uid),
                _ => None,
            };
            match bound
                .filter(|uid| *uid.type_name() == role)
                .and_then(|uid| book.number(uid.id().unescaped()))
            {
                Some(number) => by_role.entry(number).or_default().push(policy.clone()),
                None => general.push(policy.clone()),
            }
        }
        let set = |policies: Vec<Policy>| {
            PolicySet::from_policies(policies)
                .map_err(|wrong| one(ConfigError::new("cedar-syntax", "", wrong.to_string())))
        };
        let roles: Box<[(usize, EntityUid)]> = roles.into_iter().collect();
        let place = |number: usize| {
            roles
                .iter()
                .position(|(known, _)| *known == number)
                .unwrap_or(usize::MAX)
        };
        let by_role = by_role
            .into_iter()
            .map(|(number, policies)| Ok::<_, Vec<ConfigError>>((place(number), set(policies)?)));
        let acting = Entity::new_no_attrs(uid.clone(), groups.into_iter().collect());
        let entities = Entities::from_entities([acting], None)
            .map_err(|wrong| one(ConfigError::new("cedar-schema", "", wrong.to_string())))?;
        let asked = Asked {
            entities,
            by_role: by_role.collect::<Result<_, _>>()?,
            general: set(general)?,
            action: uid,
            kind,
            roles,
            used,
            operation: Arc::new(operation.clone()),
        };
        made.insert(operation.name.as_str().into(), asked);
    }
    Ok(made)
}

/// Whether a policy can be for an operation.
fn acts(policy: &Policy, action: &EntityUid, groups: &[EntityUid]) -> bool {
    let is = |uid: &EntityUid| uid == action || groups.contains(uid);
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == *action,
        ActionConstraint::In(all) => all.iter().any(is),
    }
}

/// Whether a policy can be for what an operation is asked for.
fn concerns(policy: &Policy, kind: &EntityTypeName) -> bool {
    match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::In(_) | ResourceConstraint::Eq(_) => true,
        ResourceConstraint::Is(wanted) | ResourceConstraint::IsIn(wanted, _) => wanted == *kind,
    }
}
