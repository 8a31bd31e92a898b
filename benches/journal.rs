//! What readers of the journal cost: `cargo bench --bench journal`.
//!
//! `find`: the entries of one reader in a full segment of 1,024, by its index, for an owner who has a single one and for
//! staff who have them all. `cursor`: making and reading the positions of 3, 30 and 120 partitions, plain and sealed.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dumbwaiter::event::{EventId, Key};
use dumbwaiter::journal::{CursorCodec, Draft, Frames, Guard, Journal, Origin, Settings, Writer, open};
use dumbwaiter::protocol::{Protocol, event_frame};
use dumbwaiter::settings::Document;
use std::time::Instant;

fn journal() -> (Writer, Journal) {
    open(&Settings::read(&mut Document::parse("none", "")))
}

fn draft(partition: i32, offset: i64, frame: &Bytes) -> Draft {
    let mut frames = Frames::default();
    frames.set(Protocol::SocketIo, frame.clone());
    Draft {
        origin: Origin { topic: "order.created".into(), partition, offset },
        timestamp_ms: None,
        event: EventId(0),
        audience: [Key::new("role:ADMIN"), Key::new(&format!("user:{offset}"))].into_iter().collect(),
        frames,
        trace: None,
    }
}

fn filled(partitions: i32, entries: i64) -> (Writer, Journal) {
    let (mut writer, journal) = journal();
    let frame = event_frame(Protocol::SocketIo, "order:new", b"{}");
    for offset in 0..entries {
        for partition in 0..partitions {
            writer.append(draft(partition, offset, &frame), Instant::now(), 0);
        }
    }
    writer.publish(Instant::now());
    (writer, journal)
}

fn find(criterion: &mut Criterion) {
    // Two segments: the first is sealed.
    let (_writer, journal) = filled(1, 2_048);
    let view = journal.view();
    let mut group = criterion.benchmark_group("find");
    for (who, key) in [("owner", "user:500"), ("nobody", "user:none"), ("staff", "role:ADMIN")] {
        let keys = [Key::new(key)];
        let mut found = Vec::new();
        group.bench_function(who, |bencher| {
            bencher.iter(|| {
                found.clear();
                view.find(&keys, Protocol::SocketIo, 0, 1_024, &mut found)
            });
        });
    }
    group.finish();
}

fn cursor(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cursor");
    for partitions in [3, 30, 120] {
        let (_writer, journal) = filled(partitions, 1);
        let known = journal.partitions();
        let guard = Guard::at(journal.view().positions_at(journal.head()));
        for (kind, keys) in [("plain", &[][..]), ("sealed", &[[7; 32]][..])] {
            let codec = CursorCodec::new("cluster", keys);
            let text = codec.encode(&known, &guard);
            group.bench_function(BenchmarkId::new(format!("encode {kind}"), partitions), |bencher| {
                bencher.iter(|| codec.encode(&known, &guard));
            });
            group.bench_function(BenchmarkId::new(format!("decode {kind}"), partitions), |bencher| {
                bencher.iter(|| codec.decode(&known, &text).expect("our own cursor"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, find, cursor);
criterion_main!(benches);
