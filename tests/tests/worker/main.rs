//! Ring 4 for the worker: the binary, a strict CodePipeline, S3, and a real engine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod deploy;
mod faults;
mod heard;
mod jobs;
mod logs;
mod mail;
mod migrated;
mod parked;
mod source;
mod sqs;
mod stand;
mod stop;
mod takeover;
