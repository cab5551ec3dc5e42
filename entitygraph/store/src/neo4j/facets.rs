//! Sets of facets, each with a number, so that one property and one index serve every search for what an entity has.
//!
//! An entity has one set: its kind, container, components and labels. Worlds have far fewer sets than entities (instances of one
//! container mostly have one). Numbers are given under the shard's lock, in order, and never change, so an instance that meets one
//! it does not know reads those that came since.

use std::{collections::HashMap, sync::Arc};

use entitygraph_schema::{ComponentId, ContainerId, Entity, query::Facet};

use super::{shared::Shared, statements as cypher};
use crate::error::Result;

/// What an entity is found and counted by, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FacetSet(pub Vec<Facet>);

/// The number of a [`FacetSet`].
pub type SetNumber = u32;

impl FacetSet {
    /// Of an entity.
    pub fn of(entity: &Entity) -> Self {
        let mut facets = vec![Facet::Kind(entity.kind.clone())];
        facets.extend(entity.source.iter().map(|source| Facet::Container(source.container)));
        facets.extend(entity.components.0.keys().map(|component| Facet::Component(*component)));
        facets.extend(entity.labels.iter().map(|label| Facet::Label(label.clone())));
        Self(facets)
    }

    /// As a person reads it in the database.
    pub fn words(&self) -> Vec<String> {
        let word = |facet: &Facet| match facet {
            Facet::Kind(kind) => format!("kind {kind}"),
            Facet::Container(id) => format!("container {id}"),
            Facet::Component(id) => format!("component {id}"),
            Facet::Label(label) => format!("label {label}"),
        };
        self.0.iter().map(word).collect()
    }

    /// Reads [`Self::words`] back; none if they cannot be that.
    pub fn read(words: &[&str]) -> Option<Self> {
        let read = |word: &&str| match word.split_once(' ')? {
            ("kind", kind) => Some(Facet::Kind(kind.parse().ok()?)),
            ("container", id) => Some(Facet::Container(id.parse::<ContainerId>().ok()?)),
            ("component", id) => Some(Facet::Component(id.parse::<ComponentId>().ok()?)),
            ("label", label) => Some(Facet::Label(label.parse().ok()?)),
            _ => None,
        };
        words.iter().map(read).collect::<Option<_>>().map(Self)
    }
}

/// All sets that are known.
#[derive(Debug, Default, Clone)]
pub struct FacetSets {
    sets: Vec<Arc<FacetSet>>,
    numbers: HashMap<Arc<FacetSet>, SetNumber>,
}

impl FacetSets {
    /// How many there are; the next one gets this number.
    pub fn count(&self) -> SetNumber {
        SetNumber::try_from(self.sets.len()).unwrap_or(SetNumber::MAX)
    }

    /// Adds the next one.
    pub fn push(&mut self, set: FacetSet) -> SetNumber {
        let (number, set) = (self.count(), Arc::new(set));
        self.sets.push(set.clone());
        self.numbers.insert(set, number);
        number
    }

    /// The number of a set, given now if it is new.
    fn number(&mut self, set: FacetSet) -> SetNumber {
        match self.numbers.get(&set) {
            Some(number) => *number,
            None => self.push(set),
        }
    }

    /// The set of a number.
    pub fn get(&self, number: SetNumber) -> Option<&FacetSet> {
        self.sets.get(number as usize).map(|set| &**set)
    }

    /// Takes over the sets that were stored from a number on; some of them may have been read meanwhile.
    pub fn learn(&mut self, from: SetNumber, sets: Self) {
        for (number, set) in (from..).zip(sets.sets) {
            if number == self.count() {
                self.numbers.insert(set.clone(), number);
                self.sets.push(set);
            }
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &FacetSet> {
        self.sets.iter().map(|set| &**set)
    }
}

/// Numbers for the sets of a batch. What is new is nobody's before the batch is committed: another instance may get there first.
pub struct Numbering<'a> {
    known: &'a FacetSets,
    /// Sets that no number was known of; the first of them has the number after all that are known.
    pub new: FacetSets,
}

impl<'a> Numbering<'a> {
    /// With nothing new yet.
    pub fn new(known: &'a FacetSets) -> Self {
        Self { known, new: FacetSets::default() }
    }

    /// The number of a set.
    pub fn number(&mut self, set: FacetSet) -> SetNumber {
        match self.known.numbers.get(&set) {
            Some(number) => *number,
            None => self.known.count() + self.new.number(set),
        }
    }
}

impl Shared {
    /// Makes sure that the set of facets of a number is known; an unknown one was made by another instance.
    pub async fn know_sets(&self, numbers: impl IntoIterator<Item = SetNumber>) -> Result<()> {
        let known = self.facets.read().count();
        let Some(highest) = numbers.into_iter().max().filter(|highest| *highest >= known) else {
            return Ok(());
        };
        let query = cypher::FACET_SETS.query().param("from", i64::from(known));
        let row = self.single(self.client.ask(cypher::FACET_SETS, query).await?)?;
        let sets: Vec<Vec<&str>> = self.column(&row, "answer")?;
        let mut facets = self.facets.write();
        for (number, words) in (known..).zip(sets) {
            if number < facets.count() {
                continue;
            }
            let set = FacetSet::read(&words)
                .ok_or_else(|| self.client.place.corrupt(format!("set of facets {number} is {words:?}")))?;
            facets.push(set);
        }
        if highest >= facets.count() {
            return Err(self.client.place.corrupt(format!("there is no set of facets {highest}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kind: &str) -> FacetSet {
        FacetSet(vec![Facet::Kind(kind.parse().unwrap())])
    }

    #[test]
    fn words_are_read_back() {
        let facets = vec![
            Facet::Kind("ship".parse().unwrap()),
            Facet::Container(ContainerId::new(7).unwrap()),
            Facet::Component(ComponentId::new(9).unwrap()),
            Facet::Label("kind x".replace(' ', ":").parse().unwrap()),
        ];
        let set = FacetSet(facets);
        let words = set.words();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        assert_eq!(FacetSet::read(&words), Some(set));
        assert_eq!(FacetSet::read(&["colour red"]), None);
    }

    #[test]
    fn a_set_keeps_its_number_and_a_new_one_is_known_when_it_is_stored() {
        let mut sets = FacetSets::default();
        assert_eq!([sets.push(set("ship")), sets.push(set("zone"))], [0, 1]);
        let mut numbering = Numbering::new(&sets);
        let numbers = ["crate", "ship", "star", "crate"].map(|kind| numbering.number(set(kind)));
        assert_eq!(numbers, [2, 0, 3, 2]);
        let new = numbering.new;
        assert_eq!((sets.count(), sets.get(2)), (2, None));
        // Somebody has read the first of them meanwhile.
        sets.push(set("crate"));
        sets.learn(2, new);
        assert_eq!((sets.count(), sets.get(3)), (4, Some(&set("star"))));
    }
}
