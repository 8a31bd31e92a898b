//! A simulated pizzeria: what happens next, as the fields that its tills, kitchens and stores would write.
//!
//! Orders come in, from customers and from guests; their conditions change until they are done; pizzas are made
//! for stores 7 and 8. Pure and seeded: the same seed and times give the same story. Turning fields into Avro
//! and putting them into Kafka is `producer`'s matter.

use super::forms::Form;
use super::menu::{
    ADDRESSES, AUTHORS, Author, Customer, DISHES, Dish, EVDOKIM, GUESTS, MARFA, OTHERS, RECIPES, REMARKS,
};
use crate::limits::DEMO_OPEN_ORDERS_MAX;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

/// Orders that are open at a time; with that many, only their conditions change.
const OPEN_MAX: usize = 12;

/// With so few, orders come in before conditions change.
const OPEN_MIN: usize = 6;

/// The newest orders rest: a kitchen needs a moment, and so does an order on its way through its own topic before
/// a condition without an owner can be told whose it is.
const RESTING: usize = 3;

const _: () = assert!(RESTING < OPEN_MIN && OPEN_MIN < OPEN_MAX && OPEN_MAX < DEMO_OPEN_ORDERS_MAX);

pub struct Pizzeria {
    rng: StdRng,
    /// Oldest first.
    open: Vec<Order>,
    last_number: i32,
}

/// One thing that happened.
pub struct Occurrence {
    pub form: Form,
    /// The record's key: all that concerns one order is in one partition.
    pub key: String,
    /// As the form's writer names them.
    pub fields: Value,
}

/// What somebody on the page wants made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    OrderOfEvdokim,
    OrderOfMarfa,
    OrderOfGuest,
    PizzaOfStore,
}

struct Order {
    id: String,
    owner: Option<&'static str>,
    delivery: bool,
    condition: &'static str,
    /// Which kitchen has it, by what that kitchen writes.
    kitchen: Form,
}

impl Pizzeria {
    pub fn new(seed: u64) -> Pizzeria {
        Pizzeria { rng: StdRng::seed_from_u64(seed), open: Vec::new(), last_number: 22 }
    }

    /// None while too many orders are open.
    pub fn grant(&mut self, wish: Wish, now_ms: i64) -> Option<Occurrence> {
        let customer = match wish {
            Wish::PizzaOfStore => return Some(self.make_pizza(&AUTHORS[0], now_ms)),
            Wish::OrderOfEvdokim => Some(&EVDOKIM),
            Wish::OrderOfMarfa => Some(&MARFA),
            Wish::OrderOfGuest => None,
        };
        (self.open.len() < DEMO_OPEN_ORDERS_MAX).then(|| self.take_order(customer, now_ms))
    }

    /// The next step of an order, or else of the one that was opened first. None if it is not open.
    pub fn advance(&mut self, id: Option<&str>) -> Option<Occurrence> {
        let place = match id {
            Some(id) => self.open.iter().position(|order| order.id == id)?,
            None => 0,
        };
        (place < self.open.len()).then(|| self.move_on(place))
    }

    pub fn next(&mut self, now_ms: i64) -> Occurrence {
        if self.rng.random_bool(0.28) {
            let author = pick(&AUTHORS, &mut self.rng);
            return self.make_pizza(author, now_ms);
        }
        let busy = self.open.len() >= OPEN_MAX;
        let quiet = self.open.len() < OPEN_MIN;
        if !busy && (quiet || self.rng.random_bool(0.3)) {
            let customer = self.customer();
            return self.take_order(customer, now_ms);
        }
        let rested = self.open.len() - RESTING;
        let place = self.rng.random_range(0..rested);
        self.move_on(place)
    }

    fn make_pizza(&mut self, author: &Author, now_ms: i64) -> Occurrence {
        let recipe = pick(&RECIPES, &mut self.rng);
        let size = *pick(&[30, 45, 60], &mut self.rng);
        let uuid = uuid::Builder::from_random_bytes(self.rng.random()).into_uuid().to_string();
        let hundredths = recipe.price_hundredths * size / 30;
        let minutes: i64 = self.rng.random_range(12..=25);
        let fields = json!({
            "uuid": uuid,
            "storeId": author.store,
            "userUuid": author.uuid,
            "name": recipe.name,
            "description": recipe.description,
            "size": size,
            "price": format!("{}.{:02}", hundredths / 100, hundredths % 100),
            "accepted": false,
            "imgUrl": recipe.image,
            "createdDate": now_ms,
            "timePrepared": now_ms + minutes * 60_000,
        });
        Occurrence { form: Form::Pizza, key: uuid, fields }
    }

