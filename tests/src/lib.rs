//! The harness: real parts for tests, started once and left clean.

pub mod aws;
pub mod binary;
pub mod codepipeline;
pub mod door;
pub mod ecs;
pub mod engine;
pub mod faults;
pub mod git_server;
pub mod images;
pub mod line;
pub mod port;
pub mod registry;
pub mod signature;
pub mod ssh_server;
pub mod stack;
pub mod table;
pub mod transcript;
pub mod worker;
pub mod workshop;
