//! Every bound of the service, in one place, each with its reason and with what happens at it.
//!
//! A bound that an operator may move is a setting whose default stands here; the others are fixed.

use std::time::Duration;

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

// The client protocols.

/// Conformance suites send messages of 16 MiB and want them back, which no client of the service may. The feature is
/// for `examples/echo.rs` alone.
const CONFORMANCE: bool = cfg!(feature = "conformance");

/// The longest message a client may send, whole or in fragments, and what the Engine.IO open packet states as
/// `maxPayload`. Clients send a token and pongs, so this is generous; above it the connection ends with 1009,
/// told from the frame header before a byte of it is kept.
pub const MESSAGE_MAX_BYTES: usize = if CONFORMANCE { 16 << 20 } else { 65_536 };

/// The most frames one message may come in. Without it a stream of empty fragments never meets the byte limit;
/// above it the connection ends with 1009.
pub const MESSAGE_MAX_FRAGMENTS: u32 = if CONFORMANCE { 1 << 20 } else { 1_024 };

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

/// How often a plain client is pinged: before the 30 s are over after which some proxies cut a silent connection.
pub const PLAIN_PING_INTERVAL: Duration = Duration::from_secs(27);

/// How long a plain client may stay silent after a ping; then the connection is closed.
pub const PLAIN_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a Socket.IO connection may be open without being authorized, a slow check of its token included;
/// then it is closed. It must end before the first ping is due, so that only joined clients are pinged.
pub const UNAUTHENTICATED_MAX: Duration = Duration::from_secs(10);

/// How long an ending connection may take to accept its last bytes and to answer; then it is closed hard.
pub const LINGER_MAX: Duration = Duration::from_secs(2);

/// The same where the client has said goodbye itself or has broken a rule: an answer and its way back, no more.
pub const LINGER_BRIEF_MAX: Duration = Duration::from_millis(750);

/// What a client may send, every byte under the frames counted: so much a second. Clients send a pong every 25 s,
/// and Socket.IO pages an event now and then. Above it, and above [`CLIENT_BURST_BYTES`], the connection ends with
/// 1008 and is not read any more.
pub const CLIENT_BYTES_PER_SECOND: u32 = if CONFORMANCE { 1 << 30 } else { 16 << 10 };

/// What may come at once: eight of the longest messages.
pub const CLIENT_BURST_BYTES: u32 = if CONFORMANCE { 1 << 30 } else { 512 << 10 };

/// What each frame, and each read, counts beside its bytes: so much work it is. An empty frame would else be 6
/// bytes. It bounds a client to some 60 frames a second, and 2,000 at once.
pub const CLIENT_FRAME_COST_BYTES: u32 = 256;

/// Between telling a Socket.IO client that it is refused and sending it away: long enough for a slow machine's
/// library to be done with connecting, without which python-socketio does not hear the second.
pub const SOCKET_IO_REFUSAL_PAUSE: Duration = Duration::from_secs(1);

const _: () = assert!(LINGER_BRIEF_MAX.as_millis() < LINGER_MAX.as_millis());
// One message of the most bytes or of the most fragments is no flood.
const _: () = assert!(2 * MESSAGE_MAX_BYTES < CLIENT_BURST_BYTES as usize);
const _: () = assert!(MESSAGE_MAX_FRAGMENTS * (CLIENT_FRAME_COST_BYTES + 16) < CLIENT_BURST_BYTES);
const _: () = assert!(UNAUTHENTICATED_MAX.as_secs() < SOCKET_IO_PING_INTERVAL.as_secs());
const _: () = assert!(SOCKET_IO_PING_TIMEOUT.as_secs() < SOCKET_IO_PING_INTERVAL.as_secs());
const _: () = assert!(PLAIN_PING_TIMEOUT.as_secs() < PLAIN_PING_INTERVAL.as_secs());

// ---- event: who may see what ----

/// Longest value in a key. Ids are 36 characters or fewer; a longer one gives no key.
pub const KEY_VALUE_MAX_BYTES: usize = 256;

/// Keys of one connection. A list claim gives several; what is over the bound is not granted, and counted.
pub const KEYS_PER_CONNECTION_MAX: usize = 64;

/// Open orders: a day of a large business. At it the order opened first leaves, and is counted; `open=1` does not
/// show it, its owner stays known for a while.
pub const OPEN_ORDERS_MAX: usize = 200_000;

/// Default memory for what is shown of the open orders: about 60,000 of 1.8 KB, a part of which is the window's
/// own. At it the order opened first leaves, in the same way.
pub const OPEN_ORDERS_MAX_BYTES: usize = 128 << 20;

/// What an open order weighs beside its frames, keys and id: its nodes in the maps.
pub const ORDER_WEIGHT_BYTES: usize = 600;

/// Owners that are remembered beyond their order's end, about 20 MiB. At it the one whose order ended first is
/// forgotten; conditions that still come for that order reach staff only, and are counted.
pub const OWNERS_REMEMBERED_MAX: usize = 100_000;

/// Conditions that came before their order and are kept for it. An order is late by seconds. At it the oldest is
/// forgotten: that order is shown without its condition until the next one.
pub const EARLY_CONDITIONS_MAX: usize = 10_000;

/// And what is shown of them; a condition has some hundred bytes.
pub const EARLY_CONDITIONS_MAX_BYTES: usize = 8 << 20;

/// Default look-back for orders at the start: nobody waits longer for a pizza.
pub const ORDERS_LOOK_BACK: Duration = Duration::from_secs(24 * 3_600);

/// The most that `orders.look_back` may be, a month: it is read at every start.
pub const ORDERS_LOOK_BACK_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);