    fn take_order(&mut self, customer: Option<&'static Customer>, now_ms: i64) -> Occurrence {
        self.last_number = self.last_number % 999 + 1;
        let delivery = self.rng.random_bool(0.5);
        let kitchen = if self.rng.random_bool(0.5) { Form::OldCondition } else { Form::NewCondition };
        let id = format!("{:08x}{:016x}", now_ms / 1_000, self.rng.random::<u64>());
        let fields = self.order_fields(&id, customer, delivery, now_ms);
        let owner = customer.map(|customer| customer.id);
        self.open.push(Order { id: id.clone(), owner, delivery, condition: "NEW", kitchen });
        Occurrence { form: Form::Order, key: id, fields }
    }

    /// Half of the orders are from the two customers on the page, so that something happens there.
    fn customer(&mut self) -> Option<&'static Customer> {
        match self.rng.random_range(0..10) {
            0..=3 => Some(&EVDOKIM),
            4..=6 => Some(&MARFA),
            7 => Some(pick(&OTHERS, &mut self.rng)),
            _ => None,
        }
    }

    fn order_fields(&mut self, id: &str, customer: Option<&Customer>, delivery: bool, now_ms: i64) -> Value {
        let rng = &mut self.rng;
        let guest = *pick(&GUESTS, rng);
        let dishes = rng.random_range(1..=3);
        let dishes: Vec<&'static Dish> = DISHES.choose_multiple(rng, dishes).collect();
        let lines: Vec<Line> =
            dishes.into_iter().map(|dish| Line { dish, number: rng.random_range(1..=2) }).collect();
        let products_sum: i32 = lines.iter().map(Line::cost).sum();
        let percent = if delivery { if rng.random_bool(0.3) { 5 } else { 0 } } else { 10 };
        let discount_type = if delivery { "WEEKDAY" } else { "WITHOUT_DELIVERY" };
        let delivery_cost = delivery.then_some(if products_sum >= 1_000 { 0 } else { 150 });
        json!({
            "id": id,
            "till": format!("till-{}", rng.random_range(1..=4)),
            "created_at": now_ms,
            "updated_at": now_ms,
            "number": self.last_number,
            "client_id": customer.map(|customer| customer.id),
            "username": customer.map_or(guest, |customer| customer.name),
            "phone": customer.map_or("+38(071)000-00-99", |customer| customer.phone),
            "address": delivery.then(|| *pick(&ADDRESSES, rng)),
            "delivery": delivery,
            "delivery_cost": delivery_cost,
            "additional_information": rng.random_bool(0.3).then(|| *pick(&REMARKS, rng)),
            "condition": "NEW",
            "cost": products_sum * (100 - percent) / 100 + delivery_cost.unwrap_or(0),
            "weight": lines.iter().map(Line::weight).sum::<i32>(),
            "products_sum": products_sum,
            "discount": (percent > 0).then(|| json!({"percent": percent, "type": discount_type})),
            "products": lines.iter().map(Line::fields).collect::<Vec<_>>(),
            "is_test_order": false,
        })
    }

    fn move_on(&mut self, place: usize) -> Occurrence {
        let order = &mut self.open[place];
        order.condition = next_condition(order.condition, order.delivery, &mut self.rng);
        let mut fields = json!({"order_id": order.id, "condition": order.condition});
        if order.kitchen == Form::NewCondition {
            fields["clientId"] = json!(order.owner);
        }
        let occurrence = Occurrence { form: order.kitchen, key: order.id.clone(), fields };
        if matches!(order.condition, "DONE" | "REJECT" | "CANCELLED") {
            self.open.remove(place);
        }
        occurrence
    }
}

