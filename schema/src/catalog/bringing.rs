//! Which containers bring a component, for searches, and which state values of it, for those who follow what is published: worked
//! out once for each snapshot that is asked.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, OnceLock},
};

use super::Catalog;
use crate::id::{ComponentId, ContainerId};

/// See the module. Copies of a snapshot share it; one that changes forgets it.
#[derive(Debug, Clone, Default)]
pub(super) struct Bringing(OnceLock<Arc<HashMap<ComponentId, Containers>>>);

#[derive(Debug, Default)]
struct Containers {
    bringing: BTreeSet<ContainerId>,
    stating: BTreeSet<ContainerId>,
}

static NONE: BTreeSet<ContainerId> = BTreeSet::new();

impl Catalog {
    /// Containers whose instances may have the component without own values: by the container itself, or by the overrides
    /// of a slot that holds one.
    pub fn bringing(&self, component: ComponentId) -> &BTreeSet<ContainerId> {
        self.of_component(component).map_or(&NONE, |containers| &containers.bringing)
    }

    /// Containers that state values of the component, for their instances or for what is in their slots.
    pub fn stating(&self, component: ComponentId) -> &BTreeSet<ContainerId> {
        self.of_component(component).map_or(&NONE, |containers| &containers.stating)
    }

    fn of_component(&self, component: ComponentId) -> Option<&Containers> {
        self.bringing.0.get_or_init(|| Arc::new(self.all_bringing())).get(&component)
    }

    fn all_bringing(&self) -> HashMap<ComponentId, Containers> {
        let mut found: HashMap<ComponentId, Containers> = HashMap::new();
        for container in self.containers() {
            for component in container.draft.components.0.keys() {
                let containers = found.entry(*component).or_default();
                containers.bringing.insert(container.id);
                containers.stating.insert(container.id);
            }
            for child in &container.draft.children {
                let target = self.container_by_name(child.container.as_str());
                for component in child.overrides.0.keys() {
                    let containers = found.entry(*component).or_default();
                    containers.stating.insert(container.id);
                    containers.bringing.extend(target.map(|target| target.id));
                }
            }
        }
        found
    }
}