/// How long a condition waits for its order by default; then it reaches staff only, and is counted.
pub const ORDER_WAIT: Duration = Duration::from_secs(2);

/// How long a condition waits for an order that is not in Kafka when it comes. It is short, since the partition's other
/// events wait behind conditions whose orders nobody ever wrote.
pub const ORDER_SETTLES: Duration = Duration::from_millis(250);

/// A record that comes so long after its timestamp was held up, and tells of a trouble on the way: what piled up at a
/// producer goes out partition by partition, in any order.
pub const RECORD_LATE_AFTER: Duration = Duration::from_secs(1);

/// How long a condition waits for such an order if it comes while records come late, or so long after one that did:
/// four times what was seen of orders behind their conditions after a broker's crash (463 ms).
pub const ORDER_SETTLES_LATE: Duration = Duration::from_secs(2);

/// No record is held up for longer on its way: producers give up by then (delivery.timeout.ms of the Java client). What is
/// older when an instance starts, and has no order, does not wait for one that is still under way.
pub const RECORD_HELD_UP_MAX: Duration = Duration::from_mins(2);

/// The most that `orders.wait` may be: the partition's other events wait as well.
pub const ORDER_WAIT_MAX: Duration = Duration::from_secs(30);

// ---- journal: how much of the newest events is kept ----

/// Entries of one segment. Small enough that scanning the open one is cheap, large enough that an index pays.
pub const SEGMENT_ENTRIES_MAX: usize = 1_024;

/// Default window: covers a client that was away for a coffee. Older segments are evicted.
pub const WINDOW_MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// The most that `journal.max_bytes` may be, 1 TiB: beyond any machine's memory, so a typing error.
pub const JOURNAL_MAX_BYTES: usize = 1 << 40;

/// Default window: about 100,000 orders of 1.8 KB. Oldest segments are evicted.
pub const WINDOW_MAX_BYTES: usize = 256 << 20;

/// Longest cursor that is looked at; one of 1,000 partitions has 7,000 bytes. A longer one is no cursor.
pub const CURSOR_MAX_BYTES: usize = 12 << 10;

/// A cursor's secret has at least the strength of the key that is made of it.
pub const CURSOR_SECRET_MIN_BYTES: usize = 32;

/// A client with cursors is told where it is whenever this part of the window has gone by, at its next ping. Else one that
/// gets no events for long would come back with a cursor that has left the window, and after the end of an instance
/// thousands of them at once would have to be read for from Kafka.
pub const CURSOR_RENEWED_PARTS: u32 = 4;

/// And at least as often, though nothing has come: a page sees no pings, and takes a connection for dead that says nothing
/// for ten minutes (`clients/dumbwaiter.js`).
pub const CURSOR_TOLD_EVERY_MAX: Duration = Duration::from_mins(4);

/// Highest partition number in a cursor, so that a forged one costs no memory.
pub const CURSOR_PARTITIONS_MAX: i32 = 10_000;

/// Partitions up to which every event carries a cursor. Above it every k-th does, k = partitions / this: a
/// resume may then double up to k - 1 events.
pub const CURSOR_EVERY_EVENT_PARTITIONS_MAX: usize = 128;

/// How long a resumed connection minds partitions that its cursor names and this instance has not met: well
/// above the time in which a new partition is found. A topic that left the catalog must not be minded for ever.
pub const GUARD_UNMET_MAX: Duration = Duration::from_secs(60);

// ---- shard: what one connection may cost the others ----

/// Kernel buffer of one connection. Without it 2.8 MB pile up for a client that does not read.
pub const SOCKET_SEND_BUFFER_BYTES: usize = 64 << 10;

/// A connection that takes nothing for so long is closed (4004); the kernel gives unacknowledged data as long.
pub const STALLED_MAX: Duration = Duration::from_secs(25);

/// Bytes read from one connection before the others have their turn.
pub const READ_BUFFER_BYTES: usize = 64 << 10;

/// Control frames waiting for one connection. A client that makes us owe more without reading is closed (4004).
pub const CONTROL_FRAMES_MAX: usize = 64;

/// Entries of one dispatch: bounds the scratch memory of a shard and how long reads and pings wait. Few in unit
/// tests, so that simulated worlds, which are small, meet it; so are the next ones.
pub const DISPATCH_ENTRIES_MAX: u64 = if cfg!(test) { 16 } else { 256 };

/// Writes of one turn; then reads, pings and timers have theirs.
pub const DISPATCH_WRITES_MAX: usize = if cfg!(test) { 3 } else { 1_000 };

/// Catching up, a turn: all lagging connections together, by bytes and by time.
pub const CATCH_UP_TURN_BYTES: usize = if cfg!(test) { 16 << 10 } else { 256 << 10 };
pub const CATCH_UP_TURN: Duration = Duration::from_millis(2);

/// Catching up, a turn: one connection.
pub const CATCH_UP_CONNECTION_BYTES: usize = if cfg!(test) { 4 << 10 } else { 64 << 10 };

/// What one connection may have waiting from outside of the journal: some 9,000 orders. More is not taken in, and
/// the client is told that it is missing.
pub const PRELUDE_MAX_BYTES: usize = 16 << 20;

/// The same of all connections together, as much as the default window. At it a further one is not taken in.
pub const PRELUDES_MAX_BYTES: usize = 256 << 20;

/// How long a resumed client that is ahead of this instance waits to hear whether Kafka is as well; without an
/// answer it is taken to be. Most answers are there in milliseconds.
pub const PAST_ENDS_TIMEOUT: Duration = Duration::from_secs(2);

/// Frames of one vectored write (IOV_MAX is 1,024; more than this fills the send buffer anyway).
pub const WRITE_FRAMES_MAX: usize = 64;

