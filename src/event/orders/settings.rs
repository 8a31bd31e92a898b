//! The `[orders]` section: how far back orders are read at the start, what is kept of them, and how long a
//! condition waits for its order.

use crate::limits::{
    OPEN_ORDERS_MAX_BYTES, ORDER_WAIT, ORDER_WAIT_MAX, ORDERS_LOOK_BACK, ORDERS_LOOK_BACK_MAX, WINDOW_MAX_AGE,
};
use crate::settings::Document;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct OrderSettings {
    /// How far back the order topics are read at the start; zero is no farther than the window.
    pub look_back: Duration,
    /// Memory for what is shown of the open orders.
    pub max_bytes: usize,
    /// How long a condition waits at most for its order's record; zero is not at all.
    pub wait: Duration,
    /// How far back the window reaches (`journal.max_age`).
    pub window: Duration,
}

impl OrderSettings {
    pub fn read(document: &mut Document) -> OrderSettings {
        let mut section =
            document.section("orders", "The open orders: whose they are, and what is shown of them.");
        OrderSettings {
            look_back: section
                .key("look_back", "How far back orders are read at the start, and how old an open one gets; 0s is the window.")
                .duration(ORDERS_LOOK_BACK, Duration::ZERO..=ORDERS_LOOK_BACK_MAX),
            max_bytes: section
                .key("max_bytes", "Memory for what is shown of the open orders; the order opened first leaves first.")
                .bytes(OPEN_ORDERS_MAX_BYTES, 1 << 20..=1 << 36),
            wait: section
                .key("wait", "How long a condition waits at most for its order, which is in a topic of its own; 0s is not at all.")
                .duration(ORDER_WAIT, Duration::ZERO..=ORDER_WAIT_MAX),
            window: WINDOW_MAX_AGE,
        }
    }

    /// For how long an order is kept.
    pub fn kept(&self) -> Duration {
        self.look_back.max(self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_text;

    fn read(text: &str) -> Result<OrderSettings, String> {
        read_text(&format!("[orders]\n{text}"), OrderSettings::read)
    }

    #[test]
    fn an_order_is_kept_for_the_longer_of_look_back_and_window() {
        let check =
            |text: &str, expected: Duration| assert_eq!(read(text).unwrap().kept(), expected, "{text}");
        check("look_back = \"1day\"", Duration::from_secs(86_400));
        check("look_back = \"0s\"", WINDOW_MAX_AGE);
    }

    #[test]
    fn memory_for_open_orders_is_bounded_both_ways() {
        let check = |size: &str, is_good: bool| {
            assert_eq!(read(&format!("max_bytes = {size:?}")).is_ok(), is_good, "{size}");
        };
        for (size, is_good) in [("1023KiB", false), ("1MiB", true), ("64GiB", true), ("65GiB", false)] {
            check(size, is_good);
        }
    }
}
