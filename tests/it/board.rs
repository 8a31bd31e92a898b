//! The board: who is let in, what is explained, and that it is not there unless switched on.

use crate::support::{Instance, PATIENCE, now_ms, token};
use axum::http::StatusCode;
use dumbwaiter::limits::{BOARD_ANSWER_EVENTS_MAX, BOARD_BEHIND_MAX, BOARD_FOLLOWERS_MAX};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use std::time::Duration;

/// What is asked of `/board/explained`.
struct Question<'q> {
    token: Option<String>,
    query: Vec<(&'q str, String)>,
}

async fn ask(instance: &Instance, question: Question<'_>) -> (StatusCode, Value) {
    let url = format!("http://{}/board/explained", instance.address);
    let url = reqwest::Url::parse_with_params(&url, &question.query).unwrap();
    let mut request = reqwest::Client::new().get(url);
    if let Some(token) = question.token {
        request = request.bearer_auth(token);
    }
    let response = tokio::time::timeout(PATIENCE, request.send()).await.expect("an answer").unwrap();
    let status = response.status();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
}

async fn status(instance: &Instance, token: Option<String>, query: &[(&'static str, &str)]) -> StatusCode {
    let query = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    ask(instance, Question { token, query }).await.0
}

fn claims(role: &str) -> Value {
    json!({"sub": "somebody", "role": role})
}

const ON: &[&str] = &["board.enabled=true"];

#[tokio::test]
async fn there_is_no_board_unless_it_is_switched_on() {
    let instance = Instance::start().await;
    for path in ["/", "/board/page.js", "/board/explained"] {
        let (status, _) = crate::support::get(&format!("http://{}{path}", instance.address)).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    instance.stop().await;
}

#[tokio::test]
async fn it_is_for_whoever_holds_its_key() {
    let instance = Instance::start_with(ON).await;
    let page = reqwest::get(format!("http://{}/", instance.address)).await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(page.text().await.unwrap().contains("data-scene=\"staff\""));

    assert_eq!(status(&instance, None, &[]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&instance, Some("no.token.at all".to_owned()), &[]).await, StatusCode::UNAUTHORIZED);
    let expired = json!({"sub": "somebody", "role": "ADMIN", "exp": now_ms() / 1_000 - 60});
    assert_eq!(status(&instance, Some(token(expired)), &[]).await, StatusCode::UNAUTHORIZED);
    for role in ["CUSTOMER", "WATCHER", "ADMINISTRATOR"] {
        assert_eq!(status(&instance, Some(token(claims(role))), &[]).await, StatusCode::FORBIDDEN, "{role}");
    }
    let admin = || Some(token(claims("ADMIN")));
    assert_eq!(status(&instance, admin(), &[]).await, StatusCode::OK);
    for wrong in [("after", "now"), ("viewer", "plain"), ("viewer", "[\"smoke\"]")] {
        assert_eq!(status(&instance, admin(), &[wrong]).await, StatusCode::BAD_REQUEST, "{wrong:?}");
    }
    // What only a demo has.
    for path in ["/demo/people", "/demo/outage", "/demo/order"] {
        let url = format!("http://{}{path}", instance.address);
        assert_eq!(reqwest::Client::new().post(url).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(instance.metric("dumbwaiter_board_requests_total{outcome=\"refused\"}").await, 3.0);
    assert_eq!(instance.metric("dumbwaiter_board_requests_total{outcome=\"forbidden\"}").await, 3.0);
    instance.stop().await;
}

#[tokio::test]
async fn each_event_is_explained_to_each_viewer() {
    let mut instance = Instance::start_with(ON).await;
    instance.pizza("p1", 7, "cook");
    instance.order("o1", Some("u1"));
    let viewers =
        [json!(["plain", "store:7"]), json!(["socketio", "user:u1"]), json!(["socketio", "role:WATCHER"])];
    let mut events = Vec::new();
    let mut after = "0".to_owned();
    while events.len() < 2 {
        let mut query: Vec<_> = viewers.iter().map(|viewer| ("viewer", viewer.to_string())).collect();
        query.push(("after", after));
        let (status, answer) = ask(&instance, Question { token: Some(token(claims("ADMIN"))), query }).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["keys"], json!(["role:ADMIN", "user:somebody"]));
        after = answer["next"].to_string();
        events.extend(answer["events"].as_array().unwrap().clone());
    }
    let explained =
        |event: &str| events.iter().find(|e| e["frame"].as_str().unwrap().contains(event)).unwrap();
    let no_key = json!({"because": "the user holds none of the keys"});
    let pizza = explained("CREATE_PIZZA");
    assert_eq!(pizza["audience"], json!(["role:ADMIN", "role:WATCHER", "store:7", "user:cook"]));
    let other_protocol = json!({"because": "the event is not for clients of this protocol"});
    assert_eq!(pizza["verdicts"], json!([{"by": ["store:7"]}, no_key, other_protocol]));
    let order = explained("order:new");
    assert!(order["frame"].as_str().unwrap().starts_with("42[\"order:new\",{\"_id\":\"o1\""));
    assert_eq!(order["verdicts"], json!([no_key, {"by": ["user:u1"]}, {"by": ["role:WATCHER"]}]));
    instance.stop().await;
}

/// Whoever the board is for: it shows nobody more than they would get by connecting.
#[tokio::test]
async fn what_the_asker_may_not_see_is_left_out() {
    let mut instance = Instance::start_with(&["board.enabled=true", "board.key=store:7"]).await;
    instance.pizza("next-door", 8, "cook");
    instance.pizza("ours", 7, "cook");
    let token = token(json!({"sub": "screen", "store_id": 7}));
    let query = vec![("after", "0".to_owned()), ("viewer", json!(["plain", "role:ADMIN"]).to_string())];
    let (_, answer) = ask(&instance, Question { token: Some(token), query }).await;
    let text = answer.to_string();
    assert!(text.contains("ours") && !text.contains("next-door") && !text.contains("store:8"), "{text}");
    instance.stop().await;
}

#[tokio::test]
async fn an_answer_is_bounded_and_what_is_far_behind_is_skipped_and_counted() {
    let mut instance = Instance::start_with(ON).await;
    let behind = usize::try_from(BOARD_BEHIND_MAX).unwrap();
    for n in 0..behind + 7 {
        instance.pizza(&n.to_string(), 7, "cook");
    }
    let read = async {
        while instance.metric("dumbwaiter_events_total{event=\"CREATE_PIZZA\"}").await < (behind + 7) as f64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("all are in the journal");
    let (mut after, mut skipped, mut shown) = (0, 0, 0);
    while shown + skipped < behind + 7 {
        let question =
            Question { token: Some(token(claims("ADMIN"))), query: vec![("after", after.to_string())] };
        let (_, answer) = ask(&instance, question).await;
        let events = answer["events"].as_array().unwrap().len();
        assert!(events <= BOARD_ANSWER_EVENTS_MAX, "{events}");
        shown += events;
        skipped += usize::try_from(answer["skipped"].as_u64().unwrap()).unwrap();
        after = answer["next"].as_u64().unwrap();
    }
    assert_eq!((shown, skipped), (behind, 7));
    instance.stop().await;
}

#[tokio::test]
async fn so_many_boards_may_wait_and_no_more() {
    let instance = Instance::start_with(ON).await;
    let ask_later =
        || Question { token: Some(token(claims("ADMIN"))), query: vec![("after", "0".to_owned())] };
    let mut waiting = FuturesUnordered::new();
    for _ in 0..=BOARD_FOLLOWERS_MAX {
        waiting.push(ask(&instance, ask_later()));
    }
    // With nothing to show, who is answered at once is who has found no place.
    let (status, _) = waiting.next().await.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(instance.metric("dumbwaiter_board_requests_total{outcome=\"busy\"}").await, 1.0);
    drop(waiting);
    instance.stop().await;
}
