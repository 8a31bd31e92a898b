//! The lock of what several threads take turns at and nobody may be given twice: tickets and seats.
//!
//! It is parking_lot's. In a test it is loom's inside a [`model`], which runs its body in every order in which threads can
//! come to the locks instead of the one that happens to be.

#[cfg(not(test))]
pub(crate) use parking_lot::Mutex;

#[cfg(test)]
pub(crate) use modelled::{Mutex, model};

#[cfg(test)]
mod modelled {
    use std::cell::Cell;
    use std::ops::{Deref, DerefMut};

    thread_local! {
        /// loom runs the threads of a model on the one that it was called from.
        static IS_MODEL: Cell<bool> = const { Cell::new(false) };
    }

    /// Everything but the threads must be the same in each run of `body`.
    pub(crate) fn model(body: impl Fn() + Send + Sync + 'static) {
        struct Over;
        impl Drop for Over {
            fn drop(&mut self) {
                IS_MODEL.set(false);
            }
        }
        let _over = Over;
        IS_MODEL.set(true);
        loom::model(body);
    }

    pub(crate) enum Mutex<T> {
        Machine(parking_lot::Mutex<T>),
        Model(loom::sync::Mutex<T>),
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            if IS_MODEL.get() { Mutex::Model(Default::default()) } else { Mutex::Machine(Default::default()) }
        }
    }

    impl<T> Mutex<T> {
        pub fn lock(&self) -> Guard<'_, T> {
            match self {
                Mutex::Machine(mutex) => Guard::Machine(mutex.lock()),
                Mutex::Model(mutex) => Guard::Model(mutex.lock().expect("a model ends with its first panic")),
            }
        }
    }

    pub(crate) enum Guard<'m, T> {
        Machine(parking_lot::MutexGuard<'m, T>),
        Model(loom::sync::MutexGuard<'m, T>),
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            match self {
                Guard::Machine(guard) => guard,
                Guard::Model(guard) => guard,
            }
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            match self {
                Guard::Machine(guard) => guard,
                Guard::Model(guard) => guard,
            }
        }
    }
}
