//! Catalogs: a faulty one is told with its faults, and one that is taken can be used.

#![no_main]

use dumbwaiter::decode::Plan;
use dumbwaiter::event::Catalog;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let catalog = match Catalog::parse(text, None) {
        Ok(catalog) => catalog,
        Err(faults) => return assert!(!faults.to_string().is_empty()),
    };
    let _ = (catalog.order_rules(), catalog.keys_of_every_order());
    for event in catalog.events() {
        assert_eq!(catalog.event(event.id).name, event.name);
        let topic = event.topic_name().unwrap_or("order.created");
        assert_eq!(catalog.names_topic(topic), catalog.events_of(topic).next().is_some());
        // Everything that decides who gets the event is picked out of its records.
        for template in &event.audience {
            assert!(
                template
                    .field()
                    .is_none_or(|field| event.captures.iter().any(|capture| *capture.name == *field))
            );
        }
        let _ = Plan::compile(&event.writer, &event.schema, &event.captures);
    }
});
