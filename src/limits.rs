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

use std::time::Duration;

// The client protocols.

/// The longest message a client may send, whole or in fragments, and what the Engine.IO open packet states as
/// `maxPayload`. Clients send a token and pongs, so this is generous; above it the connection ends with 1009,
/// told from the frame header before a byte of it is kept.
pub const MESSAGE_MAX_BYTES: usize = 65_536;

/// The most frames one message may come in. Without it a stream of empty fragments never meets the byte limit;
/// above it the connection ends with 1009.
pub const MESSAGE_MAX_FRAGMENTS: u16 = 1_024;

/// The longest payload of a Ping, Pong or Close (RFC 6455, 5.5); above it the connection ends with 1002.
pub const CONTROL_MAX_BYTES: usize = 125;

/// The most pings answered one by one out of a single read. Of those that follow only the newest is answered
/// (RFC 6455, 5.5.3), so what a flood of pings makes us write is bounded by 2 KiB a read.
pub const PONGS_PER_READ_MAX: usize = 16;

/// The longest Socket.IO namespace that is named back in a refusal; a longer one drops the connection.
pub const NAMESPACE_MAX_BYTES: usize = 128;

/// How many foreign namespaces a connection may ask for. Each costs us an answer longer than the question, so
/// whoever asks for more is dropped.
pub const NAMESPACE_REFUSALS_MAX: u8 = 16;

/// How often a Socket.IO client is pinged, as its open packet states (the official server's default).
pub const SOCKET_IO_PING_INTERVAL: Duration = Duration::from_secs(25);

/// How long a Socket.IO client may take to answer a ping; then the connection is closed.
pub const SOCKET_IO_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How often a plain client is pinged. Proxies commonly cut connections that are silent for 30 s.
pub const PLAIN_PING_INTERVAL: Duration = Duration::from_secs(27);

/// How long a plain client may stay silent after a ping; then the connection is closed.
pub const PLAIN_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a Socket.IO connection may be open without being authorized, a slow check of its token included;
/// then it is closed. It must end before the first ping is due, so that only joined clients are pinged.
pub const UNAUTHENTICATED_MAX: Duration = Duration::from_secs(10);

/// How long an ending connection may take to accept its last bytes and to answer; then it is closed hard.
pub const LINGER_MAX: Duration = Duration::from_secs(2);

const _: () = assert!(UNAUTHENTICATED_MAX.as_secs() < SOCKET_IO_PING_INTERVAL.as_secs());
const _: () = assert!(SOCKET_IO_PING_TIMEOUT.as_secs() < SOCKET_IO_PING_INTERVAL.as_secs());
const _: () = assert!(PLAIN_PING_TIMEOUT.as_secs() < PLAIN_PING_INTERVAL.as_secs());