fn next_condition(condition: &str, delivery: bool, rng: &mut StdRng) -> &'static str {
    match condition {
        "NEW" if rng.random_bool(0.07) => "REJECT",
        "NEW" if rng.random_bool(0.07) => "CANCELLED",
        "NEW" => "IN_PROGRESS",
        "IN_PROGRESS" => "COLLECTED",
        "COLLECTED" if delivery => "IN_THE_WAY",
        "IN_THE_WAY" => "IS_DELIVERED",
        _ => "DONE",
    }
}

/// A line of an order.
struct Line {
    dish: &'static Dish,
    number: i32,
}

impl Line {
    fn cost(&self) -> i32 {
        self.dish.cost * self.number
    }

    fn weight(&self) -> i32 {
        self.dish.weight * self.number
    }

    fn fields(&self) -> Value {
        // When the menu was written.
        const WRITTEN_MS: i64 = 1_650_111_098_902;
        let Dish { id, title, ingredients, cost, weight } = self.dish;
        json!({
            "number": self.number,
            "cost": self.cost(),
            "weight": self.weight(),
            "product": {
                "id": id,
                "title": title,
                "description": ingredients.join(", "),
                "ingredients": ingredients,
                "images": [],
                "type": "SINGLE",
                "visible": true,
                "cost": cost,
                "weight": weight,
                "created_at": WRITTEN_MS,
                "updated_at": WRITTEN_MS,
            },
        })
    }
}

fn pick<'a, T>(choices: &'a [T], rng: &mut StdRng) -> &'a T {
    choices.choose(rng).expect("the menu has no empty list")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_same_seed_tells_the_same_story() {
        let story = |seed| {
            let mut pizzeria = Pizzeria::new(seed);
            (0..50).map(|n| pizzeria.next(1_000 * n).fields.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(story(1), story(1));
        assert_ne!(story(1), story(2));
    }

    #[test]
    fn wishes_are_granted_until_too_much_is_open() {
        let mut pizzeria = Pizzeria::new(7);
        let pizza = pizzeria.grant(Wish::PizzaOfStore, 0).unwrap();
        assert_eq!((pizza.form, pizza.fields["storeId"].as_i64()), (Form::Pizza, Some(7)));
        for n in 0..DEMO_OPEN_ORDERS_MAX {
            let wish = [Wish::OrderOfEvdokim, Wish::OrderOfMarfa, Wish::OrderOfGuest][n % 3];
            let owner = [Some(EVDOKIM.id), Some(MARFA.id), None][n % 3];
            let order = pizzeria.grant(wish, 0).unwrap();
            assert_eq!((order.form, order.fields["client_id"].as_str()), (Form::Order, owner));
        }
        assert!(pizzeria.grant(Wish::OrderOfGuest, 0).is_none());
        let newest = pizzeria.open.last().unwrap().id.clone();
        let step = pizzeria.advance(Some(&newest)).unwrap();
        assert_eq!((&step.key, step.form == Form::Order), (&newest, false));
        assert!(pizzeria.advance(Some("unknown")).is_none());
        assert_eq!(pizzeria.advance(None).unwrap().key, pizzeria.open[0].id);
    }

    #[test]
    fn nothing_that_is_not_open_moves_on() {
        assert!(Pizzeria::new(7).advance(None).is_none());
    }

    /// Every order opens with NEW, ends in one of the three last conditions, and is not heard of after that.
    #[test]
    fn orders_run_from_new_to_an_end() {
        let mut pizzeria = Pizzeria::new(7);
        let mut conditions: HashMap<String, String> = HashMap::new();
        for n in 0..5_000 {
            let Occurrence { form, key, fields } = pizzeria.next(1_000 * n);
            if form == Form::Pizza {
                continue;
            }
            let condition = fields["condition"].as_str().unwrap();
            let before = conditions.insert(key, condition.to_owned());
            match before.as_deref() {
                None => assert_eq!((form, condition), (Form::Order, "NEW")),
                Some(before) => {
                    assert!(!["DONE", "REJECT", "CANCELLED"].contains(&before) && before != condition);
                }
            }
        }
        assert!(pizzeria.open.len() <= OPEN_MAX);
        for end in ["DONE", "REJECT", "CANCELLED"] {
            assert!(conditions.values().any(|condition| condition == end), "{end}");
        }
    }
}
