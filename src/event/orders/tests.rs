//! The open orders against a plain list, and at their bounds.

use super::book::bounded;
use super::*;
use crate::event::Key;
use crate::event::Owners;
use crate::protocol::{Frames, Protocol};
use bytes::Bytes;
use proptest::prelude::*;

fn opens(id: &str, user: &str) -> OrderChange {
    OrderChange { id: id.into(), kind: ChangeKind::Opens { owner: Owner::User(user.into()) } }
}

fn changes(id: &str, closes: bool) -> OrderChange {
    OrderChange { id: id.into(), kind: ChangeKind::Changes { closes } }
}

fn shown(text: &str, keys: &[&str]) -> Shown {
    let mut frames = Frames::default();
    frames.set(Protocol::SocketIo, Bytes::copy_from_slice(text.as_bytes()));
    Shown { audience: keys.iter().map(|key| Key::new(key)).collect(), frames }
}

fn text(shown: &Shown) -> String {
    String::from_utf8(shown.frames.get(Protocol::SocketIo).unwrap().to_vec()).unwrap()
}

/// Each open order that holders of `keys` see: what opened it, and its newest condition.
fn seen(orders: &OpenOrders, keys: &[&str], share: usize) -> Vec<(String, Option<String>)> {
    let keys: Vec<Key> = keys.iter().map(|key| Key::new(key)).collect();
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let found = orders.find(&keys, after, share);
        let Some(last) = found.last() else { return all };
        after = Some(last.turn);
        all.extend(found.iter().map(|order| (text(&order.opened), order.newest.as_ref().map(text))));
    }
}

fn ids(orders: &OpenOrders, key: &str) -> Vec<String> {
    seen(orders, &[key], 10).into_iter().map(|(opened, _)| opened).collect()
}

#[test]
fn a_condition_that_came_first_is_kept_for_its_order() {
    let mut book = bounded(10, 1 << 20, 10);
    book.apply(&changes("o1", false), shown("cooking", &["staff"]), 5);
    book.apply(&opens("o1", "u1"), shown("o1", &["staff"]), 4);
    assert_eq!(seen(book.orders(), &["staff"], 10), [("o1".to_owned(), Some("cooking".to_owned()))]);
    book.apply(&changes("o2", true), shown("done", &["staff"]), 7);
    book.apply(&opens("o2", "u2"), shown("o2", &["staff"]), 6);
    assert_eq!(ids(book.orders(), "staff"), ["o1"], "the other one is closed already");
    assert_eq!(book.orders().owner("o2"), Some(&Owner::User("u2".into())));
}

#[test]
fn an_order_whose_record_was_written_twice_keeps_its_place_and_condition() {
    let mut book = bounded(10, 1 << 20, 10);
    book.apply(&opens("o1", "u1"), shown("o1", &["staff"]), 1);
    book.apply(&opens("o2", "u2"), shown("o2", &["staff"]), 2);
    book.apply(&changes("o1", false), shown("cooking", &["staff"]), 3);
    book.apply(&opens("o1", "u1"), shown("o1", &["staff"]), 4);
    let expected = [("o1".to_owned(), Some("cooking".to_owned())), ("o2".to_owned(), None)];
    assert_eq!(seen(book.orders(), &["staff"], 1), expected);
}

#[test]
fn at_a_bound_the_order_opened_first_leaves_and_its_owner_stays_known() {
    let mut by_number = bounded(2, 1 << 20, 10);
    let mut by_bytes = bounded(10, 3_000, 10);
    for book in [&mut by_number, &mut by_bytes] {
        for (at, id) in [(2, "o2"), (3, "o3"), (1, "o1")] {
            book.apply(&opens(id, id), shown(&id.repeat(250), &["staff"]), at);
        }
        assert_eq!((book.orders().len(), book.take_dropped()), (2, 1));
        assert!(book.orders().weight_bytes() > 1_000);
        assert_eq!(ids(book.orders(), "staff"), ["o2".repeat(250), "o3".repeat(250)]);
        assert_eq!(book.orders().owner("o1"), Some(&Owner::User("o1".into())));
    }
    by_bytes.apply(&changes("o3", false), shown(&"x".repeat(2_000), &["staff"]), 4);
    assert_eq!((by_bytes.orders().len(), by_bytes.take_dropped()), (0, 2), "it is too heavy alone");
    assert_eq!(by_bytes.orders().weight_bytes(), 0);
}