/// Threads that own connections; more than a machine has cores only cost.
pub const SHARDS_MAX: usize = 256;

/// Connections of one instance. At it `/ws` answers 503 with Retry-After.
pub const CONNECTIONS_MAX: usize = 100_000;

/// Reads of one connection in one turn; a client that sends more waits for the next turn.
pub const READS_PER_TURN_MAX: usize = 4;

/// Slots that a shard looks at for one question of who is connected: some 100 us, which its connections wait. Whoever
/// asks goes on behind them. Few in unit tests.
pub const LISTED_SLOTS_MAX: usize = if cfg!(test) { 4 } else { 4_096 };

/// Connections of one page of that list, unless more are asked for.
pub const LISTED_CONNECTIONS: usize = 100;

/// The most that may be asked for at once, half a megabyte of JSON; the rest is on the next pages.
pub const LISTED_CONNECTIONS_MAX: usize = 1_000;

/// Keys that one question may name: as many as a connection can hold.
pub const LISTED_KEYS_MAX: usize = KEYS_PER_CONNECTION_MAX;

/// How long an operator waits for the shards to say who is connected; then 503. A shard looks at its mailbox every turn,
/// so one that takes longer is in trouble.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(2);

const _: () = assert!(LISTED_CONNECTIONS <= LISTED_CONNECTIONS_MAX);
const _: () = assert!(CATCH_UP_CONNECTION_BYTES <= CATCH_UP_TURN_BYTES);
const _: () = assert!(PRELUDE_MAX_BYTES <= PRELUDES_MAX_BYTES);

/// Open orders that are looked up at once for one connection: about what a turn lets it have.
pub const OPEN_ORDERS_SHARE: usize = 32;

// ---- consume: patience with Kafka ----

/// Default interval at which new topics and partitions are looked for.
pub const METADATA_REFRESH: Duration = Duration::from_secs(1);

/// A broker answers the fetches of `kafka.fetch = "throughput"` when it has so much: some fifteen orders. More of it
/// costs the client less and waits longer.
pub const KAFKA_THROUGHPUT_FETCH_MIN_BYTES: usize = 16 << 10;

/// Or after so long, whatever it has.
pub const KAFKA_THROUGHPUT_FETCH_WAIT: Duration = Duration::from_millis(10);

/// Positions are committed for lag tools, which look every few seconds themselves.
pub const KAFKA_COMMIT_INTERVAL: Duration = Duration::from_secs(5);

/// Consumer lag is as old as this at most.
pub const KAFKA_STATISTICS_INTERVAL: Duration = Duration::from_secs(1);

/// A broker that owes an answer for so long is not heard. Well above the half second that a broker without news takes
/// to say so (`fetch.wait.max.ms`).
pub const KAFKA_SILENCE: Duration = Duration::from_secs(3);

/// The longest that is waited between two attempts at a broker that does not take connections: what is waited for here
/// is seen on screens. librdkafka's own is 10 s.
pub const KAFKA_RECONNECT_MAX: Duration = Duration::from_secs(2);

/// One question to the brokers at the start; what fails is asked again.
pub const KAFKA_STEP_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause before a start that failed is tried again.
pub const KAFKA_START_PAUSE: Duration = Duration::from_millis(200);

/// A trouble with Kafka is said again after so long, and is the current one for so long after it was last seen.
/// librdkafka repeats an unchanged trouble every 30 s, so one that lasts does not lapse in between.
pub const KAFKA_TROUBLE_INTERVAL: Duration = Duration::from_secs(60);

/// The client's own words about a trouble, in a log line; the rest is cut off.
pub const KAFKA_TROUBLE_REASON_MAX_CHARS: usize = 400;

/// Between two questions where partitions end: while conditions of unknown orders come in masses, one answer serves
/// all that came before it.
pub const ENDS_QUESTION_INTERVAL: Duration = Duration::from_millis(10);

/// One such question; what fails is asked again while somebody waits for it.
pub const ENDS_QUESTION_TIMEOUT: Duration = Duration::from_secs(1);

/// Between two questions whether topics exist and what they have, while that is in doubt: it mostly is because
/// they are being deleted or made.
pub const DOUBT_QUESTION_INTERVAL: Duration = Duration::from_millis(500);

// ---- pipeline ----

/// Records handled before their events are shown to the shards: only a backlog ever makes a batch.
pub const PIPELINE_BATCH_RECORDS: usize = 256;

/// How long the pipeline rests when it has shown all there is. What comes meanwhile goes out together, in one write
/// per connection: a steady thousand events a second and more cost half as much, for a millisecond that nobody sees.
pub const PIPELINE_PAUSE: Duration = Duration::from_millis(1);

/// How long the pipeline waits for a record before it looks at what else is due.
pub const PIPELINE_WAIT: Duration = Duration::from_millis(100);

/// The same while a partition waits, for the registry or for an order, which must not wait long for it.
pub const PIPELINE_RETRY_WAIT: Duration = Duration::from_millis(5);

/// Records of one partition that wait with us. Short waits then cost no fetch; at it the partition is paused, and
/// what the client has fetched beyond is fetched again.
pub const WAITING_RECORDS_MAX: usize = 1_000;

/// The same in bytes.
pub const WAITING_MAX_BYTES: usize = 4 << 20;

/// How often the log tells how far reading is at the start.
pub const START_PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Compiled plans, one for each schema and event. At it all are dropped and compiled again when needed.
pub const PLANS_MAX: usize = 4_096;

/// A registry that does not answer holds readiness up for so long; then the instance serves what it can.
pub const REGISTRY_HOLDS_READINESS_MAX: Duration = Duration::from_secs(60);

// --- auth ---

