//! Ring 2: a plan in, a transcript out, on a strict in-memory engine with time paused.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod builds;
mod pipelines;
mod resumed;
mod world;