#[test]
fn an_order_weighs_what_is_held_of_it() {
    let weight_bytes = |bound_bytes: usize, id: &str, text: &str, key: &str| {
        let mut book = bounded(10, bound_bytes, 10);
        book.apply(&opens(id, "u1"), shown(text, &[key]), 0);
        (book.orders().len(), book.orders().weight_bytes())
    };
    let (_, least) = weight_bytes(1 << 20, "o", "text", "key");
    for (id, text, key) in [("o345", "text", "key"), ("o", "text567", "key"), ("o", "text", "key456")] {
        assert_eq!(weight_bytes(1 << 20, id, text, key), (1, least + 3), "{id} {text} {key}");
    }
    assert!(least > crate::limits::ORDER_WEIGHT_BYTES + size_of::<Key>());
    assert_eq!(weight_bytes(least, "o", "text", "key"), (1, least), "as much as it may");
    assert_eq!(weight_bytes(least - 1, "o", "text", "key"), (0, 0));
}

#[test]
fn an_owner_is_forgotten_when_enough_others_have_left() {
    let mut book = bounded(10, 1 << 20, 2);
    for id in ["o1", "o2", "o3"] {
        book.apply(&opens(id, id), shown(id, &["staff"]), 0);
        book.apply(&changes(id, true), shown("done", &["staff"]), 0);
    }
    assert_eq!((book.orders().owner("o1"), book.orders().owner("o2").is_some()), (None, true));
    book.apply(&opens("o2", "anew"), shown("o2", &["staff"]), 0);
    for id in ["o4", "o5"] {
        book.apply(&opens(id, id), shown(id, &["staff"]), 0);
        book.apply(&changes(id, true), shown("done", &["staff"]), 0);
    }
    assert_eq!(book.orders().owner("o2"), Some(&Owner::User("anew".into())), "it is open again");
}

#[test]
fn early_conditions_are_bounded() {
    let mut book = bounded(10, 1 << 20, 2);
    for number in 0..=crate::limits::EARLY_CONDITIONS_MAX {
        book.apply(&changes(&format!("o{number}"), true), shown("done", &["staff"]), 0);
    }
    for id in ["o0", "o1"] {
        book.apply(&opens(id, "u1"), shown(id, &["staff"]), 0);
    }
    assert_eq!(ids(book.orders(), "staff"), ["o0"], "the oldest was forgotten, the next is closed");
}

#[test]
fn early_conditions_are_bounded_in_bytes() {
    let mut book = bounded(10, 1 << 20, 4);
    let large = "x".repeat(crate::limits::EARLY_CONDITIONS_MAX_BYTES / 3);
    // The second says it twice, which counts once.
    for id in ["o0", "o1", "o1", "o2"] {
        book.apply(&changes(id, true), shown(&large, &["staff"]), 0);
    }
    for id in ["o0", "o1", "o2"] {
        book.apply(&opens(id, "u1"), shown(id, &["staff"]), 0);
    }
    assert_eq!(ids(book.orders(), "staff"), ["o0"], "the oldest was forgotten, the others are closed");
    // What is taken makes room.
    book.apply(&changes("o3", true), shown(&large, &["staff"]), 0);
    book.apply(&changes("o4", true), shown(&large, &["staff"]), 0);
    book.apply(&opens("o3", "u1"), shown("o3", &["staff"]), 0);
    assert_eq!(ids(book.orders(), "staff"), ["o0"]);
}

#[test]
fn an_order_that_comes_early_once_more_is_as_new_as_its_last_time() {
    let mut book = bounded(10, 1 << 20, 1);
    for id in ["o", "another", "one more"] {
        book.apply(&changes(id, true), shown("done", &["staff"]), 0);
        book.apply(&opens(id, "u1"), shown(id, &["staff"]), 0);
    }
    assert_eq!(book.orders().owner("o"), None, "it left first and is forgotten");
    book.apply(&changes("o", true), shown("done", &["staff"]), 0);
    for number in 1..crate::limits::EARLY_CONDITIONS_MAX {
        book.apply(&changes(&format!("o{number}"), true), shown("done", &["staff"]), 0);
    }
    book.apply(&opens("o", "u1"), shown("o", &["staff"]), 0);
    assert!(ids(book.orders(), "staff").is_empty(), "its condition was kept, and closes it");
}

