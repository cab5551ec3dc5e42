//! Which containers bring a component, for searches: worked out once for each snapshot that is asked.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, OnceLock},
};

use super::Catalog;
use crate::id::{ComponentId, ContainerId};

/// See the module. Copies of a snapshot share it; one that changes forgets it.
#[derive(Debug, Clone, Default)]
pub(super) struct Bringing(OnceLock<Arc<HashMap<ComponentId, BTreeSet<ContainerId>>>>);

static NONE: BTreeSet<ContainerId> = BTreeSet::new();

impl Catalog {
    /// Containers whose instances may have the component without own values: by the container itself, or by the overrides
    /// of a slot that holds one.
    pub fn bringing(&self, component: ComponentId) -> &BTreeSet<ContainerId> {
        self.bringing.0.get_or_init(|| Arc::new(self.all_bringing())).get(&component).unwrap_or(&NONE)
    }

    fn all_bringing(&self) -> HashMap<ComponentId, BTreeSet<ContainerId>> {
        let mut bringing: HashMap<ComponentId, BTreeSet<ContainerId>> = HashMap::new();
        for container in self.containers() {
            for component in container.draft.components.0.keys() {
                bringing.entry(*component).or_default().insert(container.id);
            }
            for child in &container.draft.children {
                let Some(target) = self.container_by_name(child.container.as_str()) else { continue };
                for component in child.overrides.0.keys() {
                    bringing.entry(*component).or_default().insert(target.id);
                }
            }
        }
        bringing
    }
}
