//! A client in memory, on a socket that takes little and cuts anywhere.

use super::super::connection::{Connection, ConnectionId, Readout};
use super::*;
use crate::protocol::Session;
use bytes::Bytes;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FOLDER: &str = "tests/fixtures/test-only-keys";
/// What the way to the client has room for.
const ROOM_BYTES: usize = 5_000;

/// Both directions of a connection.
#[derive(Default)]
struct Wire {
    to_client: VecDeque<u8>,
    to_server: VecDeque<u8>,
    client_ended: bool,
    server_shut: bool,
    is_endless: bool,
}

/// The server's end; a read gives 700 bytes at most.
struct End(Rc<RefCell<Wire>>);

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        if wire.to_server.is_empty() && !wire.client_ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = wire.to_server.len().min(buffer.len()).min(700);
        (&mut wire.to_server).take(700).read_exact(&mut buffer[..count])?;
        Ok(count)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        let room = if wire.is_endless { usize::MAX } else { ROOM_BYTES - wire.to_client.len() };
        match bytes.len().min(room) {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => {
                wire.to_client.extend(&bytes[..count]);
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for End {
    fn shut_down_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().server_shut = true;
        Ok(())
    }
}

struct Pair {
    wire: Rc<RefCell<Wire>>,
    client: ClientConnection,
    connection: Connection<Tls<End>>,
    now: Instant,
}

impl Pair {
    fn new(version: &'static SupportedProtocolVersion) -> Pair {
        let (mut client, mut server) = ends(version);
        while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
            carry(&mut client, &mut server);
            carry(&mut server, &mut client);
        }
        let wire = Rc::new(RefCell::new(Wire::default()));
        let now = Instant::now();
        let tls = Tls::new(End(Rc::clone(&wire)), server);
        let id = ConnectionId { slot: 0, generation: 0 };
        Pair { wire, client, connection: Connection::new(id, tls, Session::plain(now), now), now }
    }

    fn client_sends(&mut self, bytes: &[u8]) {
        self.client.writer().write_all(bytes).unwrap();
        self.client_flushes();
    }

    fn client_flushes(&mut self) {
        while self.client.wants_write() {
            self.client.write_tls(&mut self.wire.borrow_mut().to_server).unwrap();
        }
    }

    /// What the client finds, up to `most` bytes of the wire; true with it if the server has said that it is all.
    fn client_reads(&mut self, most: usize) -> (Vec<u8>, bool) {
        let came: Vec<u8> = {
            let mut wire = self.wire.borrow_mut();
            let count = wire.to_client.len().min(most);
            wire.to_client.drain(..count).collect()
        };
        let (mut read, mut input, mut is_all) = (Vec::new(), &came[..], false);
        while !input.is_empty() {
            self.client.read_tls(&mut input).unwrap();
            is_all |= self.client.process_new_packets().unwrap().peer_has_closed();
            let _ = self.client.reader().read_to_end(&mut read);
        }
        (read, is_all)
    }

    /// All that a shard would read before it waits.
    fn server_reads(&mut self) -> (Vec<u8>, bool) {
        let (mut read, mut buffer) = (Vec::new(), [0; 1_000]);
        loop {
            match self.connection.read(&mut buffer) {
                Readout::Bytes(count) => read.extend_from_slice(&buffer[..count]),
                Readout::Empty => return (read, false),
                Readout::Closed => return (read, true),
            }
        }
    }
}

fn ends(version: &'static SupportedProtocolVersion) -> (ClientConnection, ServerConnection) {
    let certificate = CertificateDer::from_pem_file(format!("{FOLDER}/certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{FOLDER}/p256-private.pem")).unwrap();
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    (ClientConnection::new(Arc::new(client), name).unwrap(), ServerConnection::new(Arc::new(server)).unwrap())
}

fn carry<A, B>(
    from: &mut (impl std::ops::DerefMut<Target = rustls::ConnectionCommon<A>> + ?Sized),
    to: &mut (impl std::ops::DerefMut<Target = rustls::ConnectionCommon<B>> + ?Sized),
) where
    A: rustls::SideData,
    B: rustls::SideData,
{
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut input = &bytes[..];
    while !input.is_empty() {
        to.read_tls(&mut input).unwrap();
        to.process_new_packets().unwrap();
    }
}