/// The longest token that is looked at; a longer one is refused before anything is decoded. HTTP servers
/// commonly take 8 KiB of header, so no issuer that works elsewhere gives a longer one.
pub const TOKEN_MAX_BYTES: usize = 8 * 1024;

/// The most that `auth.leeway` may be. Clocks kept by NTP agree within milliseconds; more leeway only
/// lengthens the life of every token.
pub const AUTH_LEEWAY_MAX: Duration = Duration::from_secs(5);

/// The most that `auth.max_lifetime` may be: ten years, beyond which it bounds nothing.
pub const AUTH_LIFETIME_MAX: Duration = Duration::from_secs(10 * 31_557_600);

/// RFC 7518, section 3.2: a key for HS256 has at least the length of the hash; HS384 and HS512 need 48 and 64.
pub const HMAC_SECRET_MIN_BYTES: usize = 32;

/// RFC 7518, section 3.3: an RSA key has at least 2,048 bits.
pub const RSA_MODULUS_MIN_BITS: usize = 2048;

/// The longest RSA modulus: what the key library verifies with; tokens of a longer key would all be refused.
pub const RSA_MODULUS_MAX_BITS: usize = 8192;

/// How long a ticket can be redeemed: the client protocol promises "valid for 60s".
pub const TICKET_TTL: Duration = Duration::from_secs(60);

/// Tickets that are live at once. Enough for every client of a full instance to fetch one within a
/// minute, after a restart; at about 1 KiB of claims each, 64 MiB. At it, expired ones are dropped, then
/// requests for tickets are refused. In Redis its own `maxmemory` bounds them.
pub const TICKETS_MAX: usize = 64 * 1024;

/// Live tickets of one user: an eighth, so that one login in a loop leaves room for others, and all screens under a
/// shared login get theirs. At it that user's requests for tickets are refused (503). Not counted in Redis.
pub const TICKETS_PER_USER_MAX: usize = TICKETS_MAX / 8;

// --- tickets in Redis ---

/// How long one request to Redis may take, connecting included, by default. A client waits meanwhile, and Redis
/// answers in a millisecond or is in trouble.
pub const REDIS_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest wait that can be set: a browser's user does not wait longer for a handshake.
pub const REDIS_TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// The longest prefix of keys in Redis: it is sent with every request and kept with every ticket.
pub const REDIS_KEY_PREFIX_MAX_BYTES: usize = 128;

/// How often trouble with Redis is told in the log.
pub const REDIS_WARN_INTERVAL: Duration = Duration::from_secs(30);

// --- key sets (JWKS) ---

/// How often an issuer's key set is fetched, by default: issuers publish a key well before they sign with it.
pub const JWKS_REFRESH: Duration = Duration::from_secs(5 * 60);

/// The most that `auth.jwks_refresh` may be: a key that was withdrawn counts as long as this.
pub const JWKS_REFRESH_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Between two fetches at least once there is a set, whatever tokens name: who makes up names must not
/// make us a load for the issuer. Until then a client with a new name is to come back.
pub const JWKS_INTERVAL_MIN: Duration = Duration::from_secs(30);

/// The wait after a first failed fetch while there is no set; it doubles up to [`JWKS_INTERVAL_MIN`].
pub const JWKS_RETRY_FIRST: Duration = Duration::from_secs(1);

/// How long one fetch may take.
pub const JWKS_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request waits for a fetch that may bring its key; then it is answered 503.
pub const JWKS_PATIENCE: Duration = Duration::from_secs(2);

/// An issuer that does not answer holds readiness up for so long, where there are no other keys.
pub const JWKS_HOLDS_READINESS_MAX: Duration = Duration::from_secs(60);

/// The longest answer that is read: sets with their certificates have some 20 KB. At it the last set counts.
pub const JWKS_ANSWER_MAX_BYTES: usize = 256 << 10;

/// Keys of a set that are used. Issuers have two or three; a token without a kid is tried with all of its
/// algorithm. What comes after is passed over, and counted.
pub const JWKS_KEYS_MAX: usize = 32;

/// Names of keys that the set does not have, remembered by their hash. At it all are forgotten: their clients
/// are told to come back once more.
pub const JWKS_MISSES_MAX: usize = 1_024;

/// How often failing fetches are told in the log.
pub const JWKS_WARN_INTERVAL: Duration = Duration::from_secs(60);

const _: () = assert!(JWKS_TIMEOUT.as_secs() < JWKS_INTERVAL_MIN.as_secs());
const _: () = assert!(JWKS_INTERVAL_MIN.as_secs() <= JWKS_REFRESH.as_secs());

// --- session lookup ---

/// How long one session lookup may take, by default. The client's handshake waits meanwhile.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(2);

/// The most that `session.timeout` may be: clients give up connecting after about as long.
pub const SESSION_TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// How long an answer of the login counts, by default: long enough for a page that fetches a ticket and
/// connects, short enough that a logout soon counts for new connections.
pub const SESSION_CACHE_TTL: Duration = Duration::from_secs(5);

/// The most that `session.cache_ttl` may be. A connection lasts as long as its claims anyway; this only
/// spares the login a crowd's reconnects.
pub const SESSION_CACHE_TTL_MAX: Duration = Duration::from_secs(60);

/// Sessions whose answer is remembered, or being waited for. At it the oldest goes, and is asked for again.
pub const SESSION_CACHE_MAX: usize = 8 * 1024;

/// Lookups under way at once: the login has other things to do. At it they wait, within their timeout.
pub const SESSION_LOOKUPS_MAX: usize = 32;

/// The longest session value that is looked up. A UUID has 36 characters, a signed one about 100; a longer
/// value is no session.
pub const SESSION_VALUE_MAX_BYTES: usize = 1024;

