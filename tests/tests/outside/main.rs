//! Ring 4: the binary, as a user would run it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod examples;
mod pages;
