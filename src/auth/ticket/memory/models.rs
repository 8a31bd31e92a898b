//! Redemption in every order in which threads can come to the locks (`make loom`).

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use loom::thread;

use super::super::{TicketFault, TicketKey};
use super::Memory;
use super::tests::claims;
use crate::lock::model;

/// A model runs many times, in each of which everything but the threads must be the same.
fn now() -> Instant {
    static NOW: OnceLock<Instant> = OnceLock::new();
    *NOW.get_or_init(Instant::now)
}

fn redeem(memory: &Memory, key: &TicketKey) -> bool {
    memory.remove(key, now()).is_some()
}

/// What redeeming must not be: a look, and then a removal.
fn look_and_redeem(memory: &Memory, key: &TicketKey) -> bool {
    let is_live = memory.live.lock().get(key).is_some();
    memory.remove(key, now());
    is_live
}

/// Three bring the same ticket, each by `redeem`.
fn one_of_three_has_it_and_its_seat_is_free(redeem: fn(&Memory, &TicketKey) -> bool) {
    model(move || {
        let memory = Arc::new(Memory::new(1, 1));
        let key = TicketKey::random().unwrap();
        memory.insert(key.clone(), claims("ann"), now()).unwrap();
        let others = [(); 2].map(|()| {
            let (memory, key) = (Arc::clone(&memory), key.clone());
            thread::spawn(move || redeem(&memory, &key))
        });
        let mine = redeem(&memory, &key);
        let winners = others.map(|other| other.join().unwrap());
        let count = usize::from(mine) + winners.iter().filter(|won| **won).count();
        assert_eq!(count, 1, "winners of one ticket");
        assert!(memory.insert(TicketKey::random().unwrap(), claims("ann"), now()).is_ok());
    });
}

#[test]
fn of_three_who_bring_a_ticket_one_has_it_and_its_seat_is_free() {
    one_of_three_has_it_and_its_seat_is_free(redeem);
}

#[test]
#[should_panic(expected = "winners of one ticket")]
fn who_looks_before_they_redeem_is_caught() {
    one_of_three_has_it_and_its_seat_is_free(look_and_redeem);
}

#[test]
fn who_issues_while_another_redeems_meets_the_bound_or_the_free_seat() {
    model(|| {
        let memory = Arc::new(Memory::new(1, 1));
        let [first, second] = [(); 2].map(|()| TicketKey::random().unwrap());
        memory.insert(first.clone(), claims("ann"), now()).unwrap();
        let redeemed = {
            let memory = Arc::clone(&memory);
            thread::spawn(move || redeem(&memory, &first))
        };
        let issued = memory.insert(second.clone(), claims("ann"), now());
        assert!(redeemed.join().unwrap());
        assert!(matches!(issued, Ok(()) | Err(TicketFault::TooMany)));
        assert_eq!(redeem(&memory, &second), issued.is_ok());
    });
}
