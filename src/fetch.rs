//! Questions to other services over HTTP: what the clients of registry, login and key set have in common.
//!
//! In: addresses that an operator has written. Out: a client that follows no redirect, since that would hand
//! the question to somebody else, and bodies read up to a bound. What an answer means is for whoever asks.

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response, Url};
use std::net::IpAddr;

/// A client for these addresses, still without a timeout.
pub fn client<'u>(addresses: impl IntoIterator<Item = &'u Url>) -> ClientBuilder {
    let http = Client::builder()
        .redirect(Policy::none())
        .user_agent(concat!("dumbwaiter/", env!("CARGO_PKG_VERSION")));
    if addresses.into_iter().all(|url| url.scheme() == "http") {
        // A container without CA certificates is no reason to fail where none are needed.
        return http.tls_certs_only([]);
    }
    http
}

/// The body, or none if it is over `most` bytes; what is claimed is checked before anything is read.
pub async fn body(mut response: Response, most: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let claimed = response.content_length().unwrap_or_default();
    if usize::try_from(claimed).is_ok_and(|claimed| claimed > most) {
        return Ok(None);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Whether what is sent to the address, or comes from it, could be read and changed on a network.
pub fn is_in_the_clear(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    url.scheme() == "http" && !is_loopback
}
