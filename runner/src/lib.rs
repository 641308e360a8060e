//! Sluice: a self-hosted CI/CD runner for teams on AWS.
//!
//! The plan is everything that will happen, the events are everything that did, and the runner is the function from
//! one to the other. `docs/architecture.md` is the map.

pub mod artifact;
pub mod aws;
pub mod bucket;
pub mod cache;
pub mod cancel;
pub mod cli;
pub mod clock;
pub mod control;
pub mod deploy;
pub mod disk;
#[cfg(test)]
mod documented;
pub mod engine;
pub mod event;
pub mod fault;
pub mod gate;
pub mod identity;
pub mod image;
#[cfg(test)]
mod imports;
mod link;
pub mod logs;
pub mod mask;
pub mod memory;
pub mod migrate;
pub mod progress;
pub mod queue;
pub mod recorder;
pub mod report;
pub mod retry;
pub mod run;
pub mod secret;
pub mod settings;
pub mod setup;
pub mod signal;
pub mod sink;
pub mod source;
mod spec;
pub mod state;
pub mod store;
pub mod trust;
pub mod wire;
pub mod worker;
