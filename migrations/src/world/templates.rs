//! Component types and containers, from the files to drafts.

use std::collections::{BTreeMap, HashMap, HashSet};

use entitygraph_schema::{
    Child, ComponentDraft, ContainerDraft, EntityId, Port, Registry, SendPolicy, ValueKind, VariableDraft,
    Visibility,
};

use super::{
    format,
    marked::Mark,
    names::did_you_mean,
    scalar::Reference,
    values::{Fault, Place, Resolve},
};
use crate::load::{Missing, Problem, Sourced};

const MAX_DEPTH: usize = entitygraph_schema::Container::MAX_DEPTH;

/// Finds the entity that a reference means in a world.
pub(super) type ResolveIn<'a> = &'a dyn Fn(Option<&str>, &Reference) -> Result<EntityId, Fault>;

/// A part of a document and where it is.
pub(super) struct Found<T> {
    pub place: Place,
    pub value: T,
    /// World of the document; keys mean its entities.
    pub world: Option<String>,
}

/// Component types of all files. Of two with one name the first counts.
pub(super) fn components(
    found: &[Found<format::Component>],
    resolve: ResolveIn<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Sourced<ComponentDraft>> {
    let mut drafts = Vec::new();
    let mut first = HashMap::new();
    for Found { place, value, world } in found {
        if let Some(problem) = again(&mut first, &value.name.value, place, "component") {
            problems.push(problem);
            continue;
        }
        let resolve = |reference: &Reference| resolve(world.as_deref(), reference);
        match component(place, value, &resolve) {
            Ok(draft) => drafts.push(Sourced::new(place.origin(), draft)),
            Err(problem) => {
                problems.push(problem.losing([Missing::Component(value.name.value.as_str().into())]));
            }
        }
    }
    drafts
}

fn component(
    place: &Place,
    written: &format::Component,
    resolve: Resolve<'_>,
) -> Result<ComponentDraft, Problem> {
    let mut variables = Vec::with_capacity(written.variables.len());
    for (index, variable) in written.variables.iter().enumerate() {
        let field = |name: &str| format!("variables[{index}].{name}");
        let default = &variable.default;
        let default =
            place.value(&field("default"), default.mark, &default.value, variable.sort.into(), resolve)?;
        if let Some(precision) = &variable.precision
            && !(precision.value.is_finite() && precision.value > 0.0)
        {
            let message = format!("the precision is {}, it must be a positive number", precision.value);
            return Err(place.problem(precision.mark, &field("precision"), message));
        }
        variables.push(VariableDraft {
            name: place.text(&field("name"), &variable.name)?,
            default,
            group: place.optional_text(&field("group"), variable.group.as_ref())?,
            send: variable.send.into(),
            persisted: variable.persisted,
            visibility: variable.visibility.into(),
            precision: variable.precision.as_ref().map(|precision| precision.value),
        });
    }
    Ok(ComponentDraft::new(place.text("name", &written.name)?, variables))
}

/// Containers of all files, those that others nest first.
pub(super) fn containers(
    found: &[Found<format::Container>],
    registry: &Registry,
    resolve: ResolveIn<'_>,
    is_published: &dyn Fn(&str) -> bool,
    problems: &mut Vec<Problem>,
) -> Vec<Sourced<ContainerDraft>> {
    let mut first = HashMap::new();
    let mut waiting = BTreeMap::new();
    for (index, Found { place, value, .. }) in found.iter().enumerate() {
        match again(&mut first, &value.name.value, place, "container") {
            Some(problem) => problems.push(problem),
            None => drop(waiting.insert(value.name.value.as_str(), index)),
        }
    }
    let names: HashSet<_> = waiting.keys().copied().collect();
    let mut drafts = Vec::new();
    let mut path = Vec::new();
    for name in found.iter().map(|container| container.value.name.value.as_str()) {
        let mut order = Vec::new();
        in_order(name, found, &mut waiting, &mut path, &mut order, problems);
        for Found { place, value, world } in order.into_iter().map(|index: usize| &found[index]) {
            let known = |name: &str| names.contains(name) || is_published(name);
            let resolve = |reference: &Reference| resolve(world.as_deref(), reference);
            let draft = unknown_child(place, value, &known, &names).map_or(Ok(()), Err);
            match draft.and_then(|()| container(place, value, registry, &resolve)) {
                Ok(draft) => drafts.push(Sourced::new(place.origin(), draft)),
                Err(problem) => problems.push(problem.losing([container_named(&value.name.value)])),
            }
        }
    }
    drafts
}

/// Depth first, so that what is nested comes before what nests it; `path` is what is being nested right now.
fn in_order<'a>(
    name: &'a str,
    found: &'a [Found<format::Container>],
    waiting: &mut BTreeMap<&'a str, usize>,
    path: &mut Vec<&'a str>,
    order: &mut Vec<usize>,
    problems: &mut Vec<Problem>,
) {
    let Some(index) = waiting.get(name).copied() else { return };
    if path.len() >= MAX_DEPTH {
        waiting.remove(name);
        let message = format!("containers are nested more than {MAX_DEPTH} levels deep");
        let problem = found[index].place.problem(Mark::default(), "children", message);
        problems.push(problem.losing([container_named(name)]));
        return;
    }
    path.push(name);
    for (at, child) in found[index].value.children.iter().enumerate() {
        let inner = child.container.value.as_str();
        if let Some(start) = path.iter().position(|above| *above == inner) {
            let cycle = [&path[start..], &[inner]].concat().join("` holds `");
            let field = format!("children[{at}].container");
            let message = format!("a container cannot hold itself: `{cycle}`");
            let problem = found[index].place.problem(child.container.mark, &field, message);
            problems.push(problem.losing([container_named(name)]));
            // Left out; whoever nests it is told that it is unknown.
            waiting.remove(name);
            path.pop();
            return;
        }
        in_order(inner, found, waiting, path, order, problems);
    }
    path.pop();
    if waiting.remove(name).is_some() {
        order.push(index);
    }
}

