use super::*;

/// What came of some bytes, as words.
#[derive(Default)]
struct Heard(Vec<String>);

impl Listener for Heard {
    fn send(&mut self, bytes: &[u8]) {
        let text = match bytes {
            [b'G', ..] => String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned(),
            [head, ..] if *head >= 0x80 => String::from_utf8(unmasked(bytes)).unwrap(),
            _ => "?".to_owned(),
        };
        self.0.push(format!("send {text}"));
    }

    fn ready(&mut self) {
        self.0.push("ready".to_owned());
    }

    fn message(&mut self, payload: &[u8]) {
        self.0.push(format!("message {}", String::from_utf8_lossy(payload)));
    }
}

fn unmasked(frame: &[u8]) -> Vec<u8> {
    let key = &frame[2..6];
    frame[6..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
}

const SWITCHING: &str =
    "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn frame(payload: &str) -> Vec<u8> {
    [&[0x81, u8::try_from(payload.len()).unwrap()], payload.as_bytes()].concat()
}

/// All at once, and byte by byte: the same.
fn check(dialect: Dialect, bytes: &[&[u8]], expected: &[&str], end: Option<End>) {
    let token = SecretString::from("t.o.k");
    let visit = Visit { dialect, host: "h", number: 7, token: Some(&token) };
    let bytes = bytes.concat();
    for step in [bytes.len(), 1] {
        let (mut client, request) = Client::start(&visit);
        let mut heard = Heard::default();
        heard.send(&request);
        let mut pending = Vec::new();
        let mut ended = None;
        for chunk in bytes.chunks(step.max(1)) {
            pending.extend_from_slice(chunk);
            let mut input = pending.as_slice();
            if let Err(end) = client.receive(&mut input, &visit, &mut heard) {
                ended = Some(end);
                break;
            }
            pending = input.to_vec();
        }
        assert_eq!(heard.0, expected);
        assert_eq!(ended, end);
    }
}

#[test]
fn a_plain_client_fetches_a_ticket_and_listens() {
    let granted = "HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n{\"success\":true,\"token\":\"abcd\"}";
    check(
        Dialect::Plain,
        &[granted.as_bytes(), SWITCHING.as_bytes(), &frame("{\"event_name\":1}"), &[0x89, 1, b'p']],
        &[
            "send GET /api/v1/ws/ticket HTTP/1.1",
            "send GET /ws?key=abcd HTTP/1.1",
            "ready",
            "message {\"event_name\":1}",
            "send p",
        ],
        None,
    );
}

#[test]
fn a_socket_io_client_shows_its_token_and_answers_pings() {
    check(
        Dialect::SocketIo,
        &[
            SWITCHING.as_bytes(),
            &frame("0{\"sid\":\"x\"}"),
            &frame("40{\"sid\":\"y\"}"),
            &frame("42[\"authorization:ok\"]"),
            &frame("2"),
            &frame("42[\"order:new\",{}]"),
        ],
        &[
            "send GET /ws/?EIO=4&transport=websocket HTTP/1.1",
            "send 40{\"token\":\"t.o.k\"}",
            "ready",
            "send 3",
            "message 42[\"order:new\",{}]",
        ],
        None,
    );
}

#[test]
fn a_bare_client_only_upgrades() {
    check(
        Dialect::WebSocket,
        &[SWITCHING.as_bytes(), &frame("x")],
        &["send GET /ws?client=7 HTTP/1.1", "ready", "message x"],
        None,
    );
}

#[test]
fn a_refusal_is_told_from_other_ends() {
    let ticket = "send GET /api/v1/ws/ticket HTTP/1.1";
    let answered = |status: &str| format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
    check(Dialect::Plain, &[answered("401").as_bytes()], &[ticket], Some(End::Refused));
    check(Dialect::Plain, &[answered("503").as_bytes()], &[ticket], Some(End::Status(503)));
    let upgrade = "send GET /ws/?EIO=4&transport=websocket HTTP/1.1";
    let error = frame("42[\"authorization:error\",{\"code\":2000}]");
    check(Dialect::SocketIo, &[SWITCHING.as_bytes(), &error], &[upgrade], Some(End::Refused));
    check(Dialect::SocketIo, &[SWITCHING.as_bytes(), &frame("41")], &[upgrade], Some(End::Refused));
    let bare = "send GET /ws?client=7 HTTP/1.1";
    let closed = [0x88, 2, 0x0f, 0xa4];
    check(
        Dialect::WebSocket,
        &[SWITCHING.as_bytes(), &closed],
        &[bare, "ready"],
        Some(End::Closed(Some(4004))),
    );
    let strange = Some(End::Strange("a wrong Sec-WebSocket-Accept".to_owned()));
    check(Dialect::WebSocket, &[b"HTTP/1.1 101 x\r\n\r\n"], &[bare], strange);
}
