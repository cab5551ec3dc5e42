//! Half a million names by id, in one string instead of half a million.

use std::ops::Range;

use super::records::Name;

/// Names of regions, constellations, systems, celestials, stargates, stations, corporations and factions by item id.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Sorted by id; the range is the place of the name in `text`.
    index: Vec<(u64, Range<usize>)>,
    text: String,
}

impl Names {
    /// The name of the item `id`.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&str> {
        let at = self.index.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.text.get(self.index[at].1.clone())
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}

impl FromIterator<(u64, Name)> for Names {
    /// Of two names for one id the first counts.
    fn from_iter<I: IntoIterator<Item = (u64, Name)>>(names: I) -> Self {
        let mut all = Names::default();
        for (id, name) in names {
            let start = all.text.len();
            all.text.push_str(&name.name);
            all.index.push((id, start..all.text.len()));
        }
        all.index.sort_by_key(|(id, _)| *id);
        all.index.dedup_by_key(|(id, _)| *id);
        all.index.shrink_to_fit();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_id_in_any_order() {
        let name = |text: &str| Name { id: 0, name: text.into() };
        let names: Names =
            [(30_000_142, name("Jita")), (5, name("")), (u64::MAX, name("Ω"))].into_iter().collect();
        assert_eq!(names.len(), 3);
        assert_eq!(names.get(30_000_142), Some("Jita"));
        assert_eq!(names.get(5), Some(""));
        assert_eq!(names.get(u64::MAX), Some("Ω"));
        assert_eq!(names.get(6), None);
    }
}
