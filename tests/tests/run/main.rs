//! Ring 2: a plan in, a transcript out, on a strict in-memory engine with time paused.

mod builds;
mod pipelines;
mod resumed;
mod world;
