//! Trees in an order in which parents come first, whatever the order of the files.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use entitygraph_schema::EntityId;

use super::{entities::Tree, scalar::Reference};
use crate::load::{Missing, Problem};

/// A file, and line and column in it.
type Where = (Arc<str>, Option<(u32, u32)>);

/// Passes trees on once their parent was passed on or is in the store, and keeps the others until then.
#[derive(Default)]
pub(super) struct Order {
    passed: HashSet<EntityId>,
    /// Trees by the parent they wait for.
    waiting: HashMap<EntityId, Vec<Tree>>,
}

impl Order {
    /// Passes on the tree and whatever waited for it, or keeps it.
    pub fn offer(&mut self, tree: Tree, in_store: &dyn Fn(EntityId) -> bool, pass: &mut impl FnMut(Tree)) {
        match &tree.parent {
            Some((parent, _)) if !self.passed.contains(parent) && !in_store(*parent) => {
                self.waiting.entry(*parent).or_default().push(tree);
            }
            _ => self.pass(tree, pass),
        }
    }

    fn pass(&mut self, tree: Tree, pass: &mut impl FnMut(Tree)) {
        let mut open = vec![tree];
        while let Some(tree) = open.pop() {
            for entity in &tree.entities {
                self.passed.insert(entity.value.id);
                open.extend(self.waiting.remove(&entity.value.id).into_iter().flatten());
            }
            pass(tree);
        }
    }

    /// What still waits when all files are read: nothing will ever come above it. Returns how many entities that are.
    /// What hangs on something comes after it, so that it is told with it.
    pub fn finish(mut self, mut report: impl FnMut(Problem)) -> u64 {
        let inside: HashSet<_> = self.waiting.values().flatten().flat_map(Tree::ids).collect();
        let mut missing: Vec<_> = self.waiting.keys().copied().filter(|id| !inside.contains(id)).collect();
        missing.sort_by_key(|parent| self.first(*parent));
        let mut count = 0;
        for parent in missing {
            count +=
                self.below(parent, |written| format!("its parent `{written}` did not go in"), &mut report);
        }
        // What is left are rings, and what hangs on them.
        while let Some(ring) = self.ring() {
            let Some(parent) = ring.iter().copied().min_by_key(|parent| self.first(*parent)) else { break };
            if let Some(trees) = self.waiting.get_mut(&parent) {
                trees.sort_by_key(|tree| !tree.ids().any(|id| ring.contains(&id)));
            }
            let message = |written: &Reference| {
                format!("it cannot be put under `{written}`, which is itself or below it")
            };
            count += self.below(parent, message, &mut report);
        }
        count
    }

    /// Reports the trees that wait for an entity and everything that waits for them.
    fn below(
        &mut self,
        parent: EntityId,
        message: impl Fn(&Reference) -> String,
        report: &mut impl FnMut(Problem),
    ) -> u64 {
        let (mut count, mut open) = (0, vec![parent]);
        while let Some(parent) = open.pop() {
            for tree in self.waiting.remove(&parent).into_iter().flatten() {
                let (Some(first), Some((_, written))) = (tree.entities.first(), &tree.parent) else {
                    continue;
                };
                let entities = tree.entities.len() as u64;
                let problem = Problem::new(first.origin.clone(), message(written))
                    .because(Missing::Entity(parent))
                    .losing(tree.ids().map(Missing::Entity));
                report(Problem { also: entities - 1, ..problem });
                count += entities;
                open.extend(tree.ids());
            }
        }
        count
    }

    /// Entities that wait for each other in a ring.
    fn ring(&self) -> Option<HashSet<EntityId>> {
        let waits_for: HashMap<_, _> = self
            .waiting
            .iter()
            .flat_map(|(parent, trees)| trees.iter().flat_map(Tree::ids).map(move |id| (id, *parent)))
            .collect();
        let first = self.waiting.keys().copied().min_by_key(|parent| self.first(*parent));
        let mut at = first?;
        // Whoever goes up for so long is in a ring.
        for _ in 0..=waits_for.len() {
            at = *waits_for.get(&at)?;
        }
        let mut ring = HashSet::new();
        while ring.insert(at) {
            at = *waits_for.get(&at)?;
        }
        Some(ring)
    }

    /// Where the first tree stands that waits for an entity.
    fn first(&self, parent: EntityId) -> Option<Where> {
        let trees = self.waiting.get(&parent)?.iter().filter_map(|tree| tree.entities.first());
        trees.map(|first| (first.origin.file.clone(), first.origin.position)).min()
    }
}
