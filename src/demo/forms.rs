//! The kinds of records that the pizzeria's software writes, each with its topic and its writer's schema.
//!
//! The schemas are the writers' own, not the payloads': other names, other types, a field that no client may see.

/// What kind of record it is, and by which software it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    Order,
    /// Without the order's owner.
    OldCondition,
    /// With it.
    NewCondition,
    Pizza,
}

impl Form {
    pub const ALL: [Form; 4] = [Form::Order, Form::OldCondition, Form::NewCondition, Form::Pizza];

    pub fn topic(self) -> &'static str {
        match self {
            Form::Pizza => "pizza.created",
            Form::Order => "order.created",
            Form::OldCondition | Form::NewCondition => "order.condition",
        }
    }

    /// The writer's schema.
    pub fn schema(self) -> &'static str {
        match self {
            Form::Order => include_str!("schemas/order.avsc"),
            Form::OldCondition => include_str!("schemas/condition_v1.avsc"),
            Form::NewCondition => include_str!("schemas/condition_v2.avsc"),
            Form::Pizza => include_str!("schemas/pizza.avsc"),
        }
    }
}