/// The longest answer that is read: as many claims as the longest token has. At it the lookup has failed.
pub const SESSION_ANSWER_MAX_BYTES: usize = TOKEN_MAX_BYTES;

/// How often failing lookups are told in the log.
pub const SESSION_WARN_INTERVAL: Duration = Duration::from_secs(30);

// ---- web: what a client may cost before it is one ----

/// A request's head must be complete by then. Browsers send it in one packet; whoever drips it is dropped.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// A request's head: a token of `TOKEN_MAX_BYTES` and what proxies add. A larger one is answered 431.
pub const HEAD_MAX_BYTES: usize = 16 << 10;

/// Headers of a request; more are answered 431.
pub const HEADERS_MAX: usize = 64;

/// HTTP connections at a time, about 15 KiB each. At it the oldest gives way: a good request takes milliseconds.
pub const HANDSHAKES_MAX: usize = 1_024;

/// Open connections of one address, by default: a tenth of an instance. A shop behind one address has dozens, a
/// carrier's address thousands; a proxy that nobody told us of meets it first, and the log says so. At it `/ws`
/// answers 503. This machine's own addresses are not limited, for load tests come from there.
pub const CONNECTIONS_PER_ADDRESS: usize = CONNECTIONS_MAX / 10;

/// Open connections of one user, by default: a tenth of an instance, so that one token that got around leaves room
/// for others, and a load test with one token has it too. At it the client is to come back (1013).
pub const CONNECTIONS_PER_USER: usize = CONNECTIONS_MAX / 10;

/// Handshakes of one address a second, by default, and requests for tickets: with [`RATE_BURST`], as many at once
/// as it may have connections, since all come back at once after a restart. At it the answer is 429.
pub const HANDSHAKES_PER_ADDRESS: u32 = 100;

/// Bad keys and refused tickets of one address a second, by default. Nobody guesses one of 2^190 tickets; this
/// bounds what trying costs us. At it the address is answered 429 whatever it brings.
pub const BAD_KEYS_PER_ADDRESS: u32 = 10;

/// The most that a rate may be: beyond what an instance can do, so it is none.
pub const RATE_MAX: u32 = 1_000_000;

/// What a bucket of a rate holds: so many seconds of it.
pub const RATE_BURST: Duration = Duration::from_secs(100);

/// Addresses whose rates are counted, about 10 MiB. At it those whose buckets are full are forgotten; if that
/// makes no room, an address that is new is not limited by rate, but by everything else.
pub const RATED_ADDRESSES_MAX: usize = 65_536;

/// How often the table of rates is looked through for what can be forgotten: a pass takes about a millisecond.
pub const RATES_SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How often the log says that an address is at its bound.
pub const ADDRESS_WARN_INTERVAL: Duration = Duration::from_secs(60);

const _: () =
    assert!(HANDSHAKES_PER_ADDRESS as usize * RATE_BURST.as_secs() as usize >= CONNECTIONS_PER_ADDRESS);

/// Connections that the kernel accepts for us while we are busy with others.
pub const ACCEPT_BACKLOG: u32 = 4_096;

/// File descriptors that clients' connections do not get: half of them for requests that are answered 503, the
/// other half for all else: Kafka (three a broker), the registry, Redis, the login, operators, the log.
pub const DESCRIPTORS_RESERVED: usize = 128;

/// How often the log says that connections cannot be accepted.
pub const ACCEPT_WARN_INTERVAL: Duration = Duration::from_secs(10);

/// After a failed accept, so that an instance without file descriptors does not spin.
pub const ACCEPT_ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Connections that are ending may take so long before the process exits.
pub const STOP_MAX: Duration = Duration::from_secs(5);

// ---- logs ----

/// Log lines that wait to be written: some thousands, hours of a quiet service. At it lines are dropped.
pub const LOG_QUEUE_MAX_BYTES: usize = 256 << 10;

/// At the end of the process, how long the last lines are waited for.
pub const LOG_FLUSH_MAX: Duration = Duration::from_secs(1);

/// Panics told in a second. A fault that every record meets tells nothing new.
pub const PANICS_SAID_MAX: u32 = 10;

// ---- shutdown ----

/// Default grace: load balancers ask /readyz every second or two, and want to hear it twice.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Default drain time: 10,000 clients come back at 670 a second, which two other instances take.
pub const SHUTDOWN_DRAIN: Duration = Duration::from_secs(15);

/// The most that either may be.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(600);

/// How long after the drain time a shard that was held up may still end its connections evenly; then the rest
/// ends together.
pub const DRAIN_LATE_MAX: Duration = Duration::from_secs(2);

/// How long the last commit of positions, and leaving the brokers, is waited for.
pub const KAFKA_LAST_COMMIT_MAX: Duration = Duration::from_secs(2);

const _: () = assert!(DRAIN_LATE_MAX.as_secs() + LINGER_MAX.as_secs() < STOP_MAX.as_secs());
// Kubernetes kills 30 s after SIGTERM if nobody has told it otherwise.
const _: () = assert!(SHUTDOWN_GRACE.as_secs() + SHUTDOWN_DRAIN.as_secs() + STOP_MAX.as_secs() <= 30);

const _: () = assert!(TOKEN_MAX_BYTES * 2 <= HEAD_MAX_BYTES);

// --- registry ---

/// How long one request to the schema registry may take, by default. A partition waits meanwhile.
pub const REGISTRY_TIMEOUT: Duration = Duration::from_secs(5);

/// Schemas that are remembered, by default. A topic has a few per year of its life; the least recently
/// used goes.
pub const REGISTRY_CACHE_MAX: usize = 1_024;

