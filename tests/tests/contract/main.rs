//! Ring 3: one suite a trait, run on the fake and on the real thing.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bucket;
mod codepipeline;
mod deploy;
mod engine;
mod history;
mod image;
mod ledger;
mod logs;
mod migrate;
mod queue;
mod secret;
mod setup;
mod source;
mod store;
