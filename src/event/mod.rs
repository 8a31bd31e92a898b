//! Fields → payload and keys: what a record means to clients, and who may see it.
//!
//! In: a topic, a record name and the fields that decoding picked out for routing. Out: the catalog's event
//! and its audience, a set of keys. This folder knows no socket, task, clock or log; who holds which keys is
//! decided by the grants here and by nobody else.

mod audience;
mod catalog;
mod grants;
mod key;
mod orders;
mod template;
mod typescript;
mod verdict;

pub use audience::{Audience, Owner, Owners};
pub use catalog::{Catalog, CatalogFault, CurrentCatalog, Encoding, Event, EventId};
pub use grants::{Grants, Identity, Withdrawn};
pub use key::{Key, shared};
pub use orders::{
    ChangeKind, OpenOrder, OpenOrders, OrderBook, OrderChange, OrderRules, OrderSettings, Shown, Turn,
};
pub use template::{Template, TemplateFault};
pub use typescript::typescript;
pub use verdict::{Withheld, entitled};