/// Ids that are asked for at once. Each partition waits at its first unknown id, so more would be junk;
/// at it a lookup waits without asking until another id has its answer.
pub const REGISTRY_PENDING_MAX: usize = 256;

/// Requests to the registry under way at once: it is a small shared service. At it they queue.
pub const REGISTRY_REQUESTS_MAX: usize = 8;

/// The longest answer that is read: the longest schema with every byte escaped in JSON, and room for the
/// other keys. At it the schema is refused.
pub const REGISTRY_ANSWER_MAX_BYTES: usize = 2 * SCHEMA_TEXT_MAX_BYTES + 64 * 1024;

/// Schemas that one schema may refer to, directly or not. At it the schema is refused.
pub const REGISTRY_REFERENCES_MAX: usize = 64;

/// How deep references may lead. At it the schema is refused.
pub const REGISTRY_REFERENCE_DEPTH_MAX: usize = 16;

/// The wait after a first failed request; it doubles up to [`REGISTRY_BACKOFF_MAX`].
pub const REGISTRY_BACKOFF_FIRST: Duration = Duration::from_millis(100);

/// The longest wait of our own: an outage's end is noticed within this, and a partition that waited moves again within
/// 2 s. It costs a registry in trouble a question a second for each schema that is waited for, which mostly is one.
pub const REGISTRY_BACKOFF_MAX: Duration = Duration::from_millis(1_500);

/// The longest `Retry-After` that is heeded, so that a wrong header cannot stop a partition for hours.
pub const REGISTRY_RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// How long "no such schema" is put down to the lag of a replica before it is believed.
pub const REGISTRY_LAG_MAX: Duration = Duration::from_secs(4);

/// How long "no such schema", or one that cannot be used, is remembered before it is asked for again.
pub const REGISTRY_REFUSAL_REMEMBERED: Duration = Duration::from_secs(60);

/// Versions of a subject that are looked through for a fingerprint, the newest first. A topic has a few per year
/// of its life; older ones are not found.
pub const REGISTRY_HISTORY_VERSIONS_MAX: usize = 256;

/// Versions whose fingerprints are remembered, of all subjects together. At it all are forgotten and read again.
pub const REGISTRY_HISTORY_REMEMBERED_MAX: usize = 4_096;

/// How often an outage that goes on is told in the log.
pub const REGISTRY_WARN_INTERVAL: Duration = Duration::from_secs(30);

// ---- board: a page for staff, which must never cost customers anything ----

/// Requests of boards that wait for events at a time: as many pages of staff. At it 503; each looks at the journal's
/// head 40 times a second, which is one atomic load.
pub const BOARD_FOLLOWERS_MAX: usize = 32;

/// How long such a request waits for an event; then it is answered without any. Below what proxies allow.
pub const BOARD_WAIT_MAX: Duration = Duration::from_secs(20);

/// How often it looks: what people do not notice.
pub const BOARD_LOOK_INTERVAL: Duration = Duration::from_millis(25);

/// Connections that a request may ask about. More are refused.
pub const BOARD_VIEWERS_MAX: usize = 16;

/// Events of one answer; the next request gets the rest.
pub const BOARD_ANSWER_EVENTS_MAX: usize = 256;

/// The same in bytes of frames, but for the last.
pub const BOARD_ANSWER_MAX_BYTES: usize = 1 << 20;

/// How far behind a board may be: more than it can show. What is older is skipped, and counted in the answer.
pub const BOARD_BEHIND_MAX: u64 = 2_048;

// ---- demo: a machine's loopback, for hours ----

/// Events a second of the simulated pizzeria: from what is hardly alive to what a page can still show. Kafka's
/// stand-in is memory, and drops the oldest records of a partition above 5 MiB.
pub const DEMO_RATE: std::ops::RangeInclusive<f64> = 0.1..=50.0;

/// Partitions of each topic: more than one, as in the real thing.
pub const DEMO_PARTITIONS: i32 = 3;

/// The window of a demo: about 18,000 events, 15 minutes at 20 a second. Oldest segments are evicted.
pub const DEMO_WINDOW_BYTES: usize = 16 << 20;

/// How long the demo's broker is away when somebody on the page stops it.
pub const DEMO_OUTAGE: Duration = Duration::from_secs(5);

/// A record on its way to a broker in this very process, which may be away for an outage and takes a moment to be
/// found again; then the demo ends, since something is very wrong.
pub const DEMO_PRODUCE_TIMEOUT: Duration = Duration::from_secs(30);

const _: () = assert!(DEMO_OUTAGE.as_secs() * 2 < DEMO_PRODUCE_TIMEOUT.as_secs());

/// Open orders of the demo, those that people made included. At it no more can be made until some are done.
pub const DEMO_OPEN_ORDERS_MAX: usize = 40;

/// Schemas in the demo's registry: it has four of its own, the rest is for whoever wants to try. At it a new one
/// is refused.
pub const DEMO_SCHEMAS_MAX: usize = 64;

/// Connections at a demo: a room full of people with the page open, six each. What a descriptor limit of 1,024 allows, so
/// that nobody is warned of it at a first look.
pub const DEMO_CONNECTIONS_MAX: usize = 600;

// --- tools: patience of commands that a person waits for ---

/// Versions of one subject that `check --online` asks for, the newest ones: a subject that changes every week has as many
/// after ten years. How many it left out is told.
pub const CHECK_VERSIONS_MAX: usize = 500;

/// Records of one slice of a replay, about: some 20 MB of orders in memory.
pub const REPLAY_SLICE_RECORDS: i64 = 10_000;

/// How many times as fast as it was `replay --speed` may be; beyond is max.
pub const REPLAY_SPEED: std::ops::RangeInclusive<f64> = 0.01..=1_000.0;

