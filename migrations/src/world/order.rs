//! Trees in an order in which parents come first, whatever the order of the files.

use std::collections::{HashMap, HashSet};

use entitygraph_schema::EntityId;

use super::entities::Tree;
use crate::load::Problem;

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
    pub fn finish(self, mut report: impl FnMut(Problem)) -> u64 {
        // For each entity that waits, what its tree waits for.
        let mut waits_for = HashMap::new();
        for tree in self.waiting.values().flatten() {
            for (entity, (parent, _)) in tree.entities.iter().flat_map(|e| tree.parent.iter().map(move |p| (e, p))) {
                waits_for.insert(entity.value.id, *parent);
            }
        }
        let mut trees: Vec<_> = self.waiting.into_values().flatten().collect();
        trees.sort_by_key(|tree| tree.entities.first().map(|first| first.value.id));
        let mut count = 0;
        for tree in &trees {
            let (Some(first), Some((parent, written))) = (tree.entities.first(), &tree.parent) else { continue };
            count += tree.entities.len() as u64;
            let mut seen = HashSet::new();
            let mut above = Some(parent);
            while let Some(id) = above.filter(|id| seen.insert(**id)) {
                above = waits_for.get(id);
            }
            let message = if tree.entities.iter().any(|entity| seen.contains(&entity.value.id)) {
                format!("it cannot be put under `{written}`, which is itself or below it")
            } else if above.is_some() || waits_for.contains_key(parent) {
                format!("its parent `{written}` did not go in")
            } else {
                format!("its parent `{written}` is neither in the files nor in the store, or did not go in")
            };
            report(Problem::new(first.origin.clone(), message));
        }
        count
    }
}
