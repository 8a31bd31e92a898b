//! Whose address a request counts for: the peer's, or the one that a trusted proxy says it forwards for.
//!
//! ```text
//! X-Forwarded-For: 203.0.113.9, 192.0.2.7, 10.0.0.5         each proxy adds its peer on the right
//! Forwarded: for=203.0.113.9, for="[2001:db8::7]:4711"      the same by RFC 7239
//! ```
//!
//! Read from the right, as far as the addresses are those of trusted proxies; the first that is not is the
//! visitor's. What stands further left anybody can have written. One of the two headers is believed, the one
//! that the proxies write: the other would come through from the client. An IPv6 visitor is its /64, which is
//! what a household or a host gets.

use crate::shard::AddressClass;
use axum::http::{HeaderMap, HeaderName};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// An address as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Visitor(IpAddr);

/// Which proxies are believed, and by which header.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    trusted: Arc<[Network]>,
    header: ForwardedBy,
}

/// The header that the proxies write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardedBy {
    #[default]
    XForwardedFor,
    Forwarded,
}

/// `10.0.0.0/8`; an address alone is itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Visitor {
    fn of(address: IpAddr) -> Visitor {
        match address {
            IpAddr::V6(v6) if !v6.is_loopback() => Visitor(masked(address, 64)),
            _ => Visitor(address),
        }
    }

    /// Whoever is on this machine is not limited by address: a tunnel or a proxy here that nobody told us of would
    /// make all clients one, and load tests come from here.
    pub fn is_limited(self) -> bool {
        !self.0.is_loopback()
    }

    pub fn class(self) -> AddressClass {
        AddressClass::of(self.0)
    }

    pub fn text(self) -> String {
        self.0.to_string()
    }

    #[cfg(test)]
    pub fn at(address: &str) -> Visitor {
        Visitor::of(address.parse().unwrap())
    }
}

impl Proxies {
    /// The first that is no network is the error.
    pub fn new(trusted: &[String], header: ForwardedBy) -> Result<Proxies, String> {
        let parsed: Result<Vec<_>, _> =
            trusted.iter().map(|text| Network::parse(text).ok_or_else(|| text.clone())).collect();
        Ok(Proxies { trusted: parsed?.into(), header })
    }

    pub(super) fn visitor(&self, peer: IpAddr, headers: &HeaderMap) -> Visitor {
        let mut nearest = peer.to_canonical();
        for forwarded_for in self.claimed(headers).into_iter().rev() {
            if !self.trust(nearest) {
                break;
            }
            // A proxy that hides whom it forwards for, or writes nonsense, is itself the visitor.
            let Some(address) = forwarded_for else { break };
            nearest = address;
        }
        Visitor::of(nearest)
    }

    pub(super) fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.has(address))
    }

    /// All that is claimed, from the left; none where it is no address.
    fn claimed(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        if self.trusted.is_empty() {
            return Vec::new();
        }
        let (name, read): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            ForwardedBy::XForwardedFor => (HeaderName::from_static("x-forwarded-for"), address_of),
            ForwardedBy::Forwarded => (HeaderName::from_static("forwarded"), forwarded_for),
        };
        let values = headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default());
        values.flat_map(|value| value.split(',')).map(|element| read(element.trim())).collect()
    }
}

/// The `for` of one element of RFC 7239, section 4.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address_of(node.trim().trim_matches('"'))
}

/// An address with or without its port: `192.0.2.7:80`, `[2001:db8::7]:80`, `2001:db8::7`.
fn address_of(node: &str) -> Option<IpAddr> {
    let bracketed = node.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(address, _)| address);
    let without_port = || node.split_once(':').map_or(node, |(address, _)| address);
    let address = bracketed.unwrap_or(node).parse().or_else(|_| without_port().parse());
    address.ok().map(|address: IpAddr| address.to_canonical())
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, prefix)| (a, Some(prefix)));
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(longest), |prefix| prefix.parse().ok())?;
        (prefix <= longest).then(|| Network { address: masked(address, prefix), prefix })
    }

    fn has(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(header: ForwardedBy, peer: &str, values: &[&'static str], expected: &str) {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48", "127.0.0.1"].map(str::to_owned);
        let proxies = Proxies::new(&trusted, header).unwrap();
        let mut headers = HeaderMap::new();
        for name in ["x-forwarded-for", "forwarded"] {
            let written = (name == "forwarded") == (header == ForwardedBy::Forwarded);
            for value in values {
                let value = if written { value } else { "203.0.113.66" };
                headers.append(name, HeaderValue::from_static(value));
            }
        }
        let visitor = proxies.visitor(peer.parse().unwrap(), &headers);
        assert_eq!(visitor.text(), expected, "{peer} {values:?}");
    }

    #[test]
    fn only_what_trusted_proxies_have_written_counts() {
        let check = |peer: &str, values: &[&'static str], expected: &str| {
            check(ForwardedBy::XForwardedFor, peer, values, expected);
        };
        check("198.51.100.1", &[], "198.51.100.1");
        check("198.51.100.1", &["192.0.2.7"], "198.51.100.1");
        check("10.1.2.3", &[], "10.1.2.3");
        check("10.1.2.3", &["192.0.2.7"], "192.0.2.7");
        check("::ffff:10.1.2.3", &["192.0.2.7"], "192.0.2.7");
        check("10.1.2.3", &["203.0.113.9, 192.0.2.7"], "192.0.2.7");
        check("10.1.2.3", &["203.0.113.9", "192.0.2.7"], "192.0.2.7");
        check("10.1.2.3", &["203.0.113.9, 192.0.2.7, 10.9.9.9"], "192.0.2.7");
        check("10.1.2.3", &["10.3.3.3, 10.9.9.9"], "10.3.3.3");
        check("10.1.2.3", &["192.0.2.7:4711"], "192.0.2.7");
        check("10.1.2.3", &["192.0.2.7, nonsense"], "10.1.2.3");
        check("10.1.2.3", &["192.0.2.7,"], "10.1.2.3");
        check("127.0.0.1", &["2001:db8:2:3:4:5:6:7"], "2001:db8:2:3::");
        check("2001:db8:1::5", &["[2001:db8:2:3::7]:4711"], "2001:db8:2:3::");
    }

    #[test]
    fn the_standards_header_is_read_as_it_says() {
        let check = |values: &[&'static str], expected: &str| {
            check(ForwardedBy::Forwarded, "10.1.2.3", values, expected);
        };
        check(&["for=192.0.2.7"], "192.0.2.7");
        check(&["For=\"192.0.2.7:80\";proto=https, for=10.7.7.7;by=10.1.2.3"], "192.0.2.7");
        check(&["proto=https;for=\"[2001:db8:2:3::7]:4711\""], "2001:db8:2:3::");
        check(&["for=192.0.2.7, for=unknown"], "10.1.2.3");
        check(&["for=_hidden"], "10.1.2.3");
        check(&["by=192.0.2.7"], "10.1.2.3");
    }

    #[test]
    fn networks_are_written_in_full() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::/32", "192.0.2.7", "::1"] {
            assert!(Network::parse(good).is_some(), "{good}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "proxy.example"] {
            assert!(Network::parse(wrong).is_none(), "{wrong}");
        }
    }
}
