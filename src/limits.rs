//! Every bound of the service, in one place, each with its reason and with what happens at it.
//!
//! A bound that an operator may move is a setting whose default stands here; the others are fixed.

