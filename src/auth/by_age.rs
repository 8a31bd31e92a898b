//! A map whose oldest entries go first: what is kept for a while, bounded in number.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Both maps hold the same keys; `arrivals` is in the order of insertion.
pub(super) struct ByAge<K, V> {
    by_key: HashMap<K, (u64, V)>,
    arrivals: BTreeMap<u64, K>,
    next: u64,
}

impl<K, V> Default for ByAge<K, V> {
    fn default() -> Self {
        ByAge { by_key: HashMap::new(), arrivals: BTreeMap::new(), next: 0 }
    }
}

impl<K: Clone + Eq + Hash, V> ByAge<K, V> {
    pub fn get(&self, key: &K) -> Option<&V> {
        self.by_key.get(key).map(|(_, value)| value)
    }

    /// The key is then the youngest, whether it was there before or not.
    pub fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        self.arrivals.insert(self.next, key.clone());
        self.by_key.insert(key, (self.next, value));
        self.next += 1;
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (arrival, value) = self.by_key.remove(key)?;
        self.arrivals.remove(&arrival);
        Some(value)
    }

    /// Asks about the oldest, with how many there are, until one may stay. Each entry goes once, so
    /// inserting pays for it in the long run with one step each.
    pub fn remove_oldest_while(&mut self, is_over: impl Fn(usize, &V) -> bool) {
        while let Some(oldest) = self.arrivals.first_entry() {
            let is_over =
                self.by_key.get(oldest.get()).is_none_or(|(_, value)| is_over(self.by_key.len(), value));
            if !is_over {
                break;
            }
            self.by_key.remove(&oldest.remove());
        }
    }
}

#[cfg(test)]
impl<K: Clone, V> ByAge<K, V> {
    /// The keys, oldest first.
    pub fn keys(&self) -> Vec<K> {
        assert_eq!(self.by_key.len(), self.arrivals.len());
        self.arrivals.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_an_insertion_makes_young() {
        let mut map = ByAge::default();
        for (key, value) in [("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
            map.insert(key, value);
        }
        assert_eq!(map.keys(), ["b", "c", "a"]);
        map.remove_oldest_while(|length, _| length > 2);
        assert_eq!(map.keys(), ["c", "a"]);
        map.remove_oldest_while(|_, value| *value < 4);
        assert_eq!((map.keys(), map.get(&"a"), map.get(&"c")), (vec!["a"], Some(&4), None));
        assert_eq!((map.remove(&"a"), map.remove(&"a"), map.keys()), (Some(4), None, vec![]));
    }
}
