//! Proof by simulation: the real pipeline, journal, shards and protocols, on a clock and sockets of our own, in
//! worlds whose every event is drawn from a seed. What stands in for Kafka, the network and the clients is here,
//! and the judge who compares screens with what was written.
//!
//! `SEED=n cargo test --lib simulation` lives through one world and tells its story. docs/reliability.md says what
//! a world has and what it has not.

mod broken;
mod client;
mod cursor;
mod dice;
mod feed;
mod gap;
mod instance;
mod judge;
mod kafka;
mod screen;
mod wire;
mod world;

pub(crate) use broken::{Broken, filter_after_write};

use instance::COMMON;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

/// Worlds of one run of the tests, unless `SEEDS` says otherwise; `make unit` wants a thousand.
const SEEDS: u64 = 100;

/// What worlds had, to see that the promises were put to the test.
#[derive(Debug, Default)]
struct Totals {
    /// Events on screens.
    shown: usize,
    /// Connections that went on where they were.
    resumed: usize,
    gaps: usize,
    /// Topics made anew, as clients with cursors were told between events.
    told: usize,
}

/// Lives through the world of a seed.
fn live(seed: u64) -> Result<World, String> {
    let mut world = World::new(seed);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("panic: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
    });
    match outcome {
        Ok(()) => Ok(world),
        Err(wrong) => {
            let step = world.step;
            Err(format!(
                "seed {seed}, step {step}: {wrong}\nrepeat it by SEED={seed} cargo test --lib simulation"
            ))
        }
    }
}

/// Lives through the worlds of seeds until one breaks a promise.
fn live_all(seeds: impl Iterator<Item = u64>) -> Result<Totals, String> {
    let mut totals = Totals::default();
    for seed in seeds {
        let world = live(seed)?;
        let runs = || world.clients.iter().flat_map(|client| &client.screen);
        totals.shown += runs().map(|run| run.seen.len()).sum::<usize>();
        totals.told += runs().map(|run| run.told.len()).sum::<usize>();
        totals.gaps += runs().filter(|run| run.gap.is_some()).count();
        totals.resumed += world.clients.iter().map(|client| client.resumed).sum::<usize>();
    }
    Ok(totals)
}

/// What a person who runs the tests wants.
#[allow(clippy::disallowed_methods)]
fn number_from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[test]
#[allow(clippy::print_stdout)]
fn every_world_is_as_promised() {
    if let Some(seed) = number_from_environment("SEED") {
        let mut world = World::new(seed);
        let outcome = world.run();
        println!("{}", world.story.join("\n"));
        return outcome.unwrap_or_else(|wrong| panic!("step {}: {wrong}", world.step));
    }
    let seeds = number_from_environment("SEEDS").unwrap_or(SEEDS);
    let halves = std::thread::scope(|scope| {
        let half = |first| scope.spawn(move || live_all((first..seeds).step_by(2)));
        [0, 1].map(half).map(|half| half.join().expect("panics are caught"))
    });
    let page = COMMON.metrics.render();
    let buried = page.lines().any(|line| line.contains(r#"ending="panic""#) && !line.ends_with(" 0"));
    assert!(!buried, "a shard had to bury a connection");
    for totals in halves {
        let totals = totals.unwrap_or_else(|wrong| panic!("{wrong}"));
        println!("{} worlds: {totals:?}", seeds / 2);
        let Totals { shown, resumed, gaps, told } = totals;
        let seeds = usize::try_from(seeds).expect("few");
        let enough = shown > 50 * seeds && 2 * resumed > seeds && gaps > seeds / 20 && told > seeds / 10;
        assert!(enough, "too little happens: {totals:?}");
    }
}

#[test]
#[allow(clippy::print_stdout)]
fn the_judge_catches_whatever_is_broken() {
    let seeds = number_from_environment("SEEDS").unwrap_or(SEEDS);
    let unnoticed = Broken::ALL.into_iter().filter(|broken| {
        Broken::set(Some(*broken));
        let caught = live_all(0..seeds).err();
        Broken::set(None);
        let told = caught.as_deref().and_then(|wrong| wrong.lines().next()).unwrap_or("nobody notices");
        println!("{broken:?}: {told}");
        caught.is_none()
    });
    let unnoticed: Vec<Broken> = unnoticed.collect();
    assert!(unnoticed.is_empty(), "within {seeds} worlds nobody notices {unnoticed:?}");
}

#[test]
fn a_seed_is_a_world() {
    let story =
        |seed| live(seed).map(|world| (world.story, world.clients.iter().map(|c| c.resumed).sum::<usize>()));
    assert_eq!(story(7), story(7));
}