/// 200 frames of 1 to 2,000 bytes, each of one byte's value.
fn frames() -> Vec<Bytes> {
    (0_u8..200).map(|number| Bytes::from(vec![number; 1 + usize::from(number) * 10])).collect()
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

#[test]
fn a_client_that_reads_slowly_gets_all_in_order() {
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        let frames = frames();
        let (mut offered, mut read) = (0, Vec::new());
        while offered < frames.len() || !pair.connection.is_flushed() {
            let taken = pair.connection.write_frames(&frames[offered..], pair.now).unwrap();
            offered += taken.frames;
            assert_eq!(taken.blocked, !pair.connection.is_flushed(), "who is blocked will be told of room");
            read.extend(pair.client_reads(3_000).0);
        }
        read.extend(pair.client_reads(usize::MAX).0);
        assert!(read == frames.concat(), "{version:?}");
    }
}

#[test]
fn no_more_than_one_record_is_held() {
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        let frames = vec![Bytes::from(vec![b'x'; 7_000]); 100];
        let taken = pair.connection.write_frames(&frames, pair.now).unwrap();
        assert!(taken.blocked);
        pair.wire.borrow_mut().is_endless = true;
        let held = pair.connection.socket().send_held().unwrap();
        assert!((1..=TLS_RECORD_BYTES + 64).contains(&held), "{held} bytes were held");
    }
}

#[test]
fn what_is_held_goes_out_by_itself_and_counts_as_stalled_while_it_does_not() {
    let mut pair = Pair::new(&rustls::version::TLS13);
    let frame = Bytes::from(vec![7; 9_000]);
    let taken = pair.connection.write_frames(std::slice::from_ref(&frame), pair.now).unwrap();
    assert!(taken.frames == 1 && taken.blocked);
    let stalled = pair.connection.deadline();
    pair.now += Duration::from_secs(1);
    pair.connection.flush(pair.now).unwrap();
    assert_eq!(pair.connection.deadline(), stalled, "nothing was taken");
    let mut read = pair.client_reads(1_000).0;
    pair.connection.flush(pair.now).unwrap();
    assert_eq!(pair.connection.deadline(), stalled + Duration::from_secs(1), "some was");
    read.extend(pair.client_reads(ROOM_BYTES).0);
    pair.connection.flush(pair.now).unwrap();
    assert!(pair.connection.is_flushed());
    read.extend(pair.client_reads(ROOM_BYTES).0);
    assert!(read == frame);
}

#[test]
fn what_a_client_sends_is_read_before_its_end_and_in_parts() {
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        let sent: Vec<u8> = (0..40_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        pair.client_sends(&sent[..10]);
        assert_eq!(pair.server_reads(), (sent[..10].to_vec(), false));
        pair.client_sends(&sent);
        pair.wire.borrow_mut().client_ended = true;
        let (read, closed) = pair.server_reads();
        assert!(read == sent && closed);
    }
}

#[test]
fn what_is_no_record_ends_the_connection_and_is_answered_by_an_alert() {
    let mut pair = Pair::new(&rustls::version::TLS13);
    pair.wire.borrow_mut().to_server.extend(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(pair.server_reads(), (Vec::new(), true));
    assert!(!pair.wire.borrow().to_client.is_empty());
}

#[test]
fn new_keys_of_a_client_are_taken_though_the_socket_is_full() {
    let mut pair = Pair::new(&rustls::version::TLS13);
    let frames = frames();
    let mut offered = pair.connection.write_frames(&frames, pair.now).unwrap().frames;
    pair.client.refresh_traffic_keys().unwrap();
    pair.client_flushes();
    pair.client_sends(b"after");
    assert_eq!(pair.server_reads(), (b"after".to_vec(), false));
    let mut read = Vec::new();
    while offered < frames.len() || !pair.connection.is_flushed() {
        read.extend(pair.client_reads(usize::MAX).0);
        offered += pair.connection.write_frames(&frames[offered..], pair.now).unwrap().frames;
    }
    read.extend(pair.client_reads(usize::MAX).0);
    assert!(read == frames.concat());
}

#[test]
fn the_end_is_announced() {
    for version in VERSIONS {
        let mut pair = Pair::new(version);
        pair.connection.queue(Bytes::from_static(b"the last"));
        pair.connection.leave(crate::protocol::Ending::Restart);
        pair.connection.flush(pair.now).unwrap();
        assert!(pair.wire.borrow().server_shut);
        assert_eq!(pair.client_reads(usize::MAX), (b"the last".to_vec(), true));
    }
}
