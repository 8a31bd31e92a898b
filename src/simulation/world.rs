//! A world: a log, instances that read it, clients that come and go, and chance.

use super::client::{Client, Person};
use super::dice::Dice;
use super::instance::{Instance, WINDOW};
use super::judge::judge;
use super::kafka::{CUSTOMERS, Log, Moment, Place, STORES, TOPICS, customer};
use super::wire::ClientEnd;
use crate::clock::Simulated;
use crate::protocol::Protocol;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Steps of a simulation, before it is left to come to rest.
const STEPS: usize = 300;

/// Rounds that it may take to come to rest; it takes a dozen.
const ROUNDS_MAX: usize = 20_000;

pub struct World {
    dice: Dice,
    time: Arc<Simulated>,
    log: Rc<RefCell<Log>>,
    /// None is one that is down.
    instances: Vec<Option<Instance>>,
    /// Its topics are made anew now and then.
    recreates: bool,
    pub clients: Vec<Client>,
    pub step: usize,
    /// What was done, for who looks for the reason of a failure.
    pub story: Vec<String>,
}

impl World {
    pub fn new(seed: u64) -> World {
        let dice = Dice::new(seed);
        let time = Simulated::begin();
        let log = Rc::new(RefCell::new(Log::default()));
        for topic in 0..TOPICS.len() {
            for _ in 0..1 + dice.below(3) {
                log.borrow_mut().add_partition(topic);
            }
        }
        let instances = (0..1 + dice.below(3)).map(|_| None).collect();
        let clients = (0..4 + dice.below(8)).map(|_| client(&dice)).collect();
        let recreates = dice.one_in(3);
        World { dice, time, log, instances, recreates, clients, step: 0, story: Vec::new() }
    }

