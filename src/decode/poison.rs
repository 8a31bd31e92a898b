//! Why a record cannot be delivered: a closed set of reasons.
//!
//! A reason is a metric label and a header of the dead-letter record, so the set is fixed and no reason holds
//! anything of the record's content. Where the record stands (topic, partition, offset) is told by the caller.

use thiserror::Error;

/// The reason why a record is poison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Poison {
    /// The value, or the header that names its schema, has no room for what its first byte announces.
    #[error("value is shorter than its wire format's prefix")]
    TooShort,
    /// The value, or the header that names its schema, does not begin as any wire format does.
    #[error("value does not start with a wire format's magic byte")]
    WrongMagic,
    /// Nobody who is asked knows the schema that the record names.
    #[error("schema is not known to the registry or here")]
    UnknownSchema,
    /// The writer's schema is not one that can be read.
    #[error("writer schema is not valid")]
    BadSchema,
    /// The writer's schema, or the union branch or enum symbol at hand, does not resolve into the reader's.
    #[error("writer schema does not resolve into the payload's schema")]
    IncompatibleSchema,
    /// The bytes end before the record does.
    #[error("record ends early")]
    Truncated,
    /// The record ends before its bytes do.
    #[error("bytes are left over after the record")]
    TrailingBytes,
    /// A string is not UTF-8.
    #[error("string is not valid utf-8")]
    BadUtf8,
    /// A union branch, an enum symbol or a boolean that does not exist.
    #[error("index of a union branch, enum symbol or boolean is out of range")]
    BadIndex,
    /// A number outside its type, or a negative length.
    #[error("number or length is outside its type")]
    Overflow,
    /// NaN or infinity, which JSON does not have.
    #[error("number is not finite")]
    NotFinite,
    /// A decimal of no bytes, or of more than can be held.
    #[error("decimal is empty or too long")]
    BadDecimal,
    /// A time outside the years 1 to 9999, which RFC 3339 can't write.
    #[error("time is outside the years 1 to 9999")]
    DateOutOfRange,
    /// The body, the payload or the number of items is over its bound.
    #[error("record is over a size limit")]
    TooLarge,
    /// The writer's schema is nested too deeply.
    #[error("writer schema is nested too deeply")]
    TooDeep,
    /// The service panicked over it: a fault of ours, whatever the record is.
    #[error("the service failed over it, which is a fault in the service")]
    Panic,
}

impl Poison {
    /// Every reason, so that each metric series can exist before its first record.
    pub const ALL: [Poison; 16] = [
        Poison::TooShort,
        Poison::WrongMagic,
        Poison::UnknownSchema,
        Poison::BadSchema,
        Poison::IncompatibleSchema,
        Poison::Truncated,
        Poison::TrailingBytes,
        Poison::BadUtf8,
        Poison::BadIndex,
        Poison::Overflow,
        Poison::NotFinite,
        Poison::BadDecimal,
        Poison::DateOutOfRange,
        Poison::TooLarge,
        Poison::TooDeep,
        Poison::Panic,
    ];

    /// The reason as a metric label and as the dead-letter header's value.
    pub fn label(self) -> &'static str {
        match self {
            Poison::TooShort => "too_short",
            Poison::WrongMagic => "wrong_magic",
            Poison::UnknownSchema => "unknown_schema",
            Poison::BadSchema => "bad_schema",
            Poison::IncompatibleSchema => "incompatible_schema",
            Poison::Truncated => "truncated",
            Poison::TrailingBytes => "trailing_bytes",
            Poison::BadUtf8 => "bad_utf8",
            Poison::BadIndex => "bad_index",
            Poison::Overflow => "overflow",
            Poison::NotFinite => "not_finite",
            Poison::BadDecimal => "bad_decimal",
            Poison::DateOutOfRange => "date_out_of_range",
            Poison::TooLarge => "too_large",
            Poison::TooDeep => "too_deep",
            Poison::Panic => "panic",
        }
    }
}
