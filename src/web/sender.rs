//! Who asks for what is beside the contracts, such as the board: the same credentials, bounds and judgement as for
//! a ticket, without a ticket.

use super::rates::Kind;
use super::{Web, refuse_body, try_later};
use crate::event::Key;
use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::SystemTime;

impl Web {
    /// The keys of whoever sent a request, or the answer to who is not let in.
    pub async fn keys_of_sender(&self, request: &Parts) -> Result<Arc<[Key]>, Response> {
        if let Some(refusal) = refuse_body(&request.headers).or_else(|| self.refuse_if_unready()) {
            return Err(refusal);
        }
        let visitor = self.visitor_of_parts(request);
        if let Some(refusal) = self.refuse_if_too_often(Kind::Ticket, visitor) {
            return Err(refusal);
        }
        let credentials = self.admission.look_up(self.presented(&request.headers, None)).await;
        self.admission.keys_of(&credentials, SystemTime::now()).map_err(|refusal| {
            if refusal.is_passing() {
                return try_later();
            }
            if refusal.is_bad_key() {
                self.bad_key(visitor);
            }
            let text = format!("not let in: {refusal}\n");
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], text).into_response()
        })
    }
}