    /// Lives through all steps and comes to rest; what the judge says then.
    pub fn run(&mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            self.step += 1;
            self.step();
        }
        self.come_to_rest()?;
        judge(&self.log.borrow(), &self.clients)
    }

    fn step(&mut self) {
        let pause = if self.dice.one_in(100) { Duration::from_secs(8) } else { Duration::from_millis(300) };
        self.time.pass(self.dice.time(pause));
        match self.dice.below(100) {
            0 if self.recreates => self.recreate_topic(),
            0..25 => self.produce(),
            25..50 => self.read(),
            50..70 => self.turn(),
            70..90 => self.receive(),
            90..94 => self.drop_client(),
            94..96 => self.rebalance(),
            96 => self.add_partition(),
            97 => self.delete_old(),
            98 => self.stop_instance(),
            _ => self.catch_up(),
        }
        self.connect_clients();
    }

    fn produce(&mut self) {
        let count = if self.dice.one_in(40) { 100 } else { self.dice.below(6) };
        for _ in 0..count {
            self.log.borrow_mut().produce(self.now_ms(), &self.dice);
        }
        self.tell(|_| format!("{count} records are written"));
    }

    fn read(&mut self) {
        let number = self.any_instance();
        match &self.instances[number] {
            Some(instance) => (0..1 + self.dice.below(6)).for_each(|_| instance.read()),
            None if self.dice.one_in(4) => {
                self.instances[number] = Some(Instance::start(&self.log, &self.time, &self.dice));
                self.tell(|_| format!("instance {number} starts"));
            }
            None => {}
        }
    }

    fn turn(&mut self) {
        let number = self.any_instance();
        if let Some(instance) = &mut self.instances[number] {
            instance.turn();
        }
    }

    fn catch_up(&mut self) {
        let number = self.any_instance();
        if let Some(instance) = &mut self.instances[number] {
            instance.read_all();
            instance.turn();
            self.tell(|_| format!("instance {number} reads all there is"));
        }
    }

    fn receive(&mut self) {
        let number = self.dice.below(self.clients.len());
        let count = *self.dice.pick(&[1, 50, 500, 5_000, 100_000]);
        let (moment, now) = (self.moment(), self.time.passed());
        self.clients[number].receive(count, moment, now + self.dice.time(Duration::from_secs(3)));
    }

    fn drop_client(&mut self) {
        let number = self.dice.below(self.clients.len());
        let how = *self.dice.pick(&[ClientEnd::Closed, ClientEnd::Reset, ClientEnd::Vanished]);
        let away = if self.dice.one_in(8) { 2 * WINDOW } else { WINDOW / 10 };
        let back_at = self.time.passed() + self.dice.time(away);
        self.clients[number].leave(how, back_at);
        self.tell(|_| format!("client {number} leaves until {back_at:?}"));
    }

    fn rebalance(&mut self) {
        let number = self.any_instance();
        if let Some(instance) = &self.instances[number] {
            instance.rebalance();
            self.tell(|_| format!("instance {number} gets its partitions anew"));
        }
    }

    fn add_partition(&mut self) {
        if self.dice.one_in(2) {
            let topic = self.dice.below(TOPICS.len());
            self.log.borrow_mut().add_partition(topic);
            self.tell(|_| format!("{} has one more partition", TOPICS[topic]));
        }
    }

    /// Deleted and made anew, with fewer records than before, or soon with more.
    fn recreate_topic(&mut self) {
        let (topic, partitions) = (self.dice.below(TOPICS.len()), 1 + self.dice.below(3));
        let mut log = self.log.borrow_mut();
        let had: i64 =
            log.places().into_iter().filter(|place| place.0 == topic).map(|place| log.next(place)).sum();
        let count = self.dice.below(usize::try_from(2 * had).expect("it is not negative") + 2);
        log.recreate(topic, partitions);
        let places: Vec<Place> = log.places().into_iter().filter(|place| place.0 == topic).collect();
        for _ in 0..count {
            log.produce_to(*self.dice.pick(&places), self.now_ms(), &self.dice);
        }
        drop(log);
        self.tell(|_| format!("{} is made anew, {partitions} partitions, {count} records", TOPICS[topic]));
        if self.dice.one_in(2) {
            self.notice_first();
        }
    }

    /// One instance hears of it before the others, and some of its clients go over to these.
    fn notice_first(&mut self) {
        let (number, moment, now) = (self.any_instance(), self.moment(), self.time.passed());
        let Some(instance) = &mut self.instances[number] else { return };
        instance.read_all();
        instance.turn();
        for client in &mut self.clients {
            client.receive(usize::MAX, moment, now);
            if self.dice.one_in(2) {
                client.leave(ClientEnd::Closed, now + self.dice.time(Duration::from_secs(1)));
            }
        }
        self.tell(|_| format!("instance {number} notices at once, and clients leave"));
    }

    /// Retention: what all instances have read long ago.
    fn delete_old(&mut self) {
        let too_old = self.time.since_epoch().saturating_sub(2 * WINDOW);
        let too_old_ms = i64::try_from(too_old.as_millis()).expect("it is not so late");
        let places = self.log.borrow().places();
        for place in places {
            let read_by_all = self.instances.iter().flatten().map(|instance| instance.next(place)).min();
            let old = self.log.borrow().offset_for(place, too_old_ms);
            self.log.borrow_mut().delete_before(place, read_by_all.map_or(old, |read| old.min(read)));
        }
    }

    fn stop_instance(&mut self) {
        let number = self.any_instance();
        let Some(instance) = &mut self.instances[number] else { return };
        if !instance.is_draining() && self.dice.one_in(2) {
            instance.drain(self.dice.time(Duration::from_secs(10)), &self.dice);
            return self.tell(|_| format!("instance {number} drains"));
        }
        let in_order = self.dice.one_in(2);
        if in_order {
            instance.stop();
            (0..self.dice.below(4)).for_each(|_| _ = instance.turn());
        }
        self.instances[number] = None;
        self.tell(|_| format!("instance {number} ends, in good order: {in_order}"));
    }

    /// Those whose time has come, at any instance that is ready.
    fn connect_clients(&mut self) {
        let now = self.time.passed();
        for number in 0..self.clients.len() {
            if self.clients[number].is_connected() || self.clients[number].back_at > now {
                continue;
            }
            let ready = |place: &usize| self.instances[*place].as_ref().is_some_and(Instance::is_ready);
            let ready: Vec<usize> = (0..self.instances.len()).filter(ready).collect();
            if ready.is_empty() {
                return;
            }
            let place = *self.dice.pick(&ready);
            let lifetime = Duration::from_secs(20) + self.dice.time(Duration::from_secs(300));
            let instance = self.instances[place].as_mut().expect("it is ready");
            let expires_at = SystemTime::UNIX_EPOCH + self.time.since_epoch() + lifetime;
            self.clients[number].connect(instance, expires_at, &self.dice);
            self.tell(|world| {
                format!("client {number} connects to instance {place} at {:?}", world.time.passed())
            });
        }
    }

    /// Nothing is written and nobody leaves any more; goes on until everything has come to everybody.
    fn come_to_rest(&mut self) -> Result<(), String> {
        for client in &mut self.clients {
            client.back_at = Duration::ZERO;
        }
        for instance in &mut self.instances {
            instance.take_if(|instance| instance.is_draining());
            instance.get_or_insert_with(|| Instance::start(&self.log, &self.time, &self.dice));
        }
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            self.step += 1;
            self.time.pass(Duration::from_millis(1));
            let moved = self.round();
            self.connect_clients();
            quiet = if moved { 0 } else { quiet + 1 };
            if quiet == 3 {
                return Ok(());
            }
        }
        Err("it does not come to rest".to_owned())
    }

    fn round(&mut self) -> bool {
        let mut moved = false;
        for instance in self.instances.iter_mut().flatten() {
            moved |= instance.read_all();
            moved |= instance.turn();
        }
        let (moment, now) = (self.moment(), self.time.passed());
        for client in self.clients.iter_mut().filter(|client| !client.person.is_refused) {
            moved |= client.receive(usize::MAX, moment, now);
        }
        moved
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.time.since_epoch().as_millis()).expect("it is not so late")
    }

    fn moment(&self) -> Moment {
        self.log.borrow().moment(self.now_ms())
    }

    fn any_instance(&self) -> usize {
        self.dice.below(self.instances.len())
    }

    fn tell(&mut self, what: impl Fn(&World) -> String) {
        let line = format!("{:5} {:9.3?} {}", self.step, self.time.passed(), what(self));
        self.story.push(line);
    }
}

fn client(dice: &Dice) -> Client {
    let role = *dice.pick(&["ADMIN", "WATCHER", "CUSTOMER", "CUSTOMER", "MANAGER", "MANAGER"]);
    let person = Person {
        role,
        // One more than there are: somebody who owns nothing.
        user: customer(dice.below(CUSTOMERS + 1)),
        store: (role == "MANAGER").then(|| dice.within(0..STORES + 1)),
        is_refused: dice.one_in(12),
    };
    Client::new(person, *dice.pick(&Protocol::ALL), !dice.one_in(4))
}
