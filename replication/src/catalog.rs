//! The catalog as the stream tells it: the short number of each variable, on which lane it is told, and to whom.

use std::collections::{BTreeMap, BTreeSet};

use entitygraph_schema::{
    ComponentId, ComponentType, Components, Registry, SendPolicy, Visibility, codec,
    wire::{
        Role,
        control::message,
        state::Lane,
        variable::{Known, Variables},
    },
};

/// Bytes of component types in one `CatalogPart`.
const PART_BYTES: usize = 16 << 10;

/// How a variable is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// How often.
    pub lane: Lane,
    /// To whom.
    pub class: Visibility,
    /// Variables of one group change together: those of one component and group name that are told in the same way.
    pub group: u16,
}

/// All component types, and the numbers of their variables.
#[derive(Debug, Clone, Default)]
pub struct StreamCatalog {
    registry: Registry,
    variables: Variables,
    /// By number of the variable.
    telling: Vec<Telling>,
}

/// A catalog that the stream has no numbers for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} variables, the stream has numbers for {max}", max = Variables::NUMBER_MAX)]
pub struct TooMany(usize);

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sight {
    /// Whoever sees the entity.
    Public,
    /// Its owner.
    Owner,
    /// Game servers.
    Server,
}

impl Sight {
    /// Whether variables of this class are told.
    pub const fn sees(self, class: Visibility) -> bool {
        match class {
            Visibility::Public => true,
            Visibility::OwnerOnly => matches!(self, Self::Owner | Self::Server),
            Visibility::ServerOnly => matches!(self, Self::Server),
        }
    }

    /// What a peer of this role is told of what it does not own.
    pub const fn of(role: Role) -> Self {
        match role {
            Role::Server => Self::Server,
            Role::Player | Role::Viewer => Self::Public,
        }
    }
}

impl StreamCatalog {
    /// Numbers the variables of all types: first those that are sent with each tick, because they are told most often, then by
    /// the numbers of component and variable. Of the components named, what is sent on change is told slowly.
    ///
    /// # Errors
    /// More variables than there are numbers.
    pub fn new(registry: Registry, slow: &BTreeSet<ComponentId>) -> Result<Self, TooMany> {
        let mut all: Vec<_> = registry
            .iter()
            .flat_map(|component| component.variables.iter().map(move |variable| (component, variable)))
            .collect();
        if all.len() > Variables::NUMBER_MAX as usize {
            return Err(TooMany(all.len()));
        }
        all.sort_by_key(|(component, variable)| {
            (variable.draft.send != SendPolicy::EveryTick, component.id, variable.id)
        });
        let mut variables = Variables::default();
        let (mut telling, mut groups) = (Vec::with_capacity(all.len()), BTreeMap::new());
        for (number, (component, variable)) in all.iter().enumerate() {
            let lane = match variable.draft.send {
                SendPolicy::EveryTick => Lane::Motion,
                SendPolicy::OnChange if slow.contains(&component.id) => Lane::Slow,
                SendPolicy::OnChange => Lane::Prompt,
            };
            let class = variable.draft.visibility;
            let name = variable.draft.group.as_ref().ok_or(variable.id);
            let next = groups.len() as u16;
            let group = *groups.entry((component.id, name, lane, class as u8)).or_insert(next);
            telling.push(Telling { lane, class, group });
            let known = Known::of(component.id, variable);
            // Each number and each variable stands here once.
            let _ = variables.insert(number as u32, known);
        }
        Ok(Self { registry, variables, telling })
    }

    /// What numbers stand for.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// How the variable of a number is told.
    pub fn telling(&self, number: u32) -> Option<Telling> {
        self.telling.get(number as usize).copied()
    }

    /// What may be told of an entity's own values. What the catalog does not know is for servers only, and so is a component all
    /// of whose variables are.
    pub fn seen(&self, sight: Sight, own: &Components) -> Components {
        if sight == Sight::Server {
            return own.clone();
        }
        let told = own.0.iter().filter_map(|(id, values)| {
            let component = self.registry.get(*id).filter(|component| is_seen(sight, component))?;
            let seen = values.iter().filter(|(variable, _)| {
                component.variable_by_id(**variable).is_some_and(|known| sight.sees(known.draft.visibility))
            });
            Some((*id, seen.map(|(variable, value)| (*variable, value.clone())).collect()))
        });
        Components(told.collect())
    }

    /// The catalog in parts, without what a peer of this role may not see of what it owns.
    pub fn parts(&self, role: Role, wanted: &message::CatalogWanted) -> Vec<message::CatalogPart> {
        let sight = if role == Role::Player { Sight::Owner } else { Sight::of(role) };
        let mut parts = vec![message::CatalogPart::default()];
        let mut bytes = 0;
        for component in self.registry.iter().filter(|component| is_seen(sight, component)) {
            if !wanted.components.is_empty() && !wanted.components.contains(&component.id.get()) {
                continue;
            }
            let shown = shown(sight, component);
            let encoded = codec::encoded(&shown);
            if bytes > 0 && bytes + encoded.len() > PART_BYTES {
                (bytes, _) = (0, parts.push(message::CatalogPart::default()));
            }
            bytes += encoded.len();
            let Some(part) = parts.last_mut() else { break };
            part.components.push(encoded);
            part.variables.extend(shown.variables.iter().filter_map(|variable| {
                let number = self.variables.number(component.id, variable.id)?;
                let (component, variable) = (component.id.get(), variable.id.get().into());
                Some(message::VariableNumber { number, component, variable })
            }));
        }
        if let Some(last) = parts.last_mut() {
            last.last = true;
        }
        parts
    }
}

/// Whether anything of a type may be told: markers, which have no variables, are.
fn is_seen(sight: Sight, component: &ComponentType) -> bool {
    component.variables.is_empty()
        || component.variables.iter().any(|variable| sight.sees(variable.draft.visibility))
}

fn shown(sight: Sight, component: &ComponentType) -> ComponentType {
    let mut shown = component.clone();
    shown.variables.retain(|variable| sight.sees(variable.draft.visibility));
    shown.retired.retain(|variable| sight.sees(variable.draft.visibility));
    shown
}
