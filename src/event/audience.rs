//! Routing fields → audience: the keys of those who may see one event.
//!
//! A template whose field is null, absent, empty or of the wrong type gives no key; an event without any key
//! reaches nobody. The owner of a condition whose record does not carry one is looked up in the open orders. What
//! an event does to an order is told by the same fields.

use super::{ChangeKind, Event, Key, OrderChange, OrderRules, Template};
use crate::decode::Captured;

/// Whose order it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Ordered without an account: staff only.
    Guest,
    User(Box<str>),
}

/// Knows whose orders are whose.
pub trait Owners {
    /// None if it does not know that one.
    fn owner(&self, id: &str) -> Option<&Owner>;
}

/// The keys of those who may see one event, and how its owner was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Audience {
    pub keys: Box<[Key]>,
    /// The record names no owner and its order is not among the open ones.
    pub owner_unknown: bool,
}

impl Audience {
    /// The audience of `event` whose routing fields are `captured` (in the order of `event.captures`).
    pub fn of(
        event: &Event,
        captured: &[Captured],
        rules: Option<&OrderRules>,
        owners: &dyn Owners,
    ) -> Audience {
        let fields = Fields { event, captured };
        let lookup = rules.filter(|rules| {
            *rules.changed_by == *event.name && matches!(fields.get(&rules.owner_field), Captured::Absent)
        });
        let found = lookup.map(|rules| (rules, fields.text(&rules.id_field).and_then(|id| owners.owner(id))));
        let keys = event.audience.iter().filter_map(|template| match &found {
            Some((rules, owner)) if template.field() == Some(&rules.owner_field) => {
                owner_key(template, *owner)
            }
            _ => fields.key(template),
        });
        let mut keys: Vec<Key> = keys.collect();
        keys.sort();
        keys.dedup();
        Audience { keys: keys.into(), owner_unknown: matches!(found, Some((_, None))) }
    }
}

impl OrderChange {
    /// What `event` does to which order, by the same fields; none if it is about no order.
    pub fn of(event: &Event, captured: &[Captured], rules: &OrderRules) -> Option<OrderChange> {
        let fields = Fields { event, captured };
        let kind = if *rules.opened_by == *event.name {
            let owner = fields.text(&rules.owner_field);
            ChangeKind::Opens { owner: owner.map_or(Owner::Guest, |user| Owner::User(user.into())) }
        } else if *rules.changed_by == *event.name {
            let condition = fields.text(&rules.condition_field);
            let closes = condition.is_some_and(|condition| rules.closed.iter().any(|c| **c == *condition));
            ChangeKind::Changes { closes }
        } else {
            return None;
        };
        Some(OrderChange { id: fields.text(&rules.id_field)?.into(), kind })
    }
}

fn owner_key(template: &Template, owner: Option<&Owner>) -> Option<Key> {
    match owner {
        Some(Owner::User(id)) => template.key(id),
        Some(Owner::Guest) | None => None,
    }
}

struct Fields<'a> {
    event: &'a Event,
    captured: &'a [Captured],
}

