//! What finding an event's receivers costs: `cargo bench --bench index`.
//!
//! `lookup`: the connections of one owner among 1,000, 20,000 and 100,000 customers, who have two keys each. `come and go`:
//! one more of them joins and leaves; the key that all of them share must not make that dear.

use criterion::{Criterion, criterion_group, criterion_main};
use dumbwaiter::event::Key;
use dumbwaiter::shard::{ConnectionId, Index};
use std::hint::black_box;

fn id(slot: u32) -> ConnectionId {
    ConnectionId { slot, generation: slot }
}

fn keys(slot: u32) -> [Key; 2] {
    [Key::new("role:CUSTOMER"), Key::new(&format!("user:{slot}"))]
}

fn filled(connections: u32) -> Index {
    let mut index = Index::default();
    for slot in 0..connections {
        index.insert(id(slot), &keys(slot));
    }
    index
}

fn index(criterion: &mut Criterion) {
    for connections in [1_000, 20_000, 100_000] {
        let mut index = filled(connections);
        let owner = Key::new("user:500");
        criterion.bench_function(&format!("lookup, {connections}"), |bencher| {
            bencher.iter(|| index.connections(black_box(&owner)).count());
        });
        let (newcomer, newcomers) = (id(connections), keys(connections));
        criterion.bench_function(&format!("come and go, {connections}"), |bencher| {
            bencher.iter(|| {
                index.insert(newcomer, black_box(&newcomers));
                index.remove(newcomer);
            });
        });
    }
}

criterion_group!(benches, index);
criterion_main!(benches);
