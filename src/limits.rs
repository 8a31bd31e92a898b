//! Every bound of the service, in one place, each with its reason and with what happens at it.
//!
//! A bound that an operator may move is a setting whose default stands here; the others are fixed.

// --- decode: what one record and one schema may cost ---

/// Longest schema text, references included. Real schemas are a few KB; at it the schema is refused.
pub const SCHEMA_TEXT_MAX_BYTES: usize = 1024 * 1024;

/// Deepest nesting of types in a schema. It bounds the stack of everything that walks types or records;
/// PopulatedOrder has 7. At it the schema is refused.
pub const SCHEMA_DEPTH_MAX: usize = 32;

/// Most types in a schema, a named type counted once per use, because a plan expands it at each use.
/// At it the schema is refused.
pub const SCHEMA_TYPES_MAX: usize = 8 * 1024;

/// Longest Avro body of a record. Kafka's own default bound is 1 MiB; at it the record is poison.
pub const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Longest JSON payload: a frame that thousands of browsers take at once. At it the record is poison.
pub const PAYLOAD_MAX_BYTES: usize = 1024 * 1024;

/// Most array and map items in a record, as items may take no bytes at all on the wire (`array<null>`).
/// No valid payload has more, since an item and its comma take two bytes. At it the record is poison.
pub const ITEMS_MAX: u64 = PAYLOAD_MAX_BYTES as u64 / 2;

/// Longest decimal: 16 bytes, 38 digits, what 128 bits hold. At it the record is poison.
pub const DECIMAL_MAX_BYTES: usize = 16;

const _: () = assert!(PAYLOAD_MAX_BYTES <= BODY_MAX_BYTES);

// --- settings ---

/// The longest file that a setting may name for its value (a secret, a key, a certificate). A PEM bundle
/// has a few KiB; a path that leads to something else by mistake is a fault at start.
pub const SETTINGS_SIDE_FILE_MAX_BYTES: u64 = 64 * 1024;
