//! Who gets in, and what the others are told: tickets, Socket.IO tokens, refusals, the end of a token.

use crate::support::{Instance, get, token};
use axum::http::StatusCode;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

#[tokio::test]
async fn a_ticket_has_the_documented_body_and_works_once() {
    let instance = Instance::start().await;
    let (status, body) = instance.ticket(&token(json!({"role": "ADMIN"}))).await;
    let ticket = body["token"].as_str().unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body.to_string(),
        format!(
            r#"{{"success":true,"info":"Your ws connection token is valid for 60s","token":"{ticket}"}}"#
        )
    );
    assert!(ticket.len() == 32 && ticket.chars().all(|c| c.is_ascii_alphanumeric()));

    let path = format!("/ws?key={ticket}");
    let _first = instance.connect(&path).await;
    let mut second = instance.connect(&path).await;
    assert_eq!(second.close().await, (4001, "Wrong connection key.".to_owned()));
    instance.stop().await;
}

#[tokio::test]
async fn a_bad_token_gets_the_documented_refusal_and_no_ticket() {
    let instance = Instance::start().await;
    for bad in ["", "nonsense", &token(json!({"exp": 1}))] {
        let (status, body) = instance.ticket(bad).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(body.to_string(), r#"{"success":false,"error":"Wrong authorization data"}"#);
    }
    instance.stop().await;
}

#[tokio::test]
async fn a_bad_key_is_closed_with_4001() {
    let instance = Instance::start().await;
    for (path, reason) in [
        ("/ws?key=wrong", "Wrong connection key."),
        ("/ws?key=", "Connection key cannot be empty"),
        ("/ws", "Connection key cannot be empty"),
    ] {
        let mut client = instance.connect(path).await;
        assert_eq!(client.close().await, (4001, reason.to_owned()), "{path}");
    }
    instance.stop().await;
}

const REFUSAL: &str = r#"42["authorization:error",{"message":"Вы не авторизованы","code":2000,"error":"UserAuthorizationError"}]"#;

#[tokio::test]
async fn a_refused_socket_io_client_gets_the_error_then_41_then_the_end() {
    let instance = Instance::start().await;
    let expired = format!("40{}", json!({"token": token(json!({"exp": 1}))}));
    for connect in ["40", "40{}", r#"40{"token":"x"}"#, r#"40{"token":{"a":1}}"#, &expired] {
        let mut client = instance.connect("/ws/?EIO=4&transport=websocket").await;
        assert!(client.text().await.starts_with("0{"));
        client.send(connect).await;
        assert!(client.text().await.starts_with("40{\"sid\":"), "{connect}");
        assert_eq!(client.text().await, REFUSAL, "{connect}");
        assert_eq!(client.text().await, "41", "{connect}");
        assert!(client.next().await.is_none(), "{connect}");
    }
    instance.stop().await;
}

#[tokio::test]
async fn a_query_token_counts_only_where_it_is_switched_on() {
    for (settings, expected) in
        [(&[][..], REFUSAL), (&["auth.query_token=true"][..], r#"42["authorization:ok"]"#)]
    {
        let instance = Instance::start_with(settings).await;
        let path = format!("/ws/?EIO=4&transport=websocket&token={}", token(json!({"role": "ADMIN"})));
        let mut client = instance.connect(&path).await;
        client.text().await;
        client.send("40").await;
        client.text().await;
        assert_eq!(client.text().await, expected);
        instance.stop().await;
    }
}

#[tokio::test]
async fn a_connection_ends_when_its_token_does() {
    let instance = Instance::start().await;
    let exp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 2;
    let mut plain = instance.plain(json!({"role": "ADMIN", "exp": exp})).await;
    let mut socket_io = instance.socket_io(json!({"role": "ADMIN", "exp": exp})).await;
    assert_eq!(plain.close().await, (4002, "Token expired".to_owned()));
    // No Close frame: the client's library takes the dropped connection as a reason to come back.
    assert!(socket_io.next().await.is_none());
    instance.stop().await;
}

#[tokio::test]
async fn requests_that_are_no_upgrade_are_refused_before_it() {
    let instance = Instance::start().await;
    for (query, body) in [
        ("EIO=4&transport=polling", r#"{"code":0,"message":"Transport unknown"}"#),
        ("EIO=4&transport=websocket&sid=x", r#"{"code":1,"message":"Session ID unknown"}"#),
        ("EIO=4&transport=websocket", r#"{"code":3,"message":"Bad request"}"#),
        ("EIO=3&transport=websocket", r#"{"code":5,"message":"Unsupported protocol version"}"#),
    ] {
        for path in ["/ws", "/ws/"] {
            let answer = get(&format!("http://{}{path}?{query}", instance.address)).await;
            assert_eq!(answer, (StatusCode::BAD_REQUEST, body.to_owned()), "{path}?{query}");
        }
    }
    let (status, _) = get(&format!("http://{}/ws?key=x", instance.address)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    instance.stop().await;
}

#[tokio::test]
async fn stopping_tells_plain_clients_and_drops_socket_io_clients() {
    let instance = Instance::start().await;
    let mut plain = instance.plain(json!({"role": "ADMIN"})).await;
    let mut socket_io = instance.socket_io(json!({"role": "ADMIN"})).await;
    let stopping = tokio::spawn(instance.stop());
    assert_eq!(plain.close().await, (1012, "Service restart".to_owned()));
    assert!(socket_io.next().await.is_none());
    drop((plain, socket_io));
    stopping.await.unwrap();
}
