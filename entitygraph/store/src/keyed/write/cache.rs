//! A bounded cache of two generations: what is used again in time survives, the rest goes in one stroke.
//!
//! The writer is the only one who changes rows, so its caches are written through and always agree with the store.

use std::{borrow::Borrow, hash::Hash};

use hashbrown::HashMap;

/// Entries by key with their weights, forgotten by generations.
#[derive(Debug)]
pub struct Cache<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    weight: usize,
    limit: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// An empty cache of entries with at most `limit` weight altogether.
    pub fn new(limit: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), weight: 0, limit: limit / 2 }
    }

    /// The value, if it is cached; it is young again.
    pub fn get<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, weight)) = self.old.remove_entry(key)?;
        self.insert(key, value.clone(), weight);
        Some(value)
    }

    /// Keeps a value.
    pub fn insert(&mut self, key: K, value: V, weight: usize) {
        self.weight += weight;
        if self.weight > self.limit {
            self.old = std::mem::take(&mut self.young);
            self.weight = weight;
        }
        self.old.remove(&key);
        if let Some((_, replaced)) = self.young.insert(key, (value, weight)) {
            self.weight -= replaced;
        }
    }

    /// Forgets a value.
    pub fn remove(&mut self, key: &K) {
        self.old.remove(key);
        if let Some((_, weight)) = self.young.remove(key) {
            self.weight -= weight;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.weight = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_entries_stay_and_the_memory_is_bounded() {
        let mut cache = Cache::new(100);
        for key in 0..1_000 {
            cache.insert(key, key, 1);
        }
        assert_eq!(cache.get(&999), Some(999));
        assert_eq!(cache.get(&0), None);
        assert!(cache.young.len() + cache.old.len() <= 100);
    }

    #[test]
    fn what_is_used_again_stays() {
        let mut cache = Cache::new(100);
        cache.insert(0, 0, 1);
        for key in 1..1_000 {
            cache.insert(key, key, 1);
            assert_eq!(cache.get(&0), Some(0), "after {key}");
        }
        assert!(cache.young.len() + cache.old.len() <= 100);
    }

    #[test]
    fn a_replaced_value_never_shows_again() {
        let mut cache = Cache::new(4);
        cache.insert(1, "before", 1);
        cache.insert(2, "", 1);
        cache.insert(3, "", 1);
        cache.insert(1, "after", 1);
        assert_eq!(cache.get(&1), Some("after"));
        cache.remove(&1);
        assert_eq!(cache.get(&1), None);
    }
}