/// How often `replay --serve` looks whether clients are there, and through.
pub const REPLAY_LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Lines of `explain --all` for people, of those who get an event and of those who do not; JSON has all.
pub const EXPLAIN_LINES_MAX: usize = 40;

/// How long `check --online` and `explain` wait for the brokers' answer to one question.
pub const CHECK_PATIENCE: Duration = Duration::from_secs(8);

/// How long `tail` waits at most before it connects again.
pub const TAIL_RETRY_MAX: Duration = Duration::from_secs(8);

/// A service that says nothing for so long is gone: it pings more often than that, in either protocol.
pub const TAIL_SILENCE_MAX: Duration = Duration::from_secs(60);

const _: () =
    assert!(PLAIN_PING_INTERVAL.as_secs() + PLAIN_PING_TIMEOUT.as_secs() < TAIL_SILENCE_MAX.as_secs());
const _: () = assert!(
    SOCKET_IO_PING_INTERVAL.as_secs() + SOCKET_IO_PING_TIMEOUT.as_secs() < TAIL_SILENCE_MAX.as_secs()
);

/// How long a record of `produce` may wait for its acknowledgement; then the command fails.
pub const PRODUCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Records of `produce` that are not acknowledged yet; at it the oldest is waited for.
pub const PRODUCE_IN_FLIGHT_MAX: usize = 1_000;

/// Events a second that `produce --orders` may make: far above any shop, below what one broker on a laptop takes.
pub const PRODUCE_RATE: std::ops::RangeInclusive<f64> = 0.01..=10_000.0;

// --- encodings: writers' schemas that no registry has ---

/// Schemas in the folder of `decode.schemas`. At it the folder is refused at the start.
pub const SCHEMA_FOLDER_FILES_MAX: usize = 1_024;

/// How often the log says that a record needs a registry and none is configured.
pub const NO_REGISTRY_WARN_INTERVAL: Duration = Duration::from_secs(60);

const _: () = assert!(REGISTRY_HISTORY_VERSIONS_MAX <= REGISTRY_HISTORY_REMEMBERED_MAX);

// --- dead letters ---

/// Letters that wait to be written. Poison comes seldom, or all at once by a mistake upstream; then the first
/// thousands tell all there is to tell. At it a letter is not written, and counted.
pub const DEAD_LETTER_QUEUE_MAX: usize = 10_000;

/// The same in bytes.
pub const DEAD_LETTER_QUEUE_MAX_BYTES: usize = 64 << 20;

/// The longest letter: above any record that the service takes, so that records over its size limit are written
/// as well. What brokers take is their own setting; a letter over that is not written, and counted.
pub const DEAD_LETTER_MAX_BYTES: usize = 32 << 20;

/// At the end of the process, how long letters under way are waited for.
pub const DEAD_LETTERS_FLUSH_MAX: Duration = Duration::from_secs(2);

const _: () = assert!(BODY_MAX_BYTES < DEAD_LETTER_MAX_BYTES);
const _: () = assert!(DEAD_LETTER_MAX_BYTES <= DEAD_LETTER_QUEUE_MAX_BYTES);
const _: () = assert!(DEAD_LETTERS_FLUSH_MAX.as_secs() < STOP_MAX.as_secs());

// --- revocation ---

/// Longest key of a control record: the longest `sub` or `jti` that a token of [`TOKEN_MAX_BYTES`] sensibly has. A
/// longer one is a bad record.
pub const REVOCATION_KEY_MAX_BYTES: usize = 1024;

/// Longest value of a control record, which has two numbers. A longer one is a bad record.
pub const REVOCATION_VALUE_MAX_BYTES: usize = 4096;

/// Revocations in force, about 20 MiB; beyond it, one of everybody is the right tool. At it the one is dropped,
/// and counted, whose logins expire first, or the oldest where nothing says how long logins live.
pub const REVOCATIONS_MAX: usize = 200_000;

/// How long revocations are gathered before connections are looked through for them.
pub const REVOCATION_BATCH: Duration = Duration::from_millis(100);

/// The same in records, so that reading the topic at the start takes bounded memory.
pub const REVOCATION_BATCH_RECORDS: usize = 10_000;

/// How long one look for the control topic's partitions may take while revocations wait: one that takes longer
/// is tried again at the next interval.
pub const CONTROL_LOOK_TIMEOUT: Duration = Duration::from_millis(400);

/// How often records of the control topic that say nothing are told in the log.
pub const REVOCATION_WARN_INTERVAL: Duration = Duration::from_secs(10);

// --- staleness ---

/// How often partitions are looked at for standing still.
pub const STALE_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a partition may stand still before clients are told: longer than a rebalance, a broker's change of
/// leader or a retry takes, shorter than somebody at a screen takes to wonder.
pub const STALE_AFTER: Duration = Duration::from_secs(5);

const _: () = assert!(KAFKA_STATISTICS_INTERVAL.as_millis() <= STALE_LOOK_INTERVAL.as_millis());
const _: () = assert!(STALE_LOOK_INTERVAL.as_millis() < STALE_AFTER.as_millis());

// --- bench: a load generator must not be what is measured ---

/// The longest frame of a server: the longest payload with its head and a cursor.
pub const BENCH_FRAME_MAX_BYTES: usize = 2 * PAYLOAD_MAX_BYTES;

/// Clients that are being let in at a time. Enough to keep the service busy, few enough not to measure a queue.
pub const BENCH_HANDSHAKES: usize = 64;

/// A client that is not let in by then has failed. Browsers give up later, people sooner.
pub const BENCH_HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How long a half-open handshake of `bench` waits for its connection; then it is done without.
pub const BENCH_STORM_CONNECT_MAX: Duration = Duration::from_secs(2);