#[test]
fn orders_older_than_a_restart_would_read_back_are_over() {
    let mut book = bounded(10, 1 << 20, 10);
    book.apply(&opens("o2", "u2"), shown("o2", &["staff"]), 1_500);
    book.apply(&opens("o1", "u1"), shown("o1", &["staff"]), 1_000);
    assert!(!book.expire(2_000));
    assert!(book.expire(2_001));
    assert_eq!(ids(book.orders(), "staff"), ["o2"]);
    assert!(book.orders().owner("o1").is_some());
}

#[derive(Debug, Clone)]
enum Step {
    Open { id: u8, user: u8, at: u8 },
    Change { id: u8 },
    Close { id: u8 },
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..20u8, 0..4u8, any::<u8>()).prop_map(|(id, user, at)| Step::Open { id, user, at }),
        4 => (0..20u8).prop_map(|id| Step::Change { id }),
        2 => (0..20u8).prop_map(|id| Step::Close { id }),
        1 => Just(Step::Snapshot),
    ]
}

/// The plain list: (time, turn, id, user, condition) of each open order; ids whose owner is known.
#[derive(Debug, Clone, Default)]
struct Model {
    open: Vec<(u8, usize, u8, u8, Option<String>)>,
    known: Vec<u8>,
    early: Vec<(u8, String, bool)>,
}

impl Model {
    fn take(&mut self, turn: usize, step: &Step) {
        match *step {
            Step::Open { id, user, at } => {
                let early = self.early.iter().position(|early| early.0 == id).map(|at| self.early.remove(at));
                self.known.push(id);
                match self.open.iter_mut().find(|order| order.2 == id) {
                    Some(order) => order.3 = user,
                    None if early.as_ref().is_some_and(|early| early.2) => {}
                    None => self.open.push((at, turn, id, user, early.map(|early| early.1))),
                }
                self.open.sort();
            }
            Step::Change { id } | Step::Close { id } => {
                let closes = matches!(step, Step::Close { .. });
                match self.open.iter().position(|order| order.2 == id) {
                    Some(at) if closes => drop(self.open.remove(at)),
                    Some(at) => self.open[at].4 = Some(format!("c{turn}")),
                    None if self.known.contains(&id) => {}
                    None => {
                        let before = self.early.iter().position(|early| early.0 == id);
                        let before = before.map(|at| self.early.remove(at));
                        let closes = closes || before.is_some_and(|before| before.2);
                        self.early.push((id, format!("c{turn}"), closes));
                    }
                }
            }
            Step::Snapshot => {}
        }
    }

    fn seen(&self, user: Option<u8>) -> Vec<(String, Option<String>)> {
        let open = self.open.iter().filter(|order| user.is_none_or(|user| order.3 == user));
        open.map(|order| (format!("o{}", order.2), order.4.clone())).collect()
    }
}

proptest! {
    /// Whatever happens, staff and each user see what a plain list says, and so does a picture taken before.
    #[test]
    fn everybody_sees_what_a_plain_list_says(steps in prop::collection::vec(step(), 0..200), share in 1..5usize) {
        let mut book = bounded(1_000, 1 << 20, 1_000);
        let mut model = Model::default();
        let mut pictures = Vec::new();
        for (turn, step) in steps.iter().enumerate() {
            model.take(turn, step);
            let condition = || shown(&format!("c{turn}"), &["staff"]);
            match *step {
                Step::Open { id, user, at } => {
                    let (id, user) = (format!("o{id}"), format!("user:{user}"));
                    book.apply(&opens(&id, &user), shown(&id, &["staff", &user]), i64::from(at));
                }
                Step::Change { id } => book.apply(&changes(&format!("o{id}"), false), condition(), 0),
                Step::Close { id } => book.apply(&changes(&format!("o{id}"), true), condition(), 0),
                Step::Snapshot => pictures.push((book.orders().clone(), model.clone())),
            }
        }
        pictures.push((book.orders().clone(), model));
        for (orders, model) in pictures {
            prop_assert_eq!(orders.len(), model.open.len());
            prop_assert_eq!(seen(&orders, &["staff"], share), model.seen(None));
            for user in 0..4 {
                prop_assert_eq!(seen(&orders, &[&format!("user:{user}")], share), model.seen(Some(user)));
            }
            prop_assert_eq!(seen(&orders, &["user:0", "staff", "user:1"], share), model.seen(None));
            for id in 0..20 {
                prop_assert_eq!(orders.owner(&format!("o{id}")).is_some(), model.known.contains(&id));
            }
        }
    }
}
