//! Reports: pure functions of what happened.

pub mod junit;
