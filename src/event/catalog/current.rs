//! The catalog of now: asked for each record and each newcomer, and replaced as a whole while the service
//! runs. Whoever maps a record or grants keys asks here each time; what was decided by an earlier one stays decided.

use super::Catalog;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct CurrentCatalog(Arc<ArcSwap<Catalog>>);

impl CurrentCatalog {
    pub fn new(catalog: Arc<Catalog>) -> CurrentCatalog {
        CurrentCatalog(Arc::new(ArcSwap::new(catalog)))
    }

    pub fn get(&self) -> Arc<Catalog> {
        self.0.load_full()
    }

    /// The one of now if it is another; costs next to nothing if it is not.
    pub fn other_than(&self, known: &Arc<Catalog>) -> Option<Arc<Catalog>> {
        let now = self.0.load();
        (!Arc::ptr_eq(&now, known)).then(|| Arc::clone(&now))
    }

    /// Gives the one from before.
    pub fn replace(&self, next: Arc<Catalog>) -> Arc<Catalog> {
        self.0.swap(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_catalog_is_noticed_once_it_is_there() {
        let [first, second] = [(); 2].map(|()| Arc::new(Catalog::built_in()));
        let current = CurrentCatalog::new(Arc::clone(&first));
        assert!(current.other_than(&first).is_none());
        assert!(Arc::ptr_eq(&current.clone().replace(Arc::clone(&second)), &first));
        assert!(current.other_than(&first).is_some_and(|other| Arc::ptr_eq(&other, &second)));
        assert!(current.other_than(&second).is_none());
    }
}