/// Files beside those of clients: the Kafka client's connections, standard streams, the event loop.
pub const BENCH_FILES_SPARE: u64 = 64;

/// Between the last connect and the first event, so that the one's cost is not counted as the other's.
pub const BENCH_REST: Duration = Duration::from_secs(1);

/// When nothing has come for so long after the last event was produced, the rest is missing.
pub const BENCH_PATIENCE: Duration = Duration::from_secs(5);

/// After all has come, so long is listened for doubles.
pub const BENCH_DOUBLES_WAIT: Duration = Duration::from_millis(300);

/// How long the event loop sleeps at most.
pub const BENCH_STEP: Duration = Duration::from_millis(20);

/// How often the progress is told.
pub const BENCH_PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How finely the producing thread sleeps.
pub const BENCH_PRODUCE_STEP: Duration = Duration::from_micros(200);

/// Deliveries that the books of one run have room for, a bit each: 256 MiB. More are refused at the start.
pub const BENCH_DELIVERIES_MAX: usize = 1 << 31;

/// Events of one run: what the number in a mark has room for.
pub const BENCH_EVENTS_MAX: usize = 10_000_000_000 - 1;

/// How much longer than the run is to listen its tokens are good: connecting and patience take time too.
pub const BENCH_TOKEN_SPARE: Duration = Duration::from_secs(600);

/// Events a second that `bench` produces at most.
pub const BENCH_RATE: std::ops::RangeInclusive<f64> = 0.01..=1_000_000.0;

const _: () = assert!(PAYLOAD_MAX_BYTES + CURSOR_MAX_BYTES + 1_024 < BENCH_FRAME_MAX_BYTES);
const _: () = assert!(BENCH_HANDSHAKES < HANDSHAKES_MAX);

// --- backfill: the past that has left the window ---

/// Clients that are read for at once, by default. Each is a consumer with up to `PAST_FETCHED_MAX_BYTES` of its own,
/// and takes CPU from the pipeline.
pub const BACKFILL_READERS: usize = 2;

/// The most that `backfill.readers` may be.
pub const BACKFILL_READERS_MAX: usize = 64;

/// Clients that wait for a reader. At it a further one is told a gap.
pub const BACKFILLS_WAITING_MAX: usize = 64;

/// Records read for one client, by default: a minute of a busy shop chain's records takes a second. At it the client
/// is told a gap.
pub const BACKFILL_MAX_RECORDS: usize = 100_000;

/// The same in bytes of the records' values.
pub const BACKFILL_MAX_BYTES: usize = 128 << 20;

/// How many offsets may stand for one record (compaction, transactions) before a past counts as too long unread.
pub const BACKFILL_HOLES_MAX: usize = 16;

/// How long a client waits for its past, by default. Its screen is empty meanwhile.
pub const BACKFILL_TIMEOUT: Duration = Duration::from_secs(10);

/// The most that `backfill.timeout` may be: only joined Socket.IO clients are pinged.
pub const BACKFILL_TIMEOUT_MAX: Duration = Duration::from_secs(14);

/// How far back a replay reaches, by default: a day's work.
pub const SINCE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// What a reader's Kafka client holds of records that are fetched and not looked at.
pub const PAST_FETCHED_MAX_BYTES: usize = 8 << 20;

/// How long a broker may hold back its answer to a reader until there is more; by then it has all there is.
pub const PAST_FETCH_WAIT: Duration = Duration::from_millis(10);

/// How long a reader waits for a record before it looks whether the client is still there.
pub const PAST_READ_WAIT: Duration = Duration::from_millis(100);

/// Clients that wait to hear whether Kafka is as far as they are. At it a further one is taken to be right.
pub const PAST_CHECKS_WAITING_MAX: usize = 1_024;

/// How long an answer about where partitions end is good for other clients. Ends only rise, unless a topic is made
/// anew.
pub const PAST_ENDS_REMEMBERED: Duration = Duration::from_secs(5);

/// The longest `since` that a refusal quotes.
pub const SINCE_QUOTED_MAX_CHARS: usize = 64;

// A client may connect for as long as it may be unauthenticated, and then wait for its past.
const _: () = assert!(
    UNAUTHENTICATED_MAX.as_secs() + BACKFILL_TIMEOUT_MAX.as_secs() < SOCKET_IO_PING_INTERVAL.as_secs()
);
const _: () = assert!(PAST_ENDS_TIMEOUT.as_secs() <= BACKFILL_TIMEOUT_MAX.as_secs());

// --- TLS ---

/// The most plaintext in a TLS record (RFC 8446, section 5.1), and what is encrypted for a connection at a time. What its
/// socket does not take of that is held: with the kernel's buffer all that a slow TLS client costs.
pub const TLS_RECORD_BYTES: usize = 16 << 10;

/// How long a TLS handshake may take, as long as the head of a request after it. At it the socket is closed.
pub const TLS_HANDSHAKE_MAX: Duration = HEAD_DEADLINE;

/// How long before a certificate's end it is told of. Certificates for 90 days are commonly renewed when 30
/// are left, so at two weeks something has failed several times.
pub const CERTIFICATE_ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 3_600);

/// How often that is told.
pub const CERTIFICATE_WARN_INTERVAL: Duration = Duration::from_secs(24 * 3_600);

/// How often the certificate's files are looked at. A change counts when it has stood for two looks, and who renews
/// certificates does not do it in a hurry.
pub const CERTIFICATE_LOOK_INTERVAL: Duration = Duration::from_secs(2);

const _: () = assert!(TLS_RECORD_BYTES <= SOCKET_SEND_BUFFER_BYTES);
