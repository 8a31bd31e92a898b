//! The types of a catalog's events in TypeScript: `clients/events.d.ts`, made of the same catalog and schemas that
//! records are mapped by.
//!
//! ```text
//! PlainEvents, SocketIoEvents    what each event's name stands for, protocol by protocol
//! Pizza, PopulatedOrder, ...     the payloads
//! Status, Gap, CloseCode, ...    what there is beside events, whatever the catalog
//! ```
//!
//! `make docs` writes the file for the documented events; a test compares and fails when it is stale. For
//! another catalog: `dumbwaiter reference types --catalog FILE`.

use super::{Catalog, Event};
use crate::decode::Interfaces;
use crate::protocol::{Ending, Gap, Protocol};
use std::collections::BTreeSet;

const HEAD: &str = "\
// What clients receive, by a catalog and its payload schemas. Made by `dumbwaiter reference types`, for a catalog of
// one's own with `--catalog FILE`: not to be edited by hand.

";

/// What stands in the file beside payloads.
const TAKEN: &[&str] = &[
    "PlainEvents",
    "SocketIoEvents",
    "Status",
    "Gap",
    "CloseCode",
    "AuthorizationError",
    "PlainMessage",
    "SocketIoListeners",
    // TypeScript's own, which maps are.
    "Record",
];

const STATUS: &str = "
/** Where a connection stands that asked for cursors or a replay; told first, and when that changes. */
export interface Status {
  /** Nothing lies between the given cursor and what comes now that is not sent. */
  resumed: boolean;
  /** Why something can't be had: fetch the state anew. */
  gap: Gap | null;
  /** Since when the picture is stale, if it is. RFC 3339, UTC. */
  stale_since: string | null;
  /** From when on a replay is complete, where one was asked for. RFC 3339, UTC. */
  since?: string;
}
";

const MESSAGES: &str = "
/** What refuses a Socket.IO client, before it is disconnected. */
export interface AuthorizationError {
  message: string;
  code: number;
  error: string;
}

type Message<Name, Data> = { event_name: Name; data: Data; cursor?: string; traceparent?: string };

/** A text message of the plain protocol. */
export type PlainMessage =
  | { [Name in keyof PlainEvents]: Message<Name, PlainEvents[Name]> }[keyof PlainEvents]
  | Message<\"STATUS\", Status>;

/** For socket.io-client: `const socket: Socket<SocketIoListeners> = io(...)`. Where traces are asked for, they come before the cursor. */
export type SocketIoListeners = {
  [Name in keyof SocketIoEvents]: (payload: SocketIoEvents[Name], cursor?: string) => void;
} & {
  \"authorization:ok\": (cursor?: string) => void;
  \"authorization:error\": (error: AuthorizationError) => void;
  STATUS: (status: Status, cursor?: string) => void;
};
";

/// The whole file.
pub fn typescript(catalog: &Catalog) -> String {
    let mut interfaces = Interfaces::beside(TAKEN);
    let maps = [
        (
            "/** The plain protocol: what an `event_name` has as its `data`. */",
            "PlainEvents",
            Protocol::Plain,
        ),
        ("/** Socket.IO: what an event has as its first argument. */", "SocketIoEvents", Protocol::SocketIo),
    ];
    let maps = maps.map(|(about, name, protocol)| {
        let events = catalog.events().iter().filter(|event| event.clients.contains(&protocol));
        let members: String = events.map(|event| member(event, &mut interfaces)).collect();
        format!("{about}\nexport interface {name} {{\n{members}}}\n")
    });
    let gaps = union(Gap::ALL.map(|gap| format!("\"{}\"", gap.label())));
    let codes: BTreeSet<u16> = Ending::ALL.into_iter().filter_map(|ending| ending.row().code).collect();
    let codes = union(codes.into_iter().map(|code| code.to_string()));
    let gaps = format!("\n/** Why a gap is one. */\nexport type Gap ={gaps};\n");
    let codes = format!(
        "\n/** The codes that the service itself closes plain connections with. */\nexport type CloseCode ={codes};\n"
    );
    [HEAD, &maps.join("\n"), &interfaces.text(), STATUS, &gaps, &codes, MESSAGES].concat()
}

/// `"order:new": PopulatedOrder;`, and who gets it.
fn member(event: &Event, interfaces: &mut Interfaces) -> String {
    let audience: Vec<String> = event.audience.iter().map(ToString::to_string).collect();
    let name = serde_json::Value::from(&*event.name);
    let payload = interfaces.declare(&event.schema);
    format!("  /** For {}. */\n  {name}: {payload};\n", audience.join(", "))
}

fn union(choices: impl IntoIterator<Item = String>) -> String {
    choices.into_iter().map(|choice| format!("\n  | {choice}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_what_catalog_and_code_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/events.d.ts");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == typescript(&Catalog::built_in()), "clients/events.d.ts is stale: make docs");
    }

    #[test]
    fn a_catalog_of_ones_own_has_its_events() {
        let text = "[[event]]\nname = \"it's done\"\nclients = [\"plain\", \"socketio\"]\ntopic = \"t\"\n\
            schema = \"order_condition.avsc\"\naudience = [\"role:{condition}\"]\n[grants]\nkeys = [\"role:{role}\"]\n";
        let types = typescript(&Catalog::parse(text, None).unwrap());
        let member = "  /** For role:{condition}. */\n  \"it's done\": OrderCondition;\n";
        assert_eq!(types.matches(member).count(), 2, "{types}");
        assert_eq!(types.matches("export interface OrderCondition {").count(), 1, "{types}");
        assert!(!types.contains("Pizza"), "{types}");
    }
}