impl Fields<'_> {
    fn get(&self, name: &str) -> &Captured {
        let place = self.event.captures.iter().position(|capture| *capture.name == *name);
        place.and_then(|place| self.captured.get(place)).unwrap_or(&Captured::Absent)
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Captured::Text(text) => Some(text),
            _ => None,
        }
    }

    fn key(&self, template: &Template) -> Option<Key> {
        let Some(name) = template.field() else { return template.fixed().cloned() };
        match self.get(name) {
            Captured::Text(text) => template.key(text),
            Captured::Integer(number) => template.key(&number.to_string()),
            Captured::Absent | Captured::Null | Captured::Unusable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Catalog, OrderBook, OrderSettings, Shown};
    use crate::protocol::Frames;
    use crate::settings::Document;
    use Captured::{Absent, Integer, Null, Unusable};

    fn text(value: &str) -> Captured {
        Captured::Text(value.into())
    }

    /// Feeds (event, fields) in order and checks the audience of the last.
    fn check(records: &[(&str, &[(&str, Captured)])], expected: &[&str], owner_unknown: bool) {
        let catalog = Catalog::built_in();
        let mut orders = OrderBook::new(&OrderSettings::read(&mut Document::empty()), [].into());
        let audience = records.iter().map(|(name, fields)| {
            let event = catalog.events().iter().find(|event| *event.name == **name).unwrap();
            let captured: Vec<Captured> = event
                .captures
                .iter()
                .map(|capture| {
                    fields
                        .iter()
                        .find(|(field, _)| **field == *capture.name)
                        .map_or(Absent, |(_, value)| value.clone())
                })
                .collect();
            let audience = Audience::of(event, &captured, catalog.order_rules(), orders.orders());
            if let Some(change) = OrderChange::of(event, &captured, catalog.order_rules().unwrap()) {
                let shown = Shown { audience: audience.keys.clone(), frames: Frames::default() };
                orders.apply(&change, shown, 0);
            }
            audience
        });
        let last = audience.last().unwrap();
        let keys: Vec<_> = last.keys.iter().map(Key::as_str).collect();
        assert_eq!((keys.as_slice(), last.owner_unknown), (expected, owner_unknown));
    }

    const STAFF: [&str; 2] = ["role:ADMIN", "role:WATCHER"];

    #[test]
    fn a_pizza_reaches_staff_its_store_and_its_author() {
        check(
            &[("CREATE_PIZZA", &[("store_id", Integer(7)), ("user_uuid", text("u1"))])],
            &["role:ADMIN", "role:WATCHER", "store:7", "user:u1"],
            false,
        );
    }

    #[test]
    fn a_field_of_the_wrong_type_gives_no_key() {
        for odd in [Null, Absent, Unusable, text("")] {
            check(&[("CREATE_PIZZA", &[("store_id", odd.clone()), ("user_uuid", odd)])], &STAFF, false);
        }
    }

    #[test]
    fn a_condition_finds_its_owner_in_the_record() {
        check(
            &[("order:condition", &[("_id", text("o1")), ("clientId", text("u1"))])],
            &["role:ADMIN", "role:WATCHER", "user:u1"],
            false,
        );
        check(&[("order:condition", &[("_id", text("o1")), ("clientId", Null)])], &STAFF, false);
    }

    #[test]
    fn a_condition_without_client_id_finds_its_owner_among_the_open_orders() {
        let order: (&str, &[_]) = ("order:new", &[("_id", text("o1")), ("clientId", text("u1"))]);
        let guest: (&str, &[_]) = ("order:new", &[("_id", text("o1")), ("clientId", Null)]);
        let condition: (&str, &[_]) = ("order:condition", &[("_id", text("o1"))]);
        check(&[order, condition], &["role:ADMIN", "role:WATCHER", "user:u1"], false);
        check(&[guest, condition], &STAFF, false);
        check(&[condition], &STAFF, true);
    }

    #[test]
    fn an_event_changes_the_order_that_it_names() {
        let catalog = Catalog::built_in();
        let check = |name: &str, value: fn(&str) -> Captured, expected: Option<ChangeKind>| {
            let event = catalog.events().iter().find(|event| *event.name == *name).unwrap();
            let captured: Vec<Captured> = event.captures.iter().map(|capture| value(&capture.name)).collect();
            let change = OrderChange::of(event, &captured, catalog.order_rules().unwrap());
            assert_eq!(change, expected.map(|kind| OrderChange { id: "o1".into(), kind }), "{name}");
        };
        check("order:new", |_| text("o1"), Some(ChangeKind::Opens { owner: Owner::User("o1".into()) }));
        check("order:condition", |_| text("o1"), Some(ChangeKind::Changes { closes: false }));
        check(
            "order:condition",
            |name| if name == "condition" { text("DONE") } else { text("o1") },
            Some(ChangeKind::Changes { closes: true }),
        );
        check("order:condition", |name| if name == "_id" { Null } else { text("DONE") }, None);
        check("CREATE_PIZZA", |_| text("o1"), None);
    }

    #[test]
    fn the_owner_of_a_closed_order_is_still_known() {
        let order: (&str, &[_]) = ("order:new", &[("_id", text("o1")), ("clientId", text("u1"))]);
        let done: (&str, &[_]) = ("order:condition", &[("_id", text("o1")), ("condition", text("DONE"))]);
        check(&[order, done, done], &["role:ADMIN", "role:WATCHER", "user:u1"], false);
    }
}