fn unknown_child(
    place: &Place,
    written: &format::Container,
    known: &dyn Fn(&str) -> bool,
    names: &HashSet<&str>,
) -> Option<Problem> {
    let (index, child) =
        written.children.iter().enumerate().find(|(_, child)| !known(&child.container.value))?;
    let name = &child.container.value;
    let hint = did_you_mean(name, names.iter().copied());
    let field = format!("children[{index}].container");
    let problem =
        place.problem(child.container.mark, &field, format!("there is no container `{name}`{hint}"));
    Some(problem.because(container_named(name)))
}

/// The container, when it is not there.
pub(super) fn container_named(name: &str) -> Missing {
    Missing::Container(name.into())
}

fn container(
    place: &Place,
    written: &format::Container,
    registry: &Registry,
    resolve: Resolve<'_>,
) -> Result<ContainerDraft, Problem> {
    let zone = place.zone(written.zone.as_ref())?;
    let mut ports = Vec::with_capacity(written.ports.len());
    for (index, port) in written.ports.iter().enumerate() {
        ports.push(Port {
            name: place.text(&format!("ports[{index}].name"), &port.name)?,
            accepts: place.texts(&format!("ports[{index}].accepts"), &port.accepts)?,
        });
    }
    let mut children = Vec::with_capacity(written.children.len());
    for (index, child) in written.children.iter().enumerate() {
        let mark = child.name.mark;
        let place = Place { mark, path: format!("{}.children[{index}]", place.path), ..place.clone() };
        children.push(Child {
            name: place.text("name", &child.name)?,
            container: place.text("container", &child.container)?,
            pose: place.pose(child.pose.as_ref())?,
            port: place.optional_text("port", child.port.as_ref())?,
            overrides: place.values(&child.values, registry, resolve)?,
            labels: place.texts("labels", &child.labels)?,
        });
    }
    Ok(ContainerDraft {
        name: place.text("name", &written.name)?,
        kind: place.text("kind", &written.kind)?,
        radius: place.radius(written.radius.as_ref(), zone.as_ref())?.unwrap_or_default(),
        zone,
        root: written.root,
        transient: written.transient,
        labels: place.texts("labels", &written.labels)?,
        ports,
        components: place.values(&written.values, registry, resolve)?,
        children,
    })
}

/// The problem of a name that was given before.
fn again<'a>(
    first: &mut HashMap<&'a str, &'a Place>,
    name: &'a str,
    place: &'a Place,
    what: &str,
) -> Option<Problem> {
    if let Some(before) = first.get(name) {
        let before = before.origin();
        return Some(place.problem(
            Mark::default(),
            "name",
            format!("{what} `{name}` is there twice, first at {before}"),
        ));
    }
    first.insert(name, place);
    None
}

impl From<format::Sort> for ValueKind {
    fn from(sort: format::Sort) -> Self {
        match sort {
            format::Sort::Bool => Self::Bool,
            format::Sort::Int => Self::Int,
            format::Sort::Float => Self::Float,
            format::Sort::Text => Self::Text,
            format::Sort::Entity => Self::Entity,
            format::Sort::Vector => Self::Vector,
            format::Sort::Bytes => Self::Bytes,
            format::Sort::IntList => Self::IntList,
            format::Sort::FloatList => Self::FloatList,
            format::Sort::TextList => Self::TextList,
        }
    }
}

impl From<ValueKind> for format::Sort {
    fn from(kind: ValueKind) -> Self {
        match kind {
            ValueKind::Bool => Self::Bool,
            ValueKind::Int => Self::Int,
            ValueKind::Float => Self::Float,
            ValueKind::Text => Self::Text,
            ValueKind::Entity => Self::Entity,
            ValueKind::Vector => Self::Vector,
            ValueKind::Bytes => Self::Bytes,
            ValueKind::IntList => Self::IntList,
            ValueKind::FloatList => Self::FloatList,
            ValueKind::TextList => Self::TextList,
        }
    }
}

impl From<format::Send> for SendPolicy {
    fn from(send: format::Send) -> Self {
        match send {
            format::Send::OnChange => Self::OnChange,
            format::Send::EveryTick => Self::EveryTick,
        }
    }
}

impl From<SendPolicy> for format::Send {
    fn from(send: SendPolicy) -> Self {
        match send {
            SendPolicy::OnChange => Self::OnChange,
            SendPolicy::EveryTick => Self::EveryTick,
        }
    }
}

impl From<format::Visibility> for Visibility {
    fn from(visibility: format::Visibility) -> Self {
        match visibility {
            format::Visibility::Public => Self::Public,
            format::Visibility::OwnerOnly => Self::OwnerOnly,
            format::Visibility::ServerOnly => Self::ServerOnly,
        }
    }
}

impl From<Visibility> for format::Visibility {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Public => Self::Public,
            Visibility::OwnerOnly => Self::OwnerOnly,
            Visibility::ServerOnly => Self::ServerOnly,
        }
    }
}
