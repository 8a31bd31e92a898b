//! The headers of a record: names, which may repeat, each with a value or none.
//!
//! They are lent as the Kafka client holds them; nothing is copied until somebody looks. A header whose name is
//! not UTF-8 is left out, as it can't be one that anybody here asks for.

#[cfg(feature = "kafka")]
use rdkafka::message::{BorrowedHeaders, Headers as _};

/// A header, lent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    pub name: &'a str,
    pub value: Option<&'a [u8]>,
}

/// A header that is kept beyond its record's loan.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedHeader {
    pub name: Box<str>,
    pub value: Option<Box<[u8]>>,
}

/// The headers of one record, in their order.
#[derive(Clone, Copy)]
pub struct Headers<'a>(Held<'a>);

#[derive(Clone, Copy)]
enum Held<'a> {
    Owned(&'a [OwnedHeader]),
    #[cfg(feature = "kafka")]
    Kafka(&'a BorrowedHeaders),
}

impl<'a> Headers<'a> {
    pub fn owned(headers: &'a [OwnedHeader]) -> Headers<'a> {
        Headers(Held::Owned(headers))
    }

    #[cfg(feature = "kafka")]
    pub(super) fn of_kafka(headers: Option<&'a BorrowedHeaders>) -> Headers<'a> {
        Headers(headers.map_or(Held::Owned(&[]), Held::Kafka))
    }

    pub fn iter(self) -> impl Iterator<Item = Header<'a>> {
        (0..self.count()).filter_map(move |index| self.get(index))
    }

    fn count(self) -> usize {
        match self.0 {
            Held::Owned(headers) => headers.len(),
            #[cfg(feature = "kafka")]
            Held::Kafka(headers) => headers.count(),
        }
    }

    fn get(self, index: usize) -> Option<Header<'a>> {
        match self.0 {
            Held::Owned(headers) => headers.get(index).map(OwnedHeader::lend),
            #[cfg(feature = "kafka")]
            Held::Kafka(headers) => get_of_kafka(headers, index),
        }
    }
}

/// The client's library unwraps a name's UTF-8, and brokers take any bytes for a name: whoever may write to a
/// topic could end the process with one record. Catching the panic is all that can be done without `unsafe`.
#[cfg(feature = "kafka")]
fn get_of_kafka(headers: &BorrowedHeaders, index: usize) -> Option<Header<'_>> {
    let header = std::panic::catch_unwind(|| headers.try_get(index)).ok()??;
    Some(Header { name: header.key, value: header.value })
}

impl OwnedHeader {
    fn lend(&self) -> Header<'_> {
        Header { name: &self.name, value: self.value.as_deref() }
    }
}

impl From<Header<'_>> for OwnedHeader {
    fn from(header: Header<'_>) -> OwnedHeader {
        OwnedHeader { name: header.name.into(), value: header.value.map(Into::into) }
    }
}
