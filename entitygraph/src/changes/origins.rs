//! Where the values of a scope's entities come from, and so who hears of what is published.
//!
//! Publishing changes values of every instance and writes none of them, so nobody can be found by walking from what
//! changed. Instead each topic knows its origins, and an index leads from an origin to its topics. An entity that leaves the
//! scope keeps its origins there until the topic ends, so a topic may be told too much, never too little.

use std::collections::{HashMap, HashSet};

use entitygraph_schema::{Catalog, Change, ComponentId, ContainerId, Cursor, Entity};

use super::scope::{Scope, ScopeChange};

/// What effective values of entities come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// An entity's container, or that of its slot; with them the types of all components that these bring.
    Container(ContainerId),
    /// The type of a component that an entity has values of its own for.
    Component(ComponentId),
}

impl Origin {
    /// Where the values of the entity come from.
    pub fn of(entity: &Entity) -> impl Iterator<Item = Self> {
        let source = entity.source.iter();
        let containers = source.flat_map(|source| {
            let slot = source.slot.as_ref().map(|slot| slot.container);
            std::iter::once(source.container).chain(slot)
        });
        containers.map(Self::Container).chain(entity.components.0.keys().copied().map(Self::Component))
    }

    /// What a change adds to the origins of its scope.
    pub fn added_by(change: &ScopeChange) -> Vec<Self> {
        match change {
            ScopeChange::Entered(entity) => Self::of(entity).collect(),
            ScopeChange::Changed { patch, .. } => {
                patch.components.keys().copied().map(Self::Component).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Where the values come from that may be others by what was published.
    pub fn altered_by(published: &Change, catalog: &Catalog) -> Vec<Self> {
        match published {
            Change::Container(container) => vec![Self::Container(container.id)],
            Change::Component(component) if has_earlier(published) => {
                let stating = catalog.stating(component.id).iter().copied().map(Self::Container);
                stating.chain([Self::Component(component.id)]).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Whether values came from an earlier version of what was published.
fn has_earlier(published: &Change) -> bool {
    match published {
        Change::Container(container) => container.version.number() > 1,
        Change::Component(component) => component.version > 1,
        _ => false,
    }
}

/// The origins of all topics.
#[derive(Debug, Default)]
pub(super) struct Origins {
    by_scope: HashMap<Scope, Known>,
    by_origin: HashMap<Origin, HashSet<Scope>>,
    /// Those who do not know theirs are told of everything.
    unknown: HashSet<Scope>,
}

#[derive(Debug, Default)]
struct Known {
    origins: HashSet<Origin>,
    /// They are those of all who were in the scope at this moment or later.
    since: Option<Cursor>,
    /// What is read of the scope before this moment does not say them: more entered then than was added.
    not_before: Cursor,
    /// Whether somebody reads the scope to learn them.
    claimed: bool,
}

impl Origins {
    /// Begins a topic. A container hears of itself, also when it has no instances.
    pub fn open(&mut self, scope: &Scope) {
        self.by_scope.insert(scope.clone(), Known::default());
        self.unknown.insert(scope.clone());
        if let Scope::Container(id) = scope {
            self.add(scope, [Origin::Container(*id)]);
        }
    }

    /// Ends a topic.
    pub fn close(&mut self, scope: &Scope) {
        self.unknown.remove(scope);
        for origin in self.by_scope.remove(scope).into_iter().flat_map(|known| known.origins) {
            if let Some(scopes) = self.by_origin.get_mut(&origin) {
                scopes.remove(scope);
                if scopes.is_empty() {
                    self.by_origin.remove(&origin);
                }
            }
        }
    }

    /// Adds to the origins of a topic.
    pub fn add(&mut self, scope: &Scope, origins: impl IntoIterator<Item = Origin>) {
        let Some(known) = self.by_scope.get_mut(scope) else { return };
        for origin in origins {
            if known.origins.insert(origin) {
                self.by_origin.entry(origin).or_default().insert(scope.clone());
            }
        }
    }

    /// All who are in the scope of a topic at a moment, since which what entered was added.
    pub fn learn(&mut self, scope: &Scope, at: Cursor, entities: impl IntoIterator<Item = Origin>) {
        let Some(known) = self.by_scope.get_mut(scope) else { return };
        if at >= known.not_before && known.since.is_none_or(|since| at < since) {
            known.since = Some(at);
            self.unknown.remove(scope);
        }
        self.add(scope, entities);
    }

    /// Whether the caller is the one who is to read the scope and say who is in it.
    pub fn claim(&mut self, scope: &Scope) -> bool {
        let unknown = self.by_scope.get_mut(scope).filter(|known| known.since.is_none() && !known.claimed);
        unknown.map(|known| known.claimed = true).is_some()
    }

    /// The caller who claimed a scope did not come to read it.
    pub fn release(&mut self, scope: &Scope) {
        if let Some(known) = self.by_scope.get_mut(scope) {
            known.claimed = false;
        }
    }

    /// What entered up to a moment was not added: the topic does not know its origins any more.
    pub fn forget(&mut self, scope: &Scope, at: Cursor) {
        if let Some(known) = self.by_scope.get_mut(scope) {
            (known.since, known.claimed) = (None, false);
            known.not_before = known.not_before.max(at);
            self.unknown.insert(scope.clone());
        }
    }

    /// Topics that are told of what is published now, which alters what comes from `altered`.
    pub fn concerned(&self, published: &Change, altered: &[Origin]) -> HashSet<Scope> {
        let topics = altered.iter().filter_map(|origin| self.by_origin.get(origin));
        let mut concerned: HashSet<_> = topics.flatten().cloned().collect();
        if has_earlier(published) {
            concerned.extend(self.unknown.iter().cloned());
        }
        concerned
    }

    /// Whether a follower of the topic who catches up is told of what was published at a moment.
    pub fn concerns(&self, scope: &Scope, at: Cursor, published: &Change, catalog: &Catalog) -> bool {
        let Some(known) = self.by_scope.get(scope) else { return false };
        Origin::altered_by(published, catalog).iter().any(|origin| known.origins.contains(origin))
            || (known.since.is_none_or(|since| at <= since) && has_earlier(published))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64) -> Cursor {
        Cursor::from_number(number)
    }

    fn origin(number: u32) -> Origin {
        Origin::Component(ComponentId::new(number).unwrap())
    }

    #[test]
    fn what_was_read_before_it_was_forgotten_does_not_say_who_is_in_the_scope() {
        let scope = Scope::Label("a".parse().unwrap());
        let mut origins = Origins::default();
        origins.open(&scope);
        origins.forget(&scope, at(5));
        origins.learn(&scope, at(4), [origin(1)]);
        assert!(origins.unknown.contains(&scope), "what entered at 5 is in no origin");
        origins.learn(&scope, at(5), [origin(2)]);
        assert!(!origins.unknown.contains(&scope));
        // Also what is learned late is added.
        origins.learn(&scope, at(9), [origin(3)]);
        for number in 1..=3 {
            assert!(origins.by_origin.contains_key(&origin(number)), "{number}");
        }
    }

    #[test]
    fn a_scope_that_was_claimed_and_given_back_can_be_claimed_again() {
        let scope = Scope::Label("a".parse().unwrap());
        let mut origins = Origins::default();
        origins.open(&scope);
        assert!(origins.claim(&scope) && !origins.claim(&scope));
        origins.release(&scope);
        assert!(origins.claim(&scope));
    }
}
